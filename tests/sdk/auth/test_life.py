"""When a token is fetched again, and when not: no threads, no hub, and clocks that the test moves."""

import pytest

from xerpium_sdk.auth._life import FREE_RENEWALS, Life, Pauses
from xerpium_sdk.errors import HubUnavailable, NotAuthenticated
from xerpium_sdk.wire.credentials import TokenAnswer
from xerpium_sdk.wire.problems import Problem

T0, WALL = 50.0, 1_800_000_000.0
LIFETIME = 600.0
WRONG = NotAuthenticated(Problem(status=401, title="No"))


def life(random: float = 0.5, *, token: str | None = "first") -> Life:
    """Return a life that began at T0."""
    made = Life(Pauses(), lambda: random)
    if token is not None:
        made.got(TokenAnswer(token, LIFETIME, ""), T0, WALL)
    return made


@pytest.mark.parametrize(("random", "due"), [(0.0, 360), (0.5, 390), (0.999, 420)], ids=["early", "middle", "late"])
def test_a_token_is_due_at_about_two_thirds_of_its_life_and_good_nearly_to_the_end(random: float, due: float) -> None:
    one = life(random)
    assert not one.is_due(T0 + due - 1, WALL + due - 1)
    assert one.is_due(T0 + due + 1, WALL + due + 1)
    assert one.token(T0 + 593) == "first"
    assert one.token(T0 + 595) is None


def test_without_a_token_it_is_due_at_once() -> None:
    one = life(token=None)
    assert one.is_due(T0, WALL)
    assert one.token(T0) is None


@pytest.mark.parametrize("jump", [-90_000.0, 90_000.0], ids=["back", "ahead"])
def test_a_wall_clock_that_is_set_ends_no_token(jump: float) -> None:
    assert life().token(T0 + 10) == "first"
    assert life().is_due(T0 + 10, WALL + 10 + jump) is (jump > 0), "ahead: the machine may have been asleep"


def test_failures_lengthen_the_pauses_and_what_the_hub_wishes_is_kept() -> None:
    one, now = life(0.999, token=None), T0
    waits = []
    for _ in range(7):
        one.failed(now, HubUnavailable("away"))
        error = one.error(now)
        assert isinstance(error, HubUnavailable)
        waits.append(round(error.retry_after, 1))
        assert not one.is_due(now + error.retry_after - 0.01, WALL)
        now += error.retry_after
        assert one.is_due(now, WALL)
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    one.failed(now, HubUnavailable("busy", retry_after=70))
    assert not one.is_due(now + 70, WALL)


def test_a_wrong_key_is_not_tried_again_soon_unless_it_is_another_one() -> None:
    one = life(0.5, token=None)
    one.failed(T0, WRONG)
    assert one.error(T0 + 3) is WRONG
    assert not one.is_due(T0 + 3.9, WALL)
    one.expire()
    assert one.is_due(T0, WALL)


def test_a_token_that_was_refused_is_replaced_once_and_not_for_ever() -> None:
    one, now = life(), T0 + 100
    assert not one.may_renew("older", now)
    for number in range(FREE_RENEWALS):
        assert one.may_renew("first" if number == 0 else f"token {number}", now)
        now += 1
        one.got(TokenAnswer(f"token {number + 1}", LIFETIME, ""), now, WALL)
    assert not one.may_renew(f"token {FREE_RENEWALS}", now), "then it is not the token that is wrong"
    assert one.token(now) == f"token {FREE_RENEWALS}", "and the present one is kept"
    assert one.may_renew(f"token {FREE_RENEWALS}", now + 60)
