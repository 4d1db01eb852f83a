"""The generator of the reference: what it makes of docstrings, and that the committed pages are what it makes."""

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.architecture.tree import ROOT


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """The tool."""
    specification = importlib.util.spec_from_file_location("reference", ROOT / "tools/reference.py")
    assert specification is not None
    assert specification.loader is not None
    tool = importlib.util.module_from_spec(specification)
    sys.modules["reference"] = tool
    specification.loader.exec_module(tool)
    return tool


def test_the_pages_are_current(reference: ModuleType) -> None:
    wanted = reference.pages()
    assert {path.stem for path in reference.OUT.glob("*.md")} == set(wanted)
    stale = [name for name, text in wanted.items() if (reference.OUT / f"{name}.md").read_text("utf-8") != text]
    assert stale == [], "run `make reference`"


def test_every_public_name_of_the_front_is_on_a_page(reference: ModuleType) -> None:
    described = reference.pages()["README"].partition("## From")[2]
    missing = [name for name in reference.public("xerpium_sdk") if f"[`{name}`]" not in described]
    assert missing == ["__version__"]


def test_sections_become_lists_and_examples_become_code(reference: ModuleType) -> None:
    made = reference.prose(
        "Do it.\n\n>>> do(1)\n2\n\nArgs:\n    a, b: two\n        things.\n\nRaises:\n    ValueError: no."
    )
    assert made == [
        *("Do it.", "", "```python", ">>> do(1)", "2", "```", ""),
        *("**Arguments:**", "", "- `a`, `b`: two", "  things.", "", "**Raises:**", "", "- `ValueError`: no."),
    ]


def test_inherited_methods_defaults_and_forms_are_shown(reference: ModuleType) -> None:
    registry, resilience = reference.pages()["registry"], reference.pages()["resilience"]
    assert "def AsyncCatalog.get(name: str) -> ServiceRecord | None" in registry
    assert "    without: Collection[str] = ()," in registry
    assert "    metadata: Mapping[str, Any] = {}," in registry
    assert resilience.count("def CircuitBreaker.__call__(") > 1
