"""Tokens on the event loop: what each kind of caller gets there is what Django would have said, byte for byte."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import orjson
import psycopg
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client
from django.utils import timezone

from apps.core import sse
from apps.core.bridge import Bridge
from apps.registry.observation import fast_answers
from apps.registry.services import operations
from apps.serviceauth.models import Revocation
from apps.serviceauth.services.revoking import revoke_account, revoke_token
from tests.registry.event_loop import Refusing, in_thread, on_the_loop
from tests.registry.test_edge_sockets import exchange
from tests.registry.test_edge_sockets import get as socket_request
from tests.registry.test_edge_streams import events
from tests.registry.twins import JSON, ask
from tests.support import services
from tests.support.accounts import HOUR
from tests.support.asgi import Answer, Exchange, call
from tests.support.database import database_url
from tests.support.operators import superuser
from tests.support.registry import NOW
from tests.support.server import serving
from tests.support.tokens import expired_token_for, issued_for, token_for
from tests.support.wait import wait_until, wait_until_async
from xerpium.asgi import Hub

NETWORK = ("10.9.9.9", 50_000)
"""Not this machine: no open hub lets it in without a token."""


@pytest.fixture
def world(hub: None) -> None:
    """A service of company 1, its neighbour there, one of company 2, and one of everybody; all well."""
    for number, (name, company) in enumerate([("orders", 1), ("billing", 1), ("foreign", 2), ("common", None)]):
        services.report(services.register(name, number, now=NOW, company_id=company), now=NOW)


def report(name: str) -> tuple[str, str, bytes, tuple[str, str]]:
    return "POST", "/services/health", orjson.dumps({"service_name": name, "status": "healthy"}), JSON


REQUESTS: dict[str, tuple[Any, ...]] = {
    "orders": ("GET", "/services/orders"),
    "billing": ("GET", "/services/billing"),
    "foreign": ("GET", "/services/foreign"),
    "common": ("GET", "/services/common"),
    "nobody": ("GET", "/services/nobody"),
    "orders, HEAD": ("HEAD", "/services/orders/"),
    "orders, known": ("GET", "/services/orders", b"", ("if-none-match", "*")),
    "orders, waiting": ("GET", "/services/orders?wait=0&revision=99"),
    "foreign, waiting": ("GET", "/services/foreign?wait=0&revision=99"),
    "report of orders": report("orders"),
    "report of billing": report("billing"),
    "report of foreign": report("foreign"),
    "report of common": report("common"),
    "report of nobody": report("nobody"),
}


def bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


def revoked() -> str:
    issued = issued_for("orders", company_id=1)
    revoke_token(issued.claims, reason="test", actor="test", now=timezone.now())
    return issued.access_token


def session() -> list[tuple[str, str]]:
    browser: Client = superuser("ann")
    return [("cookie", f"sessionid={browser.cookies['sessionid'].value}")]


HEADERS: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "orders": lambda: bearer(token_for("orders", company_id=1)),
    "billing": lambda: bearer(token_for("billing", company_id=1)),
    "foreign": lambda: bearer(token_for("foreign", company_id=2)),
    "common": lambda: bearer(token_for("common")),
    "orders, every company": lambda: bearer(token_for("orders", companies="*")),
    "a person through orders": lambda: bearer(token_for("orders", company_id=1, user_id=7)),
    "reads only": lambda: bearer(token_for("orders", company_id=1, scopes=["registry:read"])),
    "another scope": lambda: bearer(token_for("orders", company_id=1, scopes=["menus:read"])),
    "through a proxy": lambda: [*bearer(token_for("orders", company_id=1)), ("x-forwarded-for", "192.0.2.1")],
    "a session": session,
    "expired": lambda: bearer(expired_token_for("orders", company_id=1)),
    "revoked": lambda: bearer(revoked()),
    "nonsense": lambda: bearer("a.b.c"),
    "no token": list,
    "another scheme": lambda: [("authorization", "Basic b3JkZXJzOnNlY3JldA==")],
    "two tokens": lambda: bearer(token_for("orders", company_id=1)) * 2,
}
#                         orders billing foreign common nobody | HEAD known wait wait | reports: o, b, f, c, n
ANSWERS: dict[str, str] = {
    "orders":                  "200 200 404 200 404  200 304 204 404  200 403 404 403 404",
    "billing":                 "200 200 404 200 404  200 304 204 404  403 200 404 403 404",
    "foreign":                 "404 404 200 200 404  404 404 404 204  404 404 200 403 404",
    "common":                  "404 404 404 200 404  404 404 404 404  404 404 404 200 404",
    "orders, every company":   "200 200 200 200 404  200 304 204 204  200 403 403 403 404",
    "a person through orders": "200 200 404 200 404  200 304 204 404  200 403 404 403 404",
    "reads only":              "200 200 404 200 404  200 304 204 404  403 403 403 403 403",
    "another scope":           "403 403 403 403 403  403 403 403 403  403 403 403 403 403",
    "through a proxy":         "200 200 404 200 404  200 304 204 404  200 403 404 403 404",
    "a session":               "200 200 200 200 404  200 304 204 204  403 403 403 403 403",
}  # fmt: skip
UNKNOWN = " ".join(["401"] * len(REQUESTS))
FAST = {200, 204, 304}
# No peer's address is known to be an instance's then, and a session is Django's business.
LEFT = {"through a proxy": {"report of orders"}, "a session": set(REQUESTS)}


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("caller", HEADERS)
def test_both_answer_the_same_to(caller: str) -> None:
    headers = HEADERS[caller]()
    twin, fast, asked = [], [], 0
    # Reads of both before anything is reported: a report changes what is read, as soon as the catalogue hears of it.
    for is_report in (False, True):
        requests = [
            (*request, *([b""] if len(request) == 2 else []), *headers)
            for name, request in REQUESTS.items()
            if name.startswith("report") is is_report
        ]
        twin += ask(*requests, twin=True, client=NETWORK)[0]
        answers, more = ask(*requests, twin=False, client=NETWORK)
        fast, asked = fast + answers, asked + more
    expected = [int(status) for status in ANSWERS.get(caller, UNKNOWN).split()]
    assert dict(zip(REQUESTS, [answer.status for answer in twin], strict=True)) == dict(
        zip(REQUESTS, expected, strict=True)
    )
    for name, one, other in zip(REQUESTS, fast, twin, strict=True):
        assert one == other, name
    left = [n for n, status in zip(REQUESTS, expected, strict=True) if status not in FAST or n in LEFT.get(caller, ())]
    # Whoever was not known yet is looked at by Django once.
    assert asked == len(left)
    assert_refusals_say_the_same(dict(zip(REQUESTS, fast, strict=True)))


def assert_refusals_say_the_same(answers: dict[str, Answer]) -> None:
    """What is another company's looks like what was never there."""
    for name, nothing in (("foreign", "nobody"), ("report of foreign", "report of nobody")):
        if answers[name].status == 404:
            said = answers[name].body.replace(b"foreign", b"nobody")
            assert (said, answers[name].header("www-authenticate")) == (answers[nothing].body, None)
    for answer in answers.values():
        if answer.status == 401:
            assert answer.header("www-authenticate") in ("Bearer", 'Bearer error="invalid_token"')


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("name", ["orders", "foreign", "nobody"])
@pytest.mark.parametrize("caller", ["orders", "expired", "another scope"])
def test_on_a_socket_there_are_three_ways_to_one_answer(caller: str, name: str) -> None:
    """Before the event loop makes an event of it, on the event loop, and in Django."""
    ((_, header),) = HEADERS[caller]()
    lines = (f"Authorization: {header}", "X-Forwarded-For: 192.0.2.1", "X-Unknown: 1")
    request = socket_request(f"/api/v1/services/{name}", *lines[:2])
    before = fast_answers["discovery"]
    with serving() as address:
        quick = exchange(address, request)
        ordinary = exchange(address, socket_request(f"/api/v1/services/{name}", *lines))
    assert fast_answers["discovery"] - before == (2 if (caller, name) == ("orders", "orders") else 0)
    with serving(fast_paths=False) as address:
        twin = exchange(address, request)
    answers = [without_what_is_its_own(answer) for answer in (quick, ordinary, twin)]
    assert answers[0] == answers[1] == answers[2]
    assert "content-security-policy" in answers[0][1]


def without_what_is_its_own(answer: Any) -> tuple[bytes, dict[str, str], bytes]:
    line, headers, body = answer
    request_id = headers.pop("x-request-id")
    headers.pop("date")
    return line, headers, body.replace(request_id.encode(), b"")


@pytest.mark.usefixtures("world")
def test_over_tls_both_have_the_same_headers(settings: Any) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_PRELOAD, settings.SECURE_SSL_REDIRECT = 31_536_000, True, True
    token = bearer(token_for("orders", company_id=1))
    requests = [("GET", "/services/orders", b"", *token, ("x-forwarded-proto", scheme)) for scheme in ("https", "http")]
    # Django's middleware reads its settings when it is made.
    django = Bridge(WSGIHandler(), threads=1, body_limit=1000)
    fast, asked = ask(*requests, twin=False, client=NETWORK, django=django)
    twin, _ = ask(*requests, twin=True, client=NETWORK, django=django)
    assert fast == twin
    assert ([answer.status for answer in fast], asked) == ([200, 301], 1)
    assert fast[0].header("strict-transport-security") == "max-age=31536000; preload"


def test_who_lacks_a_scope_is_told_which(world: None) -> None:
    request = ("GET", "/services/orders", b"", *bearer(token_for("orders", company_id=1, scopes=["menus:read"])))
    (answer,), _ = ask(request, twin=False, client=NETWORK)
    assert answer.header("www-authenticate") == 'Bearer error="insufficient_scope", scope="registry:read"'
    assert orjson.loads(answer.body)["code"] == "insufficient_scope"


def test_all_that_is_listed_and_drawn_is_the_callers_own_or_everybodys(world: None) -> None:
    headers = bearer(token_for("orders", company_id=1))
    (listed, graph), _ = ask(
        ("GET", "/services", b"", *headers), ("GET", "/services/graph", b"", *headers), twin=False, client=NETWORK
    )
    names = {"orders", "billing", "common"}
    assert {one["name"] for one in orjson.loads(listed.body)["results"]} == names
    assert {one["name"] for one in orjson.loads(graph.body)["nodes"]} == names


async def opened(hub: Hub, token: str, *headers: tuple[str, str]) -> Exchange:
    stream = Exchange(hub, "GET", "/api/v1/catalog/stream", headers=[*bearer(token), *headers], client=NETWORK)
    assert (await stream.begin()).status == 200
    return stream


@pytest.mark.usefixtures("world")
def test_a_stream_tells_of_its_own_company_and_of_everybodys() -> None:
    token = token_for("orders", company_id=1)

    def things_happen() -> None:
        for number, (name, company) in enumerate([("secret", 2), ("shop", 1), ("all", None)], start=10):
            services.register(name, number, now=NOW, company_id=company)
        operations.service_deregister(service="foreign", reason="", actor="x", now=NOW)
        operations.service_deregister(service="billing", reason="", actor="x", now=NOW)

    async def test(hub: Hub) -> None:
        stream = await opened(hub, token)
        ((_, revision, data),) = events(await stream.chunk())
        assert [one["name"] for one in data["services"]] == ["billing", "common", "orders"]
        await in_thread(things_happen)
        told = [events(await stream.chunk())[0] for _ in range(3)]
        assert [record["name"] for _, _, record in told] == ["shop", "all", "billing"]
        stream.leave()
        await asyncio.wait_for(stream.task, 2)
        resumed = await opened(hub, token, ("last-event-id", str(revision)))
        told = [events(await resumed.chunk())[0] for _ in range(3)]
        assert [record["name"] for _, _, record in told] == ["shop", "all", "billing"]
        resumed.leave()
        await asyncio.wait_for(resumed.task, 2)

    on_the_loop(test)


@pytest.mark.usefixtures("world")
def test_a_stream_ends_when_its_token_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told any more a second after, and the connection ends when the next comment would be due."""
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.5)
    token = token_for("orders", company_id=1)

    async def test(hub: Hub) -> None:
        stream = await opened(hub, token)
        assert events(await stream.chunk())[0][0] == "snapshot"
        await in_thread(lambda: revoke_account("orders", reason="test", actor="test", now=timezone.now()))
        began = time.monotonic()
        while (piece := await stream.chunk()) is not None:
            assert piece == sse.KEEP_ALIVE
        assert time.monotonic() - began < 2.5
        await asyncio.wait_for(stream.task, 2)

    on_the_loop(test)


@pytest.mark.usefixtures("world")
def test_a_stream_and_a_waiting_query_end_with_their_token(settings: Any) -> None:
    settings.TOKEN_LIFETIME_SECONDS = 1
    behind = Refusing()

    async def test(hub: Hub) -> None:
        token = await in_thread(lambda: token_for("orders", company_id=1))
        stream = await opened(hub, token)
        path = "/api/v1/services/orders?wait=30&revision=99"
        began = time.monotonic()
        answer = await call(hub, "GET", path, headers=bearer(token), client=NETWORK)
        # Django answers, as it does to any token that has ended: here the one that stands in for it.
        assert (answer.status, behind.asked) == (503, ["/api/v1/services/orders"])
        assert events(await stream.chunk())[0][0] == "snapshot"
        assert await stream.chunk() is None
        assert time.monotonic() - began < 2
        await asyncio.wait_for(stream.task, 2)

    on_the_loop(test, behind=behind)


@pytest.mark.usefixtures("world")
def test_a_waiting_query_wakes_for_what_it_may_see_only() -> None:
    token = token_for("orders", company_id=1)

    async def test(hub: Hub) -> None:
        path = "/api/v1/services/shop?wait=1&revision=0"
        asking = asyncio.ensure_future(call(hub, "GET", path, headers=bearer(token), client=NETWORK))
        await asyncio.sleep(0.1)
        await in_thread(lambda: services.register("shop", 9, now=NOW, company_id=2))
        assert (await asking).status == 503  # left to Django's 404, after the whole second
        asking = asyncio.ensure_future(
            call(hub, "GET", path.replace("shop", "own"), headers=bearer(token), client=NETWORK)
        )
        await asyncio.sleep(0.1)
        await in_thread(lambda: services.register("own", 11, now=NOW, company_id=1))
        assert (await asking).status == 200

    on_the_loop(test, behind=Refusing())


@pytest.mark.usefixtures("world")
def test_a_revoked_token_is_worth_nothing_in_another_process_within_a_second() -> None:
    issued = issued_for("orders", company_id=1)
    request = ("GET", "/services/orders", b"", *bearer(issued.access_token))
    assert ask(request, twin=False, client=NETWORK)[0][0].status == 200
    # As another process would: nobody tells this one.
    Revocation.objects.create(
        kind=Revocation.TOKEN,
        subject=issued.claims.token_id,
        issued_before=timezone.now() + HOUR,
        expires_at=timezone.now() + HOUR,
        created_by="another process",
    )
    wait_until(lambda: ask(request, twin=False, client=NETWORK)[0][0].status == 401, 2, "the token to be refused")


@pytest.mark.usefixtures("world")
def test_while_the_database_hangs_tokens_are_worth_what_they_were() -> None:
    """Nobody waits for it, not even who is seen for the first time; afterwards revocations count again."""
    token, new = (token_for("orders", company_id=1) for _ in range(2))

    async def look_up(hub: Hub, token: str) -> int:
        async with asyncio.timeout(0.5):
            return (await call(hub, "GET", "/api/v1/services/orders", headers=bearer(token), client=NETWORK)).status

    async def test(hub: Hub) -> None:
        assert await look_up(hub, token) == 200
        with psycopg.connect(database_url()) as hanging:
            hanging.execute("LOCK TABLE serviceauth_signingkey IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(2.2)  # until what was known would be too old
            assert [await look_up(hub, one) for one in (token, new)] == [200, 200]
        await in_thread(lambda: revoke_account("orders", reason="test", actor="test", now=timezone.now()))

        async def refused() -> bool:
            return await look_up(hub, token) == 503  # left to Django

        await wait_until_async(refused, 2, "the revocation to count")

    on_the_loop(test, behind=Refusing())
