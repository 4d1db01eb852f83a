"""Envelopes as CloudEvents 1.0 in structured JSON mode, for gateways and brokers that speak that, and back.

| envelope | CloudEvent |
|---|---|
| ``event_id`` | ``id`` |
| ``service_name`` | ``source``: ``/services/product-service`` |
| ``event_type`` | ``type`` |
| ``entity_type``, ``entity_id`` | ``subject`` (``Product/42``), and exactly in ``entitytype``, ``entityid`` |
| ``timestamp`` | ``time``; one without a zone gets its ``Z`` |
| ``data`` | ``data``, with ``datacontenttype: application/json`` |
| ``company_id``, ``user_id``, ``version`` | ``companyid``, ``userid``, ``envelopeversion`` |
| ``correlation_id`` | ``correlationid``, and ``traceparent`` (distributed tracing extension) when it is one |

Ids are text in extension attributes, because an Integer of CloudEvents has 32 bits. Absent values have no attribute.
"""

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from xerpium_sdk.wire.data import dump_data, load_data
from xerpium_sdk.wire.envelope import Envelope, stream_of
from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.keys import STREAM_EVENTS

__all__ = ["CONTENT_TYPE", "from_cloudevent", "to_cloudevent"]

CONTENT_TYPE = "application/cloudevents+json"
"""The media type of the documents, and with ``; charset=UTF-8`` of a request that carries one."""

_SOURCE = "/services/"
_JSON = "application/json"
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def to_cloudevent(envelope: Envelope) -> dict[str, Any]:
    """Return the CloudEvent that ``envelope`` is, ready for `json.dumps`.

    Raises:
        TypeError, ValueError: ``data`` holds what has no JSON form, or ``timestamp`` is no time.
    """
    found = {
        "specversion": "1.0",
        "id": envelope.event_id,
        "source": _SOURCE + quote(envelope.service_name, safe=""),
        "type": str(envelope.event_type),
        "subject": _subject(envelope),
        "time": _time(envelope),
        "datacontenttype": _JSON,
        "data": json.loads(dump_data(envelope.data)),
        "entitytype": envelope.entity_type or None,
        "entityid": _text(envelope.entity_id),
        "companyid": _text(envelope.company_id),
        "userid": _text(envelope.user_id),
        "correlationid": envelope.correlation_id or None,
        "envelopeversion": envelope.version,
    }
    if envelope.correlation_id and _TRACEPARENT.fullmatch(envelope.correlation_id):
        found["traceparent"] = envelope.correlation_id
    return {name: value for name, value in found.items() if value is not None}


def from_cloudevent(document: Mapping[str, Any]) -> Envelope:
    """Return the envelope of a CloudEvent, ours or of somebody else.

    Of somebody else's, ``source`` is the service's name as it stands, ``subject`` is read as ``type/id`` or as a type,
    a missing ``time`` is now, and missing ``data`` is ``{}``. Attributes without a place in an envelope are left out.

    Raises:
        DecodeError: it is no CloudEvent 1.0, or none that an envelope can hold; its ``fields`` are the document.
    """
    try:
        return _envelope(document)
    except DecodeError as error:
        raise DecodeError(str(error), document) from error
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise DecodeError(f"Not an event: {error}.", document) from error


def _envelope(document: Mapping[str, Any]) -> Envelope:
    text = {name: _attribute(document, name) for name in ("specversion", "id", "source", "type")}
    if missing := [name for name, value in text.items() if not value]:
        raise ValueError(f"{', '.join(missing)} missing")
    if text["specversion"] != "1.0":
        raise ValueError(f"specversion {text['specversion'][:20]!r} is not 1.0")
    source = text["source"]
    entity_type, _, entity_id = _attribute(document, "subject").partition("/")
    fields = {
        "event_id": text["id"],
        "event_type": text["type"],
        "service_name": unquote(source.removeprefix(_SOURCE)) if source.startswith(_SOURCE) else source,
        "entity_type": entity_type,
        "entity_id": entity_id,
        "company_id": _attribute(document, "companyid"),
        "user_id": _attribute(document, "userid"),
        "timestamp": _attribute(document, "time") or datetime.now(UTC).isoformat(timespec="milliseconds"),
        "data": dump_data(_data(document)),
        "version": _attribute(document, "envelopeversion"),
        "correlation_id": _attribute(document, "correlationid") or _attribute(document, "traceparent"),
    }
    if "entitytype" in document or "entityid" in document:
        fields |= {"entity_type": _attribute(document, "entitytype"), "entity_id": _attribute(document, "entityid")}
    return Envelope.decode(fields, text_ids=stream_of(fields["event_type"]) != STREAM_EVENTS)


def _attribute(document: Mapping[str, Any], name: str) -> str:
    """Return an attribute as text, ``""`` when it is not there; others write ids as numbers, which is allowed."""
    value = document.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"{name} is neither text nor an integer")
    return str(value)


def _data(document: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = _attribute(document, "datacontenttype").partition(";")[0].strip().lower()
    if kind and kind != _JSON and not kind.endswith("+json"):
        raise ValueError(f"its data is {kind[:80]}, not JSON")
    if (packed := document.get("data_base64")) is not None:
        return load_data(base64.b64decode(packed, validate=True).decode())
    data = document.get("data")
    if data is not None and not isinstance(data, Mapping):
        raise TypeError("data is not a JSON object")
    return {} if data is None else data


def _subject(envelope: Envelope) -> str | None:
    if envelope.entity_id is None:
        return envelope.entity_type or None
    return f"{envelope.entity_type}/{envelope.entity_id}"


def _time(envelope: Envelope) -> str:
    moment = envelope.occurred_at
    return (
        envelope.timestamp if _RFC_3339.fullmatch(envelope.timestamp) else f"{moment.replace(tzinfo=None).isoformat()}Z"
    )


def _text(value: int | str | None) -> str | None:
    return None if value is None else str(value)
