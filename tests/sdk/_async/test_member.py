"""A membership against a small hub: joining, staying, being forgotten, leaving."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from tests.sdk._tasks import wait_until
from tests.sdk.hub import Hub, problem
from xerpium_sdk.registry import AsyncHubClient, AsyncMember, Backoff, HubUnavailable, Registration, Retry, Status

pytestmark = pytest.mark.anyio
PRODUCTS = Registration(name="product-service", version="1.4.2", host="127.0.0.1", port=8101)
IDENTITY = ("product-service", "127.0.0.1:8101")
SOON = Backoff(base=0.01, cap=0.02)


def reports(hub: Hub) -> list[dict[str, Any]]:
    return [call.body for call in hub.requests("POST", "services/health")]


def registrations(hub: Hub) -> int:
    return len(hub.requests("POST", "services/register"))


async def test_a_member_registers_reports_at_once_and_leaves(hub: Hub) -> None:
    async with AsyncMember(hub.url, PRODUCTS) as member:
        await wait_until(lambda: reports(hub), description="the first report")
        assert hub.known[IDENTITY]["status"] == "healthy"
        await wait_until(lambda: member.joined, description="the member knows that it is one")
    assert hub.known == {}
    assert reports(hub) == [{"service_name": "product-service", "status": "healthy", "instance_id": "127.0.0.1:8101"}]


async def test_the_lease_is_renewed_before_it_ends(hub: Hub) -> None:
    hub.lease_seconds = 0.06
    async with AsyncMember(hub.url, PRODUCTS):
        await wait_until(lambda: len(reports(hub)) >= 5, description="five reports")
    assert registrations(hub) == 1


async def test_a_hub_that_forgot_is_told_again(hub: Hub) -> None:
    hub.lease_seconds = 0.06
    async with AsyncMember(hub.url, PRODUCTS):
        await wait_until(lambda: reports(hub), description="the first report")
        hub.known.clear()
        await wait_until(lambda: IDENTITY in hub.known, description="the second registration")
    assert registrations(hub) == 2


async def test_a_service_starts_while_the_hub_is_away_and_joins_when_it_comes(hub: Hub) -> None:
    with hub.away():
        async with AsyncMember(hub.url, PRODUCTS, backoff=SOON) as member:
            assert not member.joined
    async with AsyncMember(hub.url, PRODUCTS, backoff=SOON) as member:
        await wait_until(lambda: member.joined, description="the member has joined")


async def test_a_restart_of_the_hub_is_survived(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.lease_seconds = 0.06
    caplog.set_level(logging.INFO, "xerpium_sdk.registry")
    async with AsyncMember(hub.url, PRODUCTS, backoff=SOON) as member:
        await wait_until(lambda: reports(hub), description="the first report")
        with hub.away():
            await wait_until(lambda: not member.joined, description="the lease has run out")
            hub.known.clear()
        await wait_until(lambda: hub.known and member.joined, description="the member is back")
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1, "one line however many tries failed"
    assert "is in touch with the hub again" in caplog.text


async def test_waiting_for_the_registration_says_why_it_failed(hub: Hub) -> None:
    once = Retry(attempts=1)
    hub.answers = [problem(503, detail="PostgreSQL is away.")]
    async with AsyncHubClient(hub.url, retry=once) as client:
        with pytest.raises(HubUnavailable, match="PostgreSQL is away"):
            async with AsyncMember(client, PRODUCTS, wait=True):
                pytest.fail("the block must not begin")
        async with AsyncMember(client, PRODUCTS, wait=True) as member:
            assert member.joined
            assert IDENTITY in hub.known


async def test_a_refused_member_asks_again_and_says_what_is_wrong(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.answers = [problem(409, detail="That name is taken.", errors=[])]
    async with AsyncMember(hub.url, PRODUCTS, backoff=SOON) as member:
        await wait_until(lambda: member.joined, description="the second try succeeds")
    assert "409 That name is taken." in caplog.text


async def test_status_and_details_come_from_the_service(hub: Hub) -> None:
    async def details() -> Mapping[str, Any]:
        return {"queue": 3}

    current = Status.STARTING
    async with AsyncMember(hub.url, PRODUCTS, status=lambda: current, details=details) as member:
        await wait_until(lambda: reports(hub), description="the first report")
        await wait_until(lambda: member.joined, description="it has been answered")
        current = Status.DEGRADED
        member.report_now()
        await wait_until(lambda: len(reports(hub)) == 2, description="a report out of turn")
    assert [report["status"] for report in reports(hub)] == ["starting", "degraded"]
    assert reports(hub)[0]["details"] == {"queue": 3}


async def test_a_service_that_cannot_say_how_it_is_is_unhealthy(hub: Hub) -> None:
    def status() -> Status:
        raise OSError("no database")

    async with AsyncMember(hub.url, PRODUCTS, status=status, details=lambda: {"load": {1, 2}}):
        await wait_until(lambda: reports(hub), description="the first report")
    assert reports(hub)[0]["status"] == "unhealthy"
    assert "set has no JSON form" in reports(hub)[0]["details"]["details_error"]


async def test_leaving_a_hub_that_is_away_is_no_error(hub: Hub) -> None:
    async with AsyncMember(hub.url, PRODUCTS, backoff=SOON) as member:
        await wait_until(lambda: member.joined, description="the member has joined")
        hub.stop()
    assert IDENTITY in hub.known


async def test_a_client_that_was_given_stays_open(hub: Hub) -> None:
    async with AsyncHubClient(hub.url) as client:
        async with AsyncMember(client, PRODUCTS, wait=True):
            pass
        assert await client.graph()


async def test_a_member_can_join_again(hub: Hub) -> None:
    member = AsyncMember(hub.url, PRODUCTS, wait=True)
    for _ in range(2):
        async with member:
            assert IDENTITY in hub.known
        assert hub.known == {}


async def test_a_defect_does_not_end_the_membership(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from xerpium_sdk.registry import _tasks

    monkeypatch.setattr(_tasks, "RESTART_SECONDS", 0.01)
    member = AsyncMember(hub.url, PRODUCTS)
    steps = iter([RuntimeError("a defect")])
    real = member._take_step

    async def broken_once() -> None:
        for defect in steps:
            raise defect
        await real()

    monkeypatch.setattr(member, "_take_step", broken_once)
    async with member:
        await wait_until(lambda: member.joined, description="the work started again")
    assert "RuntimeError: a defect" in caplog.text
