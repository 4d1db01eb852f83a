"""``xerpium call``."""

import json
from argparse import Namespace
from dataclasses import dataclass
from time import monotonic
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2

from xerpium_sdk._backoff import Backoff
from xerpium_sdk.auth._environment import KEY, KEY_FILE, value
from xerpium_sdk.calls import CallError, CallRefused, ServiceClient, ServiceFailed
from xerpium_sdk.cli._codes import Wrong
from xerpium_sdk.cli._failures import code_of
from xerpium_sdk.cli._hub import auth_of, client_of, text_of
from xerpium_sdk.cli._ink import Inked, clean
from xerpium_sdk.cli._screen import Screen, dumped
from xerpium_sdk.registry import Catalog, ServiceRecord
from xerpium_sdk.registry._reader import CatalogReader
from xerpium_sdk.registry._sse import ServerEvent

__all__ = ["call"]

ZONE = "XERPIUM_ZONE"
JSON = "application/json"


def call(asked: Namespace, screen: Screen) -> int:
    """Call a service and show its answer.

    Raises:
        CallError: nobody answered; who was asked is shown first.
    """
    headers = dict(map(_header, asked.header))
    body = _body(asked.data, headers)
    auth = auth_of(asked)
    if asked.company is not None and auth is None:
        raise Wrong(f"--company goes with a token: set {KEY} or {KEY_FILE}. Without one the service cannot know it.")
    with client_of(asked) as hub:
        record = hub.get_service(asked.service)
    wire = _Wire(record)
    with ServiceClient(_looked_up(record, asked.zone or value(ZONE) or None), auth=auth, transport=wire) as services:
        try:
            wire.answer = services.request(
                asked.service,
                (asked.method or ("GET" if body is None else "POST")).upper(),
                asked.path,
                content=body,
                headers=headers,
                version=asked.range,
                company_id=asked.company,
                idempotent=True if asked.idempotent else None,
                timeout=asked.timeout,
            )
        except (CallRefused, ServiceFailed) as error:
            _show(asked, screen, wire, error)
            return code_of(error)
        except CallError as error:
            wire.answer = None
            _show(asked, screen, wire, error)
            raise
        except ValueError as error:
            raise Wrong(str(error)) from None
        _show(asked, screen, wire, None)
    return 0


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One attempt: where it went, and what came of it."""

    instance: str
    url: str
    outcome: str
    seconds: float


class _Wire(httpx2.BaseTransport):
    """The way to the services, which remembers who was asked."""

    def __init__(self, record: ServiceRecord) -> None:
        self.attempts: list[_Attempt] = []
        self.began: float | None = None
        self.answer: httpx2.Response | None = None
        self._instances = {_place(one.api_base_url): one.instance_id for one in record.instances}
        self._inner = httpx2.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and note what came of it."""
        began, self.answer = monotonic(), None
        self.began = self.began or began
        try:
            self.answer = self._inner.handle_request(request)
        except httpx2.TransportError as error:
            self._note(request, type(error).__name__, began)
            raise
        self._note(request, str(self.answer.status_code), began)
        return self.answer

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()

    def _note(self, request: httpx2.Request, outcome: str, began: float) -> None:
        url = str(request.url)
        instance = self._instances.get(_place(url), "")
        self.attempts.append(_Attempt(instance, url, outcome, monotonic() - began))


def _looked_up(record: ServiceRecord, zone: str | None) -> Catalog:
    """Return a catalogue of one service as it is now: a single call needs no stream."""
    reader = CatalogReader(zone=zone, backoff=Backoff(base=1.0, cap=1.0))
    snapshot = {"revision": record.revision, "services": [record.to_json()]}
    reader._view.apply(ServerEvent("snapshot", json.dumps(snapshot)))
    return cast("Catalog", reader)  # of which a client that was given one only reads


def _place(url: str) -> str:
    return urlsplit(url).netloc


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise Wrong(f"-H {text!r} is no header: write it as 'Name: value'.")
    return name.strip().lower(), value.strip()


def _body(argument: str | None, headers: dict[str, str]) -> bytes | None:
    """Return the body as bytes, checked where it is JSON: a slip is found here sooner than in a service's answer."""
    if argument is None:
        return None
    text = text_of(argument, "What -d names")
    if "json" in headers.get("content-type", JSON):
        try:
            json.loads(text)
        except ValueError as error:
            raise Wrong(f"What -d gives is no JSON: {error}. For anything else, say -H 'Content-Type: …'.") from None
    return text.encode()


def _show(asked: Namespace, screen: Screen, wire: _Wire, error: CallError | None) -> None:
    answer = wire.answer
    seconds = 0.0 if wire.began is None else monotonic() - wire.began
    if screen.as_json:
        screen.document(_document(asked, wire, answer, seconds, error))
        return
    for attempt in wire.attempts if answer is None else wire.attempts[:-1]:
        screen.note(Inked("! ", "yellow"), f"{attempt.outcome} from {_who(asked.service, attempt)}")
    if answer is not None and wire.attempts:
        last = wire.attempts[-1]
        ink = "green" if answer.is_success else "red" if answer.status_code >= 400 else "yellow"
        status = Inked(f"{answer.status_code} {answer.reason_phrase}".rstrip(), ink)
        times = f" · {len(wire.attempts)} attempts" if len(wire.attempts) > 1 else ""
        screen.note(status, f" · {_who(asked.service, last)} · {seconds * 1000:.0f} ms{times}")
        if answer.content:
            screen.text(_shown(answer, is_for_people=screen.width is not None))


def _document(
    asked: Namespace, wire: _Wire, answer: httpx2.Response | None, seconds: float, error: CallError | None
) -> dict[str, Any]:
    return {
        "service": asked.service,
        "status": None if answer is None else answer.status_code,
        "instance": wire.attempts[-1].instance if wire.attempts else None,
        "url": wire.attempts[-1].url if wire.attempts else None,
        "milliseconds": round(seconds * 1000, 1),
        "attempts": [
            {"instance": one.instance, "outcome": one.outcome, "milliseconds": round(one.seconds * 1000, 1)}
            for one in wire.attempts
        ],
        "headers": None if answer is None else dict(answer.headers),
        "body": None if answer is None else _parsed(answer),
        "error": None if error is None else {"kind": type(error).__name__, "message": str(error)},
    }


def _who(service: str, attempt: _Attempt) -> str:
    place = _place(attempt.url)
    return f"{service} at {place}" if attempt.instance in ("", place) else f"{service} {attempt.instance} at {place}"


def _shown(answer: httpx2.Response, *, is_for_people: bool) -> str:
    document = _parsed(answer)
    if not isinstance(document, str):
        return dumped(document)
    return "\n".join(map(clean, document.splitlines())) if is_for_people else document.rstrip("\n")


def _parsed(answer: httpx2.Response) -> Any:
    """Return the body: of JSON what it says, of anything else the text."""
    if "json" in answer.headers.get("content-type", ""):
        try:
            return json.loads(answer.content)
        except ValueError:
            pass
    return answer.text
