"""`manage.py preparehub`: what happens between the start of the engines and the start of the hub."""

import io
import threading

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from apps.core import redis
from apps.core.engines import free_port
from apps.core.management.commands import preparehub
from apps.core.supervisor.operator import CREATED
from tests.support.wait import wait_until


def prepare() -> str:
    said = io.StringIO()
    call_command("preparehub", stdout=said)
    return said.getvalue()


@pytest.mark.django_db
def test_the_first_operator_is_created_once_and_keeps_the_password(settings):
    settings.HUB_ADMIN_PASSWORD = "the first one"
    assert CREATED in prepare().splitlines()
    settings.HUB_ADMIN_PASSWORD = "another one"
    assert CREATED not in prepare()
    (operator,) = get_user_model().objects.all()
    assert (operator.username, operator.is_superuser) == ("admin", True)
    assert operator.check_password("the first one")


@pytest.mark.django_db
def test_the_migrations_say_what_the_models_say():
    call_command("makemigrations", "--check", "--dry-run", stdout=io.StringIO())


@pytest.mark.django_db
def test_a_hub_with_an_operator_needs_no_password(settings):
    settings.HUB_ADMIN_PASSWORD = ""
    with pytest.raises(CommandError, match="set HUB_ADMIN_PASSWORD"):
        prepare()
    get_user_model().objects.create_superuser(username="somebody", password="x")
    assert CREATED not in prepare()


@pytest.mark.django_db
def test_two_preparations_take_turns():
    entered, leave, second = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        with preparehub.sole_preparation():
            entered.set()
            leave.wait(10)

    def follow() -> None:
        with preparehub.sole_preparation():
            second.set()

    threads = [threading.Thread(target=hold), threading.Thread(target=follow)]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    wait_until(lambda: waiting_for_the_lock() == 1, 10, "the second to wait for the lock")
    assert not second.is_set()
    leave.set()
    assert second.wait(10)
    for thread in threads:
        thread.join()


def waiting_for_the_lock() -> int:
    with psycopg.connect(settings.DATABASE_MIGRATION_URL) as connection:
        statement = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return connection.execute(statement).fetchone()[0]


def test_a_redis_that_is_away_is_one_sentence_with_the_setting(monkeypatch):
    away = redis.connect(f"redis://127.0.0.1:{free_port()}/0", socket_timeout=1)
    monkeypatch.setattr(preparehub.redis, "client", lambda: away)
    with pytest.raises(CommandError, match=r"^Redis does not answer \(.*\): start it, or change REDIS_URL\.$"):
        prepare()


def test_a_postgres_that_is_away_is_one_sentence_with_the_setting(settings):
    settings.DATABASE_MIGRATION_URL = f"postgresql://127.0.0.1:{free_port()}/xerpium"
    words = r"^PostgreSQL cannot be used \(.*\): start it, or change DATABASE_MIGRATION_URL\.$"
    with pytest.raises(CommandError, match=words):
        prepare()
