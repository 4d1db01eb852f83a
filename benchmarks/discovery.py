"""Discovery: reading one service. The hub from memory, beside a plain DRF viewset and etcd.

etcd's default read is linearizable; the hub's is at most 1 s behind and says when it is more. The comparison is of what
a reader gets by default from each, not of equal promises.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable

from benchmarks.report import Ratio, Reporter
from benchmarks.stage import CONNECTIONS, LOAD_CORE, Contestant, Stage, post, registration, wrk


def measure(stage: Stage, reporter: Reporter) -> None:
    """Compare reads of one service."""
    stage.relay()
    hub, hub_process = stage.hub()
    slow, slow_process = stage.hub(fast=False)
    plain, plain_process = stage.plain()
    post(f"{hub}/api/v1/services/register", registration(0))
    post(f"{plain}/api/v1/services/register/", registration(0))
    contestants = [
        Contestant("hub", wrk(f"{hub}/api/v1/services/service-0"), [hub_process]),
        Contestant("hub, fast paths off", wrk(f"{slow}/api/v1/services/service-0"), [slow_process]),
        Contestant(
            "plain DRF viewset", wrk(f"{plain}/api/v1/services/service-0/"), [plain_process, stage.postgres], "granian"
        ),
    ]
    etcd = stage.etcd()
    if etcd is not None:
        url, process = etcd
        key = base64.b64encode(b"service-0").decode()
        value = base64.b64encode(json.dumps(registration(0)).encode()).decode()
        post(f"{url}/v3/kv/put", {"key": key, "value": value})
        body = json.dumps({"key": key})
        contestants.append(Contestant("etcd, HTTP", wrk(f"{url}/v3/kv/range", method="POST", body=body), [process]))
        if shutil.which("h2load"):
            contestants.append(Contestant("etcd, gRPC", grpc_get(stage, url, b"service-0"), [process], "h2load"))
    rows = stage.compete(contestants)
    ratios = [Ratio("hub ÷ plain DRF", rows["hub"].value / rows["plain DRF viewset"].value, 40)]
    for name, target in (("etcd, HTTP", 6.0), ("etcd, gRPC", 3.0)):
        if name in rows:
            ratios.append(Ratio(f"hub ÷ {name}", rows["hub"].value / rows[name].value, target))
    reporter.table("Discovery: GET of one service", list(rows.values()), ratios)


def grpc_get(stage: Stage, url: str, key: bytes) -> Callable[[float], int]:
    """Return a load of gRPC range requests, made by h2load (Debian's `nghttp2-client`)."""
    # RangeRequest{key=1: bytes}, in the gRPC frame: no compression, four bytes of length.
    message = b"\x0a" + bytes([len(key)]) + key
    path = stage.directory / "range.bin"
    path.write_bytes(b"\x00" + len(message).to_bytes(4, "big") + message)
    headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]

    def load(seconds: float) -> int:
        command = ["taskset", "-c", str(LOAD_CORE), "h2load", f"-D{seconds:.0f}", f"-c{CONNECTIONS}", "-m1", "-t1"]
        target = f"{url}/etcdserverpb.KV/Range"
        out = subprocess.run(
            [*command, *headers, "-d", str(path), target], capture_output=True, text=True, check=True
        ).stdout
        words = out[out.index("requests:") :].splitlines()[0].replace(",", "").split()
        return int(words[words.index("done") - 1])

    return load
