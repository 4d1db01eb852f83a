"""A service that lives with the server of a Django project."""

import atexit
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.apps import AppConfig
from django.test import RequestFactory
from redis import Redis

from tests.sdk.ui.hub import UIHub
from tests.support.wait import wait_until
from xerpium_sdk.django import DjangoService, XerpiumConfig, install
from xerpium_sdk.django.health import health_urls
from xerpium_sdk.django.service import serves
from xerpium_sdk.wire.envelope import EventPayload, EventType

APPS = """
from xerpium_sdk.django.service import DjangoService, XerpiumConfig


class ShopConfig(XerpiumConfig):
    name = "small_shop"
    service = DjangoService("small-shop", "1.0.0", host="127.0.0.1", port=8101)

    def ready(self):
        @self.service.on("product_created")
        def hear(event):
            from django.db import connection

            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            print(event.entity_id, flush=True)

        super().ready()
"""
SERVER = """
import sys, threading
import django
from django.conf import settings
sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
settings.configure(INSTALLED_APPS=["small_shop"], DATABASES={"default": sqlite})
django.setup()
from django.apps import apps
print(apps.get_app_config("small_shop").service.running, flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["manage.py", "migrate"], {}, False),
        (["manage.py"], {}, False),
        (["/app/manage.py", "runserver"], {}, False),
        (["/app/manage.py", "runserver"], {"RUN_MAIN": "true"}, True),
        (["manage.py", "runserver", "--noreload"], {}, True),
        (["/venv/bin/django-admin", "shell"], {"RUN_MAIN": "true"}, False),
        (["/venv/bin/gunicorn", "shop.wsgi"], {}, True),
        (["/venv/lib/uvicorn/__main__.py", "shop.asgi:application"], {}, True),
        (["/venv/bin/pytest"], {}, False),
        (["/venv/lib/pytest/__main__.py"], {}, False),
        (["/venv/bin/celery", "worker"], {}, False),
        (["/venv/bin/celery", "worker"], {"XERPIUM_START": "1"}, True),
        (["/venv/bin/gunicorn", "shop.wsgi"], {"XERPIUM_START": "0"}, False),
        ([], {}, False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list | dict) else None,
)
def test_only_servers_start_it(arguments: list[str], environment: dict[str, str], expected: bool) -> None:
    assert serves(arguments, environment, frozenset()) is expected


def test_a_server_that_embeds_python_is_one() -> None:
    assert serves(["whatever"], {}, {"mod_wsgi"}) is True


def test_an_app_config_is_found_beside_the_one_that_it_is_made_of() -> None:
    class ShopConfig(XerpiumConfig):
        name = "small_shop"

    assert (XerpiumConfig.default, ShopConfig.default) == (False, True)
    assert issubclass(ShopConfig, AppConfig)


def test_its_health_asks_the_database_and_its_handlers_may(hub: UIHub, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[object] = []
    monkeypatch.setattr(atexit, "register", ends.append)
    made, heard = DjangoService("shop", "1.4.2", hub_url=hub.url, host="127.0.0.1", port=8101), list[int]()

    @made.on(EventType.PRODUCT_CREATED)
    def hear(event: EventPayload) -> None:
        heard.append(int(event.entity_id or 0))

    assert install(made) is False
    assert install(made, start=True) is True
    try:
        (health, *_) = health_urls(made.health)
        answer = health.callback(RequestFactory().get("/health"))
        assert b'"database"' in answer.content
        made.publisher_sync.publish_event(EventType.PRODUCT_CREATED, "Product", 7)
        wait_until(lambda: heard == [7], description="the event")
        wait_until(lambda: made.state.joined, description="membership")
    finally:
        assert made.stop() is True
    assert ends == [made.stop]
    assert not [one for one in threading.enumerate() if one.name == "xerpium shop"]


@pytest.mark.slow
def test_a_process_joins_with_its_app_and_leaves_at_its_end(hub: UIHub, tmp_path: Path, redis_server: Redis) -> None:
    (tmp_path / "small_shop").mkdir()
    (tmp_path / "small_shop/__init__.py").touch()
    (tmp_path / "small_shop/apps.py").write_text(APPS, encoding="utf-8")
    told = {"XERPIUM_HUB_URL": hub.url, "XERPIUM_START": "1", "PYTHONPATH": str(tmp_path)}
    environment = {name: os.environ[name] for name in ("PATH", "REDIS_URL")} | told
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "True\n"
        wait_until(lambda: hub.known, description="the process to join")
        publisher = DjangoService("catalogue", "1.0.0").publisher_sync
        publisher.publish_event(EventType.PRODUCT_CREATED, "Product", 7)
        assert process.stdout.readline() == "7\n"
        publisher.close()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(15) == 0
    assert hub.known == {}
