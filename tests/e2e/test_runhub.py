"""`manage.py runhub` as it is: real processes, killed one after the other, and nothing left at the end."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from apps.core.engines import free_port
from tests.support.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
BACK_SECONDS = 10
NOT_OURS = ("DATABASE_URL", "REDIS_URL", "DEBUG", "HUB_OPEN", "SECRET_KEY", "DJANGO_SETTINGS_MODULE")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class RunningHub:
    """A `runhub` process with a data directory, a port and a log of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory, free_port()
        self.data, self.log_file = directory / "data", directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def command(self, **environment: str) -> dict[str, object]:
        kept = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
        settings = {"HUB_DATA_DIR": str(self.data), "HUB_PORT": str(self.port), "DEMO": "0"} | environment
        return {"args": [sys.executable, "manage.py", "runhub"], "cwd": ROOT, "env": kept | settings}

    def start(self) -> None:
        """Start it and wait until everything answers."""
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(**self.command(), stdout=log, stderr=log)  # type: ignore[call-overload]
        try:
            wait_until(
                lambda: "The hub is up" in self.log or self.process.poll() is not None, START_SECONDS, "the start"
            )
        except AssertionError as late:
            raise AssertionError(f"{late}; its log:\n{self.log}") from None
        assert self.process.poll() is None, self.log

    def second(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run another `runhub` that cannot start, and return what came of it."""
        return subprocess.run(**self.command(**environment), capture_output=True, text=True, check=False, timeout=30)

    def pid(self, part: str) -> int:
        """Return the number of the process that last said that it answers as ``part``."""
        return int(re.findall(rf"^hub +\| {part} answers \(.*process (\d+)\)$", self.log, re.MULTILINE)[-1])

    def processes(self) -> list[psutil.Process]:
        """Return everything that it has started and is there."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def call(self, method: str, path: str, body: object = None) -> int:
        """Return the status of the answer; 0 when there is none."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=BACK_SECONDS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def register(self, name: str) -> int:
        address = {"host": "127.0.0.1", "port": 9, "version": "1.0.0", "api_base_url": "http://127.0.0.1:9/api/v1"}
        return self.call("POST", "/api/v1/services/register", {"name": name, "health_check_url": self.url, **address})

    def knows(self, name: str) -> bool:
        return self.call("GET", f"/api/v1/services/{name}") == 200


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[RunningHub]:
    hub = RunningHub(tmp_path_factory.mktemp("hub"))
    try:
        hub.start()
        yield hub
    finally:
        if hub.process and hub.process.poll() is None:
            hub.process.terminate()
            hub.process.wait(40)


def test_the_addresses_are_there_for_programs_and_for_people(hub):
    addresses = hub.data / "hub.env"
    assert addresses.stat().st_mode & 0o777 == 0o600
    known = dict(line.split("=", 1) for line in addresses.read_text().splitlines())
    assert known["HUB_URL"] == hub.url
    assert set(known) == {"HUB_URL", "DATABASE_URL", "REDIS_URL"}
    assert re.search(rf"^  Application +{hub.url}/$", hub.log, re.MULTILINE)
    assert known["DATABASE_URL"].split(":")[2].split("@")[0] not in hub.log


def test_the_made_up_password_is_shown_once_and_lets_the_operator_in(hub):
    (password,) = re.findall(r"^  Password +(\S+)$", hub.log, re.MULTILINE)
    script = (
        f"from django.contrib.auth import authenticate; print(authenticate(username='admin', password={password!r}))"
    )
    environment = hub.command()["env"] | {"DEBUG": "1"}
    shell = [sys.executable, "manage.py", "shell", "--no-imports", "-c", script]
    done = subprocess.run(shell, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "admin"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HUB_DATA_DIR": "{other}"}, "HUB_BIND=127.0.0.1 HUB_PORT={port}: another program listens there"),
        ({"HUB_PORT": "1"}, "HUB_DATA_DIR={data} is in use by a hub that is running (process id {pid})"),
        ({"HUB_PORT": "a lot"}, "HUB_PORT must be a whole number"),
        ({"HUB_DATA_DIR": "{root}"}, "HUB_DATA_DIR={root} holds other files"),
    ],
)
def test_what_stands_in_the_way_is_one_sentence(hub, environment, message):
    words = {"other": hub.directory / "other", "port": hub.port, "data": hub.data, "root": ROOT / "apps"}
    done = hub.second(**{name: value.format(**words) for name, value in environment.items()})
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("runhub: " + message.format(**words, pid=hub.process.pid))
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("part", ["web", "relay", "worker", "redis", "postgres"])
def test_a_part_that_is_killed_loses_nothing_and_the_hub_serves_again(hub, part):
    pid = hub.pid(part)
    assert hub.register(f"before-{part}") == 201
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: hub.knows(f"before-{part}"), BACK_SECONDS, f"the hub to know before-{part}")
    wait_until(lambda: hub.register(f"after-{part}") == 201, BACK_SECONDS, "registration")
    wait_until(lambda: hub.pid(part) != pid, BACK_SECONDS, f"{part} to answer again")
    wait_until(lambda: hub.call("GET", "/health/ready") == 200, BACK_SECONDS, "the hub to call itself ready")


def test_a_hub_that_is_killed_leaves_no_process_and_starts_again_with_what_it_knew(hub):
    started = hub.processes()
    assert len(started) >= 7
    hub.process.kill()
    hub.process.wait()
    _, left = psutil.wait_procs(started, timeout=10)
    assert left == []
    hub.start()
    assert "prepare " not in hub.log
    assert hub.knows("before-web")


def test_ctrl_c_stops_everything_in_order_and_leaves_no_process(hub):
    started = hub.processes()
    hub.process.send_signal(signal.SIGINT)
    assert hub.process.wait(30) == 0
    assert [process for process in started if process.is_running()] == []
    assert not (hub.data / "hub.env").exists()
    stopping = re.findall(r"^hub +\| stopping ([^;\n]+)$", hub.log, re.MULTILINE)
    assert stopping == ["web", "worker, beat", "relay, consumer", "redis", "postgres"]
