"""The client of service authentication, and the registry's clients with it, against a small hub."""

import logging

import httpx2
import pytest

from tests.sdk._tasks import gather, wait_until
from tests.sdk.hub import Hub, change, problem, service
from xerpium_sdk.auth import AsyncServiceAuthClient, NoKey
from xerpium_sdk.registry import (
    AsyncCatalog,
    AsyncHubClient,
    AsyncMember,
    Backoff,
    HubUnavailable,
    NotAuthenticated,
    Registration,
    Retry,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("bare_environment")]
KEY = "xrp_0123456789_" + "s" * 43 + "_abc123"
ONCE = Retry(attempts=1)


async def test_the_methods_of_the_first_clients(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with AsyncServiceAuthClient(hub.url + "/", "orders", KEY) as auth:
        assert await auth.get_service_token() == "token-1"
        assert await auth.get_auth_headers() == {"Authorization": "Bearer token-1"}
        said = await auth.validate_service_request("token-1")
        assert said is not None
        assert (said["service_name"], said["company_id"]) == ("orders", None)
        assert await auth.validate_service_request("token-9") is None
        assert auth.auth_service_url == hub.url
        assert hub.requests("POST", "service-auth/token")[0].body == {"service_name": "orders", "service_key": KEY}
        assert hub.requests("POST", "service-auth/validate")[0].body == {"token": "token-1", "audience": "orders"}
        for text in (repr(auth), str(vars(auth)), repr(auth.source), str(vars(auth.source)), caplog.text):
            assert KEY not in text
            assert "token-1" not in text


async def test_who_has_no_hub_is_told_none_and_not_an_error(hub: Hub) -> None:
    async with AsyncServiceAuthClient(hub.url, "orders", KEY) as auth:
        with hub.away():
            assert await auth.get_service_token() is None
            assert await auth.get_auth_headers() == {}
            assert await auth.validate_service_request("token-1") is None
            with pytest.raises(HubUnavailable):
                await auth.token()


async def test_a_hundred_callers_and_two_clients_cause_one_request(hub: Hub) -> None:
    one, other = (AsyncServiceAuthClient(hub.url, "orders", KEY) for _ in range(2))
    async with one, other:
        tokens = await gather([one.token, other.token] * 50)
        assert tokens == ["token-1"] * 100
        assert await one.token(company_id=7) == "token-2"
    assert len(hub.requests("POST", "service-auth/token")) == 2


async def test_an_http_client_sends_tokens_and_tries_once_more_with_another_one(hub: Hub) -> None:
    hub.good_token = "token-2"
    auth = AsyncServiceAuthClient(hub.url, "orders", KEY)
    async with auth, httpx2.AsyncClient(auth=auth.auth(company_id=7)) as http:
        assert (await http.get(f"{hub.url}/api/v1/services/graph")).status_code == 200
        hub.good_token = "never"
        assert (await http.get(f"{hub.url}/api/v1/services/graph")).status_code == 401
    sent = [call.headers.get("authorization") for call in hub.requests("GET", "services/graph")]
    assert sent == ["Bearer token-1", "Bearer token-2", "Bearer token-2", "Bearer token-3"]
    assert hub.requests("POST", "service-auth/token")[0].body["company_id"] == 7


async def test_without_a_key_nothing_changes(hub: Hub) -> None:
    assert AsyncServiceAuthClient.from_environment(hub.url, "orders") is None
    with pytest.raises(NoKey, match="XERPIUM_SERVICE_KEY_FILE"):
        AsyncServiceAuthClient(hub.url, "orders")
    async with AsyncHubClient(hub.url) as client:
        await client.graph()
    assert "authorization" not in hub.calls[0].headers
    assert len(hub.calls) == 1


async def test_with_a_key_in_the_environment_every_client_sends_tokens(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XERPIUM_SERVICE_KEY", KEY)
    with pytest.raises(ValueError, match="XERPIUM_SERVICE_NAME"):
        AsyncHubClient(hub.url)
    products = Registration(name="products", version="1.0.0", host="127.0.0.1", port=8101, company_id=3)
    hub.good_token = "token-1"
    async with AsyncMember(hub.url, products) as member:
        await wait_until(lambda: member.joined, description="it has joined")
        asked = hub.requests("POST", "service-auth/token")[0].body
        assert (asked["service_name"], asked["company_id"]) == ("products", 3)
    assert {call.headers.get("authorization") for call in hub.calls if call.path != "service-auth/token"} == {
        "Bearer token-1"
    }
    monkeypatch.setenv("XERPIUM_SERVICE_NAME", "orders")
    async with AsyncHubClient(hub.url) as client:
        hub.good_token = "token-2"
        await client.graph()


async def test_calls_go_on_when_the_token_is_no_longer_good(hub: Hub) -> None:
    hub.good_token = "token-1"
    async with AsyncServiceAuthClient(hub.url, "orders", KEY) as auth, AsyncHubClient(hub.url, auth=auth) as client:
        await client.graph()
        hub.good_token = "token-2"
        assert await gather([client.graph] * 20) == [await client.graph()] * 20
        assert len(hub.requests("POST", "service-auth/token")) == 2
        hub.good_token = "never"
        with pytest.raises(NotAuthenticated):
            await client.graph()


async def test_a_refused_key_and_a_hub_without_tokens_are_told_as_what_they_are(hub: Hub) -> None:
    auth = AsyncServiceAuthClient(hub.url, "orders", KEY)
    async with auth, AsyncHubClient(hub.url, auth=auth, retry=ONCE) as client:
        hub.answers = [problem(503, detail="Redis is away.")]
        with pytest.raises(HubUnavailable, match=r"Redis is away\."):
            await client.graph()
    auth = AsyncServiceAuthClient(hub.url, "stock", KEY)
    async with auth, AsyncHubClient(hub.url, auth=auth) as client:
        hub.answers = [problem(401, detail="The name or the key is wrong.")]
        with pytest.raises(NotAuthenticated, match="The name or the key is wrong"):
            await client.graph()
    assert hub.requests("GET", "services/graph") == []


async def test_the_catalogue_comes_back_with_a_fresh_token_when_its_own_has_ended(hub: Hub) -> None:
    hub.good_token = "token-1"
    auth = AsyncServiceAuthClient(hub.url, "orders", KEY)
    client = AsyncHubClient(hub.url, auth=auth)
    async with auth, client, AsyncCatalog(client, backoff=Backoff(base=0.01, cap=0.02)) as catalog:
        assert catalog.ready
        hub.good_token = "token-2"
        hub.opening = [change(service("products", 2))]
        hub.say(None)
        await wait_until(lambda: catalog.get("products"), description="what came after the token's end")
    streams = [call.headers["authorization"] for call in hub.requests("GET", "catalog/stream")]
    assert (streams[0], streams[-1]) == ("Bearer token-1", "Bearer token-2")
