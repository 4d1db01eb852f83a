"""Health polls: endpoints asked for each second of one core, by the prober that the hub uses, policy and all."""

import os
import subprocess
import sys
import time

import uvloop

from apps.core.engines import free_port
from benchmarks.report import Ratio, Reporter, median_row
from benchmarks.stage import LOAD_CORE, Stage

ENDPOINTS = 2_000
SERVER = """
import asyncio, sys
ANSWER = b'HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: 20\\r\\n\\r\\n{"status":"healthy"}'
class Peer(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(ANSWER)
async def main():
    server = await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()
import uvloop
uvloop.run(main())
"""


def measure(stage: Stage, reporter: Reporter) -> None:
    """Measure what polling costs, without writing results."""
    from apps.core.outward import Policy
    from apps.registry.prober import Prober, ProbeResult, Target

    port = free_port()
    server = subprocess.Popen(
        ["taskset", "-c", str(LOAD_CORE), sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    server.stdout.readline()
    targets = [Target(number, f"http://127.0.0.1:{port}/health") for number in range(ENDPOINTS)]
    policy = Policy.from_strings(development=True)

    async def sweep() -> tuple[float, float]:
        good: list[ProbeResult] = []
        async with Prober(policy, concurrency=256) as prober:
            cpu, clock = time.process_time(), time.perf_counter()
            await prober.probe_all(targets, good.append)
            spent = time.process_time() - cpu, time.perf_counter() - clock
        if sum(result.ok for result in good) != ENDPOINTS:
            raise RuntimeError("Not all endpoints answered; is the limit of open files too low?")
        return spent

    try:
        found = [uvloop.run(sweep()) for _ in range(stage.rounds)]
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()
    per_core = [ENDPOINTS / cpu for cpu, _ in found]
    share = 5000 / 30 / sorted(per_core)[len(per_core) // 2] * 100
    rows = [
        median_row("polls a second of one core", per_core, "polls"),
        median_row("polls a second on the clock", [ENDPOINTS / clock for _, clock in found], "polls"),
    ]
    ratio = Ratio("5,000 endpoints every 30 s, % of a core", share, 5, at_most=True)
    reporter.table(f"Polling {ENDPOINTS} endpoints, a new connection each (pid {os.getpid()})", rows, [ratio])
