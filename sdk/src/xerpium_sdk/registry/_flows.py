"""Every call to the hub as a generator: it yields requests, is sent answers, and returns the result.

Nothing here does I/O, so the sync and the async client run the very same code (see `_async/client.py`).
"""

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from xerpium_sdk.registry._backoff import Backoff, Random
from xerpium_sdk.registry.errors import HubUnavailable, UnreadableAnswer, refusal
from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.problems import Problem
from xerpium_sdk.wire.registry import InstanceRecord, Registration, ServiceRecord, Status

__all__ = ["Answer", "Flow", "NoAnswer", "Pause", "Renewal", "Request", "Retry", "retrying"]

T = TypeVar("T")
PAGE = 500


@dataclass(frozen=True, slots=True)
class Request:
    """What to send; ``path`` is relative to ``/api/v1/``."""

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing came back: refused, reset or too late."""

    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before the next request."""

    seconds: float


Call = Generator[Request, Answer | NoAnswer, T]
"""One call without repetition."""
Flow = Generator[Request | Pause, Any, T]
"""What a client drives: a request is sent its answer, a pause is sent None when it is over."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """The hub's answer to a report: its verdict, how long the lease runs now, and the catalogue's revision."""

    status: Status
    lease_seconds: float
    revision: int


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a call is tried in all, and how long between; a longer ``Retry-After`` than ``patience`` ends it."""

    attempts: int = 3
    backoff: Backoff = field(default_factory=lambda: Backoff(base=0.1, cap=2.0))
    patience: float = 5.0


STREAM_HEADERS = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-cache"}
"""A compressed stream would reach us in lumps."""


def headers(sdk_version: str, token: str | None) -> dict[str, str]:
    """Return what goes with every request."""
    common = {"Accept": "application/json", "User-Agent": f"xerpium-sdk/{sdk_version}"}
    common["Content-Type"] = "application/json"
    return common if token is None else common | {"Authorization": f"Bearer {token}"}


def retrying(call: Call[T], retry: Retry, random: Random) -> Flow[T]:
    """Run ``call`` and send each of its requests again while that can help. Every request here may be sent twice."""
    request = next(call)
    while True:
        answer = yield from _asked(request, retry, random)
        try:
            request = call.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result


def _asked(request: Request, retry: Retry, random: Random) -> Flow[Answer | NoAnswer]:
    answer: Answer | NoAnswer = yield request
    for attempt in range(1, retry.attempts):
        wanted = _retry_after(answer)
        if wanted > retry.patience or not _may_pass(answer):
            break
        yield Pause(retry.backoff.delay(attempt, random, retry_after=wanted))
        answer = yield request
    return answer


def _may_pass(answer: Answer | NoAnswer) -> bool:
    return isinstance(answer, NoAnswer) or answer.status in (429, 502, 503, 504)


def register(registration: Registration) -> Call[ServiceRecord]:
    """``POST services/register``."""
    answer = yield Request("POST", "services/register", body=registration.to_json())
    return _read(answer, ServiceRecord.from_json)


def report(
    service_name: str, status: Status, details: Mapping[str, Any] | None, instance_id: str | None
) -> Call[Renewal]:
    """``POST services/health``."""
    body = {"service_name": service_name, "status": str(status), "details": details, "instance_id": instance_id}
    answer = yield Request("POST", "services/health", body=_present(body))
    return _read(answer, _renewal)


def get_service(name: str, version: str | None, zone: str | None) -> Call[ServiceRecord]:
    """``GET services/{name}``."""
    answer = yield Request("GET", f"services/{_part(name)}", params=_present({"version": version, "zone": zone}))
    return _read(answer, ServiceRecord.from_json)


def list_services(filters: Mapping[str, str | int | None]) -> Call[list[ServiceRecord]]:
    """``GET services/``, every page."""
    return (yield from _pages("services/", filters, ServiceRecord.from_json))


def history(name: str) -> Call[list[dict[str, Any]]]:
    """``GET services/{name}/history``, every page."""
    return (yield from _pages(f"services/{_part(name)}/history", {}, dict))


def graph() -> Call[dict[str, Any]]:
    """``GET services/graph``."""
    answer = yield Request("GET", "services/graph")
    return _read(answer, dict)


def deregister_instance(name: str, instance_id: str, key: str) -> Call[None]:
    """``DELETE services/{name}/instances/{instance_id}``."""
    answer = yield Request("DELETE", _instance(name, instance_id), headers=_once(key))
    check(answer)


def drain(name: str, instance_id: str, reason: str, key: str) -> Call[InstanceRecord]:
    """``POST …/instances/{instance_id}/drain``."""
    path = _instance(name, instance_id) + "/drain"
    answer = yield Request("POST", path, body={"reason": reason}, headers=_once(key))
    return _read(answer, InstanceRecord.from_json)


def resume(name: str, instance_id: str, reason: str, key: str) -> Call[InstanceRecord]:
    """``POST …/instances/{instance_id}/resume``."""
    path = _instance(name, instance_id) + "/resume"
    answer = yield Request("POST", path, body={"reason": reason}, headers=_once(key))
    return _read(answer, InstanceRecord.from_json)


def _pages(path: str, filters: Mapping[str, str | int | None], read: Callable[[Any], T]) -> Call[list[T]]:
    found: list[T] = []
    params = {"limit": PAGE, **_present(filters)}
    while True:
        answer = yield Request("GET", path, params=params)
        page = _read(answer, dict)
        found += _read(answer, lambda document: [read(item) for item in document["results"]])
        if not page.get("next"):
            return found
        params["cursor"] = page["next"]


def check(answer: Answer | NoAnswer) -> Answer:
    """Return a good answer; raise what a bad one means."""
    if isinstance(answer, NoAnswer):
        raise HubUnavailable(answer.reason)
    if answer.status < 300:
        return answer
    problem = _problem(answer)
    if answer.status == 429 or answer.status >= 500:
        message = f"The hub answered {answer.status}: {problem.detail or problem.title or 'no reason given'}"
        raise HubUnavailable(message, request_id=problem.request_id, retry_after=_retry_after(answer))
    if answer.status < 400:
        raise UnreadableAnswer(f"A redirect ({answer.status}) instead of the hub: is its address right?")
    raise refusal(problem)


def _read(answer: Answer | NoAnswer, read: Callable[[Any], T]) -> T:
    good = check(answer)
    try:
        return read(json.loads(good.body))
    except (DecodeError, KeyError, TypeError, ValueError) as error:
        raise UnreadableAnswer(f"Not an answer of a hub: {error}", request_id=_request_id(good)) from error


def _problem(answer: Answer) -> Problem:
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {"title": answer.body[:200].decode(errors="replace")}
    return Problem.from_json({"request_id": _request_id(answer)} | document | {"status": answer.status})


def _request_id(answer: Answer) -> str | None:
    return answer.headers.get("x-request-id")


def _retry_after(answer: Answer | NoAnswer) -> float:
    """Return the seconds that the hub asks for; the form with a date (RFC 9110) is not one that the hub uses."""
    text = "" if isinstance(answer, NoAnswer) else answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 0.0


def _renewal(document: Mapping[str, Any]) -> Renewal:
    return Renewal(Status.read(document["status"]), float(document["lease_seconds"]), int(document["revision"]))


def _instance(name: str, instance_id: str) -> str:
    return f"services/{_part(name)}/instances/{_part(instance_id)}"


def _part(text: str) -> str:
    return quote(text, safe="")


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _once(key: str) -> dict[str, str]:
    """A repeat of this request gets the answer of the first one, not a 404 for what the first one removed."""
    return {"Idempotency-Key": key}
