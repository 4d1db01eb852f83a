"""Isolation where no view of the API asks who it is: handlers of events, OAuth, and what anybody may read."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client

from apps.core import redis
from apps.core.errors import NotFound
from apps.core.tenancy import use
from apps.events import streams
from apps.events.consuming import make_consumer
from apps.events.models import DeadLetter, EventTypeDeclaration, JournalEntry
from apps.events.subscriptions import Subscription
from apps.registry.live import live
from apps.registry.models import HistoryEntry, Instance, Service
from tests.isolation import callers
from tests.isolation.names import COMPANIES, ONE, canary, word
from tests.isolation.test_matrix import assert_says_nothing_of_others
from tests.isolation.world import Things, build
from tests.support.database import transactional_db
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.keys import STREAM_EVENTS

__all__ = ["transactional_db"]

MODELS = (Service, Instance, HistoryEntry, JournalEntry, DeadLetter, EventTypeDeclaration)
TABLES = "SELECT name FROM registry_service UNION ALL SELECT event_type FROM events_eventtypedeclaration"
ANYBODYS = (
    "/oauth/token", "/oauth/introspect", "/oauth/revoke", "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server", "/health", "/health/ready", "/metrics", "/api/asyncapi", "/api/schema",
    "/api/v1/service-auth/revocations",
)  # fmt: skip


@pytest.fixture
def things(transactional_db: None) -> Iterator[dict[int | None, Things]]:
    """The world of three companies, and the catalogue in memory that knows it."""
    found = build()
    live.stop()
    live.ready()
    yield found
    live.stop()


def event_of(company: int | None) -> Envelope:
    return Envelope(
        event_id="e", event_type="product_updated", service_name="common-service", entity_type="thing", entity_id=1,
        company_id=company, user_id=None, timestamp="2026-01-02T12:00:00Z", data={},
    )  # fmt: skip


def test_a_handler_sees_what_its_events_company_sees(things: dict[int | None, Things]) -> None:
    seen: dict[int | None, str] = {}
    done: list[int | None] = []

    def look(event: Envelope) -> None:
        with connection.cursor() as cursor:
            cursor.execute(TABLES)
            raw = cursor.fetchall()
        seen[event.company_id] = repr([raw, *(list(model.objects.values_list()) for model in MODELS)])
        for other in COMPANIES:
            row = Service.objects.filter(name=things[other].service).first() or Service(name="new", company_id=other)
            if other == event.company_id:
                row.save()
            else:
                with pytest.raises(NotFound):
                    row.save()
        done.append(event.company_id)

    for company in COMPANIES:
        streams.append([(STREAM_EVENTS, event_of(company).encode())])
    wanted = Subscription(group="hub-tests", handlers={"product_updated": look})
    with use(None):
        make_consumer(wanted, redis.blocking_client(), workers=2).run_until_idle(10)
    assert sorted(done, key=str) == sorted(COMPANIES, key=str)
    for company, shown in seen.items():
        told = {other for other in COMPANIES if canary(other) in shown or f"{word(other)}-service" in shown}
        assert told == {None, company}


@pytest.mark.parametrize("name", ["no token", "other company", "global", "operator of two"])
def test_what_anybody_may_read_tells_of_no_company(things: dict[int | None, Things], name: str) -> None:
    caller = callers.make(name)
    client = caller.client or Client(raise_request_exception=False)
    EventTypeDeclaration.objects.filter(company_id=None).update(description="for all")
    with use(None):
        for address in ANYBODYS:
            for verb in ("GET", "POST"):
                form = {"token": "x", "grant_type": "client_credentials", "client_id": things[ONE].service}
                answer: Any = client.generic(
                    verb, address, urlencode(form) if verb == "POST" else "", "application/x-www-form-urlencoded",
                    headers=dict(caller.headers), REMOTE_ADDR=callers.NETWORK,
                )  # fmt: skip
                assert answer.status_code < 500, address
                assert_says_nothing_of_others(answer, caller, address)
