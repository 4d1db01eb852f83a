"""Publishing, and searching what was published: ``events/`` and ``events/{key}``."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from operator import attrgetter
from typing import Any
from uuid import UUID, uuid4, uuid5

import psycopg
from django.db import OperationalError, connection, transaction
from django.db.models import TextField
from django.db.models.functions import Cast, Coalesce, Length
from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import idempotency
from apps.core.access import Principal, caller_of
from apps.core.errors import InvalidInput, NotFound
from apps.core.ownership import company_for, require_company, require_own, sight
from apps.core.pagination import paginate
from apps.core.requestid import current_request_id
from apps.core.views import HubRequest, HubView
from apps.events import answers, selectors, services
from apps.events.models import JournalEntry
from apps.events.serializers import EventSerializer, JournalQuery, Sent, read_events
from apps.events.views.callers import filters_of
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.times import format_time

__all__ = ["EventListView", "EventView"]

SEARCH_SECONDS = 5.0
_ROW_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
_SIZE = Coalesce(Length(Cast("data", TextField())), 0) + Coalesce(Length(Cast("extra", TextField())), 0)
_IDS = UUID("5e7b0c4e-5f0d-4d0e-9c3c-0f6c2f6b9a11")
"""The namespace of event ids that follow from an Idempotency-Key."""


class ResultsOut(serializers.Serializer[Any]):
    """Where the events of a list are now, in its order."""

    results = answers.PublishedOut(many=True)


_EXAMPLE = {
    "event_type": "product_price_changed",
    "service_name": "product-service",
    "entity_type": "Product",
    "entity_id": 42,
    "company_id": 7,
    "data": {"old_price": "19.90", "new_price": "17.50", "currency": "EUR"},
}


class EventListView(HubView):
    """The journal, and the way into the streams."""

    scopes = {"get": "events:read", "post": "events:publish"}
    queries = {"get": JournalQuery}

    @extend_schema(responses={200: answers.JournalPage})
    def get(self, request: Request) -> Response:
        """Search the journal, newest first.

        Every filter is optional and all must hold. What others put into Redis directly is here as well, with the hub's
        verdict: `undeclared`, `mismatch`, `undecodable`. An event is visible within two seconds.
        """
        found = selectors.journal(companies=sight(caller_of(request)), **filters_of(self.query))
        with _bounded(SEARCH_SECONDS):
            page = paginate(found.annotate(size=_SIZE), request, key=("-id",), weigh=attrgetter("size"))
        return Response(page.as_json(answers.journal_entry))

    @extend_schema(
        request=PolymorphicProxySerializer(
            component_name="OneEventOrMany",
            serializers=[EventSerializer, EventSerializer(many=True)],
            resource_type_field_name=None,
            many=False,
        ),
        responses={
            201: PolymorphicProxySerializer(
                component_name="Published",
                serializers=[answers.PublishedOut, ResultsOut],
                resource_type_field_name=None,
            ),
            403: OpenApiResponse(description="The event is in the name of another service, or of another's company."),
        },
        examples=[
            OpenApiExample("One event", value=_EXAMPLE, request_only=True),
            OpenApiExample("Several, all or nothing", value=[_EXAMPLE], request_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        """Publish one event, or a list of up to 1000: all of them or, when one is refused, none.

        `service_name` is the caller: a service publishes in its own name, operators may repair in anybody's. Without
        `event_id` the hub makes one; with an `Idempotency-Key` it follows from key and body, so that repeating what
        was answered by a 503 adds no second event. The answer to a list has its order.
        """
        caller = caller_of(request)
        sent = read_events(request.data)
        faults = list(sent.faults)
        require_own(caller, [(f"{where}/service_name", one["service_name"]) for where, one in sent.events])
        require_company(caller, [(f"{where}/company_id", one["company_id"]) for where, one in sent.events])
        pointers = [where for where, _ in sent.events]
        envelopes = _envelopes(request, caller, sent)
        if faults:
            faults += services.events_faults(envelopes=envelopes, companies=sight(caller), pointers=pointers)
            raise InvalidInput(errors=faults)
        stream_ids = services.events_publish(
            envelopes=envelopes, now=timezone.now(), companies=sight(caller), pointers=pointers
        )
        results = answers.published((envelope.event_id for envelope in envelopes), stream_ids)
        return Response({"results": results} if sent.is_list else results[0], status=201)


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Let each statement in the block take ``seconds``: without an index a search may read months of events.

    Raises:
        InvalidInput: one took longer.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds * 1000:.0f}"])
            yield
    except OperationalError as error:
        if not isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise
        message = "This takes too long: narrow it by type, service, entity, company, correlation or time."
        raise InvalidInput(message, code="search_too_broad") from error


def _envelopes(request: Request, caller: Principal, sent: Sent) -> list[Envelope]:
    now = format_time(timezone.now())
    key = _key_of(request, caller)
    return [
        _envelope(
            values,
            event_id=str(uuid5(_IDS, f"{key}{where}") if key else uuid4()),
            company_id=company_for(caller, values["company_id"]),
            user_id=values["user_id"] if values["user_id"] is not None else caller.user_id,
            now=now,
        )
        for where, values in sent.events
    ]


def _envelope(values: Mapping[str, Any], *, event_id: str, company_id: int | None, user_id: Any, now: str) -> Envelope:
    return Envelope(
        event_id=values.get("event_id", event_id),
        event_type=values["event_type"],
        service_name=values["service_name"],
        entity_type=values["entity_type"],
        entity_id=values["entity_id"],
        company_id=company_id,
        user_id=user_id,
        timestamp=format_time(values["timestamp"]) if "timestamp" in values else now,
        data=values["data"],
        version=values["version"],
        correlation_id=values.get("correlation_id") or current_request_id(),
    )


def _key_of(request: Request, caller: Principal) -> str:
    """Return what tells one use of an Idempotency-Key from all others; empty without one.

    The body is part of it: a key that was refused, or that is a day old, may be used again for something else.
    """
    key = request.headers.get(idempotency.HEADER)
    if key is None or not isinstance(request, HubRequest):
        return ""
    body = blake2b(request.body_bytes(), digest_size=32).hexdigest()
    return f"{caller.scope} {key} {body} "


class EventView(HubView):
    """One event. What happened does not change: there is no other verb than to read."""

    scopes = {"get": "events:read"}

    @extend_schema(responses={200: answers.JournalEntryOut})
    def get(self, request: Request, key: str) -> Response:
        """Return one event of the journal, by its `event_id` or by the journal's own number."""
        return Response(answers.journal_entry(_entry(request, key)))


def _entry(request: Request, key: str) -> JournalEntry:
    wanted = {"pk": int(key)} if _ROW_ID.fullmatch(key) else {"event_id": key}
    # In no order: asked for the newest alone, PostgreSQL might look for it from the end of the whole journal.
    found = list(selectors.journal(companies=sight(caller_of(request))).filter(**wanted).order_by())
    if not found:
        raise NotFound("There is no such event in the journal.")
    return max(found, key=lambda entry: entry.pk)
