"""A service written on the document's samples moves over by changing its imports.

What the samples define is taken out of them and imported from the SDK instead; what they do with it is left as it is.
"""

import ast
import asyncio
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import xerpium_sdk
from apps.core.tenancy import system, use
from apps.menus.models import MenuItem
from apps.registry.models import Service
from apps.uiregistry.models import Component, Widget
from tests.support.seed_code import DOCUMENT, code_of
from tests.support.server import serving

pytestmark = pytest.mark.usefixtures("hub")
Load = Callable[[str], Any]
KEPT = {"typing", "asyncio", "datetime", "logging"}
"""What the samples import and keep importing."""


def moved(code: str) -> str:
    """Return ``code`` without the classes and functions that the SDK has, and without imports of other libraries."""
    ours = set(xerpium_sdk.__all__)
    tree = ast.parse(code)
    body: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name in ours:
            continue
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] not in KEPT):
            continue
        if isinstance(node, ast.Import) and not all(name.name in KEPT for name in node.names):
            continue
        body.append(node)
    imports = ast.parse(f"from xerpium_sdk import {', '.join(sorted(ours - {'__version__'}))}").body
    return ast.unparse(ast.Module([*imports, *body], []))


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Loads a sample by its title, with its imports changed and the hub's address as its settings have it."""
    if not DOCUMENT.is_file():
        pytest.skip("the document with the samples is not beside this checkout (SEED_DOCUMENT names it)")
    with serving() as (host, port):
        address = f"http://{host}:{port}"
        monkeypatch.setenv("XERPIUM_HUB_URL", address)
        settings = SimpleNamespace(
            SERVICE_REGISTRY_URL=address, SERVICE_NAME="product-service", SERVICE_HOST="127.0.0.1", SERVICE_PORT=8123
        )

        def load(title: str) -> Any:
            code = moved(code_of(DOCUMENT, title))
            for known in ("http://menu-access-service:8004", "http://ui-registry-service:8008"):
                code = code.replace(known, address)
            module = ModuleType(title.partition(".")[0])
            module.settings = settings  # type: ignore[attr-defined]  # what the sample imports from its own application
            monkeypatch.setitem(sys.modules, module.__name__, module)
            exec(compile(code, title, "exec"), vars(module))
            return module

        yield load


def test_it_registers_and_is_found(load: Load) -> None:
    sample = load("registration.py")
    assert asyncio.run(sample.register_current_service()) is True
    assert asyncio.run(sample.service_registry.update_health_status("healthy", {"cpu_usage": "5%"})) is True
    found = asyncio.run(sample.service_registry.discover_service("product-service"))
    assert found["api_base_url"] == "http://127.0.0.1:8123/api/v1"
    with use(system("tests look")):
        assert Service.objects.get().name == "product-service"


def test_its_menus_and_pages_are_declared(load: Load) -> None:
    assert load("menu_integration.py").register_product_menus() is True
    assert load("ui_integration.py").register_product_ui_components() is True
    with use(system("tests look")):
        assert (MenuItem.objects.count(), Component.objects.count(), Widget.objects.count()) == (5, 2, 3)


def test_its_breaker_protects_calls(load: Load) -> None:
    sample = load("resilience/circuit_breaker.py")
    sample.service_client = SimpleNamespace(call_service=_nothing)

    async def ask() -> list[str]:
        errors = []
        for _ in range(4):
            try:
                await sample.call_auth_service_with_protection("token", {})
            except Exception as error:
                errors.append(type(error).__name__)
        return errors

    assert asyncio.run(ask()) == ["Exception"] * 3 + ["CircuitOpenError"]


async def _nothing(*asked: Any) -> None:
    return None


def test_its_retries_are_decorators_as_before(load: Load) -> None:
    code = code_of(DOCUMENT, "resilience/retry.py")
    assert "@retry_with_exponential_backoff(max_retries=3, base_delay=0.5)" in code
    calls: list[int] = []
    module: dict[str, Any] = {
        "service_info": {}, "menu_client": SimpleNamespace(register_menu_items=calls.append), "items": 7,
        "requests": SimpleNamespace(RequestException=ConnectionError),
        "service_registry": SimpleNamespace(register_service=_registered),
    }  # fmt: skip
    exec(compile(moved(code), "retry.py", "exec"), module)
    assert module["register_menu_items"]() is None
    assert asyncio.run(module["register_with_service_registry"]()) is True
    assert calls == [7]


async def _registered(info: Any) -> bool:
    return True


def test_its_health_has_the_document_that_it_had(load: Load) -> None:
    health = xerpium_sdk.HealthChecker("product-service", "1.0.0")
    health.register_check("own", lambda: {"healthy": True, "details": {"a": 1}, "response_time_ms": 1})
    document = asyncio.run(health.check_health())
    assert set(document) == {"service", "timestamp", "status", "checks", "version"}
    assert document["checks"]["own"]["details"] == {"a": 1}
    assert {"disk_space", "memory"} <= set(document["checks"])
