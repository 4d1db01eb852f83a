"""Who a service is: from arguments, else from the environment."""

import socket

import pytest

from xerpium_sdk.auth import ServiceAuthClient
from xerpium_sdk.service import XerpiumService, _settings
from xerpium_sdk.wire.registry import Registration

HUB = "http://127.0.0.1:8000"


def registration(made: XerpiumService) -> Registration:
    return made._settings.registration()


def test_everything_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "XERPIUM_HUB_URL": f"{HUB}/",
        "XERPIUM_SERVICE_NAME": "shop",
        "XERPIUM_SERVICE_VERSION": "1.4.2",
        "XERPIUM_HOST": "10.0.3.17",
        "XERPIUM_PORT": "8101",
        "XERPIUM_API_BASE_URL": "/api/v1",
        "XERPIUM_REDIS_URL": "redis://bus:6379/0",
        "XERPIUM_ZONE": "eu-1",
        "XERPIUM_SERVICE_KEY": "xrp_key",
    }.items():
        monkeypatch.setenv(name, value)
    made = XerpiumService(api_docs_url="/docs")
    found = registration(made)
    assert (found.name, found.version, found.zone) == ("shop", "1.4.2", "eu-1")
    assert (found.health_check_url, found.api_base_url, found.api_docs_url) == (
        "http://10.0.3.17:8101/health",
        "http://10.0.3.17:8101/api/v1",
        "http://10.0.3.17:8101/docs",
    )
    assert made.catalog.zone == "eu-1"
    assert made.auth is not None
    assert (made.auth.service_name, made.auth.auth_service_url) == ("shop", HUB)
    assert made.consumer._client.get_connection_kwargs()["host"] == "bus"


def test_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XERPIUM_PORT", "1")
    monkeypatch.setenv("XERPIUM_SERVICE_NAME", "other")
    monkeypatch.setenv("XERPIUM_JOIN", "0")
    made = XerpiumService("shop", "1.0.0", hub_url=HUB, host="::1", port=8101, service_key="xrp_key", company_id=7)
    found = registration(made)
    assert (found.name, found.health_check_url, found.company_id) == ("shop", "http://[::1]:8101/health", 7)
    assert made._settings.joins is False
    assert XerpiumService("shop", "1.0.0", join=True)._settings.joins is True
    assert made.auth is not None
    assert made.auth.company_id == 7
    assert isinstance(made._parts.get("auth_sync"), ServiceAuthClient)


def test_an_address_says_host_and_port() -> None:
    found = registration(XerpiumService("shop", "1.0.0", api_base_url="https://shop.internal/api"))
    assert (found.host, found.port, found.api_base_url) == ("shop.internal", 443, "https://shop.internal/api")
    given = registration(XerpiumService("shop", "1.0.0", host="pod-7", api_base_url="http://shop:8080", port=9))
    assert (given.host, given.port) == ("pod-7", 9)


@pytest.mark.parametrize("everywhere", ["", "0.0.0.0", "::"])
def test_a_host_that_nobody_named_is_the_address_towards_the_hub(everywhere: str) -> None:
    found = registration(XerpiumService("shop", "1.0.0", hub_url=HUB, host=everywhere, port=8101))
    assert found.host == "127.0.0.1"


def test_a_hub_whose_name_nobody_knows_leaves_the_name_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*arguments: object, **options: object) -> None:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(_settings.socket, "getaddrinfo", unknown)
    found = registration(XerpiumService("shop", "1.0.0", hub_url="http://hub.example", port=8101))
    assert found.host == socket.gethostname()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"version": "1.0.0", "hub_url": HUB, "port": 1}, "XERPIUM_SERVICE_NAME"),
        ({"name": "shop", "hub_url": HUB, "port": 1}, "XERPIUM_SERVICE_VERSION"),
        ({"name": "shop", "version": "1.0.0", "port": 1}, "XERPIUM_HUB_URL"),
        ({"name": "shop", "version": "1.0.0", "hub_url": HUB}, "XERPIUM_PORT"),
    ],
    ids=["name", "version", "hub", "port"],
)
def test_what_is_missing_is_named_at_the_start_and_not_before(given: dict[str, str], missing: str) -> None:
    made = XerpiumService(**given)  # type: ignore[arg-type]
    made.menu("Sales", "/sales")
    with pytest.raises(ValueError, match=missing):
        made.start()


def test_a_port_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XERPIUM_PORT", "eighty")
    with pytest.raises(ValueError, match="XERPIUM_PORT is no port: 'eighty'"):
        registration(XerpiumService("shop", "1.0.0", hub_url=HUB))


def test_a_service_without_a_key_speaks_to_an_open_hub() -> None:
    made = XerpiumService("shop", "1.0.0", hub_url=HUB)
    assert (made.auth, made.has_key) == (None, False)
    assert repr(made) == "XerpiumService('shop', '1.0.0')"
