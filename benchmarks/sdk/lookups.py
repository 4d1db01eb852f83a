"""Choosing an instance in the SDK's live catalogue, beside a dict, with one service and with a thousand."""

import timeit
from collections.abc import Callable

from benchmarks.report import Ratio, Reporter, median_row
from xerpium_sdk.registry import Catalog
from xerpium_sdk.testing import TestHub

COUNT = 20_000
SERVICES, INSTANCES = 1000, 3
MOST_MICROSECONDS = 5
NAME, CHOICE, DICT = "service-500", "choose and release", "dict"


def measure(rounds: int, reporter: Reporter) -> None:
    """Take the microseconds of single lookups, one after the other."""
    with TestHub() as hub:
        for number in range(SERVICES):
            for instance in range(INSTANCES):
                url = f"http://127.0.0.1:{9000 + instance}"
                hub.register(f"service-{number}", url=url, version=f"1.{instance}.0", zone=f"zone-{instance}")
        known = {name: [one.api_base_url for one in record.instances] for name, record in hub.services.items()}
        with Catalog(hub.url) as catalog:
            catalog.wait_for(NAME, timeout=30)
            contestants: dict[str, Callable[[], object]] = {
                CHOICE: lambda: _released(catalog),
                "choose and release, a range and a zone (one fits)": lambda: _released(catalog, "^1.1", "zone-2"),
                "get": lambda: catalog.get(NAME),
                DICT: lambda: known[NAME][0],
            }
            taken: dict[str, list[float]] = {name: [] for name in contestants}
            for _ in range(rounds):
                for name, call in contestants.items():
                    taken[name].append(timeit.timeit(call, number=COUNT) / COUNT * 1e6)
    rows = {name: median_row(name, found, "µs") for name, found in taken.items()}
    ratios = [
        Ratio("choose and release, µs", rows[CHOICE].value, MOST_MICROSECONDS, at_most=True),
        Ratio("choose and release ÷ dict", rows[CHOICE].value / rows[DICT].value),
        Ratio("get ÷ dict", rows["get"].value / rows[DICT].value),
    ]
    reporter.table(f"Lookups among {SERVICES} services of {INSTANCES} instances", list(rows.values()), ratios)


def _released(catalog: Catalog, version: str | None = None, zone: str | None = None) -> None:
    with catalog.choose(NAME, version, zone):
        pass
