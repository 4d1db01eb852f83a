"""Requests and replies on the wire: envelopes whose ``data`` says who asks what, and until when. Pure.

| ``event_type`` | ``data`` |
|---|---|
| ``service_request`` | ``deadline`` (Unix milliseconds, clock of Redis), ``request_id, request_type, reply_to, data`` |
| ``service_reply`` | ``request_id`` and ``data``, or ``request_id`` and ``error: {type, message}`` |

``reply_to`` is the stream on which the requester reads its replies. The deadline is written as a request is appended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import stream_of_replies

__all__ = ["REPLY", "REQUEST", "Failure", "Reply", "Request", "flat", "make_reply", "make_request"]

REQUEST, REPLY = "service_request", "service_reply"
LONGEST_MESSAGE = 1000
"""Characters of an error's text that travel back."""


@dataclass(frozen=True, slots=True)
class Request:
    """What another service asks, as a handler gets it beside its data."""

    request_id: str
    request_type: str
    data: Any
    reply_to: str
    deadline: int
    """Until when the requester waits: Unix milliseconds by the clock of Redis."""
    envelope: Envelope

    @classmethod
    def read(cls, envelope: Envelope) -> Self:
        """Return the request that ``envelope`` is.

        Raises:
            ValueError: it is none, or its answer would go to a stream that is not for replies.
        """
        said = envelope.data
        match said.get("request_id"), said.get("request_type"), said.get("reply_to"), said.get("deadline"):
            case str(request_id), str(request_type), str(reply_to), int(deadline):
                if not reply_to.startswith(stream_of_replies("")):
                    raise ValueError(f"reply_to must be a stream below {stream_of_replies('')}")
                return cls(request_id, request_type, said.get("data"), reply_to, deadline, envelope)
        raise ValueError("A request needs request_id, request_type, reply_to and deadline.")

    @property
    def service_name(self) -> str:
        """The service that asks."""
        return self.envelope.service_name

    @property
    def company_id(self) -> int | None:
        """The company for which it asks."""
        return self.envelope.company_id

    @property
    def user_id(self) -> int | str | None:
        """The user for whom it asks."""
        return self.envelope.user_id

    @property
    def correlation_id(self) -> str | None:
        """What the request came from."""
        return self.envelope.correlation_id


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it travels back: the name of its class and its text, no traceback."""

    type: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Return what may be told of ``error``."""
        return cls(type(error).__name__, str(error)[:LONGEST_MESSAGE])


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request: its data, or how it failed."""

    request_id: str
    data: Any
    failure: Failure | None = None

    @classmethod
    def read(cls, envelope: Envelope) -> Self:
        """Return the reply that ``envelope`` is.

        Raises:
            ValueError: it is none.
        """
        said = envelope.data
        request_id, error = said.get("request_id"), said.get("error")
        if envelope.event_type != REPLY or not isinstance(request_id, str):
            raise ValueError("A reply needs request_id.")
        if error is None:
            return cls(request_id, said.get("data"))
        about = error if isinstance(error, Mapping) else {}
        return cls(request_id, None, Failure(str(about.get("type", "Error")), str(about.get("message", ""))))


def make_request(
    *,
    service_name: str,
    request_id: str,
    request_type: str,
    reply_to: str,
    data: Any,
    company_id: int | None,
    user_id: int | str | None,
    correlation_id: str | None,
) -> Envelope:
    """Return the envelope of a request, without its deadline."""
    return Envelope.create(
        *(REQUEST, "Request", None, company_id, user_id),
        {"request_id": request_id, "request_type": request_type, "reply_to": reply_to, "data": data},
        correlation_id,
        service_name=service_name,
        event_id=request_id,
    )


def make_reply(service_name: str, request: Request, answer: Any) -> Envelope:
    """Return the envelope of the reply to ``request``: ``answer``, or how it failed when that is a `Failure`."""
    if isinstance(answer, Failure):
        said = {"request_id": request.request_id, "error": {"type": answer.type, "message": answer.message}}
    else:
        said = {"request_id": request.request_id, "data": answer}
    return Envelope.create(
        *(REPLY, "Reply", None, request.company_id, request.user_id),
        said,
        request.correlation_id,
        service_name=service_name,
    )


def flat(envelope: Envelope) -> list[str]:
    """Return the fields of an entry as ``[name, value, name, value…]``.

    Raises:
        TypeError, ValueError: ``data`` holds what has no JSON form.
    """
    return [part for pair in envelope.encode().items() for part in pair]
