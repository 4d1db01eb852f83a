"""Heartbeats: acknowledged renewals. The hub's by Redis, beside an update of a row and etcd's keep-alive."""

import json

from benchmarks.report import Ratio, Reporter
from benchmarks.stage import Contestant, Stage, post, registration, wrk

REPORT = json.dumps({"service_name": "service-0", "status": "healthy"})


def measure(stage: Stage, reporter: Reporter) -> None:
    """Compare renewals of one lease."""
    stage.relay()
    hub, hub_process = stage.hub()
    plain, plain_process = stage.plain()
    post(f"{hub}/api/v1/services/register", registration(0))
    post(f"{hub}/api/v1/services/health", json.loads(REPORT))
    post(f"{plain}/api/v1/services/register/", registration(0))
    contestants = [
        Contestant("hub", wrk(f"{hub}/api/v1/services/health", method="POST", body=REPORT), [hub_process, stage.redis]),
        Contestant(
            "plain DRF UPDATE",
            wrk(f"{plain}/api/v1/services/health/", method="POST", body=REPORT),
            [plain_process, stage.postgres],
            "granian",
        ),
    ]
    etcd = stage.etcd()
    if etcd is not None:
        url, process = etcd
        lease = post(f"{url}/v3/lease/grant", {"TTL": 3600})
        body = json.dumps({"ID": lease["ID"]})
        contestants.append(
            Contestant("etcd keep-alive, HTTP", wrk(f"{url}/v3/lease/keepalive", method="POST", body=body), [process])
        )
    rows = stage.compete(contestants)
    ratios = [Ratio("hub ÷ plain DRF UPDATE", rows["hub"].value / rows["plain DRF UPDATE"].value, 10)]
    if "etcd keep-alive, HTTP" in rows:
        ratios.append(Ratio("hub ÷ etcd keep-alive", rows["hub"].value / rows["etcd keep-alive, HTTP"].value, 1.5))
    reporter.table("Heartbeats: an acknowledged renewal", list(rows.values()), ratios)
