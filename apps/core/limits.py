"""How often somebody may ask: per principal, per source, and for credentials per failure.

``hit`` counts a request and refuses the one too many. ``attempt`` stands around the check of a credential::

    with limits.attempt("key", name, source_of(request), secret=service_key):
        account = authenticate_key(...)  # raises a NotAuthenticated when the key is wrong

It lets ten failures a minute through for a name at a source, and thirty for a source, and refuses further attempts
before the credential is looked at. So guessing causes little work, and no verdict beyond the tenth. Nobody is ever
refused for what happens at other sources, and at the guesser's own source (a NAT, a proxy, the same machine) whoever
came in lately with a key may come in again with it (docs/decisions/0023).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from django.conf import settings
from django.utils.crypto import salted_hmac
from prometheus_client import Counter

from apps.core import guesses
from apps.core.access import Principal
from apps.core.errors import NotAuthenticated, TooManyRequests
from apps.core.metrics import registry
from apps.core.sources import neighbourhood, source_of
from apps.core.windows import Rule, Store

__all__ = ["admit", "attempt", "failed", "hit", "neighbourhood", "refused", "source_of"]

FAILURES = 10
FAILURES_OF_SOURCE = 30
ATTEMPTS = 120
"""Attempts a minute for a name at a source, good ones included; only good ones get this far."""
USES = 3000
"""The same where a credential accompanies every call, and is not changed into a token once in a while."""
REMEMBERED_SECONDS = 24 * 3600
"""For how long a good credential keeps its way in when others fail at the same source."""
REFUSED_PER_SOURCE = 600
"""Requests a minute from one source with no token or a bad one, before the answer is 429 instead of 401."""

_store = Store()
_over = Counter("xerpium_limited_total", "Requests refused by a limit.", ("limit",), registry=registry)
_failed = Counter("xerpium_failed_credentials_total", "Credentials that were wrong.", ("kind",), registry=registry)


def hit(name: str, limit: int, *subject: str, seconds: int = 60) -> None:
    """Count one request of ``subject``, of which ``limit`` are allowed in ``seconds``.

    ``name`` is the limit's own, a token of RFC 9651; two limits that count apart need two names.

    Raises:
        TooManyRequests: this one is too many; it does not count.
    """
    rule = Rule(name, limit, seconds)
    _take(rule, _digest(*subject))


@contextmanager
def attempt(
    kind: str,
    name: str,
    source: str,
    *,
    secret: str = "",
    every_call: bool = False,
    wrong: type[Exception] | tuple[type[Exception], ...] = NotAuthenticated,
) -> Iterator[None]:
    """Let the block check a credential, unless too many failed before it.

    Args:
        kind: what is being said: ``key``, ``enrolment``, …; each counts for itself.
        name: whom the caller says it is; empty where the secret is all it says.
        source: where it comes from, see ``source_of``.
        secret: what it says; a keyed digest of it is kept if it is good. Empty, or everything that somebody else
            at the same source cannot know.
        every_call: whether the credential accompanies every call, so that `USES` is the limit and not `ATTEMPTS`.
        wrong: the exceptions of the block that mean "not the right secret"; all others count as neither.

    Raises:
        TooManyRequests: too many failures; also instead of the exception of a failure that is one too many.
    """
    place = neighbourhood(source)
    per_name, per_source = Rule(f"{kind}-failures", FAILURES), Rule(f"{kind}-failures-source", FAILURES_OF_SOURCE)
    windows = ((per_name, _digest(name, place)), (per_source, _digest(place)))
    mark = salted_hmac("xerpium.limits", "\0".join((kind, name, place, secret)), algorithm="sha256").hexdigest()
    try:
        _check_room(windows, mark)
    except TooManyRequests:
        failed(kind, name, place)
        raise
    _take(Rule(f"{kind}-uses", USES) if every_call else Rule(f"{kind}-attempts", ATTEMPTS), _digest(name, place))
    try:
        yield
    except wrong:
        failed(kind, name, place)
        _store.use(lambda store: store.forget(mark))
        for rule, subject in windows:
            _take(rule, subject)
        raise
    if secret:
        _store.use(lambda store: store.remember(mark, REMEMBERED_SECONDS))


def refused(source: str) -> None:
    """Count a request without good credentials, before it is answered with 401.

    Good tokens are never counted nor refused here, whoever else is at their source.

    Raises:
        TooManyRequests: there were very many from this source.
    """
    _failed.labels("token").inc()
    _take(Rule("refused", REFUSED_PER_SOURCE), _digest(neighbourhood(source)))


def admit(caller: Principal) -> None:
    """Count a request of ``caller`` against ``API_RATE_LIMIT``; callers of an open hub are this machine's own.

    Raises:
        TooManyRequests: the caller is over it.
    """
    if settings.API_RATE_LIMIT and caller.kind != "open":
        _take(Rule("api", settings.API_RATE_LIMIT), _digest(caller.scope))


def _check_room(windows: tuple[tuple[Rule, str], ...], mark: str) -> None:
    for rule, subject in windows:
        left, seconds = _store.use(lambda store, r=rule, s=subject: store.state(r, s))  # type: ignore[misc]
        if left <= 0 and not _store.use(lambda store: store.knows(mark)):
            raise _too_many(rule, seconds)


def _take(rule: Rule, subject: str) -> None:
    if not _store.use(lambda store: store.take(rule, subject)):
        raise _too_many(rule, _store.use(lambda store: store.state(rule, subject))[1])


def _too_many(rule: Rule, seconds: float) -> TooManyRequests:
    _over.labels(rule.name).inc()
    return TooManyRequests(
        f"At most {rule.amount:,} in {rule.seconds} s are allowed here; try again later.",
        retry_after=seconds,
        policy=(rule.name, rule.amount, rule.seconds),
    )


def failed(kind: str, name: str, source: str) -> None:
    """Count a secret that was wrong where something else limits attempts, for metrics and the console's home page."""
    _failed.labels(kind).inc()
    guesses.note(kind, name, neighbourhood(source))


def _digest(*parts: str) -> str:
    """Return a short name for a subject: names may be long, hold separators, or be a secret in the wrong field."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
