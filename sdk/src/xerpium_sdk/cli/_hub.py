"""The hub that is meant, and questions to it that have no method of their own."""

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xerpium_sdk._answers import address, read
from xerpium_sdk.auth import NoKey, ServiceAuthClient
from xerpium_sdk.auth._environment import HUB_URL, NAME, value
from xerpium_sdk.cli._codes import Wrong
from xerpium_sdk.registry import HubClient
from xerpium_sdk.registry._flows import Call, Request

__all__ = ["asking", "auth_of", "client_of", "document_of", "entity_of", "file_text", "hub_of", "name_of", "text_of"]

SECONDS = 10.0


def hub_of(asked: Namespace) -> str:
    """Return the address of the hub.

    Raises:
        Wrong: nobody says where it is, or it is none.
    """
    found = asked.hub or value(HUB_URL)
    if not found:
        raise Wrong(f"Where is the hub? Set {HUB_URL}, or pass --hub; with make run it is http://127.0.0.1:8000.")
    try:
        return address(found)
    except ValueError as error:
        raise Wrong(f"{'--hub' if asked.hub else HUB_URL}: {error}") from None


def name_of(given: str | None) -> str:
    """Return in whose name to speak.

    Raises:
        Wrong: nobody says.
    """
    found = given or value(NAME)
    if not found:
        raise Wrong(f"Of which service? Set {NAME}, or pass --service.")
    return found


def auth_of(asked: Namespace, *, company_id: int | None = None) -> ServiceAuthClient | None:
    """Return what gets tokens; None where the environment has no key.

    Raises:
        Wrong: there is a key, and not whose it is.
    """
    try:
        return ServiceAuthClient.from_environment(hub_of(asked), company_id=company_id)
    except (ValueError, NoKey) as error:
        raise Wrong(str(error)) from None


def client_of(asked: Namespace, *, company_id: int | None = None) -> HubClient:
    """Return a client of the hub, which brings a token where there is a key."""
    return HubClient(hub_of(asked), auth=auth_of(asked, company_id=company_id), timeout=SECONDS)


def asking(
    method: str,
    path: str,
    params: Mapping[str, Any] | None = None,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Call[dict[str, Any]]:
    """Return a question for `HubClient.run`, whose answer is an object; what of ``params`` is None is left out."""
    wanted = {name: value for name, value in (params or {}).items() if value is not None}
    answer = yield Request(method, path, wanted, body, headers or {})
    return read(answer, dict)


def text_of(argument: str, what: str) -> str:
    """Return what ``argument`` stands for: itself, the text of @FILE, or (-) what comes in.

    Raises:
        Wrong: the file cannot be read.
    """
    if argument == "-":
        return sys.stdin.read()
    if not argument.startswith("@"):
        return argument
    return file_text(argument[1:], what)


def file_text(path: str, what: str) -> str:
    """Return the text of a file.

    Raises:
        Wrong: it cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Wrong(f"{what} in {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Wrong(f"{what} in {path} is no text in UTF-8.") from None


def document_of(text: str, what: str) -> dict[str, Any]:
    """Return an object from its JSON.

    Raises:
        Wrong: it is none.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Wrong(f"{what} is no JSON: {error}.") from None
    if not isinstance(document, dict):
        raise Wrong(f"{what} is no object: a text such as {{…}} is wanted.")
    return document


def entity_of(text: str | None) -> tuple[str | None, str | None]:
    """Return type and id of what an event is about, as ``Order:42`` says."""
    if text is None:
        return None, None
    kind, _, identity = text.partition(":")
    return kind or None, identity or None
