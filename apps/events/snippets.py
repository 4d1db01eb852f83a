"""Code and commands that people copy from the catalogue: to declare a type, to publish it, and to handle it. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from xerpium_sdk.wire.envelope import EventType

__all__ = [
    "declare_code",
    "declare_curl",
    "draft_schema",
    "envelope_example",
    "handle_code",
    "literal",
    "publish_code",
    "publish_curl",
]

SHORT = 76
SAMPLE_ID = "6f1c2d0e-6f7a-4c54-9d5e-2b8a4f3c1d10"


def _type(event_type: str) -> str:
    """Return how a program names a type: a member of the enumeration, or text for a declared one."""
    known = next((member for member in EventType if member == event_type), None)
    return f"EventType.{known.name}" if known else literal(event_type)


def literal(value: Any, *, indent: int = 0) -> str:
    """Return a JSON value as Python, in one line where it is short, else a member a line."""
    if isinstance(value, dict) and value:
        return _several("{", [(f"{literal(name)}: ", part) for name, part in value.items()], "}", indent)
    if isinstance(value, list) and value:
        return _several("[", [("", part) for part in value], "]", indent)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _several(begin: str, parts: Sequence[tuple[str, Any]], end: str, indent: int) -> str:
    short = ", ".join(f"{name}{literal(part)}" for name, part in parts)
    if len(short) + indent < SHORT and "\n" not in short:
        return f"{begin}{short}{end}"
    deeper = indent + 4
    lines = [f"{' ' * deeper}{name}{literal(part, indent=deeper)}," for name, part in parts]
    return "\n".join([begin, *lines, f"{' ' * indent}{end}"])


def _entity(event_type: str) -> str:
    return event_type.partition("_")[0] or "thing"


def envelope_example(event_type: str, service: str, entity_type: str, data: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a whole event as REST shows it, with ``data`` or something in its place."""
    return {
        "event_id": SAMPLE_ID,
        "event_type": event_type,
        "service_name": service or "my-service",
        "entity_type": entity_type or _entity(event_type),
        "entity_id": 4711,
        "company_id": 1,
        "user_id": 42,
        "timestamp": "2026-01-02T03:04:05.678Z",
        "data": dict(data) if data is not None else {},
        "version": "1.0",
        "correlation_id": None,
    }


def publish_code(event_type: str, service: str, entity_type: str, data: Mapping[str, Any] | None) -> str:
    """Return Python that publishes such an event."""
    imports = "EventPublisher, EventType" if _type(event_type).startswith("EventType") else "EventPublisher"
    shown = literal(dict(data or {}), indent=8)
    return (
        f"from xerpium_sdk.events import {imports}\n\n"
        f'with EventPublisher("{service or "my-service"}") as publisher:\n'
        "    publisher.publish_event(\n"
        f"        {_type(event_type)},\n"
        f'        entity_type="{entity_type or _entity(event_type)}",\n'
        "        entity_id=4711,\n"
        "        company_id=1,\n"
        f"        data={shown},\n"
        "    )\n"
    )


def handle_code(event_type: str) -> str:
    """Return Python that handles such events."""
    imports = "EventConsumer, EventType" if _type(event_type).startswith("EventType") else "EventConsumer"
    return (
        f"from xerpium_sdk.events import {imports}\n\n"
        'consumer = EventConsumer("my-service")\n\n\n'
        f"@consumer.on({_type(event_type)})\n"
        f"def on_{event_type if event_type.isidentifier() else 'event'}(event):\n"
        "    print(event.entity_id, event.data)\n\n\n"
        "consumer.run()\n"
    )


def publish_curl(event_type: str, service: str, entity_type: str, data: Mapping[str, Any] | None, hub: str) -> str:
    """Return the command that publishes such an event over REST."""
    event = {
        "event_type": event_type,
        "service_name": service or "my-service",
        "entity_type": entity_type or _entity(event_type),
        "entity_id": 4711,
        "company_id": 1,
        "data": dict(data or {}),
    }
    return _curl(f"{hub}/api/v1/events/", event)


def declare_curl(event_type: str, service: str, hub: str, data: Mapping[str, Any] | None = None) -> str:
    """Return the command that declares a type; from ``data`` of an event a schema is drafted."""
    return _curl(f"{hub}/api/v1/events/types/", _declaration(event_type, service, data))


def declare_code(event_type: str, service: str, hub: str, data: Mapping[str, Any] | None = None) -> str:
    """Return Python that declares a type when its service starts; saying the same again changes nothing."""
    shown = literal(_declaration(event_type, service, data), indent=4)
    return f'import httpx\n\nhttpx.post(\n    "{hub}/api/v1/events/types/",\n    json={shown},\n).raise_for_status()\n'


def _declaration(event_type: str, service: str, data: Mapping[str, Any] | None) -> dict[str, Any]:
    example = dict(data) if data else {"name": "Ada"}
    return {
        "event_type": event_type,
        "service_name": service or "my-service",
        "description": "What happened, and when this is published.",
        "schema": draft_schema(example),
        "example": example,
    }


def draft_schema(value: Any) -> dict[str, Any]:
    """Return a schema that ``value`` fits, to begin with: kinds of values and names of members, nothing required."""
    if isinstance(value, dict):
        return {"type": "object", "properties": {name: draft_schema(part) for name, part in value.items()}}
    if isinstance(value, list):
        items = [draft_schema(part) for part in value]
        same = bool(items) and all(item == items[0] for item in items)
        return {"type": "array", "items": items[0]} if same else {"type": "array"}
    return {"type": next((word for kind, word in _KINDS if isinstance(value, kind)), "null")}


_KINDS = ((bool, "boolean"), (int | float, "number"), (str, "string"))


def _curl(address: str, document: Mapping[str, Any]) -> str:
    body = json.dumps(document, indent=2, ensure_ascii=False).replace("'", "'\\''")
    return f"curl -X POST {address} -H 'Content-Type: application/json' -d '{body}'"
