"""How many lines the product service has, beside the sample from which the first services were copied."""

from pathlib import Path

import pytest

from tests.support.seed_code import DOCUMENT

EXAMPLE = Path(__file__).resolve().parents[3] / "examples/product_service"
CODE = {
    "#### Service Registration": "# Global registry instance",
    "#### FastAPI Integration": "",
    "### 3. Service Integration Example": "",
    "### 1. Menu Registration Client": "def register_product_menus",
    "### 2. FastAPI Integration": "",
    "### 1. UI Registry Client": "def register_product_ui_components",
    "### 1. Health Checks": "# Global health checker",
}
"""Headings of the document, and where in the code below them the clients end and the service's own code begins."""
JOINING = ("service.install(app)", "service.has_key", "from .service import", "from . import events, ui")


def written(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def sample() -> list[str]:
    """Return the lines of the sample that are the product service's own."""
    text = DOCUMENT.read_text(encoding="utf-8")
    lines: list[str] = []
    for heading, begin in CODE.items():
        code = text.partition(f"\n{heading}\n")[2].partition("```python\n")[2].partition("\n```")[0]
        assert begin in code
        lines += written(begin + code.partition(begin)[2] if begin else code)
    return lines


def test_the_product_service_joins_in_less_than_half_the_lines() -> None:
    if not DOCUMENT.is_file():
        pytest.skip(f"{DOCUMENT.name} is not beside this checkout")
    files = {path.name: written(path.read_text(encoding="utf-8")) for path in EXAMPLE.glob("*.py")}
    joining = [line for line in files["main.py"] if any(word in line for word in JOINING)]
    ours = len(joining) + sum(len(files[name]) for name in ("service.py", "events.py", "ui.py"))
    told = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert f"is {ours} lines" in told
    assert f"has {len(sample())} for the same job" in told
    assert ours < len(sample()) / 2
