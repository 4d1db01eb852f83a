"""A whole hub in processes of its own, for whoever kills parts of it."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from apps.core.engines import free_port
from tests.support.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
STOP_SECONDS = 40
ANSWER_SECONDS = 10
NOT_OURS = (
    "DATABASE_URL",
    "DATABASE_MIGRATION_URL",
    "REDIS_URL",
    "DEBUG",
    "HUB_OPEN",
    "SECRET_KEY",
    "KEY_PEPPERS",
    "DJANGO_SETTINGS_MODULE",
)


class RunningHub:
    """A `runhub` process with a data directory, a port and a log of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory, free_port()
        self.data, self.log_file = directory / "data", directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The supervisor's process; it must have been started."""
        assert self._process is not None
        return self._process

    @property
    def url(self) -> str:
        """The hub's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything that it said since its last start."""
        return self.log_file.read_text()

    @property
    def addresses(self) -> dict[str, str]:
        """What it tells other programs: HUB_URL and XERPIUM_HUB_URL, DATABASE_URL, REDIS_URL."""
        lines = (self.data / "hub.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment of a `runhub` with this hub's directory and port, and ``settings``."""
        kept = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
        return kept | {"HUB_DATA_DIR": str(self.data), "HUB_PORT": str(self.port), "DEMO": "0"} | settings

    def start(self, **settings: str) -> None:
        """Start it with ``settings`` and wait until everything answers.

        Raises:
            AssertionError: it ended, or does not answer in time; its log is in the message.
        """
        command = [sys.executable, "manage.py", "runhub"]
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment(**settings), stdout=log, stderr=log
            )
        process = self._process
        try:
            wait_until(lambda: "The hub is up" in self.log or process.poll() is not None, START_SECONDS, "the start")
        except AssertionError as late:
            raise AssertionError(f"{late}; its log:\n{self.log}") from None
        assert process.poll() is None, self.log

    def stop(self) -> None:
        """Stop it if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(STOP_SECONDS)

    def second(self, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run another `runhub` that cannot start, and return what came of it."""
        command, environment = [sys.executable, "manage.py", "runhub"], self.environment(**settings)
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=30
        )

    def pid(self, part: str) -> int:
        """Return the number of the process that last said that it answers as ``part``."""
        return int(re.findall(rf"^hub +\| {part} answers \(.*process (\d+)\)$", self.log, re.MULTILINE)[-1])

    def processes(self) -> list[psutil.Process]:
        """Return everything that it has started and is there."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def call(self, method: str, path: str, body: object = None, *, token: str = "") -> int:
        """Return the status of the answer; 0 when there is none."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def register(self, name: str) -> int:
        """Register a service that nobody can reach, and return the status of the answer."""
        address = {"host": "127.0.0.1", "port": 9, "version": "1.0.0", "api_base_url": "http://127.0.0.1:9/api/v1"}
        return self.call("POST", "/api/v1/services/register", {"name": name, "health_check_url": self.url, **address})

    def knows(self, name: str, *, token: str = "") -> bool:
        """Return whether discovery answers for ``name``."""
        return self.call("GET", f"/api/v1/services/{name}", token=token) == 200

    def token(self, service: str, key: str) -> str:
        """Return an access token for ``key``."""
        body = json.dumps({"service_name": service, "service_key": key}).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v1/service-auth/token", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            return str(json.load(answer)["access_token"])
