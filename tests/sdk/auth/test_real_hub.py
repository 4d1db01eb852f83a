"""The SDK's authentication against the hub itself, on a socket: its tokens, its keys, its revocations."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from apps.core import sse
from apps.core.tenancy import system, use
from apps.registry.live import live
from apps.serviceauth import services
from apps.serviceauth.services.revoking import revoke_account
from apps.serviceauth.services.signing import signer, signing_key_withdraw
from tests.sdk.auth.test_source import replace
from tests.support import accounts
from tests.support.database import transactional_db
from tests.support.server import serving
from tests.support.wait import wait_until
from xerpium_sdk.auth import InvalidToken, ServiceAuthClient, TokenVerifier
from xerpium_sdk.registry import Backoff, Catalog, HubClient, NotAllowed, NotAuthenticated, Registration

__all__ = ["transactional_db"]

pytestmark = pytest.mark.timeout(120)
CALLERS = 4


@pytest.fixture
def hub_url(transactional_db: None, settings: Any) -> Iterator[str]:
    """A closed hub."""
    settings.HUB_OPEN = False
    with serving() as (host, port):
        yield f"http://{host}:{port}"
    live.stop()


def test_a_service_proves_who_it_is_and_another_knows_it(hub_url: str) -> None:
    key = accounts.key(accounts.account("orders", companies=[7, 8]))
    with ServiceAuthClient(hub_url, "orders", key) as client, HubClient(hub_url, auth=client) as hub:
        assert hub.list_services() == []
        verifier = TokenVerifier(hub_url, "products", auth=client)
        inside = verifier.verify(client.token(company_id=8))
        assert (inside.service_name, inside.company_id, inside.companies) == ("orders", 8, frozenset({8}))
        assert verifier.verify(client.token()).companies == {7, 8}
        narrow = verifier.verify(client.token(scope="registry:read"))
        assert narrow.scopes == {"registry:read"}
        with pytest.raises(NotAllowed):
            client.token(company_id=9)
        said = client.validate_service_request(client.token(company_id=7))
        assert said is not None
        assert {name: said[name] for name in ("service_name", "company_id", "user_id", "permissions")} == {
            "service_name": "orders",
            "company_id": 7,
            "user_id": None,
            "permissions": [],
        }
        assert client.validate_service_request("x.y.z") is None


def test_without_a_key_a_closed_hub_is_closed(hub_url: str) -> None:
    with HubClient(hub_url) as hub, pytest.raises(NotAuthenticated):
        hub.list_services()
    client = ServiceAuthClient(hub_url, "orders", "xrp_nonsense")
    with client, HubClient(hub_url, auth=client) as hub, pytest.raises(NotAuthenticated):
        hub.list_services()


def test_what_the_hub_revokes_is_refused_by_who_never_asks_it_about_a_token(hub_url: str) -> None:
    orders, products = (accounts.key(accounts.account(name)) for name in ("orders", "products"))
    with (
        ServiceAuthClient(hub_url, "orders", orders) as client,
        ServiceAuthClient(hub_url, "products", products) as own,
    ):
        token = client.token()
        assert TokenVerifier(hub_url, "products", auth=own).verify(token).service_name == "orders"
        revoke_account("orders", reason="test", actor="test", now=timezone.now())
        with pytest.raises(InvalidToken, match="revoked"):
            TokenVerifier(hub_url, "products", auth=own).verify(token)


def test_a_catalogue_whose_token_is_revoked_comes_back_with_another_one(
    hub_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_SECONDS", 0.3)  # whenever it speaks, the hub looks whether it still may
    orders, products = (accounts.key(accounts.account(name)) for name in ("orders", "products"))
    reader = ServiceAuthClient(hub_url, "orders", orders)
    writer = ServiceAuthClient(hub_url, "products", products)
    with (
        HubClient(hub_url, auth=reader) as hub,
        HubClient(hub_url, auth=writer) as other,
        Catalog(hub, ready_timeout=10, backoff=Backoff(base=0.1, cap=0.3)) as catalog,
    ):
        assert catalog.ready
        token = reader.token()
        revoke_account("orders", reason="test", actor="test", now=timezone.now())
        wait_until(
            lambda: reader.token() != token, timeout=20, description="another token, which only the stream asks for"
        )
        wait_until(lambda: reader.token() != token, timeout=20, description="another token, for the stream")
        other.register(Registration(name="products", version="1.0.0", host="127.0.0.1", port=21_001))
        wait_until(lambda: catalog.get("products"), timeout=20, description="what was registered after that")


def test_ten_rotations_under_load_without_a_failed_call(hub_url: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    account = accounts.account("orders")
    keys = [accounts.key(account)]
    file.write_text(keys[0])
    over, failures, calls = threading.Event(), [], [0] * CALLERS

    with ServiceAuthClient(hub_url, "orders", key_file=file) as client, HubClient(hub_url, auth=client) as hub:
        verifier = TokenVerifier(hub_url, "orders", auth=client)

        def work(number: int) -> None:
            while not over.wait(0.005):
                try:
                    hub.graph()
                    verifier.verify(client.token())
                except Exception as error:  # whatever it is, it is a call that failed
                    failures.append(repr(error))
                calls[number] += 1

        with ThreadPoolExecutor(CALLERS) as pool:
            working = [pool.submit(work, number) for number in range(CALLERS)]
            try:
                for _ in range(10):
                    keys.append(accounts.key(account))
                    replace(file, keys[-1])
                    served(calls)
                    with use(system("test")):
                        services.key_disable(
                            key=accounts.key_row(keys[-2]), reason="rotated", actor="anna", now=timezone.now()
                        )
                    served(calls)
                withdraw_signing_key()
                served(calls)
            finally:
                over.set()
            for one in working:
                one.result(10)
    assert failures == []
    assert len(set(keys)) == 11


def withdraw_signing_key() -> None:
    """Take the key back that signs now: every token is void at once."""
    now = timezone.now()
    signing_key_withdraw(kid=signer(now).kid, now=now)


def served(calls: list[int]) -> None:
    """Wait until every caller has called a few times more."""
    seen = list(calls)
    wait_until(
        lambda: all(now >= before + 3 for now, before in zip(calls, seen, strict=True)),
        timeout=20,
        description="all to be served",
    )
