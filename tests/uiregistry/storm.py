"""Many services that start at once, and then once more: `python -m tests.uiregistry.storm [SERVICES] [ITEMS]`.

Every service puts a manifest from a thread of its own, in random order. A third of the items hang below items of the
service before, so that parents come after their children as often as before them. Afterwards the tree must be the one
that the manifests describe, whatever the order was; the second time nothing may change.
"""

import os
import random
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

__all__ = ["Storm", "manifest_of", "unleash"]


@dataclass(frozen=True, slots=True)
class Storm:
    """What a storm was: how long each round took, and what was answered."""

    seconds: tuple[float, float]
    slowest: tuple[float, float]
    first: list[dict[str, Any]]
    second: list[dict[str, Any]]

    def __str__(self) -> str:
        rounds = zip(("first", "again"), self.seconds, self.slowest, strict=True)
        return ", ".join(f"{name}: {took:.1f} s (slowest {most:.2f} s)" for name, took, most in rounds)


def manifest_of(number: int, services: int, items: int) -> dict[str, Any]:
    """Return the manifest of one of ``services`` services, with ``items`` items in all."""
    mine, before = f"s{number}", f"s{(number - 1) % services}"
    widgets, components = items // 10, items // 10
    menus: list[dict[str, Any]] = [{"name": f"Home {mine}", "path": f"/{mine}", "icon": "folder"}]
    for n in range(1, items - widgets - components):
        item: dict[str, Any] = {"name": f"Item {n}", "path": f"/{mine}/{n}", "order_number": n % 7}
        if n % 3 == 0:
            item["parent_name"] = f"{before}:/{before}/{n - 1}"
        elif n % 3 == 1:
            item["parent_name"] = f"Home {mine}"
        menus.append({**item, "required_permissions": [f"{mine}.view"]})
    routes = [f"/{mine}/form/{n}/:id" for n in range(components)]
    return {
        "schema_version": 1,
        "version": "1.0.0",
        "generation": 1,
        "menus": menus,
        "components": [
            {"name": route, "component_type": "page", "route_path": route, "api_endpoint": "/api/v1/x/{id}"}
            for route in routes
        ],
        "widgets": [
            {"name": f"W{n}", "widget_type": "metric", "api_endpoint": "/api/v1/n", "size": "small"}
            for n in range(widgets)
        ],
    }


def unleash(
    services: int, items: int, put: Callable[[str, dict[str, Any]], dict[str, Any]], threads: int = 16
) -> Storm:
    """Let ``services`` services put manifests of ``items`` items at once, twice; ``put`` sends one of them."""
    bodies = {f"s{number}": manifest_of(number, services, items) for number in range(services)}
    rounds = [_round(bodies, put, threads, seed) for seed in (1, 2)]
    return Storm(
        seconds=(rounds[0][0], rounds[1][0]),
        slowest=(rounds[0][1], rounds[1][1]),
        first=rounds[0][2],
        second=rounds[1][2],
    )


def _round(bodies: dict[str, Any], put: Any, threads: int, seed: int) -> tuple[float, float, list[dict[str, Any]]]:
    names = list(bodies)
    random.Random(seed).shuffle(names)
    together = threading.Barrier(threads)

    def one(place: int) -> tuple[float, dict[str, Any]]:
        if place < threads:
            together.wait()
        began = time.perf_counter()
        answer = put(names[place], bodies[names[place]])
        return time.perf_counter() - began, answer

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(one, range(len(names))))
    return time.perf_counter() - began, max(took for took, _ in found), [answer for _, answer in found]


def main() -> int:
    """Run the test of many services at full size, and print its figures."""
    import pytest

    services, items = (*sys.argv[1:], "200", "50")[:2] if len(sys.argv) > 2 else ("200", "50")
    os.environ |= {"STORM_SERVICES": services, "STORM_ITEMS": items}
    return pytest.main(["-q", "-s", "--timeout=0", "-k", "once_more", "tests/uiregistry/test_many_services.py"])


if __name__ == "__main__":
    sys.exit(main())
