"""What came back from the hub, and what it means. Pure."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from xerpium_sdk.errors import HubUnavailable, UnreadableAnswer, refusal
from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.problems import Problem

__all__ = ["Answer", "NoAnswer", "address", "check", "read", "retry_after"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing came back: refused, reset or too late; ``retry_after`` in seconds, if it is known."""

    reason: str
    retry_after: float = 0.0


def address(hub_url: str) -> str:
    """Return a hub's address without a slash at the end.

    Raises:
        ValueError: it is none.
    """
    scheme, _, rest = hub_url.partition("://")
    if scheme not in ("http", "https") or not rest.strip("/"):
        raise ValueError(f"{hub_url!r} is not the address of a hub, such as http://127.0.0.1:8000.")
    return hub_url.rstrip("/")


def check(answer: Answer | NoAnswer) -> Answer:
    """Return a good answer; raise what a bad one means."""
    if isinstance(answer, NoAnswer):
        raise HubUnavailable(answer.reason, retry_after=answer.retry_after)
    if answer.status < 300:
        return answer
    problem = _problem(answer)
    if answer.status == 429 or answer.status >= 500:
        message = f"The hub answered {answer.status}: {problem.detail or problem.title or 'no reason given'}"
        raise HubUnavailable(message, request_id=problem.request_id, retry_after=retry_after(answer))
    if answer.status < 400:
        raise UnreadableAnswer(f"A redirect ({answer.status}) instead of the hub: is its address right?")
    raise refusal(problem)


def read(answer: Answer | NoAnswer, reader: Callable[[Any], T]) -> T:
    """Return what ``reader`` makes of a good answer's JSON.

    Raises:
        HubError: the answer is a bad one, or not what the contract says.
    """
    good = check(answer)
    try:
        return reader(json.loads(good.body))
    except (DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableAnswer(f"Not an answer of a hub: {error}", request_id=_request_id(good)) from error


def retry_after(answer: Answer | NoAnswer) -> float:
    """Return the seconds that the hub asks for; the form with a date (RFC 9110) is not one that the hub uses."""
    if isinstance(answer, NoAnswer):
        return answer.retry_after
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 0.0


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
