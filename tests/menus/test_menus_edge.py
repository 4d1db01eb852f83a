"""Menu trees and their stream on the event loop, and their twins in Django: the same status, bytes and headers."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.utils import timezone

from apps.core import sse
from apps.core.access import FORWARDING
from apps.menus import feed
from apps.menus.live import live
from apps.menus.views import trees as views
from apps.registry.services import operations
from apps.serviceauth.services import revoke_account, role_assign, role_save
from tests.menus.planting import hub, overlay, person, plant
from tests.registry.event_loop import Refusing, in_thread, no_django
from tests.registry.twins import ask
from tests.support import services as registered
from tests.support.api import Api
from tests.support.asgi import Exchange, call, lifespan
from tests.support.registry import NOW
from tests.support.tokens import bearer, token_for
from tests.support.wait import wait_until_async
from xerpium.asgi import Hub

__all__ = ["hub"]

TREE, STREAM = "/menus/tree", "/menus/stream"
NETWORK = ("192.0.2.7", 40_000)
Headers = list[tuple[str, str]]


@pytest.fixture
def rows(hub: None) -> None:
    """What is everybody's, and what companies 7 and 8 have; the answer to everybody is worth packing."""
    plant("Common", labels={"pl": "Wspólne"}, badge={"endpoint": "/" + "n" * 1500})
    plant("Seven", company_id=7)
    plant("Eight", company_id=8)


GZIP = ("accept-encoding", "gzip, deflate, br")
FAST: dict[str, tuple[Any, ...]] = {
    "a tree": ("GET", TREE),
    "with a slash": ("GET", f"{TREE}/"),
    "a bare question mark": ("GET", f"{TREE}?"),
    "a percent sign": ("GET", "/menus/%74ree"),
    "HEAD": ("HEAD", TREE),
    "packed": ("GET", TREE, b"", GZIP),
    "packed, HEAD": ("HEAD", TREE, b"", GZIP),
    "not packed": ("GET", TREE, b"", ("accept-encoding", "gzip;q=0, br")),
    "in a language": ("GET", f"{TREE}?locale=pl-PL"),
    "in a language, packed": ("GET", f"{TREE}?locale=pl", b"", GZIP),
    "in a language without names": ("GET", f"{TREE}?locale=xx"),
    "a tag that is old": ("GET", TREE, b"", ("if-none-match", '"old"')),
    "any tag": ("GET", TREE, b"", ("if-none-match", "*")),
    "any tag, packed": ("GET", TREE, b"", ("if-none-match", "*"), GZIP),
    "any tag, HEAD": ("HEAD", TREE, b"", ("if-none-match", "*")),
    "a trace": ("GET", TREE, b"", ("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01")),
}
LEFT: dict[str, tuple[Any, ...]] = {
    "as others": ("GET", f"{TREE}?company_id=7"),
    "with other rights": ("GET", f"{TREE}?permissions=a"),
    "no language": ("GET", f"{TREE}?locale="),
    "a bad language": ("GET", f"{TREE}?locale=pl_"),
    "a language, escaped": ("GET", f"{TREE}?locale=%70l"),
    "two languages": ("GET", f"{TREE}?locale=pl&locale=de"),
    "an unknown parameter": ("GET", f"{TREE}?lang=pl"),
    "explained": ("GET", "/menus/1/explain"),
    "overlays": ("GET", "/menus/overlays"),
    "two slashes": ("GET", f"{TREE}//"),
    "below": ("GET", f"{TREE}/1"),
    "another verb": ("POST", TREE),
    "options": ("OPTIONS", TREE),
    "a body": ("GET", TREE, b"{}", ("content-type", "application/json")),
    "codings twice": ("GET", TREE, b"", ("accept-encoding", "br"), ("accept-encoding", "gzip")),
    "tags twice": ("GET", TREE, b"", ("if-none-match", '"a"'), ("if-none-match", "*")),
    "forwarded": ("GET", TREE, b"", (sorted(FORWARDING)[0], "10.0.0.1")),
    "a bad token": ("GET", TREE, b"", ("authorization", "Bearer nonsense")),
    "a bad cookie": ("GET", TREE, b"", ("cookie", "sessionid=nonsense")),
    "another origin": ("GET", TREE, b"", ("origin", "http://evil.example")),
    "a stream's head": ("HEAD", STREAM),
    "a stream of nothing": ("GET", f"{STREAM}?company=7"),
}


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("name", [*FAST, *LEFT])
def test_both_answer_the_same(name: str) -> None:
    request = FAST.get(name) or LEFT[name]
    # The first one makes the tree, in Django; the second finds it.
    (_, fast), asked = ask(request, request, twin=False)
    (twin,), _ = ask(request, twin=True)
    assert asked == (1 if name in FAST else 2), f"Django was asked {asked} times"
    assert fast.status == twin.status, (fast, twin)
    assert fast.headers == twin.headers
    assert fast.body == twin.body


@pytest.mark.usefixtures("rows")
def test_both_mark_what_nobody_could_confirm(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [FAST[name] for name in ("a tree", "a tree", "HEAD", "any tag", "packed", "packed")]
    monkeypatch.setattr(live.revisions, "staleness", lambda: 7.4)
    fast, asked = ask(*requests, twin=False)
    twin, _ = ask(*requests, twin=True)
    assert asked == 2
    assert fast == twin
    assert {answer.header("x-menus-stale") for answer in fast} == {"7"}


def headers_of(headers: dict[str, str]) -> Headers:
    return [(name.lower(), value) for name, value in headers.items()]


CALLERS: dict[str, tuple[Callable[[], dict[str, str]], list[str]]] = {
    "a service": (lambda: bearer(token_for("shop")), ["Common"]),
    "a service of all companies": (lambda: bearer(token_for("shop", companies="*")), ["Common"]),
    "a service in seven": (lambda: bearer(token_for("shop", company_id=7)), ["Common", "Seven"]),
    "a service in eight": (lambda: bearer(token_for("shop", company_id=8)), ["Common", "Eight"]),
    "a service in nine": (lambda: bearer(token_for("shop", company_id=9)), ["Common"]),
    "a person in seven": (lambda: person(7), ["Common", "Guarded", "Seven"]),
    "a person in seven with rights": (lambda: person(7, "x.*"), ["Common", "Guarded", "Mine", "Seven"]),
    "a person in eight": (lambda: person(8, "x.*"), ["Common", "Eight", "Mine"]),
}


@pytest.mark.usefixtures("rows")
def test_each_caller_gets_its_own_tree_on_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them one after the other, each twice, through one and the same memory."""
    monkeypatch.setattr("apps.menus.live.ROLES_SECONDS", 60.0)
    plant("Mine", required_permissions=["x.y"])
    guarded = plant("Guarded", is_active=True)
    clerk = role_save(name="clerk", permissions=("x.*",), actor="test", now=timezone.now())
    role_assign(role=clerk, user_id=5, company_id=7, actor="test")
    overlay(guarded, hidden=True)
    overlay(guarded, "role", clerk.pk, 7, hidden=False)
    headers = {name: headers_of(make()) for name, (make, _) in CALLERS.items()}
    requests = [("GET", TREE, b"", *headers[name]) for name in CALLERS]
    warm, _ = ask(*requests, twin=False, client=NETWORK)
    fast, asked = ask(*requests, twin=False, client=NETWORK)
    twin, _ = ask(*requests, twin=True, client=NETWORK)
    assert asked == 0
    assert warm == fast == twin
    found = [[node["name"] for node in orjson.loads(answer.body)["items"]] for answer in fast]
    assert dict(zip(CALLERS, found, strict=True)) == {name: expected for name, (_, expected) in CALLERS.items()}
    # Nor does anybody's tag open another's tree.
    tags = [answer.header("etag") or "" for answer in fast]
    for name, own, expected in zip(CALLERS, tags, found, strict=True):
        others = [tag for tag, other in zip(tags, found, strict=True) if other != expected]
        request = ("GET", TREE, b"", *headers[name], ("if-none-match", ", ".join(others)))
        known = ("GET", TREE, b"", *headers[name], ("if-none-match", own))
        answers, asked = ask(request, known, twin=False, client=NETWORK)
        assert ([answer.status for answer in answers], asked) == ([200, 304], 0)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("twin", [False, True], ids=["fast", "twin"])
def test_who_may_not_gets_the_same_refusal(twin: bool) -> None:
    requests = [
        ("GET", TREE, b"", *headers_of(bearer(token_for("shop", company_id=7, scopes=["registry:read"])))),
        ("GET", f"{TREE}?company_id=8", b"", *headers_of(bearer(token_for("shop", company_id=7)))),
        ("GET", TREE, b"", ("authorization", "Bearer a.b.c")),
    ]
    answers, asked = ask(*requests, twin=twin, client=NETWORK)
    assert ([answer.status for answer in answers], asked) == ([403, 403, 401], 3)


# --- The stream -------------------------------------------------------------------------------------------------------


def events(chunk: bytes | None) -> list[tuple[str, int, Any]]:
    found = []
    for frame in (chunk or b"").decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.split("\n") if line and not line.startswith(":"))
        if lines:
            found.append((lines["event"], int(lines["id"]), orjson.loads(lines["data"])))
    return found


def on_the_loop(test: Callable[[Hub], Any], *, behind: Any = no_django) -> None:
    """Run ``test`` with a hub that follows the menus; afterwards nobody may be left listening."""

    async def run() -> None:
        hub = Hub(behind, fast_paths=True)
        async with lifespan(hub):
            await wait_until_async(_is_known, 5, "the menus")
            await test(hub)
            streams = hub._menus._feed._streams if hub._menus._feed else set()

            async def nobody() -> bool:
                return not streams

            await wait_until_async(nobody, 2, "everybody to be gone")

    asyncio.run(run())


async def _is_known() -> bool:
    return live.revisions.is_known


async def opened(hub: Hub, headers: Headers = [], since: str | None = None) -> Exchange:  # noqa: B006  never changed
    last = [] if since is None else [("last-event-id", since)]
    client = NETWORK if headers else ("127.0.0.1", 50_000)
    stream = Exchange(hub, "GET", f"/api/v1{STREAM}", headers=[*headers, *last], client=client)
    answer = await stream.begin()
    assert (answer.status, answer.header("content-type")) == (200, "text/event-stream")
    return stream


async def closed(stream: Exchange) -> None:
    stream.leave()
    await asyncio.wait_for(stream.task, 3)


@pytest.mark.usefixtures("rows")
def test_a_stream_tells_of_its_own_tree_and_of_no_others() -> None:
    of_seven = headers_of(bearer(token_for("shop", company_id=7)))

    def things_happen() -> None:
        plant("Secret", company_id=8)
        plant("Own", company_id=7)

    async def test(hub: Hub) -> None:
        stream, everybodys = await opened(hub, of_seven), await opened(hub)
        assert events(await stream.chunk()) == [("snapshot", 2, {"revision": 2})]
        assert events(await everybodys.chunk()) == [("snapshot", 1, {"revision": 1})]
        await in_thread(things_happen)
        assert events(await stream.chunk()) == [("menu.changed", 5, {"revision": 5})]
        await in_thread(lambda: plant("Everybodys"))
        assert events(await stream.chunk()) == [("menu.changed", 6, {"revision": 6})]
        assert events(await everybodys.chunk()) == [("menu.changed", 6, {"revision": 6})]
        await closed(stream)
        await closed(everybodys)
        for since, expected in [("5", "menu.changed"), ("7", "snapshot"), ("x", "snapshot")]:
            resumed = await opened(hub, of_seven, since)
            assert events(await resumed.chunk()) == [(expected, 6, {"revision": 6})]
            await closed(resumed)
        resumed = await opened(hub, of_seven, "6")
        assert await resumed.chunk() == sse.KEEP_ALIVE
        await closed(resumed)

    on_the_loop(test)


@pytest.mark.usefixtures("rows")
def test_a_stream_tells_when_a_service_in_the_tree_lives_in_another_way() -> None:
    row = registered.register("orders", now=NOW)
    registered.report(row, now=NOW)

    async def test(hub: Hub) -> None:
        stream = await opened(hub)
        assert events(await stream.chunk()) == [("snapshot", 1, {"revision": 1})]
        await wait_until_async(_is_watched, 3, "the tree to be compiled")
        await in_thread(lambda: operations.service_deregister(service="orders", reason="", actor="x", now=NOW))
        assert events(await stream.chunk()) == [("menu.changed", 1, {"revision": 1})]
        await closed(stream)

    on_the_loop(test)


async def _is_watched() -> bool:
    return "orders" in live.lives._known


@pytest.mark.usefixtures("rows")
def test_a_quiet_stream_is_kept_alive_and_ends_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sse.KEEP_ALIVE_SECONDS == 15
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.2)
    of_seven = headers_of(bearer(token_for("shop", company_id=7)))

    async def test(hub: Hub) -> None:
        stream = await opened(hub, of_seven)
        assert events(await stream.chunk())[0][0] == "snapshot"
        assert [await stream.chunk() for _ in range(2)] == [b": keep-alive\n\n"] * 2
        await in_thread(lambda: revoke_account("shop", reason="test", actor="test", now=timezone.now()))
        began = time.monotonic()
        while (piece := await stream.chunk()) is not None:
            assert piece == sse.KEEP_ALIVE
        assert time.monotonic() - began < 2.5
        await asyncio.wait_for(stream.task, 2)

    on_the_loop(test)


@pytest.mark.usefixtures("rows")
def test_so_many_may_listen_and_the_hubs_end_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MAX_STREAMS", 1)
    behind = Refusing()

    async def run() -> None:
        hub = Hub(behind, fast_paths=True)
        async with lifespan(hub):
            await wait_until_async(_is_known, 5, "the menus")
            stream = await opened(hub)
            assert events(await stream.chunk())[0][0] == "snapshot"
            assert (await call(hub, "GET", f"/api/v1{STREAM}")).status == 503
            assert behind.asked == [f"/api/v1{STREAM}"]
        assert await stream.chunk() is None
        await asyncio.wait_for(stream.task, 2)

    asyncio.run(run())


@pytest.mark.usefixtures("rows")
def test_the_twin_streams_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "STREAM_SECONDS", 0.3)
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.1)
    api = Api()
    answer = api.get(f"{STREAM}?company_id=7")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")
    pieces = iter(answer.streaming_content)
    assert events(next(pieces)) == [("snapshot", 2, {"revision": 2})]
    plant("Secret", company_id=8)
    plant("Own", company_id=7)
    assert events(next(pieces)) == [("menu.changed", 5, {"revision": 5})]
    assert set(pieces) == {sse.KEEP_ALIVE}
    assert events(b"".join(api.get(STREAM, headers={"Last-Event-ID": "0"}).streaming_content)) == [
        ("menu.changed", 1, {"revision": 1})
    ]
