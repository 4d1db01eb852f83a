"""What runs for nobody in particular says for whom it does: tasks, probes, and requests of who is not known yet."""

import pytest
from django.test import Client

from apps.core.tenancy import company, current, use
from apps.core.tenancy.middleware import NobodyMiddleware
from tests.support.database import transactional_db
from xerpium.celery import app

__all__ = ["transactional_db"]

PLANNED = sorted({row["task"] for row in app.conf.beat_schedule.values()})


@pytest.mark.parametrize("name", PLANNED)
def test_a_periodic_task_sets_its_own_context(transactional_db: None, name: str) -> None:
    app.loader.import_default_modules()
    with use(None):
        app.tasks[name].apply(throw=True)
        assert current() is None


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics", "/admin/login/"])
def test_what_anybody_may_ask_needs_no_context(transactional_db: None, path: str) -> None:
    with use(None):
        answer = Client().get(path)
    assert answer.status_code in (200, 503), answer.content
    assert b"NoCompanyContext" not in answer.content


def test_a_request_begins_in_nobodys_context_whatever_its_thread_did_before() -> None:
    found = []
    with use(company(1)):
        NobodyMiddleware(lambda request: found.append(current()))(None)  # type: ignore[arg-type, return-value, func-returns-value]
        assert current() == company(1)
    assert found == [None]
