"""What is wrong with keys, for the console's home page. Pure: rows, counts and the present come in."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.guesses import MINUTES, UNNAMED, Guesses
from apps.core.times import ago, spell
from apps.serviceauth import standing
from apps.serviceauth.standing import key_standing
from xerpium_sdk.wire.registry import Status

__all__ = [
    "GUESSES",
    "REFUSED",
    "REMEMBERED",
    "TRIED_LATELY",
    "AccessTrouble",
    "guess_troubles",
    "key_trouble",
    "twice_trouble",
]

GUESSES = 30
"""Failures in ten minutes from which on somebody is told: who mistypes a secret does not fail so often."""
REMEMBERED = dt.timedelta(days=7)
"""For how long a leak, or a second use of an enrolment token, is told."""
TRIED_LATELY = dt.timedelta(minutes=10)

_KINDS = {
    "key": "the key of {name}",
    "enrolment": "an enrolment token of {name}",
    "password": "the password of {name}",
    "code": "the second factor of {name}",
}
REFUSED = {
    "expired": "has ended",
    "disabled": "was disabled",
    "network": "works from other networks only",
    "account": "is of an account that is disabled",
    "name": "is another service's",
}


@dataclass(frozen=True, slots=True)
class AccessTrouble:
    """Something about who comes in.

    ``word`` is for its badge, ``part`` names what it is about, ``account_id`` is the account whose page shows more.
    """

    status: Status
    word: str
    part: str
    text: str
    mend: str
    account_id: int | None = None


def key_trouble(key: Any, now: dt.datetime, *, has_other: bool) -> AccessTrouble | None:
    """Return what is wrong with a key that comes with its account; None for nothing.

    Args:
        key: the key.
        now: the present.
        has_other: whether the account has another key that is live.
    """
    name, shown = key.account.name, f"xrp_{key.key_id}_…"
    if key.disabled_reason == standing.LEAKED and key.disabled_at and now - key.disabled_at < REMEMBERED:
        return _leaked(key, shown, now, has_other=has_other)
    if key.refused_at and now - key.refused_at < TRIED_LATELY:
        why = REFUSED.get(key.refused_reason, "is not good")
        text = f"Somebody at {key.refused_from} comes with the key {shown} of {name}, which {why}."
        mend = "If that is your service, give it a good key; if not, report the key as leaked."
        status = Status.DEGRADED if has_other else Status.UNHEALTHY
        return AccessTrouble(status, "refused", name, text, mend, key.account_id)
    found = key_standing(key, now)
    if found.badge is standing.REPLACED_IN_USE and now - key.last_used_at < standing.IDLE_AFTER:
        ends = f"ends {ago(key.expires_at, now)}" if key.expires_at else "has no end"
        text = (
            f"The key {shown} of {name} was replaced {ago(key.replaced_at, now)}, and {key.last_used_from} still used"
            f" it {ago(key.last_used_at, now)}; it {ends}."
        )
        return AccessTrouble(
            Status.DEGRADED, "old key used", name, text, "Give whoever runs there the new key.", key.account_id
        )
    if found.badge is standing.ENDS_SOON:
        text = f"The key {shown} of {name} ends in {spell(key.expires_at - now)} and is used from {key.last_used_from}."
        return AccessTrouble(
            Status.DEGRADED, "ends soon", name, text, "Rotate it; the old one stays good meanwhile.", key.account_id
        )
    return None


def twice_trouble(token: Any, now: dt.datetime) -> AccessTrouble:
    """Return what is wrong with an enrolment token that was tried again after it had been used."""
    text = (
        f"An enrolment token of {token.account.name} was used from {token.used_from} and tried again from"
        f" {token.tried_again_from} {ago(token.tried_again_at, now)}. One of the two was not meant to have it."
    )
    mend = "If the first was not your service, disable the key that it got; then issue a new token."
    return AccessTrouble(Status.UNHEALTHY, "used twice", token.account.name, text, mend, token.account_id)


def gathered(found: Iterable[Guesses]) -> list[Guesses]:
    """Return who guesses often enough to be told, the most busy first.

    What is too little for one name at one source may be much from one source (many names are tried), or much for one
    name (from many sources): the rest is put together both ways.
    """
    told, sources, names = [], Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for guess in found:
        if guess.count >= GUESSES:
            told.append(guess)
            continue
        sources[guess.kind, guess.source] += guess.count
        if guess.name != UNNAMED:
            names[guess.kind, guess.name] += guess.count
    told += [Guesses(kind, UNNAMED, source, count) for (kind, source), count in sources.items() if count >= GUESSES]
    told += [Guesses(kind, name, UNNAMED, count) for (kind, name), count in names.items() if count >= GUESSES]
    return sorted(told, key=lambda guess: (-guess.count, guess.kind, guess.name, guess.source))


def guess_troubles(found: Iterable[Guesses], accounts: Mapping[str, int]) -> list[AccessTrouble]:
    """Return who guesses secrets.

    Args:
        found: failures in the last ten minutes, by kind, name and source.
        accounts: the accounts in sight, by their names.
    """
    troubles = []
    for guess in found:
        name = "services" if guess.name == UNNAMED else guess.name
        what = _KINDS.get(guess.kind, "a secret of {name}").format(name=name)
        where = "many places" if guess.source == UNNAMED else guess.source
        text = (
            f"Somebody guesses {what} from {where}: {guess.count:,} failures in {MINUTES} minutes; the owner is still"
            " let in."
        )
        mend = f"If one of your services runs at {where}, its secret is wrong. If none does, close the network to it."
        account = accounts.get(guess.name) if guess.kind in ("key", "enrolment") else None
        troubles.append(
            AccessTrouble(
                Status.DEGRADED, "guessing", name if guess.name != UNNAMED else "somebody", text, mend, account
            )
        )
    return troubles


def _leaked(key: Any, shown: str, now: dt.datetime, *, has_other: bool) -> AccessTrouble:
    tried = ""
    if key.refused_at and key.disabled_at and key.refused_at > key.disabled_at:
        tried = f" {key.refused_from} tried it {ago(key.refused_at, now)}."
    text = (
        f"The key {shown} of {key.account.name} was reported as leaked {ago(key.disabled_at, now)} and disabled at"
        f" once.{tried}"
    )
    if has_other:
        mend = "Find out where it was seen. The account has another key that is good."
        return AccessTrouble(Status.DEGRADED, "leaked", key.account.name, text, mend, key.account_id)
    mend = "Issue a new key: the account has no other, and its service gets no token."
    return AccessTrouble(Status.UNHEALTHY, "leaked", key.account.name, text, mend, key.account_id)
