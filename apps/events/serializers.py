"""What the bus' routes take. Every rule of the contract's "Events" that one request can break by itself is here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from apps.core.errors import FieldError, InvalidInput
from apps.core.names import SERVICE_PATTERN
from apps.core.pagination import ListQuery
from apps.core.serializers import Query, QueryText, StrictSerializer, Text, service_name
from apps.events.models import DeadLetter, Verdict
from xerpium_sdk.wire.envelope import MAX_TEXT_ID, EventType

__all__ = [
    "MAX_EVENTS",
    "ChangedTypeSerializer",
    "DeadLetterQuery",
    "EventSerializer",
    "EventTypeQuery",
    "EventTypeSerializer",
    "GroupQuery",
    "JournalQuery",
    "NothingSerializer",
    "SelectionSerializer",
    "Sent",
    "read_events",
]

MAX_EVENTS = 1000
MAX_DOCUMENT_BYTES = 65_536
INT64 = 2**63
STANDARD_TYPES = frozenset(EventType)
TYPE_PATTERN = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
EVENT_ID_PATTERN = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
VERSION_PATTERN = r"^[0-9]{1,4}\.[0-9]{1,4}$"
HUB = "xerpium-hub"
_LINE = re.compile(r"[^\x00-\x1f\x7f]*")


class _Matching:
    """A validator: the whole text matches a pattern, else a sentence and a code say what it should have been."""

    def __init__(self, pattern: str, message: str, code: str) -> None:
        self._pattern, self._message, self._code = (
            re.compile(pattern.removeprefix("^").removesuffix("$")),
            message,
            code,
        )

    def __call__(self, value: str) -> None:
        if not self._pattern.fullmatch(value):
            raise ValidationError(self._message, self._code)


type_name = _Matching(
    TYPE_PATTERN,
    "A type is written in lower_snake_case: a-z, 0-9, single '_' in between, beginning with a letter.",
    "event_type",
)
event_id = _Matching(EVENT_ID_PATTERN, "Not a UUID such as 6f1c1f0e-2f0b-4c53-9a37-0c2a4c1c9b7d.", "uuid")
version = _Matching(VERSION_PATTERN, "Not a version such as 1.0.", "version")


def not_the_hub(value: str) -> None:
    """Let through any name but the hub's own.

    Raises:
        ValidationError: it is the hub's, in whose name nobody else speaks.
    """
    if value == HUB:
        raise ValidationError(f"{HUB!r} is the hub itself: nobody else speaks in its name.", "reserved_name")


def one_line(value: str) -> None:
    """Let through what is printable.

    Raises:
        ValidationError: it holds control characters.
    """
    if not _LINE.fullmatch(value):
        raise ValidationError("No control characters, please.", "text")


def modest(value: Any) -> None:
    """Let through what the catalogue can hold and show.

    Raises:
        ValidationError: it is larger.
    """
    if len(orjson.dumps(value)) > MAX_DOCUMENT_BYTES:
        raise ValidationError(f"As JSON this may have at most {MAX_DOCUMENT_BYTES} bytes.", "too_large")


@extend_schema_field(
    {
        "oneOf": [
            {"type": "integer", "format": "int64"},
            {"type": "string", "minLength": 1, "maxLength": MAX_TEXT_ID},
        ]
    }
)
class IdField(serializers.Field[Any, Any, Any, Any]):
    """The id of an entity or a user: a number, or a short text for types that services declare."""

    def to_internal_value(self, data: Any) -> int | str:
        """Return the id.

        Raises:
            ValidationError: it is neither, or too long.
        """
        if isinstance(data, str):
            if not 0 < len(data) <= MAX_TEXT_ID:
                raise ValidationError(f"An id that is text has 1 to {MAX_TEXT_ID} characters.", "max_length")
            return data
        if isinstance(data, bool) or not isinstance(data, int):
            raise ValidationError("This must be a whole number or a text.", "invalid_type")
        return data


def _company(**options: Any) -> serializers.IntegerField:
    return serializers.IntegerField(min_value=1, max_value=INT64 - 1, required=False, **options)


class EventSerializer(StrictSerializer):
    """One event as ``POST events/`` takes it: the fields of the envelope."""

    event_type = Text(max_length=100, help_text="A standard type, or one that a service has declared.")
    service_name = Text(
        service_name, not_the_hub, max_length=100, pattern=SERVICE_PATTERN, help_text="Who publishes: the caller."
    )
    entity_type = Text(one_line, max_length=100, help_text="What it is about, such as `Product`.")
    entity_id = IdField(
        required=False, allow_null=True, default=None, help_text="An integer; types that services declare may use text."
    )
    company_id = _company(allow_null=True, default=None, help_text="Absent: for all companies.")
    user_id = IdField(required=False, allow_null=True, default=None, help_text="Who did it; as `entity_id`.")
    # The field takes the place of the property.
    data = serializers.DictField(  # type: ignore[assignment]
        required=False, default=dict, help_text="What happened, as the type's schema says."
    )
    correlation_id = Text(
        one_line, max_length=200, required=False, allow_null=True, help_text="By default the id of the request."
    )
    version = Text(version, max_length=9, required=False, default="1.0", pattern=VERSION_PATTERN)
    event_id = Text(
        event_id,
        max_length=36,
        required=False,
        pattern=EVENT_ID_PATTERN,
        help_text="A UUID; made here when absent. The same event sent again must have the same one.",
    )
    timestamp = serializers.DateTimeField(required=False, help_text="When it happened; now when absent.")

    def to_internal_value(self, data: Any) -> Any:
        """Return the checked values; the ids of standard types are integers, which consumers of today rely on."""
        wrong = _text_ids(data) if isinstance(data, Mapping) else {}
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            raise ValidationError(
                {**error.detail, **wrong} if isinstance(error.detail, dict) else error.detail
            ) from None
        if wrong:
            raise ValidationError(wrong)
        if "event_id" in values:
            values["event_id"] = values["event_id"].lower()
        return values


def _text_ids(data: Mapping[str, Any]) -> dict[str, list[ErrorDetail]]:
    """Return a fault for each id of a standard type that is text."""
    event_type = data.get("event_type")
    if not (isinstance(event_type, str) and event_type in STANDARD_TYPES):
        return {}
    message = f"{event_type} is a standard type: its ids are integers."
    fault = [ErrorDetail(message, code="invalid_type")]
    return {name: fault for name in ("entity_id", "user_id") if isinstance(data.get(name), str)}


class ChangedTypeSerializer(StrictSerializer):
    """What PUT and PATCH take for an event type."""

    event_type = Text(max_length=100, required=False, help_text="As it is: a type is not renamed.")
    service_name = Text(max_length=100, required=False, help_text="As it is: a type keeps its owner.")
    company_id = _company(allow_null=True, help_text="As it is.")
    description = Text(max_length=2000, required=False, allow_blank=True, default="", help_text="For people.")
    schema = serializers.DictField(
        required=False,
        allow_null=True,
        default=None,
        validators=[modest],
        help_text="JSON Schema (2020-12) of the event's `data`. Without one any object will do.",
    )
    example = serializers.DictField(
        required=False,
        allow_null=True,
        default=None,
        validators=[modest],
        help_text="An example of `data`; it fits the schema.",
    )


class EventTypeSerializer(ChangedTypeSerializer):
    """``POST events/types``."""

    event_type = Text(type_name, max_length=100, pattern=TYPE_PATTERN, help_text="Unique in the hub, past tense.")
    service_name = Text(
        service_name, not_the_hub, max_length=100, pattern=SERVICE_PATTERN, help_text="Who publishes it: the caller."
    )
    company_id = _company(allow_null=True, default=None, help_text="Absent: for all companies.")


class NothingSerializer(StrictSerializer):
    """The body of an action that needs none: empty, or ``{}``."""


class GroupQuery(ListQuery):
    """Filters of ``GET events/groups``."""

    stream = QueryText(max_length=200, required=False)
    group = QueryText(max_length=200, required=False)


class _Times(Query):
    since = serializers.DateTimeField(required=False, help_text="This moment or later.")
    until = serializers.DateTimeField(required=False, help_text="Before this moment.")


class JournalQuery(_Times, ListQuery):
    """Filters of ``GET events/``: all are optional and all must hold."""

    event_id = QueryText(max_length=200, required=False)
    event_type = QueryText(max_length=100, required=False)
    service_name = QueryText(max_length=100, required=False)
    entity_type = QueryText(max_length=200, required=False)
    entity_id = QueryText(max_length=200, required=False)
    company_id = _company()
    user_id = QueryText(max_length=200, required=False)
    timestamp = QueryText(max_length=100, required=False, help_text="Exactly as the event has it.")
    version = QueryText(max_length=100, required=False)
    correlation_id = QueryText(max_length=200, required=False)
    stream = QueryText(max_length=200, required=False, help_text="Such as `xerpium:events`.")
    verdict = serializers.ChoiceField(choices=Verdict.choices, required=False, help_text="What the hub makes of it.")


class EventTypeQuery(ListQuery):
    """Filters of ``GET events/types``."""

    service_name = QueryText(max_length=100, required=False, help_text="Who declared it.")
    standard = serializers.ChoiceField(
        choices=["true", "false"], required=False, help_text="The types that every consumer knows, or the others."
    )
    company_id = _company()
    q = QueryText(max_length=100, required=False, help_text="Part of a name or a description.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Read yes and no as such."""
        if "standard" in attrs:
            attrs["standard"] = attrs["standard"] == "true"
        return attrs


class DeadLetterQuery(_Times, ListQuery):
    """Filters of ``GET events/dead-letters``; ``since`` and ``until`` are about when it was given up."""

    group = QueryText(max_length=200, required=False)
    handler = QueryText(max_length=200, required=False)
    event_type = QueryText(max_length=100, required=False)
    service_name = QueryText(max_length=100, required=False)
    entity_type = QueryText(max_length=200, required=False)
    entity_id = QueryText(max_length=200, required=False)
    event_id = QueryText(max_length=200, required=False)
    correlation_id = QueryText(max_length=200, required=False)
    company_id = _company()
    reason = QueryText(max_length=200, required=False)
    stream = QueryText(max_length=200, required=False, help_text="Where it was read.")
    state = serializers.ChoiceField(choices=DeadLetter.State.choices, required=False)


class SelectionSerializer(StrictSerializer):
    """Which dead letters are meant: those that wait and match all that is given; with ``all``, every one that waits."""

    all = serializers.BooleanField(required=False, default=False, help_text="Every one that waits; nothing else then.")
    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=INT64 - 1),
        required=False,
        max_length=1000,
        allow_empty=False,
    )
    group = Text(max_length=200, required=False)
    handler = Text(max_length=200, required=False)
    event_type = Text(max_length=100, required=False)
    service_name = Text(max_length=100, required=False)
    entity_type = Text(max_length=200, required=False)
    entity_id = Text(max_length=200, required=False)
    event_id = Text(max_length=200, required=False)
    correlation_id = Text(max_length=200, required=False)
    company_id = _company()
    reason = Text(max_length=200, required=False)
    stream = Text(max_length=200, required=False)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what could have been forgotten, and what contradicts itself; return the filters alone.

        Raises:
            ValidationError: neither a filter nor ``all``, or both.
        """
        everything = attrs.pop("all")
        if not attrs and not everything:
            raise ValidationError('Name a filter, or say {"all": true}.', "empty_filter")
        if attrs and everything:
            raise ValidationError({"all": [ErrorDetail("Either a filter or all, not both.", code="contradiction")]})
        return attrs


@dataclass(frozen=True, slots=True)
class Sent:
    """The body of ``POST events/``, read.

    Attributes:
        events: those that can be read, each with the pointer to where it stands.
        faults: what is wrong with them and with all others.
        is_list: it was a list, so the answer is one.
    """

    events: list[tuple[str, dict[str, Any]]]
    faults: list[FieldError]
    is_list: bool


def read_events(body: Any) -> Sent:
    """Read one event, or a list of them.

    Raises:
        InvalidInput: it is a list of none or of more than `MAX_EVENTS`.
    """
    if not isinstance(body, list):
        return _read([("", body)], is_list=False)
    if not body:
        raise _refused_list("A list of events has at least one.", "empty")
    if len(body) > MAX_EVENTS:
        raise _refused_list(f"A list has at most {MAX_EVENTS} events, this one {len(body)}.", "max_length")
    return _read([(f"/{index}", item) for index, item in enumerate(body)], is_list=True)


def _read(items: list[tuple[str, Any]], *, is_list: bool) -> Sent:
    sent = Sent([], [], is_list)
    seen: set[str] = set()
    for where, item in items:
        try:
            values = EventSerializer.read(item)
        except InvalidInput as error:
            sent.faults.extend(FieldError(where + fault.pointer, fault.code, fault.message) for fault in error.errors)
            continue
        sent.events.append((where, values))
        if (given := values.get("event_id")) in seen:
            message = "Another event of this list has the same id."
            sent.faults.append(FieldError(f"{where}/event_id", "repeated", message))
        elif given is not None:
            seen.add(given)
    return sent


def _refused_list(message: str, code: str) -> InvalidInput:
    return InvalidInput(errors=[FieldError("", code, message)])
