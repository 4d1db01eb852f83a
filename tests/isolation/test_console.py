"""The console of an operator who belongs to a company: every page, every list, every search, and what can be done."""

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.core import redis
from apps.core.tenancy import use
from apps.events.links import decide_url
from apps.events.models import DeadLetter, EventTypeHour, StreamSample, StreamState
from apps.registry.admin.operating import operation_url
from apps.registry.live import live
from apps.registry.models import HistoryEntry, Instance, Service
from tests.isolation.callers import operator_of
from tests.isolation.names import ONE, THREE, TWO, canary, word
from tests.isolation.world import Things, build
from tests.support.database import transactional_db
from xerpium_sdk.wire.keys import STREAM_EVENTS

__all__ = ["transactional_db"]


@pytest.fixture
def things(transactional_db: None) -> Any:
    """The world of three companies, and the catalogue in memory that knows it."""
    found = build()
    for of in (None, ONE, TWO, THREE):
        EventTypeHour.objects.create(
            event_type=f"{word(of)}_happened",
            hour="2026-01-01T00:00Z",
            company_id=of,
            count=1,
            last_at="2026-01-01T00:00Z",
        )
        follow(f"{word(of)}-service-group")
    names = [f"{word(of)}-service-group" for of in (ONE, TWO, THREE)]
    alarm = f"9 of at most 10 entries: kept for {', '.join(names)}."
    StreamState.objects.create(stream=STREAM_EVENTS, held_by=names, alarm=alarm, seen_at=timezone.now())
    live.stop()
    cache.clear()
    yield found
    cache.clear()
    live.stop()


def follow(group: str) -> None:
    """Let a consumer group stand in Redis, and on the charts of the last day."""
    redis.client().xgroup_create(STREAM_EVENTS, group, mkstream=True)
    for ago in (2, 1):
        at = timezone.now() - dt.timedelta(hours=ago)
        StreamSample.objects.create(at=at, stream=STREAM_EVENTS, group=group, lag_seconds=600)


def pages(things: dict[int | None, Things]) -> list[str]:
    """Return the addresses of every list, of every page of the console's own, and of things of every company."""
    found = [
        f"{reverse('admin:index')}",
        *map(reverse, ("console:home-live", "bus:overview", "bus:groups", "bus:types")),
    ]
    found += [f"{reverse('console:graph')}?{query}" for query in ("", "all=1", "company=2", "around=two-service")]
    found += [f"{reverse('admin:search')}?s={text}" for text in ("two", "10.0", "e")]
    for model in admin.site._registry:
        found.append(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
    for of in things.values():
        found += [
            reverse("bus:group", args=[f"{word(of.company)}-service-group"]),
            reverse("bus:type", args=[of.event_type]),
        ]
        found.append(reverse("admin:registry_service_change", args=[of.service]))
        found.append(reverse("admin:events_deadletter_change", args=[of.letter]))
    found += [
        reverse("admin:registry_instance_change", args=[pk]) for pk in Instance.objects.values_list("pk", flat=True)
    ]
    found += [f"{reverse('admin:events_journalentry_changelist')}?q={of.event_id}&all=" for of in things.values()]
    return found


def signs(of: int) -> set[str]:
    """Return what would tell of a company."""
    return {canary(of), f"{word(of)}-service", f"{word(of)}-neighbour", f"{word(of)}_happened"}


def without_what_was_asked(text: str, address: str) -> str:
    """Return a page without the words that came with its own address."""
    for asked in re.findall(r"[\w-]{5,}", address):
        text = text.replace(asked, "")
    return text


def test_no_page_tells_of_another_company(things: dict[int | None, Things]) -> None:
    addresses = pages(things)
    with use(None):
        browser = operator_of("of-one", [ONE])
        told = {address: _shown(browser, address) for address in addresses}
    for address, text in told.items():
        for other in (TWO, THREE):
            assert {sign for sign in signs(other) if sign in text} == set(), address
    everything = "".join(told.values())
    assert {sign for sign in signs(ONE) if sign in everything} == signs(ONE)
    assert "common-service" in everything


def test_an_operator_of_none_sees_everything(things: dict[int | None, Things]) -> None:
    addresses = pages(things)
    with use(None):
        browser = operator_of("of-all", None)
        everything = "".join(_shown(browser, address) for address in addresses)
    for of in (ONE, TWO, THREE):
        assert {sign for sign in signs(of) if sign in everything} == signs(of)


def _shown(browser: Client, address: str) -> str:
    answer = browser.get(address, follow=True)
    assert answer.status_code in (200, 403, 404), (address, answer.status_code)
    return without_what_was_asked(answer.content.decode(), address)


@pytest.mark.parametrize("of", [TWO, None], ids=["another", "everybody"])
def test_only_what_is_the_companys_own_can_be_changed(things: dict[int | None, Things], of: int | None) -> None:
    own, other = things[ONE], things[of]
    keys = [Instance.objects.get(instance_id=one.instance_id).pk for one in (own, other)]
    with use(None):
        browser = operator_of("of-one", [ONE])
        browser.post(operation_url("drain", keys), {"reason": "tests"}, follow=True)
        browser.post(decide_url("discard", ids=f"{own.letter},{other.letter}"), follow=True)
        browser.post(decide_url("discard", all=1), {"newest": "999999999"}, follow=True)
        for one in (own, other):
            browser.post(reverse("admin:registry_service_note", args=[one.service]), {"notes": "mine"})
    assert [Instance.objects.get(pk=pk).draining for pk in keys] == [True, False]
    assert [DeadLetter.objects.get(pk=one.letter).state for one in (own, other)] == ["discarded", "waiting"]
    assert [Service.objects.get(name=one.service).notes for one in (own, other)] == ["mine", ""]
    assert not HistoryEntry.objects.filter(service__name=other.service, actor__contains="of-one").exists()
