"""The stream explorer on a full journal: whatever is asked for, a page reads a handful of rows of each day."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.tenancy import company, system, use
from apps.serviceauth.models import Operator
from tests.support import bus, operators
from tests.support.database import transactional_db

__all__ = ["transactional_db"]

DAYS, A_DAY = 4, 15_000
MOST_READ = 2500
"""Rows read for a page of 50, wherever they stand."""

_FILL = """
INSERT INTO events_journalentry (recorded_at, occurred_at, stream, stream_id, event_id, event_type, service_name,
                                 entity_type, entity_id, company_id, data, correlation_id, verdict)
SELECT at, at, CASE WHEN i %% 3000 = 0 THEN 'xerpium:hub' ELSE 'xerpium:events' END, i || '-0', 'e-' || i,
       'type_' || i %% 30, 'service-' || i %% 20, 'product', (i %% 3000)::text,
       CASE WHEN i %% 2 = 0 THEN NULL ELSE i %% 100 END, '{}', 'c-' || i / 10,
       CASE WHEN i %% 6000 = 0 THEN 'mismatch' ELSE 'valid' END
FROM generate_series(1, %s) i, LATERAL (SELECT timestamptz '2019-01-01 UTC' + i * interval '24 hours' / %s) t (at)
"""


@pytest.fixture(scope="module")
def full(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A journal of some days long ago, in partitions that are gone afterwards."""
    names = [f"2019010{day}" for day in range(1, DAYS + 2)]
    with django_db_blocker.unblock(), use(system("tests")), connection.cursor() as cursor:
        for name in names:
            cursor.execute("SELECT events_journal_partition(%s)", [name])
        cursor.execute(_FILL, [DAYS * A_DAY, A_DAY])
        cursor.execute("ANALYZE events_journalentry")
        yield
        for name in names:
            cursor.execute(f"DROP TABLE events_journalentry_{name}")


CASES: list[dict[str, Any]] = [
    {},
    {"event_type": "type_7"},
    {"event_type": "of_nobody"},
    {"service_name": "service-3"},
    {"entity_type": "product", "entity_id": "77"},
    {"company": 5},
    {"company": "none"},
    {"correlation_id": "c-300"},
    {"stream": "xerpium:hub"},
    {"verdict": "mismatch"},
    {"verdict": "undecodable"},
    {"within": "15m"},
    {"since": "2019-01-02T00:00:00", "until": "2019-01-02T01:00:00"},
    {"since": "2019-01-01T00:00:00", "until": "2019-01-03T00:00:00"},
    {"since": "2019-01-02T00:00:00", "verdict": "mismatch"},
    {"event_id": "e-4711"},
    {"q": "type_7"},
    {"q": "nothing at all"},
    {"q": "product 77"},
    {"q": "e-4711"},
]


@pytest.mark.thorough
def test_a_page_reads_little_whatever_is_asked_for(full: None, transactional_db: None) -> None:
    for number in range(30):
        bus.hour(f"type_{number}", 1)
    browser = operators.superuser()
    read = {str(case): rows_read(browser, case) for case in CASES}
    Operator.objects.create(user=User.objects.get(), companies=[7])
    with use(company(7)):
        # That service has no event of this company, and few are of that type: many are looked through for them.
        asked = [case for case in CASES if "service_name" not in case and case.get("q") != "type_7"]
        read |= {f"{case} of company 7": rows_read(browser, case) for case in asked}
    assert {case: count for case, count in read.items() if count > MOST_READ} == {}
    assert max(read.values()) > 0


def rows_read(browser: Client, case: dict[str, Any]) -> int:
    """Return how many rows the queries of the list touched in the journal."""
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(f"/admin/events/journalentry/?{urlencode(case)}").status_code == 200
    told = re.compile(r"^(?:SET LOCAL [^;]*; )+")
    asked = [told.sub("", query["sql"]) for query in queries if 'FROM "events_journalentry"' in query["sql"]]
    assert asked
    count = 0
    with connection.cursor() as cursor:
        for sql in asked:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
            plan = cursor.fetchone()[0]
            count += _touched((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"])
    return count


def _touched(plan: dict[str, Any]) -> int:
    own = 0
    if "Relation Name" in plan:
        own = int(
            plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        )
    return own * int(plan["Actual Loops"]) + sum(_touched(part) for part in plan.get("Plans", ()))
