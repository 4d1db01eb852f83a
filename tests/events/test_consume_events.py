"""The hub as a consumer."""

from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from apps.core import redis
from apps.core.tenancy import Scope, company, current, global_rows, system
from apps.events import consuming, discovery, services
from apps.events.management.commands import consume_events
from apps.events.models import DeadLetter, JournalEntry
from apps.events.relay import Relay
from apps.events.subscriptions import Subscription
from apps.serviceauth.selectors import company_names
from tests.events.conftest import make_event
from tests.support.database import database_away
from tests.support.wait import wait_until
from xerpium_sdk.wire.keys import STREAM_EVENTS, STREAM_EVENTS_CUSTOM, STREAM_EVENTS_DEAD, STREAM_HUB

pytestmark = pytest.mark.usefixtures("transactional_db")


def publish(number: int, event_type: str = "company_created", *, stream: str = STREAM_EVENTS, **fields: str) -> str:
    entry: dict[Any, Any] = {**make_event(number, event_type).encode(), **fields}
    return str(redis.client().xadd(stream, entry))


def consume(**options: Any) -> str:
    out = StringIO()
    call_command("consume_events", "--once", stdout=out, **options)
    return out.getvalue()


def test_handlers_run_in_the_company_of_each_event_and_copiers_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Scope | None] = []
    handlers = {"company_created": lambda event: found.append(current())}
    copied = Subscription(group="hub-copies", copier=lambda entries: found.append(current()))
    mine = {"hub-mine": Subscription(group="hub-mine", handlers=handlers), "hub-copies": copied}
    monkeypatch.setattr(consume_events, "discover_subscriptions", lambda: mine)
    publish(1, company_id="7")
    publish(2, company_id="")
    consume(group=["hub-mine"])
    assert sorted(found, key=repr) == sorted([company(7), global_rows()], key=repr)
    found.clear()
    consume(group=["hub-copies"])
    assert found == [system("copy entries for hub-copies")]


def test_a_handler_that_would_run_after_its_context_is_refused() -> None:
    async def handle(event: object) -> None: ...

    with pytest.raises(TypeError, match="plain functions"):
        consuming.make_consumer(
            Subscription(group="hub-later", handlers={"user_login": handle}), redis.blocking_client(), workers=1
        )


def test_once_handles_what_is_there_and_stops() -> None:
    publish(1, data='{"name": "Acme"}')
    publish(2, "user_login")
    publish(3, entity_id="three")
    publish(4, "parcel_sent", stream=STREAM_EVENTS_CUSTOM)
    publish(5, "service_registered", stream=STREAM_HUB)
    said = consume()
    assert "hub-core: 1 events handled, 2 of no interest, 0 attempts failed, 1 given up." in said
    assert "hub-journal: 5 events handled, 0 of no interest, 0 attempts failed, 0 given up." in said
    assert "hub-dead: 1 events handled" in said
    assert company_names([1, 2, 3]) == {1: "Acme"}
    verdicts = JournalEntry.objects.order_by("id").values_list("event_type", "verdict")
    assert sorted(verdicts) == [
        ("company_created", "undecodable"),
        ("company_created", "unverified"),
        ("parcel_sent", "undeclared"),
        ("service_registered", "unverified"),
        ("user_login", "unverified"),
    ]
    letter = DeadLetter.objects.get()
    assert (letter.group, letter.reason, letter.entity_id) == ("hub-core", "undecodable", "three")
    assert "hub-core: 0 events handled" in consume()


def test_groups_can_be_picked() -> None:
    publish(1, data='{"name": "Acme"}')
    assert consume(group=["hub-journal"]).count("events handled") == 1
    assert company_names([1]) == {}
    assert "hub-core: 1 events handled" in consume(group=["hub-core", "hub-dead"])


@pytest.mark.parametrize(("group", "told"), [("shop", "begin with hub-"), ("hub-unheard-of", "no group hub-unheard")])
def test_only_the_hubs_own_groups_are_run(group: str, told: str) -> None:
    with pytest.raises(CommandError, match=told):
        consume(group=[group])


def test_a_dead_letter_comes_back_to_its_group_and_to_no_other(make_relay: Any) -> None:
    bury(7)
    assert "hub-dead: 1 events handled" in consume(group=["hub-dead"])
    letter = DeadLetter.objects.get()
    assert services.dead_letters_replay(ids=[letter.pk], actor="anna", now=timezone.now()) == 1
    relay: Relay = make_relay()
    wait_until(lambda: relay.step() is False and relay.relayed == 1, description="the replay to be sent")
    said = consume(group=["hub-core", "hub-journal"])
    assert "hub-core: 1 events handled" in said
    assert "hub-journal: 0 events handled" in said
    assert company_names([7]) == {7: "Mended"}


def bury(number: int) -> None:
    """Leave a dead letter of hub-core, as its consumer would."""
    fields: dict[Any, Any] = {
        **make_event(number, "company_created").encode(),
        "data": '{"name": "Mended"}',
        "dead_group": "hub-core",
        "dead_reason": "max_attempts",
        "dead_stream": STREAM_EVENTS,
        "dead_stream_id": "1-0",
    }
    redis.client().xadd(STREAM_EVENTS_DEAD, fields)


def test_progress_is_told_when_there_is_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consume_events, "PROGRESS_SECONDS", 0.0)
    out = StringIO()
    command = consume_events.Command(stdout=out)
    command.begin(once=False, group=["hub-core", "hub-journal"], workers=1, consumer=None)
    try:
        publish(1, data='{"name": "Acme"}')
        told = "hub-core: 1 events handled, lag 0, 0 given up; hub-journal: 1 events handled, lag 0, 0 given up\n"
        wait_until(lambda: command.step() or out.getvalue().endswith(told), 10, "the progress to be told")
        command.step()
        assert out.getvalue().count(told) == 1
    finally:
        said = command.end()
    assert said.startswith("hub-core: 1 events handled, 0 of no interest, 0 attempts failed, 0 given up. hub-journal: ")


def test_a_consumer_that_ends_by_itself_ends_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    redis.client().set(STREAM_EVENTS, "not a stream", ex=60)
    command = consume_events.Command(stdout=StringIO())
    command.begin(once=False, group=["hub-core"], workers=1, consumer=None)
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        command.step()
    command.end()


def test_an_outage_ends_once_with_an_error() -> None:
    publish(1)
    with database_away(), pytest.raises(OperationalError):
        consume()
    wait_until(lambda: "hub-journal: 1 events handled" in consume_or_fail(), description="the database to be back")


def consume_or_fail() -> str:
    try:
        return consume()
    except OperationalError as error:
        return str(error)


def test_a_database_that_is_away_fails_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    assert consuming.is_outage(OperationalError("canceling statement due to statement timeout")) is False
    assert consuming.is_outage(ValueError("no name")) is False
    assert consuming.is_outage(redis.AWAY[0]("connection refused")) is True

    def refuse() -> None:
        raise OperationalError("connection refused")

    with monkeypatch.context() as away:
        away.setattr(connection, "ensure_connection", refuse)
        assert consuming.is_outage(OperationalError("server closed the connection")) is True


def test_two_apps_cannot_handle_one_type(monkeypatch: pytest.MonkeyPatch) -> None:
    both = SimpleNamespace(HANDLERS={"company_created": print})
    monkeypatch.setattr(discovery, "import_module", lambda name: both)
    monkeypatch.setattr(discovery, "module_has_submodule", lambda module, name: True)
    with pytest.raises(ImproperlyConfigured, match="company_created"):
        discovery.discover_handlers()


def test_two_apps_cannot_have_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    both = SimpleNamespace(SUBSCRIPTIONS=(Subscription(group="hub-x", copier=print),))
    monkeypatch.setattr(discovery, "import_module", lambda name: both)
    monkeypatch.setattr(discovery, "module_has_submodule", lambda module, name: True)
    with pytest.raises(ImproperlyConfigured, match="hub-x"):
        discovery.discover_subscriptions()


def test_a_group_says_either_what_it_handles_or_what_copies_it() -> None:
    with pytest.raises(ValueError, match="either"):
        Subscription(group="hub-x")
    with pytest.raises(ValueError, match="begin with"):
        Subscription(group="shop", copier=print)
