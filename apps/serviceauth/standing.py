"""How keys and accounts stand, in words that operators read. Pure: rows and the present come in."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from apps.core.badges import Badge

__all__ = [
    "LEAKED",
    "STILL_USED_AFTER",
    "AccountStanding",
    "KeyLike",
    "KeyStanding",
    "account_standing",
    "key_standing",
    "maker",
    "warned_from",
]

LEAKED = "reported as leaked"
"""The reason of a key that was disabled because somebody found it."""
WARNED_BEFORE = dt.timedelta(days=14)
STILL_USED_AFTER = dt.timedelta(minutes=10)
"""So long after its replacement the use of a key is news: services need a moment to take the new one over."""
IDLE_AFTER = dt.timedelta(days=30)

_CHECK = "M3 8.6 6.4 12 13 4.4"
_CROSS = "M3.8 3.8l8.4 8.4M12.2 3.8 3.8 12.2"
_BANG = "M8 2.8v6.4M8 13h.01"
_SWAP = "M2.6 5.6h9.4M9.4 3 12 5.6 9.4 8.2M13.4 10.6H4M6.6 8 4 10.6l2.6 2.6"
_RING = "M8 2.4h.01M12 4h.01M13.6 8h.01M12 12h.01M8 13.6h.01M4 12h.01M2.4 8h.01M4 4h.01"
_LINE = "M3.4 8h9.2"

IN_USE = Badge("in use", "green", _CHECK, "Good, and used lately.")
UNUSED = Badge("never used", "violet", _RING, "Good, and nobody has used it yet.")
IDLE = Badge("idle", "grey", _RING, "Good, and not used for a month or more.")
ENDS_SOON = Badge("ends soon", "amber", _BANG, "Still used, and it ends soon: rotate it.")
REPLACED = Badge("replaced", "blue", _SWAP, "Another was issued in its place; it stays good for a while.")
REPLACED_IN_USE = Badge("replaced, in use", "amber", _BANG, "Another was issued in its place, and it is still used.")
EXPIRED = Badge("ended", "faint", _LINE, "Its time is over.")
DISABLED = Badge("disabled", "faint", _CROSS, "Somebody ended it before its time.")
LEAK = Badge("leaked", "red", _CROSS, "Somebody found it and reported it; it was disabled at once.")
OFF = Badge("disabled", "grey", _CROSS, "No key of it gets a token.")
NO_KEY = Badge("no key", "amber", _BANG, "It has no key that is good, so it gets no token.")


class KeyLike(Protocol):
    """What is looked at of a key."""

    created_at: dt.datetime
    expires_at: dt.datetime | None
    last_used_at: dt.datetime | None
    disabled_at: dt.datetime | None
    disabled_reason: str
    replaced_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """How a key stands: ``rank`` is higher for what somebody should look at, ``is_live`` whether it gets tokens."""

    badge: Badge
    rank: int
    is_live: bool


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """How an account stands, and how many of its keys are live, end soon, and were never used."""

    badge: Badge
    live: int
    ending: int
    unused: int


def maker(name: str) -> str:
    """Return who made a key or an account as people read it: an operator by his name alone."""
    return name.replace("operator:", "")


def warned_from(key: KeyLike) -> dt.datetime | None:
    """Return from when on the end of a key is near: two weeks before, or the last quarter of a short life."""
    if key.expires_at is None:
        return None
    return key.expires_at - min(WARNED_BEFORE, (key.expires_at - key.created_at) / 4)


def key_standing(key: KeyLike, now: dt.datetime) -> KeyStanding:
    """Return how a key stands at ``now``."""
    if key.disabled_at is not None:
        leaked = key.disabled_reason == LEAKED
        return KeyStanding(LEAK if leaked else DISABLED, 0, is_live=False)
    if key.expires_at is not None and key.expires_at <= now:
        return KeyStanding(EXPIRED, 0, is_live=False)
    if key.replaced_at is not None:
        used_since = key.last_used_at is not None and key.last_used_at > key.replaced_at + STILL_USED_AFTER
        return KeyStanding(REPLACED_IN_USE if used_since else REPLACED, 3 if used_since else 1, is_live=True)
    if key.last_used_at is None:
        return KeyStanding(UNUSED, 1, is_live=True)
    if now - key.last_used_at > IDLE_AFTER:
        return KeyStanding(IDLE, 1, is_live=True)
    if _is_warned(key, now):
        return KeyStanding(ENDS_SOON, 3, is_live=True)
    return KeyStanding(IN_USE, 2, is_live=True)


def account_standing(keys: Iterable[KeyLike], now: dt.datetime, *, is_active: bool) -> AccountStanding:
    """Return how an account with these keys stands at ``now``: as the key of it that most needs somebody's eyes."""
    every = [(key, key_standing(key, now)) for key in keys]
    live = [(key, standing) for key, standing in every if standing.is_live]
    ending = sum(1 for key, _ in live if key.replaced_at is None and _is_warned(key, now))
    unused = sum(1 for key, _ in live if key.last_used_at is None)
    if not is_active:
        badge = OFF
    elif not live:
        badge = LEAK if any(standing.badge is LEAK for _, standing in every) else NO_KEY
    else:
        badge = max((standing for _, standing in live), key=lambda standing: standing.rank).badge
    return AccountStanding(badge, len(live), ending, unused)


def _is_warned(key: KeyLike, now: dt.datetime) -> bool:
    warned = warned_from(key)
    return warned is not None and warned <= now
