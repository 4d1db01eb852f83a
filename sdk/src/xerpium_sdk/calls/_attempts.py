"""The decisions of one call: what may be repeated, what an answer means, what goes with it. Pure but for random ids."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

from xerpium_sdk.calls.errors import CallError, CallRefused, NoAnswer, ServiceFailed
from xerpium_sdk.calls.policy import IDEMPOTENT
from xerpium_sdk.passing import Passing

__all__ = ["Failed", "Reply", "Wanted", "address_of", "problem_with"]

NOT_NOW = frozenset({429, 502, 503, 504})
MOST_TEXT = 500
IDEMPOTENCY_KEY = "idempotency-key"


class Reply(Protocol):
    """What HTTP clients of both kinds answer."""

    status_code: int

    @property
    def content(self) -> bytes:
        """The answer's body."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers."""


class Failed(Exception):
    """An attempt that counts against the instance and the service; ``error`` is what the caller gets of the last one.

    ``again`` says whether another attempt can do no harm, ``is_silence`` that nobody answered, and ``is_gone`` that
    this was known at once: no connection came about, or it broke. Who only takes too long may be busy. ``goes_on`` is
    set where the call goes on to another instance.
    """

    goes_on = False

    def __init__(self, error: CallError, *, again: bool, is_silence: bool = False, is_gone: bool = False) -> None:
        super().__init__(str(error))
        self.error, self.again, self.is_silence, self.is_gone = error, again, is_silence, is_gone


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call as it was asked for."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    repeatable: bool

    @classmethod
    def of(
        cls,
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        *,
        idempotent: bool | None,
        passing: Passing,
    ) -> "Wanted":
        """Return a call with all that goes with it.

        A write that may be repeated carries one ``Idempotency-Key`` for all its attempts (draft-ietf-httpapi-
        idempotency-key-header): one of the caller's makes it repeatable, and being told so makes one up.
        """
        method = method.upper()
        sent = {**passing.headers(), **{name.lower(): value for name, value in (headers or {}).items()}}
        if idempotent and method not in IDEMPOTENT:
            sent.setdefault(IDEMPOTENCY_KEY, uuid4().hex)
        repeatable = idempotent if idempotent is not None else method in IDEMPOTENT or IDEMPOTENCY_KEY in sent
        return cls(service, method, path, sent, repeatable)


def address_of(base_url: str, path: str) -> str:
    """Return the address of ``path`` below an instance's ``api_base_url``.

    Raises:
        ValueError: it names another host; a path that came from outside must not choose where a token goes.
    """
    if urlsplit(path).scheme or path.startswith("//") or "\\" in path:
        raise ValueError(f"{path!r} is no path below a service's api_base_url.")
    return f"{base_url}/{path.lstrip('/')}"


def problem_with(reply: Reply, wanted: Wanted) -> Failed | CallRefused | None:
    """Return what is wrong with an answer; None: nothing. What the service refuses says nothing against it."""
    status = reply.status_code
    if status < 400:
        return None
    if status in NOT_NOW:
        wait = seconds_of(reply.headers.get("retry-after"))
        message = f"{wanted.service} answered {status} to {wanted.method} {wanted.path}: not now."
        # 429 and 503 say that nothing was done; behind 502 and 504 the call may have had its effect.
        again = wanted.repeatable or status in (429, 503)
        return Failed(NoAnswer(wanted.service, message, retry_after=wait), again=again)
    text = reply.content[:MOST_TEXT].decode(errors="replace")
    problem = _json(reply)
    detail = problem.get("detail") or problem.get("title") if isinstance(problem, dict) else None
    message = (
        f"{wanted.service} answered {status} to {wanted.method} {wanted.path}: {detail or text or 'no reason given'}"
    )
    if status >= 500:
        failed = ServiceFailed(wanted.service, message, status=status, problem=problem, text=text)
        return Failed(failed, again=False)
    return CallRefused(wanted.service, message, status=status, problem=problem, text=text)


def seconds_of(retry_after: str | None) -> float | None:
    """Return the seconds of a ``Retry-After``; None without one, and for the form with a date, which few send."""
    text = (retry_after or "").strip()
    return float(text) if text.isdecimal() else None


def _json(reply: Reply) -> Any:
    try:
        return json.loads(reply.content) if "json" in reply.headers.get("content-type", "") else None
    except ValueError:
        return None
