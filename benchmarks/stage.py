"""The stage: engines of our own, servers on core 0, load from core 1, and what the servers' processors spent.

The figure is requests for each second of processor time of the servers (the web server and, where the request reaches
it, its store), not requests a second on the clock: neighbours on the machine change the clock, and a load generator
that shares the machine hides what a server could do. Rounds of all contestants alternate, and the median counts.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
from psycopg import sql

from apps.core.engines import Postgres, Redis, free_port
from benchmarks.report import Row, median_row
from tests.support.engines import started

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE, LOAD_CORE = 0, max(0, (os.cpu_count() or 1) - 1)
CONNECTIONS = 16


@dataclass(frozen=True)
class Contestant:
    """Something that answers requests, and the processes whose time it costs."""

    name: str
    load: Callable[[float], int]
    """Runs load for so many seconds and returns how many requests were answered well."""
    processes: Sequence[psutil.Process]
    note: str = ""


class Stage:
    """Starts what the measurements need, once, and stops everything at the end."""

    def __init__(self, *, seconds: float, rounds: int) -> None:
        self.seconds, self.rounds = seconds, rounds
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> "Stage":
        self.directory = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="xerpium-bench-")))
        # The engine runs as another user where we are root; it must be able to reach its own directory in ours.
        self.directory.chmod(0o711)
        postgres = Postgres(self.directory / "postgres", free_port(), "benchmarks", max_connections=100)
        redis = Redis(self.directory / "redis", free_port(), "benchmarks")
        self.postgres, self.redis = (
            psutil.Process(self._exit.enter_context(started(engine)).pid) for engine in (postgres, redis)
        )
        for process in (self.postgres, self.redis):
            pin(process, SERVER_CORE)
        self.environment = {
            **os.environ,
            "DEBUG": "1",
            "HUB_OPEN": "1",
            "LOG_LEVEL": "WARNING",
            "DATABASE_URL": postgres.url,
            "DATABASE_MIGRATION_URL": postgres.owner_url,
            "REDIS_URL": redis.url,
            "SECRET_KEY": "benchmarks only",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "sdk" / "src")]),
        }
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.run([sys.executable, "manage.py", "migrate", "--skip-checks", "--verbosity", "0"])
        return self

    def __exit__(self, *exception: object) -> None:
        self._exit.close()

    def run(self, command: Sequence[str], **extra: str) -> str:
        """Run a command to its end and return what it printed.

        Raises:
            RuntimeError: it failed.
        """
        done = subprocess.run(
            command, cwd=ROOT, env={**self.environment, **extra}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def start(
        self, command: Sequence[str], *, ready: Callable[[], bool], core: int | None = SERVER_CORE
    ) -> psutil.Process:
        """Start a process that lasts until the end, pinned to a core, and return it once ``ready`` says so."""
        process = psutil.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self._exit.callback(stop, process)
        if core is not None:
            pin(process, core)
        deadline = time.monotonic() + 60
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(command)} did not start:\n{(process.stderr.read() or '')[-2000:]}")
            time.sleep(0.1)
        return process

    @cache  # noqa: B019  a stage lives as long as the program
    def hub(self, *, fast: bool = True) -> tuple[str, psutil.Process]:
        """Start the hub's web server, with or without its fast paths, and return its address and its process."""
        port = free_port()
        self.environment["EDGE_FAST_PATHS"] = "1" if fast else "0"
        process = self.start(
            [sys.executable, "-m", "xerpium.serve", "--port", str(port)],
            ready=lambda: answers(f"http://127.0.0.1:{port}/health/live"),
        )
        return f"http://127.0.0.1:{port}", process

    @cache  # noqa: B019  a stage lives as long as the program
    def relay(self) -> psutil.Process:
        """Start the relay on the servers' core."""
        return self.start([sys.executable, "manage.py", "relay_events"], ready=lambda: True)

    @cache  # noqa: B019  a stage lives as long as the program
    def plain(self) -> tuple[str, psutil.Process]:
        """Start the plain DRF project (`benchmarks.plain`), on the fastest server for it; return it as `hub` does."""
        django = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--skip-checks", "--verbosity", "0"]
        self.run(django, DJANGO_SETTINGS_MODULE="benchmarks.plain.settings")
        # Tables belong to who migrates, and the hub's role has rights to the hub's own only.
        role = sql.Identifier(urlsplit(self.environment["DATABASE_URL"]).username or "")
        with psycopg.connect(self.environment["DATABASE_MIGRATION_URL"]) as owner:
            for kind in ("TABLES", "SEQUENCES"):
                owner.execute(sql.SQL("GRANT ALL ON ALL {} IN SCHEMA public TO {}").format(sql.SQL(kind), role))
        return self._granian("benchmarks.plain.wsgi:application", "/ready")

    @cache  # noqa: B019  a stage lives as long as the program
    def app(self) -> tuple[str, psutil.Process]:
        """Start the hub's Django on granian, as production runs it behind the edge, and return it as `hub` does."""
        return self._granian("xerpium.wsgi:application", "/health/live")

    def _granian(self, application: str, ready: str) -> tuple[str, psutil.Process]:
        port = free_port()
        granian = str(Path(sys.executable).with_name("granian"))
        command = [granian, "--interface", "wsgi", "--workers", "1", "--port", str(port), "--log-level", "error"]
        process = self.start([*command, application], ready=lambda: answers(f"http://127.0.0.1:{port}{ready}"))
        return f"http://127.0.0.1:{port}", process

    @cache  # noqa: B019  a stage lives as long as the program
    def etcd(self) -> tuple[str, psutil.Process] | None:
        """Start etcd, if Debian's `etcd-server` is installed, and return its client address; else None."""
        binary = shutil.which("etcd")
        if binary is None:
            return None
        client, peer = free_port(), free_port()
        urls = {
            "data-dir": str(self.directory / "etcd"),
            "listen-client-urls": f"http://127.0.0.1:{client}",
            "advertise-client-urls": f"http://127.0.0.1:{client}",
            "listen-peer-urls": f"http://127.0.0.1:{peer}",
            "initial-advertise-peer-urls": f"http://127.0.0.1:{peer}",
            "initial-cluster": f"default=http://127.0.0.1:{peer}",
            "logger": "zap",
            "log-level": "error",
        }
        command = [binary, *(f"--{name}={value}" for name, value in urls.items())]
        process = self.start(command, ready=lambda: answers(f"http://127.0.0.1:{client}/health"))
        return f"http://127.0.0.1:{client}", process

    def compete(self, contestants: Sequence[Contestant], unit: str = "a second of one core") -> dict[str, Row]:
        """Let contestants take turns and return, for each, requests for each second of its processors' time."""
        found: dict[str, list[float]] = {one.name: [] for one in contestants}
        for one in contestants:
            one.load(min(1.0, self.seconds))
        for _ in range(self.rounds):
            for one in contestants:
                before = cpu_seconds(one.processes)
                count = one.load(self.seconds)
                found[one.name].append(count / (cpu_seconds(one.processes) - before))
        return {one.name: median_row(one.name, found[one.name], unit, one.note) for one in contestants}


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """Return the processor time that processes and all their children have used."""
    total = 0.0
    for process in processes:
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                total += times.user + times.system
    return total


def wrk(
    url: str,
    *,
    method: str = "GET",
    body: str = "",
    connections: int = CONNECTIONS,
    token: str | None = None,
    headers: Sequence[str] = (),
) -> Callable[[float], int]:
    """Return a load of ``connections`` that ask ``url`` again and again, made by wrk (Debian's package of that name).

    With a ``token`` every request carries it, and ``headers`` as well (``Name: value``).

    Raises:
        RuntimeError: wrk is not installed, or (while it runs) an answer was not 2xx.
    """
    binary = shutil.which("wrk")
    if binary is None:
        raise RuntimeError("wrk is not installed: apt-get install wrk")
    script = _script(method, body)
    sent = [*headers] if token is None else [*headers, f"Authorization: Bearer {token}"]
    with_headers = [part for header in sent for part in ("-H", header)]

    def load(seconds: float) -> int:
        command = [
            "taskset",
            "-c",
            str(LOAD_CORE),
            binary,
            "-t1",
            f"-c{connections}",
            f"-d{seconds:.0f}s",
            *script,
            *with_headers,
            url,
        ]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if "Non-2xx" in out or "Socket errors" in out:
            raise RuntimeError(f"{url} did not answer well:\n{out}")
        found = re.search(r"(\d+) requests in", out)
        return int(found[1]) if found else 0

    return load


def _script(method: str, body: str) -> list[str]:
    if method == "GET":
        return []
    path = Path(tempfile.mkstemp(prefix="xerpium-wrk-", suffix=".lua")[1])
    if body.startswith("function"):
        path.write_text(body, encoding="utf-8")
    else:
        lines = [
            f'wrk.method = "{method}"',
            f"wrk.body = [[{body}]]",
            'wrk.headers["Content-Type"] = "application/json"',
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
    return ["-s", str(path)]


def pin(process: psutil.Process, core: int) -> None:
    """Keep a process on one core, where the system lets us."""
    with contextlib.suppress(AttributeError, psutil.Error):
        process.cpu_affinity([core])


def stop(process: psutil.Popen) -> None:
    """Stop a process and its children."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = process.children(recursive=True)
        process.terminate()
        _, alive = psutil.wait_procs([process, *children], timeout=5)
        for one in alive:
            one.kill()


def answers(url: str) -> bool:
    """Whether a GET of ``url`` succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            return bool(response.status < 400)
    except OSError:
        return False


def post(url: str, document: Mapping[str, object] | None = None, method: str = "POST") -> dict[str, object]:
    """Send a JSON document and return the answer's."""
    import json

    request = urllib.request.Request(
        url, json.dumps(document or {}).encode(), {"Content-Type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        body = response.read()
    return dict(json.loads(body)) if body else {}


def registration(number: int, **changes: object) -> dict[str, object]:
    """Return a registration of the service with that number, some 400 bytes as JSON."""
    port = 10_000 + number
    return {
        "name": f"service-{number}",
        "version": "1.4.2",
        "host": "127.0.0.1",
        "port": port,
        "health_check_url": f"http://127.0.0.1:{port}/health",
        "api_base_url": f"http://127.0.0.1:{port}/api/v1",
        "tags": ["business", "erp"],
        "capabilities": ["product_management", "inventory_tracking"],
        "dependencies": ["service-0"] if number else [],
        **changes,
    }


@contextlib.contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the seconds since the block began."""
    started = time.perf_counter()
    yield lambda: time.perf_counter() - started
