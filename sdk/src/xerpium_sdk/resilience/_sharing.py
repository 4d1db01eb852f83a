"""What one breaker tells the others of its name, and what it makes of what they tell. Pure: no Redis, no clock.

There are four keys, each of which expires by itself: the opening that holds now, the opening that was the last to end,
whose trial calls have leave, and who would like to have it. Whoever opens tells the others; whoever has leave tries,
and tells how that ended. A breaker that nobody calls gives its leave to one that somebody does.
"""

import json
from dataclasses import dataclass
from enum import Enum
from uuid import uuid4

from xerpium_sdk.resilience._circuit import Circuit, CircuitState

__all__ = ["Close", "Heard", "Member", "Open", "Order", "Plain"]

HOLD_SECONDS = 1.0
"""How long somebody may have leave and not try, while somebody else would like to."""
PAUSE_SECONDS = 2.0
"""How long who gave leave back does not ask for it."""
AHEAD_SECONDS = 0.5
"""How long before the end of the open time leave is asked for, so that nobody waits for it then."""
CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


class Plain(Enum):
    """What to do about leave."""

    TAKE = "take it if nobody has it, and say that it is wanted"
    RENEW = "keep it"
    RELEASE = "give it back"


@dataclass(frozen=True, slots=True)
class Open:
    """Tell the others of an opening; ``over``: also if they know of another one, since this one has just been tried."""

    text: str
    milliseconds: int
    over: bool


@dataclass(frozen=True, slots=True)
class Close:
    """Tell the others that an opening is over; ``text`` is what they were told of it, as far as it is known."""

    opening: str
    text: str


Order = Open | Close | Plain


@dataclass(frozen=True, slots=True)
class Heard:
    """What stands in the four keys, and for how many seconds the first one will."""

    opened: str | None
    over: str | None
    holder: str | None
    wanted: str | None
    seconds: float = 0.0


class Member:
    """One breaker among those of its name. Each method is called with the circuit's lock held, and does not wait."""

    def __init__(self, who: str) -> None:
        self.token = uuid4().hex
        self.is_holder = False
        self.text = ""
        """What stands in Redis of the opening that this breaker is in."""
        self._who, self._opening = who, ""
        self._told = 0
        self._active: tuple[int, int, int] | None = None
        self._active_at = self._rests_until = 0.0
        self._others_want = False

    def say(self, circuit: Circuit, now: float) -> list[Order]:
        """Return what the others are to be told now."""
        orders: list[Order] = []
        state = circuit.state
        if state is OPEN and circuit.term != self._told:
            self._told, seconds = circuit.term, circuit.open_until - now
            if seconds > 0:
                self._opening = uuid4().hex
                self.text = json.dumps({"id": self._opening, "by": self._who, "reason": circuit.reason})
                orders.append(Open(self.text, max(1, int(seconds * 1000)), self.is_holder))
                orders += self._give_back(now, rest=False)
        if state is CLOSED and self._opening:
            orders.append(Close(self._opening, self.text))
            self._opening = self.text = ""
        if self.is_holder and (state not in (OPEN, HALF_OPEN) or self._is_idle(circuit, now)):
            circuit.step_back(now, "another process tries instead")
            self._told = circuit.term
            circuit.grant(False)
            orders += self._give_back(now, rest=state in (OPEN, HALF_OPEN))
        if self.is_holder:
            orders.append(Plain.RENEW)
        elif self._wants(circuit, now):
            orders.append(Plain.TAKE)
        return orders

    def hear(self, heard: Heard, circuit: Circuit, now: float) -> None:
        """Do as the others say, who were read after they were told."""
        circuit.share(True)
        was_holder, self.is_holder = self.is_holder, heard.holder == self.token
        if self.is_holder and not was_holder:
            self._active, self._active_at = None, now
        self._others_want = heard.wanted not in (None, self.token)
        opening, reason = _read(heard.opened)
        is_ours = circuit.state is CLOSED or circuit.state is OPEN or not self.is_holder
        if opening and opening != heard.over:
            if opening != self._opening and is_ours:
                circuit.hear_open(heard.seconds, now, reason)
                self._opening, self.text, self._told = opening, heard.opened or "", circuit.term
        elif heard.over and heard.over == self._opening and not (self.is_holder and circuit.state is HALF_OPEN):
            circuit.hear_closed(now, "another process says that it works again")
            self._opening = self.text = ""
        if not self.is_holder and circuit.state is HALF_OPEN:
            circuit.step_back(now, "another process tries already")
            self._told = circuit.term
        circuit.grant(self.is_holder)

    def be_alone(self, circuit: Circuit, now: float) -> None:
        """Go by what this process sees itself, until it hears of the others again."""
        circuit.share(False)
        self.is_holder, self._told = False, 0
        self._opening = self.text = ""

    def is_news(self, opened: str | None) -> bool:
        """Return whether an opening is one that is not known yet, and needs a question for how long."""
        return opened is not None and opened != self.text

    def _give_back(self, now: float, *, rest: bool) -> list[Order]:
        if not self.is_holder:
            return []
        self.is_holder = False
        if rest:
            self._rests_until = now + PAUSE_SECONDS
        return [Plain.RELEASE]

    def _wants(self, circuit: Circuit, now: float) -> bool:
        if circuit.state is HALF_OPEN:
            return True
        is_due = now >= circuit.open_until - AHEAD_SECONDS and now >= self._rests_until
        return circuit.state is OPEN and circuit.wanted and is_due

    def _is_idle(self, circuit: Circuit, now: float) -> bool:
        """Say whether nobody has used the leave for a while that others would like to have."""
        running, ended = circuit.trials
        active = circuit.term, running, ended
        if active != self._active or running or now < circuit.open_until:
            self._active, self._active_at = active, now
        return self._others_want and now - self._active_at >= HOLD_SECONDS


def _read(text: str | None) -> tuple[str, str]:
    """Return the id of an opening and its reason; empty when there is none, or none that can be read."""
    try:
        told = json.loads(text) if text else {}
        return str(told["id"]), f"{told['by']} says: {told['reason']}"
    except (KeyError, TypeError, ValueError):
        return "", ""
