"""What trees cost in a process: finished ones, 304s, new ones, compiling; beside what most teams would write first."""

import json
import sys

from benchmarks.report import Ratio, Reporter, median_row
from benchmarks.stage import Stage

# (what, at most so many milliseconds, better still)
TARGETS = (("hit", 0.5, 0.2), ("304", 0.1, 0.03), ("cold, everything", 10, 5), ("cold, typical", 10, 5))


def measure(stage: Stage, reporter: Reporter) -> None:
    """Time everything, in one process and in turn."""
    stage.environment["TOKEN_LIFETIME_SECONDS"] = "3600"
    stage.environment["API_RATE_LIMIT"] = "0"
    stage.plain()
    printed = stage.run(["taskset", "-c", "0", sys.executable, "-m", "benchmarks.menus.inside", str(stage.rounds)])
    found: dict[str, list[float]] = json.loads(printed.splitlines()[-1])
    rows = {name: median_row(name, times, "ms") for name, times in found.items()}
    naive, plain = rows["naive recursive serializer"].value, rows["one query, dict, orjson"].value
    ratios = [
        Ratio("naive serializer ÷ cold", naive / rows["cold, everything"].value),
        Ratio("naive serializer ÷ hit", naive / rows["hit"].value),
        Ratio("one query ÷ cold", plain / rows["cold, everything"].value),
        Ratio("one query ÷ hit", plain / rows["hit"].value),
        *(Ratio(f"{name}, ms", rows[name].value, most, at_most=True, stretch=best) for name, most, best in TARGETS),
    ]
    reporter.table("Menus: the tree of 10,000 items, in one process", list(rows.values()), ratios)
