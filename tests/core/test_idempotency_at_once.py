"""A write that is sent again while the first one still runs, or after its process has died."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import Client
from rest_framework.request import Request

from apps.core.idempotency import Claim, answer_once
from apps.core.models import IdempotencyRecord
from tests.core.test_idempotency import THINGS, outcome, post
from tests.core.urls import ThingsView
from tests.support.database import transactional_db

__all__ = ["transactional_db"]

pytestmark = [pytest.mark.urls("tests.core.urls"), pytest.mark.usefixtures("transactional_db")]


@pytest.fixture(autouse=True)
def close_connections() -> Iterator[None]:
    yield
    connection.close()


def die_half_way() -> HttpResponse:
    Group.objects.create(name="lamp")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    return HttpResponse()


def in_thread(client: Client, name: str = "lamp") -> Any:
    try:
        return post(client, name)
    finally:
        connection.close()


def test_a_repeat_while_the_first_runs_is_a_409(monkeypatch: pytest.MonkeyPatch) -> None:
    running, finish = threading.Event(), threading.Event()
    real = ThingsView.post

    def slow(view: ThingsView, request: Request) -> Any:
        running.set()
        assert finish.wait(10)
        return real(view, request)

    monkeypatch.setattr(ThingsView, "post", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(in_thread, Client())
        assert running.wait(10)
        second = post(Client())
        finish.set()
        answer = first.result(10)
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_running")
    assert answer.status_code == 201
    assert outcome(post(Client())) == outcome(answer)


def test_of_many_at_once_one_happens() -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: in_thread(Client()), range(40)))
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert Group.objects.count() == IdempotencyRecord.objects.count() == 1


def test_a_crash_leaves_nothing_behind() -> None:
    """The process is gone: the server ends its transaction, and the lock with it."""
    claim = Claim("open:open", f"POST {THINGS.strip('/')}", "k-1", b"")

    def crash() -> None:
        try:
            answer_once(claim, die_half_way)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, pytest.raises(OperationalError):
        pool.submit(crash).result(10)
    assert answer_once(claim, lambda: HttpResponse(status=201)).status_code == 201
    assert not Group.objects.exists()
