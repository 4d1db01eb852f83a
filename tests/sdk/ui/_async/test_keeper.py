"""The manifest of a member: sent when it registers, again when the hub forgot it, and never in its way."""

import logging
from dataclasses import replace

import pytest

from tests.sdk._tasks import wait_until
from tests.sdk.hub import problem
from tests.sdk.ui.hub import UIHub
from xerpium_sdk.registry import AsyncMember, Backoff, HubUnavailable, Registration
from xerpium_sdk.ui import InvalidManifest, Manifest, MenuItem, Outcome

pytestmark = pytest.mark.anyio
PRODUCTS = Registration(name="product-service", version="1.4.2", host="127.0.0.1", port=8101)
SOON = Backoff(base=0.01, cap=0.02)
ORDERS = MenuItem("Orders", "/orders", "receipt")
ONE = Manifest(menus=[ORDERS])
TWO = Manifest(menus=[ORDERS, MenuItem("Archive", "/orders/archive", parent_name="Orders")])


def member(hub: UIHub, manifest: Manifest = ONE) -> AsyncMember:
    return AsyncMember(hub.url, PRODUCTS, backoff=SOON, manifest=manifest)


def keeps(joined: AsyncMember) -> bool:
    assert joined.manifest is not None
    return joined.manifest.applied


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the SDK says of menus."""
    caplog.set_level(logging.INFO, "xerpium_sdk.ui")
    return caplog


def said(log: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [one.message for one in log.records if (one.name, one.levelno) == ("xerpium_sdk.ui", level)]


async def test_a_member_brings_its_manifest(hub: UIHub, log: pytest.LogCaptureFixture) -> None:
    async with member(hub) as joined:
        await wait_until(lambda: keeps(joined), description="the manifest to be applied")
    assert hub.puts() == [ONE.of("product-service", "1.4.2").to_json()]
    assert hub.manifests, "what is declared stays when the service leaves"
    first = next(call for call in hub.calls if "manifest" in call.path)
    assert hub.requests("POST", "services/register") == hub.calls[: hub.calls.index(first)][:1]
    assert said(log, logging.INFO) == ["The manifest of product-service is applied as revision 1 (same items)."]


async def test_a_member_of_a_company_brings_that_companys_manifest(hub: UIHub) -> None:
    async with AsyncMember(hub.url, replace(PRODUCTS, company_id=7), manifest=ONE) as joined:
        await wait_until(lambda: keeps(joined), description="the manifest to be applied")
    assert [call.query for call in hub.calls if call.method == "PUT"] == [{"company_id": "7"}]


async def test_a_member_without_one_asks_for_nothing(hub: UIHub) -> None:
    async with AsyncMember(hub.url, PRODUCTS) as joined:
        await wait_until(lambda: joined.joined, description="the member has joined")
        assert joined.manifest is None
    assert [call for call in hub.calls if "manifest" in call.path] == []


async def test_a_hub_that_forgot_is_given_it_again(hub: UIHub, log: pytest.LogCaptureFixture) -> None:
    hub.lease_seconds = 0.06
    async with member(hub) as joined:
        await wait_until(lambda: keeps(joined), description="the manifest to be applied")
        hub.known.clear()
        hub.manifests.clear()
        await wait_until(lambda: hub.manifests, description="the manifest to be there again")
        await wait_until(lambda: len(hub.puts()) == 2, description="the second time")
    assert len(said(log, logging.WARNING)) == 0


async def test_a_hub_that_cannot_take_it_now_is_given_it_later(hub: UIHub, log: pytest.LogCaptureFixture) -> None:
    async with AsyncMember(hub.url, PRODUCTS, backoff=SOON, manifest=ONE, wait=True) as joined:
        hub.answers = [problem(503, detail="PostgreSQL is away.")] * 3
        assert joined.manifest is not None
        joined.manifest.send_soon()
        await wait_until(lambda: not hub.answers, description="three times not now")
        await wait_until(lambda: hub.manifests and keeps(joined), description="it is applied in the end")


async def test_a_refusal_is_said_once_and_does_not_keep_the_service_from_running(
    hub: UIHub, log: pytest.LogCaptureFixture
) -> None:
    taken = {"pointer": "/menus/0/path", "code": "path_taken", "message": "The path /orders is shop-service's."}
    refusal = {"code": "path_taken", "detail": "The path /orders is shop-service's.", "errors": [taken]}
    hub.refuses = lambda: problem(409, **refusal)
    hub.lease_seconds = 0.06
    async with member(hub) as joined:
        await wait_until(lambda: hub.puts(), description="the first try")
        await wait_until(lambda: joined.joined, description="it is a member all the same")
        await wait_until(lambda: len(hub.requests("POST", "services/health")) > 4, description="life goes on")
        assert len(hub.puts()) == 1, "it is not sent again while nothing changes"
        hub.known.clear()
        await wait_until(lambda: len(hub.puts()) == 2, description="another try with another registration")
        (told,) = said(log, logging.ERROR)
        assert told == (
            "The manifest of product-service is refused, nothing of it is applied: 409 The path /orders is"
            " shop-service's. [/menus/0/path (Orders): The path /orders is shop-service's.] It is not sent again before"
            " it is another one, or the service registers anew."
        )
        hub.refuses = None
        assert joined.manifest is not None
        joined.manifest.change(TWO)
        await wait_until(lambda: keeps(joined), description="another one is applied")
    assert len(hub.manifests["product-service"]["menus"]) == 2


async def test_missing_rights_may_come(hub: UIHub, log: pytest.LogCaptureFixture) -> None:
    hub.refuses = lambda: problem(403, detail="The scope menus:write is missing.", errors=[])
    async with member(hub) as joined:
        await wait_until(lambda: len(hub.puts()) > 3, description="some tries")
        hub.refuses = None
        await wait_until(lambda: keeps(joined), description="the right was given")
    (told,) = said(log, logging.ERROR)
    assert "403 The scope menus:write is missing. It is tried again now and then." in told


async def test_a_version_that_changed_its_mind_is_a_warning(hub: UIHub, log: pytest.LogCaptureFixture) -> None:
    hub.keep("product-service", ONE.of("product-service", "1.4.2").to_json(), "put")
    async with member(hub, TWO) as joined:
        await wait_until(lambda: keeps(joined), description="the manifest to be applied")
        assert joined.manifest is not None
        assert joined.manifest.settlement is not None
        assert joined.manifest.settlement.outcome is Outcome.RAISED
    assert said(log, logging.WARNING) == [
        "The manifest of product-service is applied as revision 2 (same items), as generation 1004003: version 1.4.2"
        " said something else before. A release has its own version."
    ]


async def test_what_stands_is_left_and_said_so(hub: UIHub, log: pytest.LogCaptureFixture) -> None:
    hub.keep("product-service", TWO.of("product-service", "1.5.0").to_json(), "put")
    async with member(hub) as joined:
        assert joined.manifest is not None
        await wait_until(lambda: said(log, logging.WARNING), description="it is said")
        assert not joined.manifest.applied
    assert said(log, logging.WARNING) == [
        "The manifest of product-service is left as it is (version 1.5.0, generation 1005000): a newer release said so."
    ]


async def test_what_contradicts_itself_is_found_when_the_member_is_made(hub: UIHub) -> None:
    with pytest.raises(InvalidManifest, match=r"/generation: Give a generation: 'latest' is no version"):
        member(hub, Manifest(menus=[ORDERS], version="latest"))
    async with member(hub) as joined:
        assert joined.manifest is not None
        with pytest.raises(InvalidManifest):
            joined.manifest.change(Manifest(version="latest"))
        await wait_until(lambda: keeps(joined), description="the one before stays")


async def test_a_hub_that_is_away_does_not_keep_a_service_from_starting(hub: UIHub) -> None:
    with hub.away():
        async with member(hub) as joined:
            assert not keeps(joined)
            assert joined.manifest is not None
            joined.manifest.send_soon()
            await wait_until(
                lambda: isinstance(joined.manifest and joined.manifest.trouble, HubUnavailable), description="a try"
            )
    assert hub.manifests == {}
