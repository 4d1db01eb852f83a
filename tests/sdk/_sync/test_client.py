# Generated from tests/sdk/_async/test_client.py by tools/unasync.py; change that file, not this one.
"""Every call of the client against a small hub."""

import json
import logging

import httpx2
import pytest
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from tests.sdk.hub import Hub, problem
from xerpium_sdk.registry import (
    Backoff,
    Conflict,
    HubClient,
    HubUnavailable,
    Invalid,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Refused,
    Registration,
    Retry,
    Status,
    UnreadableAnswer,
)

PRODUCTS = Registration(name="product-service", version="1.4.2", host="127.0.0.1", port=8101)
AT_ONCE = Retry(attempts=3, backoff=Backoff(base=0.001, cap=0.001))


def test_register_report_find_and_leave(hub: Hub) -> None:
    with HubClient(hub.url, token="secret") as client:
        record = client.register(PRODUCTS)
        assert (record.name, record.instances[0].instance_id) == ("product-service", "127.0.0.1:8101")
        renewal = client.report("product-service", "healthy", details={"queue": 0}, instance_id="127.0.0.1:8101")
        assert (renewal.status, renewal.lease_seconds, renewal.revision) == (Status.HEALTHY, 90, 1)
        found = client.get_service("product-service", version="^1.4", zone="eu-1")
        assert found.instances[0].status is Status.HEALTHY
        client.deregister_instance("product-service", "127.0.0.1:8101")
        with pytest.raises(NotFound):
            client.get_service("product-service")
    assert hub.calls[0].headers["authorization"] == "Bearer secret"
    assert hub.calls[1].body["details"] == {"queue": 0}
    assert hub.calls[2].query == {"version": "^1.4", "zone": "eu-1"}


def test_a_list_is_read_to_its_last_page(hub: Hub) -> None:
    with HubClient(hub.url) as client:
        for name in ("a", "b", "c", "d", "e"):
            client.register(Registration(name=name, version="1.0.0", host="127.0.0.1", port=8101))
        services = client.list_services(tag="erp", status=Status.HEALTHY, company_id=7)
    assert [record.name for record in services] == ["a", "b", "c", "d", "e"]
    pages = hub.requests("GET", "services/")
    assert [page.query.get("cursor") for page in pages] == [None, "2", "4"]
    assert all(page.query.items() >= {"tag": "erp", "status": "healthy", "company_id": "7"}.items() for page in pages)


def test_operating_calls(hub: Hub) -> None:
    with HubClient(hub.url) as client:
        assert (client.drain("product-service", "10.0.0.1:80", reason="upgrade")).draining
        assert not (client.resume("product-service", "10.0.0.1:80")).draining
        assert client.history("product-service") == [{"cause": "registered"}]
        assert set(client.graph()) == {"nodes", "edges", "missing", "cycles"}
    drain, resume = hub.calls[:2]
    assert (drain.path, drain.body) == ("services/product-service/instances/10.0.0.1:80/drain", {"reason": "upgrade"})
    assert drain.headers["idempotency-key"] != resume.headers["idempotency-key"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, NotAuthenticated),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (422, Invalid),
    ],
)
def test_a_refusal_is_not_repeated_and_tells_why(hub: Hub, status: int, kind: type[Refused]) -> None:
    hub.answers = [problem(status)]
    with HubClient(hub.url) as client:
        with pytest.raises(kind, match=r"2 faults in the request\.; /port: A port is at most 65535\.") as caught:
            client.register(PRODUCTS)
    assert len(hub.calls) == 1
    assert caught.value.problem.status == status
    assert caught.value.request_id == "7c9e6679f7425d0b"
    assert caught.value.problem.errors[1].pointer == "/name"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_not_now_is_tried_again(hub: Hub, status: int) -> None:
    hub.answers = [problem(status), problem(status)]
    with HubClient(hub.url, retry=AT_ONCE) as client:
        client.register(PRODUCTS)
    assert len(hub.calls) == 3


def test_tries_come_to_an_end(hub: Hub) -> None:
    hub.answers = [problem(503, detail="PostgreSQL is away.") for _ in range(5)]
    with HubClient(hub.url, retry=AT_ONCE) as client:
        with pytest.raises(HubUnavailable, match=r"503: PostgreSQL is away\."):
            client.graph()
    assert len(hub.calls) == 3


def test_a_long_wish_to_wait_is_passed_on_to_the_caller(hub: Hub) -> None:
    busy = problem(429)
    busy.headers["Retry-After"] = "30"
    hub.answers = [busy]
    with HubClient(hub.url, retry=AT_ONCE) as client:
        with pytest.raises(HubUnavailable) as caught:
            client.graph()
    assert caught.value.retry_after == 30
    assert len(hub.calls) == 1


def test_an_internal_error_is_not_repeated(hub: Hub) -> None:
    hub.answers = [PlainTextResponse("oops", 500)]
    with HubClient(hub.url, retry=AT_ONCE) as client:
        with pytest.raises(HubUnavailable, match="500: oops"):
            client.graph()
    assert len(hub.calls) == 1


def test_a_removal_that_is_sent_twice_has_the_same_key(hub: Hub) -> None:
    hub.answers = [problem(503)]
    with HubClient(hub.url, retry=AT_ONCE) as client:
        with pytest.raises(NotFound):
            client.deregister_instance("product-service", "a")
    first, second = hub.calls
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.parametrize(
    "answer",
    [
        PlainTextResponse("<html>"),
        Response("[]"),
        Response('{"name": 1}'),
        RedirectResponse("https://login.example/"),
        Response(status_code=204),
    ],
    ids=["html", "list", "other object", "redirect", "nothing"],
)
def test_what_is_no_hub_is_said_to_be_none(hub: Hub, answer: Response) -> None:
    hub.answers = [answer]
    with HubClient(hub.url) as client:
        with pytest.raises(UnreadableAnswer):
            client.get_service("product-service")


def test_nobody_there(hub: Hub) -> None:
    hub.stop()
    with HubClient(hub.url, retry=AT_ONCE) as client:
        with pytest.raises(HubUnavailable, match=f"No answer from the hub at {hub.url}: ConnectError"):
            client.graph()


def test_another_transport_and_a_silent_hub() -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("too late", request=request)

    with HubClient("http://hub/", transport=httpx2.MockTransport(handle), retry=AT_ONCE) as client:
        with pytest.raises(HubUnavailable, match="ReadTimeout too late"):
            client.graph()


def test_what_goes_over_the_wire_is_what_the_contract_says() -> None:
    sent: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(404, json={"title": "Not found"}, headers={"X-Request-ID": "r-1"})

    with HubClient("http://hub:8000/prefix/", transport=httpx2.MockTransport(handle)) as client:
        with pytest.raises(NotFound) as caught:
            client.register(PRODUCTS)
        with pytest.raises(NotFound):
            client.deregister_instance("a", "x/../y?z")
    assert caught.value.request_id == "r-1"
    assert str(sent[0].url) == "http://hub:8000/prefix/api/v1/services/register"
    assert json.loads(sent[0].content) == PRODUCTS.to_json()
    assert sent[0].headers["content-type"] == sent[0].headers["accept"] == "application/json"
    assert sent[1].url.raw_path == b"/prefix/api/v1/services/a/instances/x%2F..%2Fy%3Fz"


@pytest.mark.parametrize("address", ["", "hub:8000", "ftp://hub", "http://"])
def test_an_address_that_can_be_no_hub_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match="not the address of a hub"):
        HubClient(address)


def test_the_http_library_does_not_log_more_than_requests(caplog: pytest.LogCaptureFixture, hub: Hub) -> None:
    with caplog.at_level(logging.WARNING):
        with HubClient(hub.url, token="secret") as client:
            client.graph()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
