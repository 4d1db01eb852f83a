"""The package as others meet it: its public names, what importing it costs, and that its sync side is current."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import xerpium_sdk
from xerpium_sdk import auth, events, registry, ui

ROOT = Path(__file__).resolve().parents[2]
SDK = Path(xerpium_sdk.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(SDK.parent).with_suffix("").parts).removesuffix(".__init__")
    for part in ("wire", "registry", "events", "auth", "ui", "service")
    for path in (SDK / part).rglob("*.py")
)


def public_names(module: ModuleType) -> set[str]:
    """Return the names without an underscore that the module's own code defines, or imports for others to use."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    defined = {
        node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return {name for name in defined if not name.startswith("_")}


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith(("_async", "_sync"))])
def test_all_names_what_there_is(name: str) -> None:
    module = importlib.import_module(name)
    names = module.__all__
    assert sorted(names) == sorted(set(names))
    assert [each for each in names if not hasattr(module, each)] == []
    if not any(part.startswith("_") for part in name.split(".")):
        assert public_names(module) <= set(names)


def test_everything_public_of_the_registry_can_be_had_from_one_place() -> None:
    names = {name for name in vars(registry) if not name.startswith("_") and name not in ("errors",)}
    assert set(registry.__all__) == names
    assert list(registry.__all__) == sorted(registry.__all__)


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (registry, {"Catalog", "HubClient", "Member"}),
        (events, {"EventPublisher"}),
        (auth, {"ServiceAuthClient"}),
        (ui, {"ManifestClient", "ManifestKeeper", "MenuRegistrationClient", "UIRegistryClient"}),
    ],
    ids=["registry", "events", "auth", "ui"],
)
def test_every_async_class_has_its_twin(module: ModuleType, names: set[str]) -> None:
    twins = {name.removeprefix("Async") for name in module.__all__ if name.startswith("Async")}
    assert twins == names
    for name in twins:
        asynchronous, sync = getattr(module, f"Async{name}"), getattr(module, name)
        shared = {each.replace("aclose", "close") for each in vars(asynchronous) if not each.startswith("_")}
        assert shared == {each for each in vars(sync) if not each.startswith("_")}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("xerpium_sdk.wire", {"httpx2", "redis", "django", "semantic_version", "orjson", "msgspec"}),
        ("xerpium_sdk.registry", {"redis", "django", "fastapi", "starlette", "jwt", "xerpium_sdk.ui"}),
        ("xerpium_sdk.ui", {"redis", "django", "fastapi", "starlette", "jwt", "xerpium_sdk.events"}),
        ("xerpium_sdk.auth", {"redis", "django", "fastapi", "starlette", "jwt"}),
        ("xerpium_sdk.auth.fastapi", {"redis", "django", "jwt"}),
        ("xerpium_sdk.django.auth", {"redis", "fastapi", "starlette", "jwt"}),
        ("xerpium_sdk.events", {"httpx2", "django", "fastapi", "starlette"}),
        ("xerpium_sdk.fastapi", {"redis", "django", "fastapi", "starlette", "xerpium_sdk.ui"}),
        ("xerpium_sdk.service", {"redis", "django", "fastapi", "starlette", "jwt", "xerpium_sdk.calls", "stamina"}),
        ("xerpium_sdk.calls.asgi", {"redis", "django", "fastapi", "starlette", "jwt"}),
        ("xerpium_sdk.django.service", {"redis", "fastapi", "starlette", "jwt"}),
    ],
)
def test_importing_a_part_brings_in_no_more_than_it_needs(module: str, unwanted: set[str]) -> None:
    script = f"import sys, {module}; print(*sorted({unwanted!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


@pytest.mark.parametrize(("document", "imported"), [("sdk/README.md", 5), ("docs/ui.md", 5), ("docs/sdk.md", 4)])
def test_what_documents_show_is_python_and_imports_what_there_is(document: str, imported: int) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)
    trees = [ast.parse(block) for block in blocks]
    imports = [node for tree in trees for node in tree.body if isinstance(node, ast.ImportFrom)]
    imports = [node for node in imports if not (node.module or "").startswith("shop")]
    for node in imports:
        module = importlib.import_module(node.module or "")
        assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
    assert len(imports) >= imported


def test_the_sync_side_is_current() -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "tools/unasync.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
