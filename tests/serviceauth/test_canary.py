"""Secrets are planted and used in every way in which services and operators use them, and then nobody may find one:
not in a log line, a row, a key or value of Redis, an answer that is not theirs, or what waits for a task."""

import base64
import io
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator
from logging.config import DictConfigurator
from typing import Any
from urllib.parse import urlencode

import pytest
import redis
import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.core import sealing
from apps.core.audit import record
from apps.registry.live import live
from apps.serviceauth.keys import KEY_PATTERN, new_key
from apps.serviceauth.models import ServiceKey
from apps.serviceauth.services import enrolment_create
from tests.support import operators
from tests.support.accounts import HOUR, account, key
from tests.support.registry import body
from tests.support.tokens import bearer

pytestmark = pytest.mark.django_db

Post = Callable[..., Any]
TYPED = "canary-typed-password-7d1f"
"""What an operator types: as a wrong password, as a new one, and by mistake as a name."""


@pytest.fixture(autouse=True)
def quiet_hub() -> Iterator[None]:
    yield
    live.stop()


class Search:
    """Everything that is left of a run: what was logged, what is stored, what was answered."""

    def __init__(self, output: io.StringIO) -> None:
        self.output = output
        self.answers: list[str] = []

    def places(self) -> dict[str, str]:
        """Return all texts by where they were found."""
        return {
            "output": self.output.getvalue(),
            "answers": "\n".join(self.answers),
            "sessions": "\n".join(repr(one.get_decoded()) for one in Session.objects.all()),
            **{f"table {name}": text for name, text in self._tables()},
            **{f"redis {name}": text for name, text in self._redis()},
        }

    def _tables(self) -> Iterator[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for (name,) in cursor.fetchall():
                cursor.execute(f'SELECT t::text FROM public."{name}" t')
                yield name, "\n".join(row[0] for row in cursor.fetchall())

    def _redis(self) -> Iterator[tuple[str, str]]:
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as raw:  # values may be no text
            read = {
                b"string": raw.get,
                b"hash": raw.hgetall,
                b"set": raw.smembers,
                b"list": lambda name: raw.lrange(name, 0, -1),
                b"zset": lambda name: raw.zrange(name, 0, -1),
                b"stream": raw.xrange,
            }
            for name in raw.scan_iter():
                yield name.decode(), f"{name!r} {read[raw.type(name)](name)!r}"

    def found(self, planted: dict[str, str]) -> list[str]:
        """Return which of the secrets was found where, in whichever spelling."""
        places = self.places()
        return sorted(
            f"{secret} in {place}"
            for secret, text in planted.items()
            for spelling in spellings(text)
            for place, held in places.items()
            if spelling in held
        )


def spellings(text: str) -> set[str]:
    """Return a secret as it may be written: plain, in base64 whatever stands before it, and in the hex of a bytea."""
    raw = text.encode()
    encoded = {base64.b64encode(b"x" * shift + raw).decode().rstrip("=")[4:-4] for shift in range(3)}
    return {text, raw.hex(), *encoded}


@pytest.fixture
def search(caplog: Any) -> Iterator[Search]:
    """What is written to the log goes where it can be searched, down to the least severe line."""
    caplog.set_level("DEBUG")
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    as_set = DictConfigurator(settings.LOGGING)  # type: ignore[no-untyped-call]
    handler.setFormatter(as_set.configure_formatter(dict(settings.LOGGING["formatters"]["line"])))
    logging.getLogger().addHandler(handler)
    yield Search(output)
    logging.getLogger().removeHandler(handler)


def post(search: Search, path: str, fields: Any, *, keep: bool = True, **more: Any) -> Any:
    """Send JSON; what comes back is searched unless the secret in it is the caller's own."""
    answer = Client(raise_request_exception=False).post(f"/api/v1/{path}", fields, "application/json", **more)
    assert answer.status_code < 500
    if keep:
        search.answers.append(f"{answer.headers} {answer.content.decode()}")
    return answer


def oauth(fields: dict[str, str], **more: Any) -> Any:
    """Ask for a token as OAuth has it."""
    return Client().post("/oauth/token", urlencode(fields), "application/x-www-form-urlencoded", **more)


def secret_of(text: str) -> str:
    """Return the part of a key or an enrolment token that is secret."""
    return text.split("_")[-2]


def test_no_secret_is_left_anywhere(search: Search) -> None:
    orders = account("orders", [1, 2])
    good, leaked, wrong = key(orders), key(orders), new_key().text
    enrolment = enrolment_create(account=orders, actor="test", now=timezone.now(), lifetime=HOUR)
    planted = {"key": secret_of(good), "leaked key": secret_of(leaked), "wrong key": secret_of(wrong), "typed": TYPED}
    planted["enrolment"] = secret_of(enrolment)
    planted |= {f"pepper {version}": text for version, text in settings.KEY_PEPPERS.items()}

    for fields in (
        {"service_name": "orders", "service_key": good},
        {"service_name": "orders", "service_key": good, "company_id": 1},
    ):
        answer = post(
            search, "service-auth/token", fields, keep=False, headers={"Idempotency-Key": secrets.token_hex(8)}
        )
        token = answer.json()["access_token"]
        planted[f"token {len(planted)}"] = token.rpartition(".")[2]
    basic = base64.b64encode(f"orders:{good}".encode()).decode()
    form = {"grant_type": "client_credentials"}
    token = oauth(form, headers={"Authorization": f"Basic {basic}"}).json()["access_token"]
    planted["oauth token"] = token.rpartition(".")[2]

    for name, text in (("orders", wrong), ("nobody", wrong), ("orders", f"{good}x"), (good, "x"), (wrong, good)):
        assert post(search, "service-auth/token", {"service_name": name, "service_key": text}).status_code in (401, 422)
    post(search, "service-auth/token", {"service_name": "orders", "service_key": [good], "servicekey": wrong})
    post(search, f"service-auth/token?service_key={good}", {"service_name": "orders"})
    post(search, "service-auth/token", f'{{"service_key": "{good}"')
    post(search, "service-auth/validate", {"token": token[:-3]})
    post(search, "service-auth/validate", {"token": token})
    refused = oauth(form | {"client_id": "orders", "client_secret": wrong})
    search.answers.append(refused.content.decode())
    assert refused.status_code == 401

    enrolled = post(search, "service-auth/enrol", {"service_name": "orders", "enrolment_token": enrolment}, keep=False)
    assert enrolled.status_code in (200, 201), enrolled.content
    planted["enrolled key"] = secret_of(re.findall(KEY_PATTERN, enrolled.content.decode())[0])
    post(search, "service-auth/enrol", {"service_name": "orders", "enrolment_token": enrolment})
    post(search, "service-auth/report-leak", {"service_key": leaked})
    assert ServiceKey.objects.filter(disabled_at__isnull=False).count() == 1

    registration = body("orders") | {"metadata": {"note": "x"}, "company_id": 1}
    assert post(search, "services/register", registration, headers=bearer(token)).status_code == 201
    post(search, "services/register", registration | {"nmae": good}, headers=bearer(token))
    post(search, "services/health", {"service_name": "orders", "status": "fine"}, headers=bearer(token))

    planted |= at_the_console(search, orders.pk)
    sealing.seal_all()

    assert len(planted) == 11
    assert search.found(planted) == []


def at_the_console(search: Search, account_pk: int) -> dict[str, str]:
    """Issue a key, set passwords and fail to sign in; return what was shown or typed."""
    anna = operators.superuser()
    newest = ServiceKey.objects.order_by("-pk").first()
    form = {"newest": newest.pk if newest else 0, "life": "365", "scopes": ["registry:read"], "label": "shop"}
    issued = anna.post(f"/admin/serviceauth/serviceaccount/{account_pk}/issue/", form)
    (shown,) = set(re.findall(KEY_PATTERN, issued.content.decode()))
    search.answers.append(anna.get(f"/admin/serviceauth/serviceaccount/{account_pk}/change/").content.decode())
    search.answers.append(anna.get("/admin/core/auditentry/").content.decode())
    bob = User.objects.create_user("bob", password=TYPED, is_staff=True)
    fields = {"password1": f"{TYPED}-2", "password2": f"{TYPED}-2", "usable_password": "true"}
    assert anna.post(f"/admin/auth/user/{bob.pk}/password/", fields).status_code == 302
    for name, password in (("bob", TYPED), (TYPED, "x"), ("bob", f"{TYPED}-2")):
        answer = Client().post("/admin/login/", {"username": name, "password": password})
        # The form shows the name again that was typed, to whoever typed it.
        search.answers.append("" if name == TYPED else answer.content.decode())
    return {"key of the console": secret_of(shown)}


@pytest.mark.parametrize("place", ["output", "answers", "table core_auditentry", "redis canary"])
def test_the_search_finds_what_is_there(search: Search, redis_server: "redis.Redis", place: str) -> None:
    """The control: a search that finds nothing proves nothing."""
    planted = secrets.token_hex(16)
    match place:
        case "output":
            structlog.get_logger("apps.test").debug("something", detail=planted)
        case "answers":
            search.answers.append(base64.b64encode(b"orders:" + planted.encode()).decode())
        case "table core_auditentry":
            record("noted", "instance", planted)
        case _:
            redis_server.set("canary", planted, ex=60)

    assert f"it in {place}" in search.found({"it": planted})
