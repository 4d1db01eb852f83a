"""What services say of widgets and badges: asked with the viewer's rights, once for all who may know the same.

A service that fails is left alone for a moment, for longer each time: meanwhile its questions cost nothing, and what
it said last is shown. What a service refuses to somebody is not shown to them from memory either.
"""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import orjson
import structlog
from django.conf import settings
from django.db import connection

from apps.core import strictjson
from apps.core.errors import InvalidInput, NotAllowed, Unavailable
from apps.core.fetching import FetchFailed, fetch, outward_policy
from apps.core.outward import OutwardRefused, Policy
from apps.core.requestid import current_request_id
from apps.registry import selectors as registry
from apps.uiregistry.asking import Question, address_of, bases_of, is_fresh, kept_for
from apps.uiregistry.services import keeping
from apps.uiregistry.services.keeping import Failure, Kept
from xerpium_sdk.wire.times import format_time

__all__ = ["Data", "data_fetch"]

SECONDS = 3.0
"""For all instances that are asked."""
LIMIT = 1024 * 1024
PATIENCE_SECONDS = 4.0
"""For how long somebody waits for the answer to a question that another one asked."""
STEP_SECONDS = 0.02
_AWAY = frozenset({429, 502, 503, 504})

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Data:
    """What is known: JSON, when it was, whether there should be something newer, and why there is not."""

    body: str
    fetched_at: str
    stale: bool = False
    error: str | None = None

    def to_json(self) -> bytes:
        """Return the answer of ``GET widgets/{id}/data``; the service's own part is as it was parsed, not again."""
        rest = orjson.dumps({"fetched_at": self.fetched_at, "stale": self.stale, "error": self.error})
        return b'{"data":' + self.body.encode() + b"," + rest[1:]


@dataclass(slots=True)
class _Silence(Exception):
    """Raised when there is no answer; ``trips`` says whether the service itself is at fault."""

    words: str
    trips: bool = False
    is_forbidden: bool = False


def data_fetch(
    question: Question, *, interval: int, refresh: bool, token: Callable[[], str | None], now: dt.datetime
) -> Data:
    """Return what a service says, or said not longer than ``interval`` ago; the last good answer when it is silent.

    Args:
        question: what is asked, and for whom.
        interval: seconds for which an answer holds; 0: until somebody asks with ``refresh``.
        refresh: ask now, whatever is kept.
        token: makes what goes along as the viewer's; None: nothing does.
        now: the present.

    Raises:
        NotAllowed: the service refuses it to this viewer.
        Unavailable: there is no answer, and never was one that is still kept.
    """
    began = time.time()
    kept = keeping.answer(question.key)
    if kept is not None and not refresh and is_fresh(time.time() - kept.at, interval):
        return _good(kept)
    if (paused := keeping.pause(question.service_name)) is not None and paused.left:
        return _last_good(kept, paused.error, retry_after=paused.left)
    if not refresh and (failed := keeping.failure(question.key)) is not None:
        return _failed(kept, failed)
    return _asked_once(question, began, interval, token, now)


def _asked_once(
    question: Question, began: float, interval: int, token: Callable[[], str | None], now: dt.datetime
) -> Data:
    """Ask, or wait for who is asking: one request at a time for all who may know the same.

    What came of it since ``began``, which is before the caller looked whether there is an answer, is good enough.
    """
    unclaimed = 0
    while True:
        with keeping.asking(question.key) as is_mine:
            if (found := _since(question, began)) is not None:
                return found
            if is_mine or unclaimed > 1:
                return _asked(question, interval, token, now)
        # Nobody asks, and nobody can say so: the cache is away. Whoever has just finished leaves an answer behind.
        unclaimed = 0 if keeping.is_asked(question.key) else unclaimed + 1
        if time.time() - began > PATIENCE_SECONDS:
            return _last_good(keeping.answer(question.key), f"{question.service_name} is being asked; try again.")
        time.sleep(STEP_SECONDS)


def _since(question: Question, began: float) -> Data | None:
    """Return what came of the question since somebody waits for it."""
    kept = keeping.answer(question.key)
    if kept is not None and kept.at >= began:
        return _good(kept)
    failed = keeping.failure(question.key)
    return None if failed is None or failed.at < began else _failed(kept, failed)


def _asked(question: Question, interval: int, token: Callable[[], str | None], now: dt.datetime) -> Data:
    paused = keeping.pause(question.service_name)
    if paused is None:
        return _told(question, interval, token, now)
    # Whether a service that failed is back, one question finds out for all.
    with keeping.asking(f"service:{question.service_name}") as is_mine:
        if paused.left or not is_mine:
            return _last_good(keeping.answer(question.key), paused.error, retry_after=paused.left)
        return _told(question, interval, token, now, was_paused=True)


def _told(
    question: Question,
    interval: int,
    token: Callable[[], str | None],
    now: dt.datetime,
    *,
    was_paused: bool = False,
) -> Data:
    try:
        body = _answer(question, token)
    except _Silence as silence:
        return _silent(question, silence)
    if was_paused:
        keeping.pause_end(question.service_name)
    kept = Kept(body, format_time(now.astimezone(dt.UTC)), time.time())
    keeping.answer_keep(question.key, kept, seconds=kept_for(interval))
    return _good(kept)


def _silent(question: Question, silence: _Silence) -> Data:
    if silence.trips:
        keeping.pause_start(question.service_name, silence.words)
    if silence.is_forbidden:
        keeping.answer_forget(question.key)
    failed = Failure(silence.words, time.time(), silence.is_forbidden)
    keeping.failure_keep(question.key, failed)
    return _failed(keeping.answer(question.key), failed)


# --- The request ------------------------------------------------------------------------------------------------------


def _answer(question: Question, token: Callable[[], str | None]) -> str:
    """Return what a healthy instance answers, as JSON.

    Raises:
        _Silence: there is none, or it answers nothing that can be shown.
    """
    service = question.service_name
    sight = frozenset() if question.company_id is None else frozenset({question.company_id})
    record = registry.catalogue().record(service, companies=sight)
    bases = () if record is None else bases_of(orjson.loads(record.body))
    if not bases:
        raise _Silence(f"No instance of {service} is healthy.")
    try:
        headers = _headers(token())
    except InvalidInput as error:
        raise _Silence(f"{service} cannot be asked in your name: {error.detail}") from None
    if not connection.in_atomic_block:
        connection.close()  # nobody else has to wait for it as long as the service makes us wait
    deadline = time.monotonic() + SECONDS
    silence = _Silence(f"{service} does not answer.")
    for base in bases:
        try:
            body = _fetched(base, question.endpoint, headers, deadline - time.monotonic())
            return orjson.dumps(strictjson.parse(body, limit=LIMIT)).decode()
        except ValueError as error:
            _note(question, base, str(error))
            raise _Silence(f"The answer of {service} is not JSON.") from None
        except FetchFailed as error:
            _note(question, base, str(error))
            silence = _silence(service, error)
            if not silence.trips and not error.is_refused:
                break
    raise silence


def _fetched(base: str, endpoint: str, headers: dict[str, str], seconds: float) -> bytes:
    if seconds <= 0:
        raise FetchFailed("no time is left")
    try:
        url = address_of(base, endpoint, _policy())
    except OutwardRefused as error:
        raise FetchFailed(f"refused: {error.reason}", is_refused=True) from error
    return fetch(url, _policy(), limit=LIMIT, seconds=seconds, headers=headers)


def _silence(service: str, error: FetchFailed) -> _Silence:
    """Return what a failure means to who looks; addresses are no business of theirs."""
    if error.is_refused:
        return _Silence(f"The hub may not ask {service} at its address.")
    if error.status is None:
        return _Silence(f"{service} gives no answer that can be used.", trips=True)
    if error.status == 403:
        return _Silence(f"{service} does not let you see this.", is_forbidden=True)
    if error.status == 200:
        return _Silence(f"What {service} answers cannot be used: {error}.")
    # An endpoint that fails says nothing of the others; a service that is overloaded or away does.
    return _Silence(f"{service} answers {error.status}.", trips=error.status in _AWAY)


def _headers(token: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if request_id := current_request_id():
        headers["X-Request-ID"] = request_id
    return headers


def _note(question: Question, base: str, reason: str) -> None:
    _log.warning(
        "ui_data_failed", service_name=question.service_name, base=base, endpoint=question.endpoint, reason=reason
    )


@lru_cache(maxsize=1)
def _policy() -> Policy:
    return outward_policy(allow_public=settings.HEALTH_ALLOW_PUBLIC)


# --- What is answered -------------------------------------------------------------------------------------------------


def _good(kept: Kept) -> Data:
    return Data(kept.body, kept.fetched_at)


def _failed(kept: Kept | None, failed: Failure) -> Data:
    if failed.is_forbidden:
        raise NotAllowed(failed.error, code="service_refused")
    return _last_good(kept, failed.error)


def _last_good(kept: Kept | None, error: str, *, retry_after: float | None = None) -> Data:
    """Return the last good answer, which is not what there should be now.

    Raises:
        Unavailable: there is none.
    """
    if kept is None:
        raise Unavailable(error, retry_after=retry_after or keeping.FAILURE_SECONDS, code="no_data")
    return Data(kept.body, kept.fetched_at, stale=True, error=error)
