"""A write that is sent again gives the first answer again, and happens once."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from rest_framework.request import Request

from apps.core import idempotency
from apps.core.models import IdempotencyRecord
from tests.core.urls import ThingsView
from xerpium.celery import app

pytestmark = [pytest.mark.urls("tests.core.urls"), pytest.mark.django_db]

THINGS = "/api/v1/things"


def post(client: Client, name: str = "lamp", *, key: str = "k-1", path: str = THINGS, **extra: Any) -> Any:
    return client.post(path, {"name": name}, content_type="application/json", headers={"Idempotency-Key": key}, **extra)


def outcome(answer: Any) -> tuple[int, bytes, str, str]:
    return (
        answer.status_code,
        answer.content,
        answer.headers.get("Content-Type", ""),
        answer.headers.get("Location", ""),
    )


def test_a_repeat_gives_the_first_answer_and_happens_once(client: Client) -> None:
    first, again, third = post(client), post(client), post(client, path=f"{THINGS}/")
    assert first.status_code == 201
    assert outcome(first) == outcome(again) == outcome(third)
    assert Group.objects.count() == 1
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.headers["X-Request-ID"] != again.headers["X-Request-ID"]


def test_an_answer_without_a_body_is_repeated_too(client: Client) -> None:
    path = f"{THINGS}/{Group.objects.create(name='a').pk}"
    answers = [client.delete(path, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [(answer.status_code, answer.content) for answer in answers] == [(204, b"")] * 2
    shown = [{*answer.headers} - {"Idempotent-Replayed"} for answer in answers]
    assert shown[0] == shown[1]
    assert client.delete(path).status_code == 404


def test_without_a_key_nothing_is_kept(client: Client) -> None:
    client.post(THINGS, {"name": "a"}, content_type="application/json")
    assert not IdempotencyRecord.objects.exists()


def test_reads_do_not_care(client: Client) -> None:
    assert client.get(THINGS, headers={"Idempotency-Key": ""}).status_code == 200
    assert not IdempotencyRecord.objects.exists()


def test_another_request_under_the_same_key_is_refused(client: Client) -> None:
    post(client)
    answer = post(client, "other")
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("Idempotency-Key", "idempotency_key_reused")
    assert Group.objects.count() == 1


def test_another_address_under_the_same_key_is_another_request(client: Client) -> None:
    one, two = (Group.objects.create(name=name).pk for name in "ab")
    headers = {"Idempotency-Key": "k"}
    assert client.delete(f"{THINGS}/{one}", headers=headers).status_code == 204
    assert client.delete(f"{THINGS}/{two}", headers=headers).status_code == 422
    assert Group.objects.filter(pk=two).exists()


def test_every_route_and_verb_has_keys_of_its_own(client: Client) -> None:
    group = Group.objects.create(name="a").pk
    assert post(client).status_code == 201
    headers = {"Idempotency-Key": "k-1"}
    assert client.patch(f"{THINGS}/{group}", headers=headers).status_code == 200
    assert client.delete(f"{THINGS}/{group}", headers=headers).status_code == 204


def test_every_caller_has_keys_of_its_own(client: Client) -> None:
    post(client)
    browser = Client()
    browser.force_login(User.objects.create_superuser("ann"))
    answer = post(browser, "chair")
    assert answer.json()["name"] == "chair"
    assert set(IdempotencyRecord.objects.values_list("caller", flat=True)) == {"open:open", "operator:ann"}


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "a\tb", "k" * 256])
def test_a_key_is_1_to_255_visible_characters(client: Client, key: str) -> None:
    answer = post(client, key=key)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["Idempotency-Key"]
    assert not Group.objects.exists()


@pytest.mark.parametrize("key", ["!", "~" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
def test_any_visible_characters_are_a_key(client: Client, key: str) -> None:
    assert post(client, key=key).status_code == 201
    assert post(client, key=key).headers["Idempotent-Replayed"] == "true"


def test_a_refusal_is_not_kept_and_leaves_the_key_free(client: Client) -> None:
    assert post(client, "").status_code == 422
    assert post(client, "lamp").status_code == 201


def test_a_malformed_or_long_body_is_refused_with_a_key_as_without(client: Client) -> None:
    headers = {"Idempotency-Key": "k"}
    for body, status in ((b"[", 400), (b"", 400), (b'"' + b"x" * 1_100_000 + b'"', 413)):
        assert client.post(THINGS, body, content_type="application/json", headers=headers).status_code == status
    assert client.post(THINGS, b"{}", content_type="text/plain", headers=headers).status_code == 415


def test_an_answer_that_refuses_undoes_what_the_view_did(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: ThingsView, request: Request) -> HttpResponse:
        Group.objects.create(name="half done")
        return HttpResponse(status=409)

    monkeypatch.setattr(ThingsView, "post", refuse)
    assert post(client).status_code == 409
    assert not Group.objects.exists()
    assert not IdempotencyRecord.objects.exists()


def test_a_failure_undoes_what_the_view_did(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: ThingsView, request: Request) -> HttpResponse:
        Group.objects.create(name="half done")
        raise OperationalError

    monkeypatch.setattr(ThingsView, "post", fail)
    assert post(client).status_code == 503
    monkeypatch.undo()
    assert not Group.objects.exists()
    assert post(client).status_code == 201


def test_after_a_day_a_key_is_free_again(client: Client) -> None:
    first = post(client)
    IdempotencyRecord.objects.update(created_at=timezone.now() - idempotency.KEPT + timedelta(minutes=1))
    assert outcome(post(client)) == outcome(first)
    IdempotencyRecord.objects.update(created_at=timezone.now() - idempotency.KEPT)
    Group.objects.all().delete()
    second = post(client, "chair")
    assert second.json()["name"] == "chair"
    assert outcome(post(client, "chair")) == outcome(second)


def test_old_answers_are_pruned_in_batches(client: Client) -> None:
    now = timezone.now()
    for age in (0, 23, 24, 25, 48):
        post(client, f"thing {age}", key=f"k{age}")
        IdempotencyRecord.objects.filter(key=f"k{age}").update(created_at=now - timedelta(hours=age))
    assert idempotency.prune(now, batch=2) == 3
    assert set(IdempotencyRecord.objects.values_list("key", flat=True)) == {"k0", "k23"}
    assert idempotency.prune(now) == 0


def test_every_periodic_task_that_is_planned_exists(client: Client) -> None:
    app.loader.import_default_modules()
    planned = {row["task"] for row in app.conf.beat_schedule.values()}
    assert planned <= set(app.tasks)
    post(client)
    IdempotencyRecord.objects.update(created_at=timezone.now() - idempotency.KEPT)
    assert app.tasks["core.prune_idempotency_keys"].apply().get() == 1
