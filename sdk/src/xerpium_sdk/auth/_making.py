"""Making token sources from arguments and the environment; one for a whole process where they would be the same."""

import threading
from dataclasses import dataclass
from pathlib import Path

import httpx2

from xerpium_sdk._answers import address, read
from xerpium_sdk.auth import _environment
from xerpium_sdk.auth._keys import Enrol, KeyFile, KeyText, NoKey
from xerpium_sdk.auth._line import Line
from xerpium_sdk.auth._source import KeyHolder, TokenSource

__all__ = ["Credentials", "source_of"]

_sources: dict["Credentials", TokenSource] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """Who asks which hub for tokens, and with what."""

    hub_url: str
    service_name: str
    key: str
    key_file: str
    enrolment_token: str
    timeout: float

    @classmethod
    def collect(
        cls,
        hub_url: str | None,
        service_name: str | None,
        service_key: str | None,
        key_file: str | Path | None,
        timeout: float,
    ) -> "Credentials":
        """Return what was given, completed by the environment. A key that was given keeps the environment's out.

        Raises:
            ValueError: the hub or the name is not known, or the address is none.
            NoKey: no key was given, and the environment names none.
        """
        url = address(_environment.required(hub_url, _environment.HUB_URL, "The hub's address"))
        name = _environment.required(service_name, _environment.NAME, "The service's name")
        key, file = service_key or "", str(key_file or "")
        if not key and not file:
            key, file = _environment.value(_environment.KEY), _environment.value(_environment.KEY_FILE)
        if not key and not file:
            raise NoKey(f"No service key: set {_environment.KEY} or {_environment.KEY_FILE}, or pass one.")
        return cls(url, name, key, file, _environment.value(_environment.ENROLMENT_TOKEN), timeout)


def source_of(credentials: Credentials, transport: httpx2.BaseTransport | None) -> TokenSource:
    """Return the source for ``credentials``: the same one for everybody in this process who has the same.

    Raises:
        NoKey: what was given as a key is none.
    """
    if transport is not None:
        return _made(credentials, transport)
    with _lock:
        found = _sources.get(credentials)
        if found is None:
            found = _sources[credentials] = _made(credentials, None)
        return found


def _made(credentials: Credentials, transport: httpx2.BaseTransport | None) -> TokenSource:
    line = Line(credentials.hub_url, timeout=credentials.timeout, transport=transport)
    key: KeyHolder
    if credentials.key:
        key = KeyText(credentials.key)
    else:
        key = KeyFile(credentials.key_file, _enrolling(line, credentials) if credentials.enrolment_token else None)
    return TokenSource(line, credentials.service_name, key)


def _enrolling(line: Line, credentials: Credentials) -> Enrol:
    body = {"service_name": credentials.service_name, "enrolment_token": credentials.enrolment_token}

    def enrol() -> str:
        return read(line.ask("POST", "/api/v1/service-auth/enrol", body), lambda answer: str(answer["service_key"]))

    return enrol
