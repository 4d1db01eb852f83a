"""The first service of the README, as it stands there."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.sdk._tasks import wait_until
from tests.sdk.ui.hub import UIHub
from xerpium_sdk.events import AsyncEventPublisher, EventType

ROOT = Path(__file__).resolve().parents[3]
MOST_LINES = 15

pytestmark = pytest.mark.anyio


def first_service() -> str:
    """Return the first program of the README."""
    (found, *_) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


def test_it_has_under_fifteen_lines() -> None:
    lines = [line for line in first_service().splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) < MOST_LINES


async def test_it_joins_with_a_menu_a_widget_a_handler_and_health(hub: UIHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XERPIUM_HUB_URL", hub.url)
    program: dict[str, Any] = {}
    exec(compile(first_service(), "first.py", "exec"), program)
    app = program["app"]
    call = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://first")
    async with call, app.router.lifespan_context(app), AsyncEventPublisher("catalogue") as publisher:
        await wait_until(lambda: "first" in hub.manifests, description="the manifest")
        assert [item["path"] for item in hub.manifests["first"]["menus"]] == ["/greetings"]
        assert [item["api_endpoint"] for item in hub.manifests["first"]["widgets"]] == ["/api/greeted"]
        assert ("first", "127.0.0.1:8123") in hub.known
        await publisher.publish_event(EventType.PRODUCT_CREATED, "Product", 42, data={"name": "Chair"})
        await wait_until(lambda: program["greeted"] == ["Chair"], description="the event")
        assert (await call.get("/api/greeted")).json() == {"value": 1}
        health = (await call.get("/health")).json()
        assert (health["service"], health["checks"]["hub"]["status"]) == ("first", "healthy")
    assert hub.known == {}
