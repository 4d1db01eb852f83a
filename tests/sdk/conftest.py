"""A small hub for every test of the SDK that needs one, and the example services."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.sdk.hub import Hub
from xerpium_sdk.auth import _environment, _making

Importer = Callable[[str], ModuleType]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
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


@pytest.fixture
def example(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Importer:
    """Imports an example service afresh, told where the hub is."""
    monkeypatch.setenv("XERPIUM_HUB_URL", hub.url)
    monkeypatch.setenv("XERPIUM_HOST", "127.0.0.1")
    monkeypatch.setenv("XERPIUM_PORT", "8101")
    monkeypatch.syspath_prepend(EXAMPLES)

    def load(name: str) -> ModuleType:
        for known in [known for known in sys.modules if known.split(".")[0] == name]:
            monkeypatch.delitem(sys.modules, known)
        return importlib.import_module(f"{name}.main")

    return load
