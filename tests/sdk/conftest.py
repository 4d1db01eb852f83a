"""A small hub for every test of the SDK that needs one."""

from collections.abc import Iterator

import pytest

from tests.sdk.hub import Hub
from xerpium_sdk.auth import _environment, _making

VARIABLES = ("HUB_URL", "NAME", "KEY", "KEY_FILE", "ENROLMENT_TOKEN", "ISSUER")


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, which is what the SDK's background tasks are made of."""
    return "asyncio"


@pytest.fixture(scope="session")
def small_hub() -> Iterator[Hub]:
    """The hub of the whole run."""
    small = Hub()
    small.start()
    yield small
    small.stop()


@pytest.fixture
def hub(small_hub: Hub) -> Hub:
    """A hub that answers and knows nothing."""
    small_hub.reset()
    return small_hub


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin without a key, and forget tokens afterwards."""
    for name in VARIABLES:
        monkeypatch.delenv(getattr(_environment, name), raising=False)
    _making._sources.clear()
    yield
    _making._sources.clear()
