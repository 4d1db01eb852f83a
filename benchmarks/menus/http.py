"""What trees cost over HTTP: on the event loop, through Django, and one query with a dict beside them."""

import json
import sys
import urllib.request

from benchmarks.report import Ratio, Reporter
from benchmarks.stage import Contestant, Stage, wrk

TREE = "/api/v1/menus/tree"


def measure(stage: Stage, reporter: Reporter) -> None:
    """Compare rates of whole trees, packed ones, typical ones, and 304s."""
    stage.environment["TOKEN_LIFETIME_SECONDS"] = "3600"
    stage.environment["API_RATE_LIMIT"] = "0"
    plain, plain_process = stage.plain()
    tokens = json.loads(stage.run([sys.executable, "-m", "benchmarks.menus.filling"]).splitlines()[-1])
    hub, process = stage.hub()
    slow, slow_process = stage.hub(fast=False)
    everything, typical = tokens["everything"], tokens["typical"]
    etag = ""
    for address in (hub, slow):
        for token in (everything, typical):
            for coding in ("identity", "gzip"):
                found = _asked(f"{address}{TREE}", token, coding)
                etag = found if token == everything and coding == "gzip" else etag
    packed = ("Accept-Encoding: gzip",)
    known = (*packed, f"If-None-Match: {etag}")
    processes, django = [process], [slow_process]
    rows = stage.compete(
        [
            Contestant("hub, 304", wrk(f"{hub}{TREE}", token=everything, headers=known), processes),
            Contestant("hub, typical, packed", wrk(f"{hub}{TREE}", token=typical, headers=packed), processes),
            Contestant("hub, everything, packed", wrk(f"{hub}{TREE}", token=everything, headers=packed), processes),
            Contestant("hub, everything", wrk(f"{hub}{TREE}", token=everything), processes, "1.3 MB each"),
            Contestant("hub, 304, fast paths off", wrk(f"{slow}{TREE}", token=everything, headers=known), django),
            Contestant("hub, packed, fast paths off", wrk(f"{slow}{TREE}", token=everything, headers=packed), django),
            Contestant(
                "one query, dict, orjson",
                wrk(f"{plain}/menus", connections=1),
                [plain_process, stage.postgres],
                "granian",
            ),
        ]
    )
    peer = rows["one query, dict, orjson"].value
    ratios = [Ratio(f"{name} ÷ one query", row.value / peer) for name, row in rows.items() if name.startswith("hub")]
    reporter.table("Menus: GET of the tree of 10,000 items", list(rows.values()), ratios)


def _asked(address: str, token: str, coding: str) -> str:
    """Ask once, so that the tree is finished, and return its tag."""
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": coding}
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
        return str(answer.headers["ETag"])
