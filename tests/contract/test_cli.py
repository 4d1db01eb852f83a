"""The command ``xerpium`` against the hub as it is."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from apps.core import redis
from apps.core.tenancy import system, use
from apps.events.models import DeadLetter
from apps.menus.models import MenuItem
from tests.support.accounts import account, key
from tests.support.bus import event, letter
from tests.support.server import serving
from xerpium_sdk.auth import _making
from xerpium_sdk.cli import main
from xerpium_sdk.registry import HubClient, Registration
from xerpium_sdk.wire.keys import REGISTRY_CATALOG

pytestmark = pytest.mark.usefixtures("hub")
ORDERS = {
    "version": "1.0.0",
    "menus": [{"name": name, "path": f"/{name.lower()}"} for name in ("Orders", "Late", "Open", "Old", "New", "Big")],
    "widgets": [{"name": "Late", "widget_type": "metric", "api_endpoint": "/api/v1/late"}],
}


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The hub's address, which the environment names."""
    for name in ("XERPIUM_SERVICE_NAME", "XERPIUM_SERVICE_KEY", "XERPIUM_SERVICE_KEY_FILE", "XERPIUM_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    with serving() as (host, port):
        monkeypatch.setenv("XERPIUM_HUB_URL", f"http://{host}:{port}")
        yield f"http://{host}:{port}"
    _making._sources.clear()


class Ran:
    """Runs the command, and keeps what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> int:
        self._capsys.readouterr()
        code = main(arguments)
        self.out, self.err = self._capsys.readouterr()
        return code

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    def doctor(self, *arguments: str) -> dict[str, str]:
        """Return the doctor's verdicts by what was looked at; how many are wrong is the exit code."""
        code = self("doctor", "--json", *arguments)
        verdicts = [one["verdict"] for one in self.document["findings"]]
        assert code == self.document["wrong"] == verdicts.count("wrong")
        return {one["check"]: one["verdict"] for one in self.document["findings"]}


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]) -> Ran:
    return Ran(capsys)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with the manifest."""
    found = tmp_path / "orders.json"
    found.write_text(json.dumps(ORDERS))
    return found


def register(url: str, **said: Any) -> None:
    """Register an instance of the order service; its health address is the hub's own."""
    host, port = url.removeprefix("http://").split(":")
    with HubClient(url) as hub:
        hub.register(Registration(name="orders", version="1.0.0", host=host, port=int(port), **said))
        hub.report("orders", "healthy", instance_id=f"{host}:{port}")


def test_services_are_shown_as_the_hub_knows_them(url: str, ran: Ran) -> None:
    register(url, dependencies=["stock"], zone="eu")
    assert ran("services") == 0
    header, row = ran.out.splitlines()
    assert header.split() == ["SERVICE", "STATUS", "INSTANCES", "VERSIONS", "ZONE", "NEEDS"]
    assert row.split() == ["orders", "●", "healthy", "1/1", "1.0.0", "eu", "!stock"]
    assert ran("services", "orders", "--json") == 0
    assert ran.document["impaired"] == ["stock"]
    assert ran("call", "orders", "health/live", "--json") == 0
    assert ran.document["body"]["status"] == "alive"


def test_the_tail_shows_the_journal_from_where_it_is_told(url: str, ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        event("order_created", ago=7200 - number, entity_type="Order", entity_id=str(number))
    event("stock_low", ago=60, entity_type="Product", entity_id="42", verdict="mismatch", fault="/left: no number")

    def later(_: float) -> None:
        event("order_created", entity_type="Order", entity_id=str(next(numbers)))

    numbers = iter((77, 78))
    assert ran("events", "tail", "--no-follow") == 0
    assert [line.split()[2] for line in ran.out.splitlines()] == ["Order:0", "Order:1", "Order:2", "Product:42"]
    assert ran.out.splitlines()[-1].endswith("! mismatch: /left: no number")
    assert ran("events", "tail", "--no-follow", "-n", "1", "--entity", "Order:1", "--json") == 0
    assert ran.document["entity_id"] == 1
    assert ran("events", "tail", "--no-follow", "--since", "1h", "--type", "stock_low") == 0
    assert len(ran.out.splitlines()) == 1
    monkeypatch.setattr("xerpium_sdk.cli._events.sleep", later)
    assert ran("events", "tail", "-n", "1", "--count", "3", "--type", "order_created") == 0
    assert [line.split()[2] for line in ran.out.splitlines()] == ["Order:2", "Order:77", "Order:78"]
    assert ran("events", "tail", "--since", "soon") == 2
    assert "10m" in ran.err


def test_the_tail_goes_on_after_the_hub_was_away(url: str, ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    from xerpium_sdk.cli import _events
    from xerpium_sdk.errors import HubUnavailable

    calls = iter((None, HubUnavailable("No answer"), HubUnavailable("No answer"), None))
    asked = _events.asking

    def asking(*arguments: Any) -> Any:
        if (error := next(calls)) is not None:
            raise error
        event()
        return asked(*arguments)

    monkeypatch.setattr(_events, "asking", asking)
    assert ran("events", "tail", "--every", "0.01", "--count", "2") == 0
    assert len(ran.out.splitlines()) == 2
    assert ran.err == "! lost  No answer; trying again\n● back\n"


def test_an_event_is_published_and_what_is_wrong_with_one_is_said(url: str, ran: Ran) -> None:
    arguments = ["events", "publish", "order_created", "--service", "orders", "--entity"]
    assert ran(*arguments, "Order:42", "-d", '{"total": 12}', "--correlation", "c", "--json") == 0
    (entry,) = redis.client().xrevrange("xerpium:events", count=1)
    fields = entry[1]
    assert (fields["event_id"], fields["entity_id"], fields["data"]) == (ran.document["event_id"], "42", '{"total":12}')
    assert ran(*arguments, "Order:forty", "-d", "{}") == 4
    assert ran.err.endswith("order_created is a standard type: its ids are integers.\n  /entity_id\n")
    assert ran(*arguments, "Order", "-d", "[]") == 2
    assert ran("events", "publish", "order_created", "--entity", "Order:1") == 2
    assert "XERPIUM_SERVICE_NAME" in ran.err


def test_dead_letters_are_listed_and_replayed(url: str, ran: Ran) -> None:
    first, second = letter(group="billing"), letter(group="billing")
    letter(group="other")
    assert ran("events", "dead", "--group", "billing") == 0
    rows = ran.out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == [str(second.pk), str(first.pk)]
    assert rows[0].endswith("max_attempts: KeyError: 'warehouse_id'")
    assert ran("events", "replay", str(first.pk), "999999", str(second.pk)) == 4
    assert [line.split()[:2] for line in ran.out.splitlines()] == [["✓", f"{one.pk}:"] for one in (first, second)]
    assert "999999: The hub refuses (404)" in ran.err
    with use(system("tests look")):
        assert DeadLetter.objects.filter(state="replayed").count() == 2
    assert ran("events", "replay", str(first.pk), "--json") == 4
    assert ran.document[0]["replayed"] is False


def test_a_manifest_is_shown_asked_for_and_applied(url: str, ran: Ran, file: Path, monkeypatch: Any) -> None:
    assert ran("manifest", "diff", str(file), "--service", "orders", "--exit-code") == 1
    assert "orders 1.0.0: the hub has none" in ran.out
    assert "  + menu       /late  Late, /late" in ran.out
    assert ran.out.splitlines()[-1] == "7 to add."
    assert ran("manifest", "apply", str(file), "--service", "orders") == 2
    assert "say --yes" in ran.err
    monkeypatch.setattr("xerpium_sdk.cli._screen.Screen.can_ask", True)
    monkeypatch.setattr("xerpium_sdk.cli._screen.Screen.asked", lambda screen, question: False)
    assert ran("manifest", "apply", str(file), "--service", "orders") == 1
    assert not items()
    assert ran("manifest", "apply", str(file), "--service", "orders", "--yes") == 0
    assert "✓ The manifest of orders is applied as revision 1 (7 created)." in ran.out
    assert ran("manifest", "diff", str(file), "--service", "orders", "--exit-code") == 0
    assert ran.out.splitlines()[-1] == "Nothing would change."


def test_a_manifest_that_takes_most_away_has_to_be_confirmed(url: str, ran: Ran, file: Path) -> None:
    assert ran("manifest", "apply", str(file), "--service", "orders", "-y") == 0
    file.write_text(json.dumps(ORDERS | {"menus": ORDERS["menus"][:1], "widgets": []}))
    assert ran("manifest", "diff", str(file), "--service", "orders") == 0
    assert "6 to remove." in ran.out
    assert "--confirm-prune" in ran.err
    assert ran("manifest", "apply", str(file), "--service", "orders", "-y") == 1
    assert len(items()) == 6
    assert ran("manifest", "apply", str(file), "--service", "orders", "-y", "--confirm-prune", "--json") == 0
    assert ran.document["applied"] is True
    assert ran.document["outcome"] == "raised"
    assert items() == ["/orders"]


def items() -> list[str]:
    with use(system("tests look")):
        return [item.path for item in MenuItem.objects.filter(archived_at=None) if item.path]


def test_what_the_hub_or_we_refuse_is_told_with_its_place(
    url: str, ran: Ran, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(json.dumps({"menus": [{"name": "Orders", "path": "nowhere"}], "version": "1.0.0"}))
    assert ran("manifest", "diff", str(file), "--service", "orders") == 4
    assert ran.err.endswith("\n  /menus/0/path\n")
    file.write_text(json.dumps({"menus": ORDERS["menus"][:1] * 2}))
    assert ran("manifest", "diff", str(file), "--service", "orders") == 2
    file.write_text(json.dumps({"menus": ORDERS["menus"]}))
    assert ran("manifest", "diff", str(file), "--service", "orders") == 2
    assert "Pass --release." in ran.err
    assert ran("manifest", "diff", str(file), "--release", "1.0.0") == 2
    assert "XERPIUM_SERVICE_NAME" in ran.err
    assert ran("manifest", "diff", str(tmp_path / "none.json"), "--service", "orders") == 2
    (tmp_path / "shown_here.py").write_text(
        "from xerpium_sdk import XerpiumService\n"
        "service = XerpiumService('orders', '2.0.0')\n"
        "service.menu('Orders', '/orders', 'receipt')\nempty = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    assert ran("manifest", "diff", "shown_here:service") == 0
    assert "orders 2.0.0: the hub has none\n  + menu       /orders" in ran.out
    assert ran("manifest", "diff", "shown_here:empty") == 2
    assert ran("manifest", "diff", "shown_here:gone") == 2
    assert "AttributeError" in ran.err
    del sys.modules["shown_here"]


def test_the_doctor_finds_an_open_hub_in_order(url: str, ran: Ran, file: Path, monkeypatch: Any) -> None:
    register(url)
    monkeypatch.setenv("REDIS_URL", settings.REDIS_URL)
    assert ran("manifest", "apply", str(file), "--service", "orders", "-y") == 0
    found = ran.doctor("orders")
    del found["hub"]  # the machine's disk and memory are among its checks
    assert found == {
        "clock": "right", "access": "right", "key": "right", "issuer": "right", "service": "right", "lease": "right",
        "health": "doubtful", "manifest": "right", "redis": "wrong", "extras": "right",
    }  # fmt: skip
    redis.client().hset(REGISTRY_CATALOG, mapping={"meta": '{"revision": 2}', "service:orders": "2"})
    try:
        ran("doctor", "orders", "--manifest", str(file))
    finally:
        redis.client().delete(REGISTRY_CATALOG)
    assert "✓ manifest  The hub has it as it is." in ran.out
    assert "answers, and is the hub's." in ran.out
    assert ran.doctor("nobody")["service"] == "wrong"


def test_the_doctor_follows_a_key_on_a_closed_hub(url: str, ran: Ran, settings: Any, monkeypatch: Any) -> None:
    register(url)
    settings.HUB_OPEN = False
    assert ran("services") == 4
    assert "set XERPIUM_SERVICE_NAME and XERPIUM_SERVICE_KEY" in ran.err
    found = ran.doctor("orders")
    assert (found["key"], found["service"]) == ("wrong", "skipped")
    monkeypatch.setenv("XERPIUM_SERVICE_NAME", "orders")
    monkeypatch.setenv("XERPIUM_SERVICE_KEY", key(account("orders", companies=[7])))
    assert ran("services") == 0
    found = ran.doctor()
    for check in ("key", "token", "scopes", "companies", "issuer", "verifying", "service", "lease"):
        assert found[check] == "right", check
    assert ran.doctor("--company", "8")["token"] == "wrong"
    _making._sources.clear()
    monkeypatch.setenv("XERPIUM_SERVICE_KEY", "xrp_" + "0" * 20)
    assert ran("doctor") > 0
    assert "✕ token     No token is to be had" in ran.out
    assert "issue_key orders" in ran.out
    assert "xrp_000" not in ran.out
