"""The AsyncAPI 3.0 document of the event streams, made from the catalogue of event types.

Written from where services stand: they *send* what they publish and *receive* what they handle. A message's ``headers``
are the eleven flat text fields of a stream entry, its ``payload`` is what the field ``data`` holds, as JSON.

Tools read AsyncAPI's own schemas, a superset of JSON Schema draft 07, and many stop at any other dialect. Declared
schemas are of 2020-12, so they are translated: what only the newer draft knows stays and is ignored by those tools,
references lead to where the schema now stands, and what both use with another meaning is left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from apps.events.schemas import SUBSCHEMA_LISTS, SUBSCHEMA_MAPS, SUBSCHEMA_ONES
from apps.events.selectors import EventTypeView
from xerpium_sdk.wire import keys
from xerpium_sdk.wire.envelope import FIELDS, MAX_TEXT_ID, Envelope

__all__ = ["document"]

VERSION = "3.0.0"
EXAMPLE_TIME = "2026-01-01T00:00:00.000Z"
_HUB = "xerpium-hub"
# Keywords that AsyncAPI's schemas use for something else, or that would move the base of references.
_LEFT_OUT = frozenset({"$schema", "$id", "$anchor", "$comment", "discriminator", "externalDocs"})
_INTEGER = r"^(-?(0|[1-9][0-9]{0,18}))?$"
_DEAD_FIELDS = {
    "dead_group": "The group that gave up.",
    "dead_handler": "The handler that failed; empty when nothing could be read.",
    "dead_reason": "Why, as a word for programs.",
    "dead_error": "The error with an excerpt of its traceback.",
    "dead_attempts": "How often it was tried.",
    "dead_stream": "The stream that it was read from.",
    "dead_stream_id": "Its id in that stream.",
    "dead_at": "When the group gave up.",
}
_REQUEST = {
    "type": "object",
    "required": ["request_id", "request_type", "reply_to", "deadline"],
    "properties": {
        "request_id": {"type": "string"},
        "request_type": {"type": "string", "description": "What is asked."},
        "reply_to": {"type": "string", "description": "The stream for the reply."},
        "deadline": {"type": "integer", "description": "Unix milliseconds; later replies are dropped."},
        "data": {"description": "Any JSON value."},
    },
}
_REPLY = {
    "type": "object",
    "required": ["request_id"],
    "properties": {
        "request_id": {"type": "string"},
        "data": {"description": "Any JSON value."},
        "error": {
            "type": "object",
            "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        },
    },
}


def document(types: Iterable[EventTypeView], *, hub_url: str, version: str) -> dict[str, Any]:
    """Return the document that describes ``types`` (standard and declared ones) on their streams.

    Args:
        types: the catalogue, in the order of the document.
        hub_url: where the hub is reached from outside, such as ``https://hub.example``.
        version: the hub's.
    """
    listed = tuple(types)
    return {
        "asyncapi": VERSION,
        "info": _info(version),
        "defaultContentType": "application/json",
        "servers": _servers(hub_url),
        "channels": _channels(listed),
        "operations": _operations(),
        "components": _components(listed),
    }


def _info(version: str) -> dict[str, Any]:
    return {
        "title": "XERPIUM events",
        "version": version,
        "description": (
            "Business events between services, over Redis streams. Each entry has exactly the eleven text fields that "
            "every message here has as its headers; `data` holds the payload as JSON text. Delivery is at least once, "
            "in the order of the stream, for each consumer group. Events may also be published over REST "
            "(`POST /api/v1/events/`)."
        ),
    }


def _servers(hub_url: str) -> dict[str, Any]:
    hub = urlsplit(hub_url)
    return {
        "redis": {
            "host": "{address}",
            "protocol": "redis",
            "description": "The Redis of the hub. Where it is, and how to log in, is known to whoever runs it.",
            "variables": {"address": {"default": "127.0.0.1:6379", "description": "Host and port."}},
        },
        "hub": {
            "host": hub.netloc,
            "protocol": hub.scheme,
            "pathname": "/api/v1",
            "description": "The hub's REST API, described at `/api/schema/`.",
        },
    }


def _channels(listed: tuple[EventTypeView, ...]) -> dict[str, Any]:
    standard = [one.event_type for one in listed if one.is_seed]
    declared = [one.event_type for one in listed if not one.is_seed]
    return {
        "events": _channel(
            keys.STREAM_EVENTS, "Standard events", "The types that every consumer of today can read.", standard
        ),
        "custom": _channel(
            keys.STREAM_EVENTS_CUSTOM, "Declared events", "Types that services declare; ids may be text.", declared
        ),
        "hub": _channel(keys.STREAM_HUB, "The hub's own", "What the hub itself has to tell.", ["HubEvent"]),
        "dead": _channel(
            keys.STREAM_EVENTS_DEAD,
            "Dead letters",
            "What a group gave up on. The hub stores it, and operators decide.",
            ["DeadLetter"],
        ),
        "replay": {
            **_channel(
                keys.stream_of_replays("{group}"),
                "Replays",
                "Dead letters that come back to the one group that gave them up.",
                ["Replay"],
            ),
            "parameters": {"group": {"description": "The consumer group."}},
        },
        "requests": {
            **_channel(
                keys.stream_of_requests("{service}"), "Requests", "What other services ask of one.", ["Request"]
            ),
            "parameters": {"service": {"description": "The service that is asked."}},
        },
        # Each request says where its reply belongs, and AsyncAPI wants no address here then.
        "replies": {
            **_channel("", "Replies", "The answers to one requester, on the stream that its requests name.", ["Reply"]),
            "address": None,
        },
    }


def _channel(address: str, title: str, description: str, messages: Iterable[str]) -> dict[str, Any]:
    return {
        "address": address,
        "title": title,
        "description": description,
        "servers": [_ref("servers", "redis")],
        "messages": {name: _ref("components", "messages", name) for name in messages},
    }


def _operations() -> dict[str, Any]:
    """Return what a service does on each stream; without a list of messages all of a channel's are meant."""
    told = {
        "publishEvents": ("send", "events", "Publish a standard event."),
        "handleEvents": ("receive", "events", "Handle standard events, in a consumer group."),
        "publishDeclaredEvents": ("send", "custom", "Publish an event of a type that the service has declared."),
        "handleDeclaredEvents": ("receive", "custom", "Handle declared events, in a consumer group."),
        "handleHubEvents": ("receive", "hub", "Handle what the hub tells; nobody else sends there."),
        "giveUp": ("send", "dead", "Give up on a message, in the transaction that acknowledges it."),
        "handleReplays": ("receive", "replay", "Handle again what was given up, once an operator says so."),
    }
    operations: dict[str, Any] = {
        name: {"action": action, "channel": _ref("channels", channel), "summary": summary}
        for name, (action, channel, summary) in told.items()
    }
    reply = {"address": {"location": "$message.payload#/reply_to"}, "channel": _ref("channels", "replies")}
    for name, action, summary in (
        ("ask", "send", "Ask another service; the reply comes before the deadline or not at all."),
        ("answer", "receive", "Answer what others ask."),
    ):
        operations[name] = {
            "action": action,
            "channel": _ref("channels", "requests"),
            "summary": summary,
            "reply": reply,
        }
    return operations


def _components(listed: tuple[EventTypeView, ...]) -> dict[str, Any]:
    return {
        "messages": {**{one.event_type: _message(one) for one in listed}, **_hub_messages()},
        "schemas": {
            "StandardEnvelope": _envelope("Decimal integer of 64 bit, or empty.", {"pattern": _INTEGER}),
            "DeclaredEnvelope": _envelope(
                f"Any text of up to {MAX_TEXT_ID} characters, or empty.", {"maxLength": MAX_TEXT_ID}
            ),
            "AnyData": {"type": "object", "description": "Any object: nobody has declared a schema."},
            **{_data_name(one): _payload(one) for one in listed if one.schema is not None},
        },
        "correlationIds": {
            "Correlation": {
                "location": "$message.header#/correlation_id",
                "description": "Ties together what belongs together: a request id, or a W3C traceparent.",
            }
        },
    }


def _message(one: EventTypeView) -> dict[str, Any]:
    envelope = "StandardEnvelope" if one.is_seed else "DeclaredEnvelope"
    owner = f"Declared by {one.service_name}." if one.service_name else "A standard type."
    message: dict[str, Any] = {
        "name": one.event_type,
        "title": one.event_type.replace("_", " ").capitalize(),
        "summary": owner,
        "contentType": "application/json",
        "tags": [{"name": "standard" if one.is_seed else "declared"}],
        "headers": {
            "type": "object",
            "allOf": [
                _ref("components", "schemas", envelope),
                {"properties": {"event_type": {"const": one.event_type}}},
            ],
        },
        "correlationId": _ref("components", "correlationIds", "Correlation"),
        "payload": _ref("components", "schemas", "AnyData" if one.schema is None else _data_name(one)),
    }
    if one.description:
        message["description"] = one.description
    if one.example is not None:
        message["examples"] = [_example(one)]
    return message


def _example(one: EventTypeView) -> dict[str, Any]:
    envelope = Envelope(
        event_id=str(uuid5(NAMESPACE_URL, f"xerpium:event-type:{one.event_type}")),
        event_type=one.event_type,
        service_name=one.service_name or f"{one.event_type.partition('_')[0]}-service",
        entity_type=one.event_type.partition("_")[0].capitalize(),
        entity_id=42,
        company_id=7,
        user_id=1001,
        timestamp=EXAMPLE_TIME,
        data=one.example or {},
        correlation_id="import-2026-01-01",
    )
    return {"name": "example", "headers": envelope.encode(), "payload": dict(one.example or {})}


def _hub_messages() -> dict[str, Any]:
    """Return the messages that are no catalogued types: the hub's, dead letters, and those that come back."""
    any_data = _ref("components", "schemas", "AnyData")
    shared = {"contentType": "application/json", "payload": any_data}
    declared = _ref("components", "schemas", "DeclaredEnvelope")
    texts = {name: {"type": "string", "description": told} for name, told in _DEAD_FIELDS.items()}
    replay = {
        "replay_of": {"type": "string", "description": "The id of the dead letter in the hub."},
        "replay_stream": {"type": "string", "description": "The stream that it was first read from."},
    }
    return {
        "HubEvent": {
            **shared,
            "name": "HubEvent",
            "title": "Something that the hub has to tell",
            "summary": "Registrations, status changes, changes of the catalogue of event types.",
            "headers": {"type": "object", "allOf": [declared, {"properties": {"service_name": {"const": _HUB}}}]},
            "correlationId": _ref("components", "correlationIds", "Correlation"),
        },
        "Request": _asked("Request", "service_request", "What one service asks of another.", _REQUEST),
        "Reply": _asked("Reply", "service_reply", "`data`, or `error` when the other failed.", _REPLY),
        "DeadLetter": {
            **shared,
            "name": "DeadLetter",
            "title": "A message that a group gave up on",
            "summary": "All fields of the original entry, whatever they are, and why it was given up.",
            "headers": {"type": "object", "properties": texts, "required": list(texts)},
        },
        "Replay": {
            **shared,
            "name": "Replay",
            "title": "A dead letter that comes back",
            "summary": "All fields of the original entry, and where it comes from.",
            "headers": {"type": "object", "properties": replay, "required": list(replay)},
        },
    }


def _asked(name: str, event_type: str, summary: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "title": name,
        "summary": summary,
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "allOf": [
                _ref("components", "schemas", "DeclaredEnvelope"),
                {"properties": {"event_type": {"const": event_type}}},
            ],
        },
        "correlationId": {"location": "$message.payload#/request_id"},
        "payload": payload,
    }


def _envelope(ids: str, id_rule: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, dict[str, Any]] = {
        "event_id": {"format": "uuid", "description": "The same however often it is delivered."},
        "event_type": {"description": "What happened: lower_snake_case."},
        "service_name": {"description": "Who published it."},
        "entity_type": {"description": "What kind of thing it happened to."},
        "entity_id": {**id_rule, "description": ids},
        "company_id": {"pattern": _INTEGER, "description": "Empty: for all companies."},
        "user_id": {**id_rule, "description": ids},
        "timestamp": {"format": "date-time", "description": "ISO 8601; read as UTC without a zone."},
        "data": {"contentMediaType": "application/json", "description": "The payload as JSON text."},
        "version": {"default": "1.0", "description": "Of the envelope."},
        "correlation_id": {"description": "Empty when nothing is tied to it."},
    }
    return {
        "type": "object",
        "required": list(FIELDS),
        "properties": {name: {"type": "string", **properties[name]} for name in FIELDS},
    }


def _data_name(one: EventTypeView) -> str:
    return f"{one.event_type}.data"


def _payload(one: EventTypeView) -> dict[str, Any]:
    schema = dict(one.schema or {})
    home = f"#/components/schemas/{_data_name(one)}"
    translated: dict[str, Any] = _translated(schema, home, dict(_anchors(schema, "")))
    return translated


def _translated(node: Any, home: str, anchors: Mapping[str, str]) -> Any:
    """Return a schema of 2020-12 as AsyncAPI's tools read it, standing at ``home`` in the document."""
    if not isinstance(node, Mapping):
        return node
    found: dict[str, Any] = {}
    for name, value in node.items():
        if name in _LEFT_OUT:
            continue
        if name == "$ref":
            found[name] = _moved(value, home, anchors)
        elif name in SUBSCHEMA_LISTS and isinstance(value, list):
            found[name] = [_translated(part, home, anchors) for part in value]
        elif name in SUBSCHEMA_MAPS and isinstance(value, Mapping):
            found[name] = {key: _translated(part, home, anchors) for key, part in value.items()}
        elif name in SUBSCHEMA_ONES:
            found[name] = _translated(value, home, anchors)
        else:
            found[name] = value
    return found


def _moved(reference: str, home: str, anchors: Mapping[str, str]) -> str:
    fragment = reference.removeprefix("#")
    return home + anchors.get(fragment, fragment)


def _anchors(node: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield each anchor of a schema with the pointer to where it stands."""
    if isinstance(node, list):
        for index, part in enumerate(node):
            yield from _anchors(part, f"{pointer}/{index}")
    elif isinstance(node, Mapping):
        if isinstance(anchor := node.get("$anchor"), str):
            yield anchor, pointer
        for name, part in node.items():
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from _anchors(part, f"{pointer}/{escaped}")


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}
