"""What breakers tell each other, decided without a Redis: two of them, and what stands in the four keys."""

import pytest

from xerpium_sdk.resilience import BreakerPolicy, CircuitState
from xerpium_sdk.resilience._circuit import NO_LEAVE, Circuit
from xerpium_sdk.resilience._sharing import Close, Heard, Member, Open, Plain

POLICY = BreakerPolicy(consecutive_failures=2, open_seconds=10, half_open_calls=2)


class Keys:
    """The four keys, with the ends of their lives."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, float]] = {}

    def get(self, key: str, now: float) -> str | None:
        value, until = self.known.get(key, ("", 0.0))
        return value if until > now else None

    def put(self, key: str, value: str, until: float, now: float, *, over: bool = True) -> None:
        if over or self.get(key, now) is None:
            self.known[key] = value, until

    def drop(self, key: str, value: str, now: float) -> None:
        if self.get(key, now) == value:
            del self.known[key]


class Process:
    """A breaker in a process of its own."""

    def __init__(self, keys: Keys, name: str) -> None:
        self.circuit, self.member, self.keys = Circuit(POLICY), Member(name), keys

    def turn(self, now: float) -> None:
        """Tell and hear, as the thread does."""
        keys, token = self.keys, self.member.token
        for order in self.member.say(self.circuit, now):
            match order:
                case Open(text, milliseconds, over):
                    keys.put("open", text, now + milliseconds / 1000, now, over=over)
                case Close(opening, text):
                    keys.put("over", opening, now + 60, now)
                    keys.drop("open", text, now)
                case Plain.TAKE:
                    keys.put("trial", token, now + 3, now, over=False)
                    keys.put("wanted", token, now + 2, now)
                case Plain.RENEW:
                    if keys.get("trial", now) == token:
                        keys.put("trial", token, now + 3, now)
                case Plain.RELEASE:
                    keys.drop("trial", token, now)
        left = max(0.0, keys.known.get("open", ("", now))[1] - now)
        opened, over_, trial, wanted = (keys.get(key, now) for key in ("open", "over", "trial", "wanted"))
        self.member.hear(Heard(opened, over_, trial, wanted, left), self.circuit, now)

    def call(self, now: float, *, failed: bool = False) -> bool:
        """Call; return whether that was allowed."""
        term = self.circuit.admit(now)
        if not isinstance(term, int):
            return False
        self.circuit.record(term, failed, 0.01, now)
        return True

    @property
    def state(self) -> CircuitState:
        return self.circuit.state


@pytest.fixture
def pair() -> tuple[Process, Process]:
    """Two processes of which the first has just opened, and both know."""
    keys = Keys()
    one, two = Process(keys, "one"), Process(keys, "two")
    one.turn(0)
    two.turn(0)
    for _ in range(2):
        one.call(0, failed=True)
    for now in (0.0, 0.1):
        one.turn(now)
        two.turn(now)
    assert (one.state, two.state) == (CircuitState.OPEN, CircuitState.OPEN)
    return one, two


def test_what_one_finds_out_the_other_does_too(pair: tuple[Process, Process]) -> None:
    one, two = pair
    assert two.circuit.open_until == pytest.approx(10, abs=0.2)
    assert two.circuit.reason == "one says: 2 calls in a row failed"
    assert not two.call(9)
    two.turn(9.8)
    assert two.call(10.2)
    one.turn(10.2)
    assert not one.call(10.2)
    assert two.call(10.3)
    assert two.state is CircuitState.CLOSED
    two.turn(10.4)
    one.turn(10.4)
    assert one.state is CircuitState.CLOSED
    one.turn(10.5)
    assert one.call(10.5)


def test_only_one_of_them_tries(pair: tuple[Process, Process]) -> None:
    one, two = pair
    assert one.circuit.admit(10.5) is NO_LEAVE
    assert two.circuit.admit(10.5) is NO_LEAVE
    one.turn(10.5)
    two.turn(10.5)
    assert [process.call(10.6) for process in (one, two, one)] == [True, False, True]


def test_trials_that_fail_open_it_for_all_again(pair: tuple[Process, Process]) -> None:
    one, two = pair
    for process in (one, two):
        process.call(10.5)
        process.turn(10.5)
    assert one.call(10.6, failed=True)
    assert one.call(10.6, failed=True)
    assert one.state is CircuitState.OPEN
    one.turn(10.7)
    two.turn(10.7)
    assert two.circuit.open_until == pytest.approx(20.6, abs=0.1)
    for now in (12, 14, 16, 18, 20):
        assert not two.call(now)
        two.turn(now)
    assert two.call(20.7)  # now it is the other's turn


def test_who_dies_while_trying_is_followed_by_another(pair: tuple[Process, Process]) -> None:
    one, two = pair
    one.call(10.5)
    one.turn(10.5)
    assert one.call(10.6)
    for tenth in range(106, 130):
        two.call(tenth / 10)
        two.turn(tenth / 10)
    assert not two.call(13)
    two.turn(13.6)
    assert two.call(13.6)


def test_who_was_away_for_long_does_not_try_beside_another(pair: tuple[Process, Process]) -> None:
    one, two = pair
    one.call(10.5)
    one.turn(10.5)
    assert one.call(10.6)
    two.call(14)
    two.turn(14)
    assert two.call(14)
    one.turn(14.1)
    assert one.state is CircuitState.OPEN
    assert not one.call(14.1)


def test_who_has_leave_and_no_calls_gives_it_to_who_has(pair: tuple[Process, Process]) -> None:
    one, two = pair
    one.call(10.5)
    one.turn(10.5)
    assert one.call(10.6)  # the first of two trial calls, and no other comes
    now = 10.6
    while not two.call(now):
        one.turn(now)
        two.turn(now)
        now += 0.25
        assert now < 14
    assert one.state is CircuitState.OPEN
    assert two.call(now)
    two.turn(now)
    one.turn(now)
    assert one.state is CircuitState.CLOSED


def test_who_hears_nobody_goes_by_what_it_sees(pair: tuple[Process, Process]) -> None:
    one, two = pair
    two.member.be_alone(two.circuit, 5)
    assert two.call(10.5)
    assert two.call(10.5)
    assert two.state is CircuitState.CLOSED
    assert one.circuit.admit(10.5) is NO_LEAVE


def test_what_was_set_by_hand_stays(pair: tuple[Process, Process]) -> None:
    one, two = pair
    two.circuit.force(CircuitState.DISABLED, 0.2)
    two.turn(0.3)
    assert two.call(0.3)
    one.circuit.force(CircuitState.CLOSED, 1)
    one.turn(1)
    assert one.call(1)
    third = Process(one.keys, "three")
    third.turn(1.1)
    assert third.state is CircuitState.CLOSED


@pytest.mark.parametrize("text", ["", "[]", "{}", "1", "no JSON"], ids=["empty", "list", "bare", "number", "words"])
def test_what_cannot_be_read_is_nothing(text: str) -> None:
    circuit, member = Circuit(POLICY), Member("one")
    member.hear(Heard(text, None, None, None, 9), circuit, 0)
    assert circuit.state is CircuitState.CLOSED
