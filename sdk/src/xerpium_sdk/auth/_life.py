"""The life of one token: until when it is good, when the next one is to be fetched, and when not to try. Pure."""

from dataclasses import dataclass, field

from xerpium_sdk._backoff import Backoff, Random
from xerpium_sdk.errors import HubError, HubUnavailable
from xerpium_sdk.wire.credentials import TokenAnswer

__all__ = ["Life", "Pauses"]

DUE = 0.60, 0.70
"""The part of its life after which a token is replaced: not the same for everybody, so that services do not march."""
MARGIN = 0.01
"""The part of its life by which a token is taken to end early: it has to arrive as well."""
FREE_RENEWALS = 20
"""So many tokens in a row may be refused before the next one has to wait: then it is not the token that is wrong."""
STEADY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Pauses:
    """How long to wait after failures: when the hub was away, and when it said no, which a person has to mend."""

    away: Backoff = field(default_factory=lambda: Backoff(base=0.5, cap=15.0))
    refused: Backoff = field(default_factory=lambda: Backoff(base=8.0, cap=60.0))


class Life:
    """What is known of the tokens for one company and scope.

    ``now`` is a clock that only moves forward, ``wall`` the one on the wall. How long a token is good is counted from
    when it was asked for, by the first: a wall clock that is wrong, or is set, ends no token. The second only tells
    that the machine was asleep meanwhile, when the first stands still: then a new token is fetched early.
    """

    def __init__(self, pauses: Pauses, random: Random) -> None:
        self._pauses, self._random = pauses, random
        self._token: str | None = None
        self._since = self._due = self._ends = 0.0
        self._wall_ends = 0.0
        self._failures = self._renewals = 0
        self._error: HubError | None = None
        self._not_before = 0.0

    def token(self, now: float) -> str | None:
        """Return the token if it is good at ``now``."""
        return self._token if now < self._ends else None

    def is_due(self, now: float, wall: float) -> bool:
        """Return whether the next token should be fetched, be the present one good or not."""
        is_old = self._token is None or now >= self._due or wall >= self._wall_ends
        return is_old and now >= self._not_before

    def may_renew(self, token: str, now: float) -> bool:
        """Return whether ``token``, which somebody refused, is the present one and worth replacing."""
        if token != self._token or now < self._not_before:
            return False
        if now - self._since >= STEADY_SECONDS:
            self._renewals = 0
        self._renewals += 1
        if self._renewals > FREE_RENEWALS:
            self._not_before = now + self._pauses.refused.delay(self._renewals - FREE_RENEWALS, self._random)
            return False
        return True

    def expire(self) -> None:
        """Fetch the next token as soon as somebody asks, whatever failed before: the key is another one."""
        self._due = self._not_before = 0.0
        self._failures = 0

    def error(self, now: float) -> HubError:
        """Return why there is no token, while nobody should ask for one again."""
        known, wait = self._error, max(self._not_before - now, 0.0)
        if known is None or isinstance(known, HubUnavailable):
            message = str(known or "Every token of this service was refused.")
            return HubUnavailable(message, request_id=known.request_id if known else None, retry_after=wait)
        return known

    def got(self, answer: TokenAnswer, asked_at: float, asked_wall: float) -> None:
        """Take a token over that was asked for at these times."""
        self._token, self._since = answer.access_token, asked_at
        early, late = DUE
        self._due = asked_at + answer.expires_in * (early + (late - early) * self._random())
        self._ends = asked_at + answer.expires_in * (1 - MARGIN)
        self._wall_ends = asked_wall + answer.expires_in
        self._failures, self._error, self._not_before = 0, None, 0.0

    def failed(self, now: float, error: HubError) -> None:
        """Note that no token was to be had, and until when not to ask again."""
        self._failures += 1
        is_away = isinstance(error, HubUnavailable)
        backoff = self._pauses.away if is_away else self._pauses.refused
        wanted = error.retry_after if isinstance(error, HubUnavailable) else 0.0
        self._error = error
        self._not_before = now + backoff.delay(self._failures, self._random, retry_after=wanted)
