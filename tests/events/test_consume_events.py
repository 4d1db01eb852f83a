"""The hub as a consumer."""

from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from apps.core import redis
from apps.events import discovery
from apps.events.management.commands import consume_events
from apps.serviceauth.selectors import company_names
from tests.events.conftest import make_event
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_DEAD

pytestmark = pytest.mark.django_db(transaction=True)


def publish(number: int, event_type: str = "company_created", **fields: str) -> None:
    entry: dict[Any, Any] = {**make_event(number, event_type).encode(), **fields}
    redis.client().xadd(STREAM_EVENTS, entry)


def consume(**options: str) -> str:
    out = StringIO()
    call_command("consume_events", "--once", stdout=out, **options)
    return out.getvalue()


def test_once_handles_what_is_there_and_stops() -> None:
    publish(1, data='{"name": "Acme"}')
    publish(2, "user_login")
    publish(3, entity_id="three")
    assert "1 events handled, 1 of no interest, 0 attempts failed, 1 given up." in consume()
    assert company_names([1, 2, 3]) == {1: "Acme"}
    assert redis.client().xlen(STREAM_EVENTS_DEAD) == 1
    assert "0 events handled" in consume()


def test_each_group_gets_everything() -> None:
    publish(1, data='{"name": "Acme"}')
    assert "1 events handled" in consume()
    assert "1 events handled" in consume(group="hub-again")


def test_the_hubs_groups_can_be_told_from_those_of_services() -> None:
    with pytest.raises(CommandError, match="hub-"):
        consume(group="shop")


def test_a_database_that_is_away_fails_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    assert consume_events._is_outage(OperationalError("canceling statement due to statement timeout")) is False
    assert consume_events._is_outage(ValueError("no name")) is False
    assert consume_events._is_outage(redis.AWAY[0]("connection refused")) is True

    def refuse() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    assert consume_events._is_outage(OperationalError("server closed the connection")) is True


def test_two_apps_cannot_handle_one_type(monkeypatch: pytest.MonkeyPatch) -> None:
    both = SimpleNamespace(HANDLERS={"company_created": print})
    monkeypatch.setattr(discovery, "import_module", lambda name: both)
    monkeypatch.setattr(discovery, "module_has_submodule", lambda module, name: True)
    with pytest.raises(ImproperlyConfigured, match="company_created"):
        discovery.discover_handlers()
