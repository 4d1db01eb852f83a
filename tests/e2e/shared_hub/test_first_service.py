"""The first service of the README against a whole hub, begun as the README says."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from apps.core.engines import free_port
from tests.sdk.service.test_readme import first_service
from tests.support.running_hub import RunningHub
from tests.support.wait import wait_until
from xerpium_sdk.events import EventPublisher, EventType

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def is_up(url: str) -> bool:
    try:
        return bool(get(url))
    except OSError:
        return False


def test_it_joins_the_hub_shows_its_menu_and_hears_an_event(running_hub: RunningHub, tmp_path: Path) -> None:
    port = str(free_port())
    (tmp_path / "first.py").write_text(first_service().replace("8123", port), encoding="utf-8")
    command = [sys.executable, "-m", "uvicorn", "first:app", "--port", port, "--no-access-log"]
    environment = {"PATH": os.environ["PATH"], **running_hub.addresses}
    hub, own = f"{running_hub.url}/api/v1", f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:
        try:
            wait_until(lambda: is_up(f"{own}/health"), 30, "the service to answer")
            wait_until(lambda: is_up(f"{hub}/services/first"), 10, "the hub to know it")
            wait_until(lambda: is_up(f"{hub}/services/first/manifest"), 10, "the hub to have its manifest")
            tree = get(f"{hub}/menus/tree?permissions=*")
            assert "Greetings" in json.dumps(tree)
            assert get(f"{hub}/services/first/manifest")["widgets"][0]["name"] == "People greeted"
            with EventPublisher("catalogue", redis_url=running_hub.addresses["REDIS_URL"]) as publisher:
                # Not a product of other tests: a new group reads what they left, and each entity in its order.
                publisher.publish_event(EventType.PRODUCT_CREATED, "Product", 2**40, data={"name": "Chair"})
            wait_until(lambda: get(f"{own}/api/greeted")["value"] >= 1, 20, "the event")
        finally:
            process.terminate()
    assert process.returncode in (0, -15)
    wait_until(lambda: not get(f"{hub}/services/?q=first")["results"], 10, "the hub to know that it left")
