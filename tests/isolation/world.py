"""A small world of three companies for the tests of isolation: the same of each, each with its own canary."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from django.db import connection
from django.utils import timezone

from apps.core.tenancy import system, use
from apps.events.models import DeadLetter, EventTypeDeclaration, JournalEntry
from tests.isolation.names import COMPANIES, canary, word
from tests.isolation.shown import NOTHING_SHOWN, Shown, build_shown
from tests.support import services
from xerpium_sdk.wire.keys import STREAM_EVENTS

_SPACE = UUID("5f0c0b0e-52cb-4a52-9a6e-3f6f7a3f2f11")


@dataclass(frozen=True)
class Things:
    """What there is of one company, by the name of the parameter that addresses it."""

    company: int | None
    service: str
    instance_id: str
    event_type: str
    event_id: str
    letter: int
    shown: Shown = field(default=NOTHING_SHOWN)

    @property
    def addresses(self) -> Mapping[str, Mapping[str, object]]:
        """The parameters of a route that lead to these things, by the beginning of the route."""
        return {
            "services/": {"name": self.service, "instance_id": self.instance_id, "number": 1},
            "events/types/": {"key": self.event_type},
            "events/dead-letters/": {"id": self.letter},
            "events/": {"key": self.event_id},
            **self.shown.addresses,
        }


MISSING = Things(None, "nobody-there", "10.9.9.9:8000", "nothing_there", str(uuid5(_SPACE, "missing")), 999_999_999)


# Rows get numbers that are nothing else in an answer: "2 faults" is not about row 2.
_LARGE_NUMBERS = """
    SELECT setval(format('%I.%I', schemaname, sequencename), greatest(last_value, 100000)) FROM pg_sequences
    WHERE schemaname = current_schema()
"""


def build(now: dt.datetime | None = None) -> dict[int | None, Things]:
    """Store the world and return its things by company."""
    now = now or timezone.now()
    with use(system("tests build their world")):
        with connection.cursor() as cursor:
            cursor.execute(_LARGE_NUMBERS)
        return {company: _of(company, number, now) for number, company in enumerate(COMPANIES, start=1)}


def _of(company: int | None, number: int, now: dt.datetime) -> Things:
    name, sign = word(company), canary(company)
    service = f"{name}-service"
    row = services.register(
        service, number, now=now, company_id=company, metadata={"note": sign}, tags=[sign], dependencies=[sign]
    )
    services.register(f"{name}-neighbour", number + 100, now=now, company_id=company, capabilities=[sign])
    event_id = str(uuid5(_SPACE, name))
    entry = {
        "event_id": event_id,
        "event_type": f"{name}_happened",
        "service_name": service,
        "entity_type": sign,
        "entity_id": "1",
        "company_id": company,
        "version": "1.0",
    }
    JournalEntry.objects.create(
        **entry, recorded_at=now, stream=STREAM_EVENTS, stream_id=f"{number}-0", occurred_at=now, data={"note": sign},
        verdict="valid",
    )  # fmt: skip
    EventTypeDeclaration.objects.create(
        event_type=f"{name}_happened", service_name=service, company_id=company, description=sign
    )
    fields = {key: str(value or "") for key, value in entry.items()} | {"data": f'{{"note":"{sign}"}}'}
    letter = DeadLetter.objects.create(
        entry_id=f"{number}-0", group=f"{service}-group", handler=sign, reason="max_attempts", error=sign, attempts=5,
        stream=STREAM_EVENTS, stream_id=f"{number}-0", dead_at=now, fields=fields, event_id=event_id,
        event_type=f"{name}_happened", service_name=service, entity_type=sign, entity_id="1", company_id=company,
    )  # fmt: skip
    # Everybody's event, and an error of the company's own.
    DeadLetter.objects.create(
        entry_id=f"{number}-1", group=f"{service}-group", handler=sign, reason="max_attempts", error=sign, attempts=5,
        stream=STREAM_EVENTS, stream_id=f"{number}-1", dead_at=now, fields=fields | {"company_id": "", "data": "{}"},
        event_id=str(uuid5(_SPACE, f"{name} for all")), event_type="common_happened", service_name="common-service",
        entity_type="thing", entity_id="1",
    )  # fmt: skip
    shown = build_shown(company, number, service)
    return Things(company, service, row["instance_id"], f"{name}_happened", event_id, letter.pk, shown)
