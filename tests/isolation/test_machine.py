"""Three companies and everybody write and read at random; what each sees is held against a dictionary."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apps.core.tenancy import system, use
from apps.events.models import DeadLetter, EventTypeDeclaration, JournalEntry
from apps.registry.live import live
from apps.registry.models import Service
from tests.isolation.callers import NETWORK
from tests.isolation.names import COMPANIES, canary
from tests.support.api import Api
from tests.support.database import transactional_db
from tests.support.registry import body
from tests.support.tokens import bearer, token_for
from xerpium_sdk.wire.keys import STREAM_EVENTS

__all__ = ["transactional_db"]

NAMES = ("alpha", "beta", "gamma")
TYPES = ("sown", "grown")
companies = st.sampled_from(COMPANIES)
names = st.sampled_from(NAMES)
Company = int | None


@cache
def token(name: str, company: Company) -> str:
    """Return a token of a service in a company; None: in none."""
    return token_for(name, companies=() if company is None else [company], company_id=company)


class Companies(RuleBasedStateMachine):
    """The hub beside a model of it: who owns which name, which type, which event, which dead letter."""

    def __init__(self) -> None:
        super().__init__()
        self.api = Api()
        self.services: dict[str, Company] = {}
        self.types: dict[str, tuple[str, Company]] = {}
        self.events: dict[str, Company] = {}
        self.letters: dict[int, Company] = {}

    @initialize()
    def begin(self) -> None:
        """Forget what the example before left."""
        live.stop()
        with use(system("tests begin anew")):
            for model in (Service, EventTypeDeclaration, JournalEntry, DeadLetter):
                model.objects.all().delete()

    def ask(self, verb: str, path: str, name: str, company: Company, sent: Any = None) -> Any:
        """Ask as a service in a company, and look that nothing of others is in the answer."""
        with use(None):
            answer = self.api.send(verb, path, sent, headers=bearer(token(name, company)), REMOTE_ADDR=NETWORK)
        said = answer.content.decode() + repr(dict(answer.items()))
        for other in COMPANIES:
            assert other in (None, company) or canary(other) not in said, (verb, path, name, company)
        assert answer.status_code < 500, said
        return answer

    @rule(name=names, company=companies)
    def register(self, name: str, company: Company) -> None:
        """A name is the first one's who takes it; nobody else learns whose."""
        sent = body(name, 1 + NAMES.index(name), metadata={"note": canary(company)}, tags=[canary(company)])
        answer = self.ask("POST", "/services/register", name, company, sent)
        free = self.services.setdefault(name, company) == company
        assert answer.status_code == (201 if free else 409), answer.content

    @rule(name=names, caller=names, company=companies)
    def read(self, name: str, caller: str, company: Company) -> None:
        """What is somebody else's looks like what is not there."""
        answer = self.ask("GET", f"/services/{name}", caller, company)
        assert answer.status_code == (200 if self.sees(self.services, name, company) else 404)

    @rule(name=names, caller=names, company=companies)
    def report(self, name: str, caller: str, company: Company) -> None:
        """Only a service itself, in its own company, says how it is."""
        sent = {"service_name": name, "status": "healthy", "details": {"note": canary(company)}}
        answer = self.ask("POST", "/services/health", caller, company, sent)
        if not self.sees(self.services, name, company):
            assert answer.status_code == 404 if caller == name else answer.status_code in (403, 404)
        else:
            own = caller == name and self.services[name] == company
            assert answer.status_code == (200 if own else 403), answer.content

    @rule(kind=st.sampled_from(TYPES), name=names, company=companies)
    def declare(self, kind: str, name: str, company: Company) -> None:
        """A type is the first one's who declares it."""
        sent = {"event_type": kind, "service_name": name, "description": canary(company)}
        answer = self.ask("POST", "/events/types", name, company, sent)
        mine = self.types.setdefault(kind, (name, company)) == (name, company)
        assert answer.status_code == (201 if mine else 409), answer.content

    @rule(kind=st.sampled_from(TYPES), name=names, company=companies)
    def withdraw(self, kind: str, name: str, company: Company) -> None:
        """Only who declared a type takes it back."""
        answer = self.ask("DELETE", f"/events/types/{kind}", name, company)
        owner = self.types.get(kind)
        if owner is None or owner[1] not in (None, company):
            assert answer.status_code == 404
        elif owner != (name, company):
            assert answer.status_code == 403
        else:
            assert answer.status_code == 204
            del self.types[kind]

    @rule(company=companies)
    def happen(self, company: Company) -> None:
        """An event is journalled, and one is given up, in the company that they say."""
        key, now = str(uuid4()), timezone.now()
        shared: dict[str, Any] = {
            "event_id": key, "event_type": "sown", "service_name": "alpha", "entity_type": canary(company),
            "entity_id": "1", "company_id": company,
        }  # fmt: skip
        with use(system("tests journal")):
            JournalEntry.objects.create(
                **shared, version="1.0", recorded_at=now, stream=STREAM_EVENTS, stream_id=_stream_id(now),
                occurred_at=now, data={"note": canary(company)}, verdict="valid",
            )  # fmt: skip
            letter = DeadLetter.objects.create(
                **shared, entry_id=_stream_id(now), group="alpha", handler="h", reason="max_attempts", attempts=5,
                error=canary(company), stream=STREAM_EVENTS, stream_id=_stream_id(now), dead_at=now,
                fields={"company_id": str(company or "")},
            )  # fmt: skip
        self.events[key] = company
        self.letters[letter.pk] = company

    @rule(company=companies, data=st.data())
    def look_up(self, company: Company, data: st.DataObject) -> None:
        """Events and dead letters of others are not there."""
        if self.events:
            key = data.draw(st.sampled_from(sorted(self.events)))
            answer = self.ask("GET", f"/events/{key}", "alpha", company)
            assert answer.status_code == (200 if self.sees(self.events, key, company) else 404)
            letter = data.draw(st.sampled_from(sorted(self.letters)))
            answer = self.ask("GET", f"/events/dead-letters/{letter}", "alpha", company)
            assert answer.status_code == (200 if self.letters[letter] in (None, company) else 404)

    @invariant()
    def lists_hold_what_is_in_sight_and_nothing_else(self) -> None:
        """Ask for every list in every company."""
        for company in COMPANIES:
            listed = self.ask("GET", "/services", "alpha", company).json()["results"]
            assert {item["name"] for item in listed} == self.seen(self.services, company)
            listed = self.ask("GET", "/events", "alpha", company).json()["results"]
            assert {item["event_id"] for item in listed} == self.seen(self.events, company)
            listed = self.ask("GET", "/events/types", "alpha", company).json()["results"]
            declared = {item["event_type"] for item in listed if item["event_type"] in TYPES}
            mine = {kind for kind, (_, owner) in self.types.items() if owner in (None, company)}
            assert declared == mine

    @staticmethod
    def sees(owners: dict[str, Company], key: str, company: Company) -> bool:
        """Return whether something is there for a company."""
        return key in owners and owners[key] in (None, company)

    @staticmethod
    def seen(owners: dict[str, Company], company: Company) -> set[str]:
        """Return everything that is there for a company."""
        return {key for key, owner in owners.items() if owner in (None, company)}


def _stream_id(now: dt.datetime) -> str:
    return f"{int(now.timestamp() * 1000)}-{uuid4().int % 10**9}"


@contextmanager
def _ended() -> Iterator[None]:
    token.cache_clear()
    try:
        yield
    finally:
        live.stop()
        token.cache_clear()


@pytest.mark.timeout(180)
def test_each_company_sees_its_own_and_everybodys(transactional_db: None) -> None:
    with _ended():
        run_state_machine_as_test(
            Companies,
            settings=settings(
                max_examples=6, stateful_step_count=16, deadline=None, database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
