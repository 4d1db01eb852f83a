"""The commands against a hub and services over real sockets; the process itself where the process is the point."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.fleet import fleet_of
from tests.sdk.hub import Hub, change, instance, problem, service, snapshot
from tests.support.wait import wait_until
from xerpium_sdk.cli import main

COMMAND = [sys.executable, "-m", "xerpium_sdk"]


@pytest.fixture(autouse=True)
def told_where_the_hub_is(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XERPIUM_HUB_URL", hub.url)
    for name in ("REDIS_URL", "XERPIUM_REDIS_URL", "XERPIUM_ZONE"):
        monkeypatch.delenv(name, raising=False)


class Ran:
    """What a run of the command left."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> int:
        self._capsys.readouterr()
        code = main(arguments)
        said = self._capsys.readouterr()
        self.out, self.err = said.out, said.err
        return code

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]) -> Ran:
    return Ran(capsys)


def know(hub: Hub, name: str, **said: Any) -> None:
    """Have the hub know an instance of a service."""
    told = {"name": name, "host": "h", "port": 1, "status": "healthy", "dependencies": [], "capabilities": []} | said
    hub.known[name, told.get("instance_id", "a")] = {"instance_id": "a"} | told


def test_services_are_a_table_without_colours_or_lines_when_nobody_looks(hub: Hub, ran: Ran) -> None:
    know(hub, "orders", dependencies=["stock"])
    know(hub, "stock", version="1.4.0")
    know(hub, "stock", instance_id="b", status="unhealthy", version="1.5.0")
    assert ran("services") == 0
    rows = [line.split() for line in ran.out.splitlines()]
    assert rows[0][:4] == ["SERVICE", "STATUS", "INSTANCES", "VERSIONS"]
    assert [row[0] for row in rows[1:]] == ["orders", "stock"]
    assert "1/2" in rows[2]
    assert not {"\x1b", "─", "│"} & set(ran.out)
    assert ran("services", "stock", "--range", "^1.4") == 0
    assert ran.out.startswith("stock  ● healthy\n")
    assert hub.calls[-2].query == {"version": "^1.4"}
    assert ran("services", "--json") == 0
    assert [one["name"] for one in ran.document] == ["orders", "stock"]
    assert ran("services", "stock", "--json") == 0
    assert [one["instance_id"] for one in ran.document["instances"]] == ["a", "b"]


def test_filters_are_the_hubs(hub: Hub, ran: Ran) -> None:
    filters = ["--tag", "erp", "--capability", "c", "--status", "healthy", "--dependency", "d", "--company", "7"]
    assert ran("services", *filters, "-q", "text") == 0
    asked = hub.requests("GET", "services/")[-1].query
    wanted = {"tag": "erp", "capability": "c", "status": "healthy", "dependency": "d", "company_id": "7", "q": "text"}
    assert wanted.items() <= asked.items()
    assert (ran.out, ran.err) == ("", "No service is like that.\n")
    assert ran("services") == 0
    assert ran.err == "No service has registered yet.\n"
    assert ran("services", "stock", "--tag", "erp") == 2
    assert "leave them out" in ran.err


@pytest.mark.parametrize(
    ("url", "arguments", "words"),
    [
        ("", [], "Set XERPIUM_HUB_URL, or pass --hub"),
        ("localhost:8000", [], "XERPIUM_HUB_URL: 'localhost:8000'"),
        ("http://127.0.0.1:1", ["--hub", "nowhere"], "--hub: 'nowhere'"),
    ],
    ids=["unset", "no-address", "option"],
)
def test_a_setting_that_is_wrong_is_named(
    url: str, arguments: list[str], words: str, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XERPIUM_HUB_URL", url)
    assert ran("services", *arguments) == 2
    assert (ran.out, words in ran.err) == ("", True)


def test_a_hub_that_is_away_refuses_or_is_none_is_told_apart(hub: Hub, ran: Ran, caplog: Any) -> None:
    with hub.away():
        assert ran("services", "--json") == 3
    assert "Does the hub run" in ran.err
    assert "Traceback" not in ran.err
    hub.answers = [problem(401, code="unauthenticated", detail="Who are you?", errors=[])]
    assert ran("services") == 4
    assert "The hub refuses (401): Who are you?" in ran.err
    assert "set XERPIUM_SERVICE_NAME" in ran.err
    assert ran("services", "nobody") == 4
    assert logging.getLogger("xerpium_sdk").propagate  # as it was


def test_a_defect_is_no_traceback_unless_it_is_wanted(hub: Hub, ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr("xerpium_sdk.cli._services.service_row", broken)
    know(hub, "stock")
    assert ran("services") == 1
    assert ran.err.startswith("This is a defect of xerpium: RuntimeError: oh.")
    with pytest.raises(RuntimeError, match="oh"):
        main(["services", "--verbose"])


# Calls


def test_a_call_shows_the_answer_and_apart_from_it_who_gave_it(hub: Hub, ran: Ran) -> None:
    with fleet_of(1) as stock:
        know_fleet(hub, stock)
        assert ran("call", "stock-service", "items?limit=2", "-H", "X-Shelf: 7") == 0
        assert ran.document == {"instance": "i0"}
        assert ran.err.startswith(f"200 OK · stock-service i0 at 127.0.0.1:{stock.instances[0].port} · ")
        asked = stock.asked[-1]
        assert (asked.method, asked.path, asked.headers["x-shelf"]) == ("GET", "/api/v1/items?limit=2", "7")
        assert "authorization" not in asked.headers
        assert ran("call", "stock-service", "items", "--json") == 0
        told = ran.document
        assert (told["status"], told["instance"], told["body"], told["error"]) == (200, "i0", {"instance": "i0"}, None)
        assert [one["outcome"] for one in told["attempts"]] == ["200"]


def know_fleet(hub: Hub, fleet: Any) -> None:
    for one in fleet.record["instances"]:
        hub.known[fleet.service, one["instance_id"]] = one | {"name": fleet.service}


def test_a_body_comes_from_the_line_a_file_or_stdin(
    hub: Hub, ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "order.json"
    file.write_text('{"price": 1.10}')
    with fleet_of(1) as stock:
        know_fleet(hub, stock)
        assert ran("call", "stock-service", "items", "-d", '{"n": 1}') == 0
        assert ran("call", "stock-service", "items/1", "-X", "put", "-d", f"@{file}") == 0
        monkeypatch.setattr(sys, "stdin", io.StringIO("a,b"))
        assert ran("call", "stock-service", "items", "-d", "-", "-H", "Content-Type: text/csv", "--idempotent") == 0
        sent = [(one.method, one.body) for one in stock.asked]
        assert sent == [("POST", b'{"n": 1}'), ("PUT", b'{"price": 1.10}'), ("POST", b"a,b")]
        assert "idempotency-key" in stock.asked[2].headers
        assert ran("call", "stock-service", "items", "-d", "{n: 1}") == 2
        assert "no JSON" in ran.err
        assert ran("call", "stock-service", "items", "-d", f"@{tmp_path}/none") == 2
        assert "cannot be read" in ran.err
        assert ran("call", "stock-service", "items", "-H", "nonsense") == 2
        assert ran("call", "stock-service", "http://elsewhere/") == 2
        assert ran("call", "stock-service", "items", "--company", "7") == 2
        assert "XERPIUM_SERVICE_KEY" in ran.err
        assert len(stock.asked) == 3


def test_a_token_for_the_company_goes_with_a_call(hub: Hub, ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XERPIUM_SERVICE_NAME", "orders")
    monkeypatch.setenv("XERPIUM_SERVICE_KEY", "xrp_key")
    hub.issue = lambda body: f"for-{body.get('company_id')}"
    with fleet_of(1) as stock:
        know_fleet(hub, stock)
        assert ran("call", "stock-service", "items", "--company", "7") == 0
        assert stock.asked[-1].headers["authorization"] == "Bearer for-7"


@pytest.mark.parametrize(
    ("statuses", "code", "shown"), [([404], 4, True), ([500], 5, True), ([503, 503, 503], 3, False)]
)
def test_each_way_to_fail_has_its_exit_code(hub: Hub, ran: Ran, statuses: list[int], code: int, shown: bool) -> None:
    with fleet_of(1) as stock:
        know_fleet(hub, stock)
        stock.instances[0].statuses = [(status, {}) for status in statuses]
        assert ran("call", "stock-service", "items") == code
        assert ("so it is" in ran.out) is shown
        assert str(statuses[0]) in ran.err


def test_who_does_not_answer_is_passed_over_and_said(hub: Hub, ran: Ran) -> None:
    with fleet_of(2) as stock:
        know_fleet(hub, stock)
        stock.instances[0].die()
        for _ in range(20):  # which one is asked first is drawn
            assert ran("call", "stock-service", "items") == 0
            if "attempts" in ran.err:
                break
        assert "! ConnectError from stock-service i0" in ran.err
        stock.instances[1].die()
        assert ran("call", "stock-service", "items", "--json") == 3
        assert ran.document["status"] is None
        assert ran.document["error"]["kind"] == "NoAnswer"
    assert ran("call", "nobody", "items") == 4
    know(hub, "stale", status="stale")
    assert ran("call", "stale", "items") == 6
    assert "xerpium services stale" in ran.err


# Watching


def test_changes_are_told_one_by_one_and_the_connection_too(hub: Hub, ran: Ran) -> None:
    hub.opening = [snapshot(4, service("stock", 4))]
    sick = instance(status="unhealthy", polled_status="unhealthy")

    def happen() -> None:
        wait_until(lambda: hub.streams == 1, description="somebody watches")
        hub.opening = []
        hub.say(change(service("orders", 5)), None)
        opened = "GET", "catalog/stream"
        wait_until(lambda: len(hub.requests(*opened)) == 2 and hub.streams == 1, description="it is back")
        hub.say(change(service("stock", 6, [sick], status="unhealthy")))

    with beside(happen):
        assert ran("watch", "--count", "3") == 0
    told = [line[10:] for line in ran.out.splitlines()]
    assert told == [
        f"following  {hub.url}: 1 services, revision 4",
        "orders  joined as ● healthy  1 instance, version 1.4.2",
        "! lost  the hub ended the stream; trying again",
        "● back  revision 5",
        "stock/a  ● healthy → ✕ unhealthy  says healthy, polled unhealthy",
        "stock  ● healthy → ✕ unhealthy",
    ]


@contextmanager
def beside(work: Any) -> Iterator[None]:
    """Have something happen beside the block."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join(10)


def test_a_watch_for_programs_is_json_by_lines_of_the_services_named(hub: Hub, ran: Ran) -> None:
    hub.opening = [snapshot(4), change(service("orders", 5)), change(service("stock", 6))]
    assert ran("watch", "stock", "--json", "--count", "1") == 0
    began, joined = map(json.loads, ran.out.splitlines())
    assert (began["what"], began["services"], began["revision"]) == ("began", 0, 4)
    assert (joined["what"], joined["service"], joined["after"]) == ("joined", "stock", "healthy")
    assert set(joined) == {"at", "what", "service", "revision", "after", "detail"}
    hub.good_token = "another"
    assert ran("watch") == 4


# The process


def started(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # what runs in the background ignores it
    )  # fmt: skip


def test_an_interrupt_ends_it_quietly(hub: Hub) -> None:
    process = started("watch")
    wait_until(lambda: hub.streams == 1, 20, "somebody watches")
    assert process.stdout is not None
    assert "following" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")


def test_nobody_who_reads_is_no_trouble(hub: Hub) -> None:
    hub.opening = [snapshot(1), *(change(service(f"s{number}", number)) for number in range(2, 500))]
    process = started("watch")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) == 141
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""


def test_help_costs_next_to_nothing() -> None:
    program = (
        "import sys; from xerpium_sdk.cli import main; assert main(['--help']) == 0;"
        "heavy = {'httpx2', 'redis', 'jwt', 'asyncio', 'orjson', 'stamina', 'xerpium_sdk.registry', 'logging'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "COMMAND" in done.stdout
