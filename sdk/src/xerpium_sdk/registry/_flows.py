"""Every call to the hub as a generator: it yields requests, is sent answers, and returns the result.

Nothing here does I/O, so the sync and the async client run the very same code (see `_async/client.py`).
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from xerpium_sdk._answers import Answer, NoAnswer, check, read, retry_after
from xerpium_sdk._backoff import Backoff, Random
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
        wanted = retry_after(answer)
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
    return read(answer, ServiceRecord.from_json)


def report(
    service_name: str, status: Status, details: Mapping[str, Any] | None, instance_id: str | None
) -> Call[Renewal]:
    """``POST services/health``."""
    body = {"service_name": service_name, "status": str(status), "details": details, "instance_id": instance_id}
    answer = yield Request("POST", "services/health", body=_present(body))
    return read(answer, _renewal)


def get_service(name: str, version: str | None, zone: str | None) -> Call[ServiceRecord]:
    """``GET services/{name}``."""
    answer = yield Request("GET", f"services/{_part(name)}", params=_present({"version": version, "zone": zone}))
    return read(answer, ServiceRecord.from_json)


def list_services(filters: Mapping[str, str | int | None]) -> Call[list[ServiceRecord]]:
    """``GET services/``, every page."""
    return (yield from _pages("services/", filters, ServiceRecord.from_json))


def history(name: str) -> Call[list[dict[str, Any]]]:
    """``GET services/{name}/history``, every page."""
    return (yield from _pages(f"services/{_part(name)}/history", {}, dict))


def graph() -> Call[dict[str, Any]]:
    """``GET services/graph``."""
    answer = yield Request("GET", "services/graph")
    return read(answer, dict)


def deregister_instance(name: str, instance_id: str, key: str) -> Call[None]:
    """``DELETE services/{name}/instances/{instance_id}``."""
    answer = yield Request("DELETE", _instance(name, instance_id), headers=_once(key))
    check(answer)


def drain(name: str, instance_id: str, reason: str, key: str) -> Call[InstanceRecord]:
    """``POST …/instances/{instance_id}/drain``."""
    path = _instance(name, instance_id) + "/drain"
    answer = yield Request("POST", path, body={"reason": reason}, headers=_once(key))
    return read(answer, InstanceRecord.from_json)


def resume(name: str, instance_id: str, reason: str, key: str) -> Call[InstanceRecord]:
    """``POST …/instances/{instance_id}/resume``."""
    path = _instance(name, instance_id) + "/resume"
    answer = yield Request("POST", path, body={"reason": reason}, headers=_once(key))
    return read(answer, InstanceRecord.from_json)


def _pages(path: str, filters: Mapping[str, str | int | None], reader: Callable[[Any], T]) -> Call[list[T]]:
    found: list[T] = []
    params = {"limit": PAGE, **_present(filters)}
    while True:
        answer = yield Request("GET", path, params=params)
        page = read(answer, dict)
        found += read(answer, lambda document: [reader(item) for item in document["results"]])
        if not page.get("next"):
            return found
        params["cursor"] = page["next"]


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
