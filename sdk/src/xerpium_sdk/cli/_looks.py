"""How the doctor looks: one question each, none of which changes anything."""

import base64
import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2

from xerpium_sdk.auth._environment import ENROLMENT_TOKEN, KEY, KEY_FILE, NAME, value
from xerpium_sdk.cli._verdicts import KeySettings, Probe
from xerpium_sdk.registry import HubClient
from xerpium_sdk.registry._sse import Parser
from xerpium_sdk.registry._view import View
from xerpium_sdk.wire.credentials import Claims
from xerpium_sdk.wire.keys import REGISTRY_CATALOG

__all__ = [
    "Answered",
    "RedisLook",
    "claims_of",
    "installed_extras",
    "key_settings",
    "probe",
    "redis_look",
    "revision_of",
    "skew_of",
]

SECONDS = 5.0
MOST_BYTES = 1 << 20
EXTRAS = {
    "events": ("redis", "orjson"),
    "auth": ("jwt", "cryptography"),
    "fastapi": ("fastapi",),
    "django": ("django",),
}


@dataclass(frozen=True, slots=True)
class Answered:
    """A probe with what else came with it."""

    probe: Probe
    date: str
    seconds: float


def probe(url: str, path: str = "") -> Answered:
    """Ask an address; nobody's token goes with it, and no redirect is followed."""
    began = time.monotonic()
    try:
        with (
            httpx2.Client(timeout=SECONDS, trust_env=False) as http,
            http.stream("GET", f"{url}{path}", headers={"Accept": "application/json"}) as answer,
        ):
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > MOST_BYTES:
                    break
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
        reason = str(error) or type(error).__name__
        return Answered(Probe(url, None, fault=reason), "", time.monotonic() - began)
    document = None
    with suppress(ValueError):
        document = json.loads(body)
    seconds = time.monotonic() - began
    return Answered(Probe(url, answer.status_code, document), answer.headers.get("date", ""), seconds)


def skew_of(answered: Answered, now: float) -> float | None:
    """Return by how many seconds the clock of who answered is ahead of ``now``; None: it does not say."""
    try:
        told = parsedate_to_datetime(answered.date)
    except ValueError:
        return None
    aware = told if told.tzinfo is not None else told.replace(tzinfo=UTC)
    # The header has whole seconds: on average the half of one is missing. The answer was on its way for a while.
    return aware.timestamp() + 0.5 - (now - answered.seconds / 2)


def key_settings(service_name: str) -> KeySettings:
    """Return what the environment says of the key; the key itself is not looked at."""
    file, mode, fault = value(KEY_FILE), None, ""
    if file:
        try:
            mode = os.stat(file).st_mode
            Path(file).open("rb").close()
        except FileNotFoundError:
            pass
        except OSError as error:
            fault = error.strerror or "it cannot be read"
    return KeySettings(
        name=value(NAME) or service_name,
        has_text=bool(value(KEY)),
        file=file,
        file_mode=mode,
        file_fault=fault,
        enrols=bool(value(ENROLMENT_TOKEN)),
    )


def claims_of(token: str) -> Claims:
    """Return what a token says that the hub has just given us; its signature is another matter.

    Raises:
        TokenFault: it says less than it should.
        ValueError: it cannot be read.
    """
    payload = token.split(".")[1]
    return Claims.of(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


def revision_of(hub: HubClient) -> int | None:
    """Return the catalogue's revision, with which the stream begins."""
    view, parser = View(), Parser()
    with hub.stream("catalog/stream", {}) as response:
        for piece in response.iter_bytes():
            for event in parser.feed(piece):
                view.apply(event)
                return view.revision
    return None


@dataclass(frozen=True, slots=True)
class RedisLook:
    """What is known of a Redis: a ``fault`` where it does not answer, or lets nobody look."""

    fault: str = ""
    is_denied: bool = False
    revision: int | None = None
    knows_service: bool = False


def redis_look(url: str, service_name: str) -> RedisLook:
    """Look in a Redis for the catalogue of a hub, and for a service in it."""
    from redis import Redis
    from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

    try:
        with Redis.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS) as client:
            client.ping()
            found: Any = client.hmget(REGISTRY_CATALOG, ["meta", f"service:{service_name}"])
    except (NoPermissionError, AuthenticationError) as error:
        return RedisLook(fault=str(error), is_denied=True)
    except (RedisError, OSError, ValueError) as error:
        return RedisLook(fault=str(error) or type(error).__name__)
    meta, service = found
    return RedisLook(revision=_revision(meta), knows_service=service is not None)


def _revision(meta: bytes | None) -> int | None:
    try:
        return None if meta is None else int(json.loads(meta)["revision"])
    except (KeyError, TypeError, ValueError):
        return None


def installed_extras() -> dict[str, bool]:
    """Return which extras of the SDK can be used here."""
    return {name: all(find_spec(module) for module in modules) for name, modules in EXTRAS.items()}
