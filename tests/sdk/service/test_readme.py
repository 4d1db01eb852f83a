"""The first service of the README, as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.sdk._tasks import wait_until
from xerpium_sdk.events import AsyncEventPublisher, EventType
from xerpium_sdk.testing import TestHub

ROOT = Path(__file__).resolve().parents[3]
MOST_LINES = 15

pytestmark = pytest.mark.anyio


def first_service() -> str:
    """Return the first program of the README."""
    return blocks("README.md")[0]


def blocks(document: str) -> list[str]:
    """Return the programs that a document shows."""
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)


def test_it_has_under_fifteen_lines() -> None:
    lines = [line for line in first_service().splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) < MOST_LINES


async def test_it_joins_with_a_menu_a_widget_a_handler_and_health(monkeypatch: pytest.MonkeyPatch) -> None:
    with TestHub() as hub:
        await live_with(hub, monkeypatch)
    assert hub.services == {}


async def live_with(hub: TestHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the first service, and look at what the hub sees of it."""
    monkeypatch.setenv("XERPIUM_HUB_URL", hub.url)
    program: dict[str, Any] = {}
    exec(compile(first_service(), "first.py", "exec"), program)
    app = program["app"]
    call = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://first")
    async with call, app.router.lifespan_context(app), AsyncEventPublisher("catalogue") as publisher:
        await wait_until(lambda: "first" in hub.manifests, description="the manifest")
        assert [item.path for item in hub.menus["first"]] == ["/greetings"]
        assert [item.api_endpoint for item in hub.widgets["first"]] == ["/api/greeted"]
        assert [one.instance_id for one in hub.services["first"].instances] == ["127.0.0.1:8123"]
        await publisher.publish_event(EventType.PRODUCT_CREATED, "Product", 42, data={"name": "Chair"})
        await wait_until(lambda: program["greeted"] == ["Chair"], description="the event")
        assert (await call.get("/api/greeted")).json() == {"value": 1}
        health = (await call.get("/health")).json()
        assert (health["service"], health["checks"]["hub"]["status"]) == ("first", "healthy")


def test_the_test_that_documents_show_passes(tmp_path: Path) -> None:
    (shown,) = [block for block in blocks("sdk/README.md") if "TestHub" in block]
    (tmp_path / "first.py").write_text(first_service(), encoding="utf-8")
    (tmp_path / "test_first.py").write_text(shown, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "test_first.py"]
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("XERPIUM_", "PYTEST_", "DJANGO_"))
    }
    done = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
