"""What the command decides without a hub: tables, words, changes, plans, exit codes."""

import datetime as dt
import io
import json
from dataclasses import replace
from typing import Any

import pytest

from xerpium_sdk.calls import CallRefused, NoAnswer, NoInstanceToCall, ServiceFailed, TookTooLong
from xerpium_sdk.cli._changes import Change, changes
from xerpium_sdk.cli._codes import EXIT_CODES, Wrong
from xerpium_sdk.cli._failures import code_of, told
from xerpium_sdk.cli._ink import Inked, clean, cut, of_status, painted, plain, wide
from xerpium_sdk.cli._journal import Shown, dead_row, event_pieces, moment
from xerpium_sdk.cli._plan import plan, standing, summary
from xerpium_sdk.cli._rows import age, details_of, instance_row, needed_by, service_row
from xerpium_sdk.cli._screen import Screen, dumped
from xerpium_sdk.cli._tables import table
from xerpium_sdk.errors import HubError, HubUnavailable, UnreadableAnswer, refusal
from xerpium_sdk.ui import Manifest, ManifestEntry, ManifestResult, MenuItem, Outcome, Settlement, UIWidget
from xerpium_sdk.wire.problems import FieldProblem, Problem
from xerpium_sdk.wire.registry import InstanceRecord, ServiceRecord, Status

NOW = dt.datetime(2026, 5, 4, 12, 0, tzinfo=dt.UTC)


def instance(name: str = "a", **said: Any) -> InstanceRecord:
    known = {"version": "1.0.0", "host": "h", "port": 1, "status": Status.HEALTHY, "last_seen": NOW}
    known |= {"health_check_url": "http://h:1/health", "api_base_url": "http://h:1"}
    return InstanceRecord(instance_id=name, **known | said)


def service(*instances: InstanceRecord, **said: Any) -> ServiceRecord:
    return ServiceRecord(**{"name": "stock", "status": Status.HEALTHY, "revision": 7, "instances": instances} | said)


def lines(rows: list[list[Any]], *, width: int | None = None) -> list[str]:
    return [plain(line) for line in table(("NAME", "NOTE", "WHY"), rows, width=width)]


class Terminal(io.StringIO):
    """A stream that says that it is a terminal, of an encoding."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        text.encode(self._encoding)
        return super().write(text)


def test_columns_are_as_wide_as_what_is_in_them_and_empty_ones_are_left_out() -> None:
    assert lines([["stock", "", "x"], ["a", "", "longer"]]) == ["NAME   WHY", "stock  x", "a      longer"]
    assert lines([["", "", ""]]) == []
    assert lines([["日本", "", "x"]]) == ["NAME  WHY", "日本  x"]


def test_on_a_terminal_there_is_a_rule_and_the_widest_column_gives_way() -> None:
    found = lines([["stock", "n" * 40, "w" * 30]], width=40)
    assert found[1] == "─" * 40
    assert wide(found[2]) == 40
    assert [cell[-1] for cell in found[2].split()] == ["k", "…", "…"]
    assert lines([["stock", "n" * 40, ""]], width=10)[2] == "stock  nnnnnnn…"  # not too narrow to read
    assert lines([["stock", "n" * 400, ""]])[1].endswith("n" * 400)  # for programs nothing is lost


def test_what_others_wrote_does_nothing_to_a_terminal() -> None:
    evil = "a\x1b[2Jb\u202ec\nd\x9be"
    assert clean(evil) == "a�[2Jb�c d�e"
    assert "\x1b" not in lines([[evil, "", ""]])[1]
    assert painted([Inked("x\x1b]0;", "red"), "y"]) == "\x1b[31mx�]0;\x1b[0my"
    assert json.loads(dumped({"a": evil})) == {"a": evil}
    assert not {"\x1b", "\x9b", "\u202e"} & set(dumped({"a": evil}))
    assert wide("e\u0301日") == 3
    assert cut("日本語", 5) == "日本…"


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
    ids=["terminal", "no-color", "empty", "dumb"],
)
def test_colours_are_for_terminals_that_want_them(environment: dict[str, str], coloured: bool) -> None:
    out, piped = Terminal(), io.StringIO()
    Screen(out, out, environment).line(of_status(Status.HEALTHY))
    Screen(piped, out, environment).line(of_status(Status.HEALTHY))
    assert ("\x1b[32m" in out.getvalue()) is coloured
    assert piped.getvalue() == "● healthy\n"


def test_a_terminal_without_our_signs_gets_others() -> None:
    out = Terminal("ascii")
    Screen(out, out, {"NO_COLOR": "1"}).line(of_status(Status.HEALTHY), " → ", of_status(Status.UNHEALTHY), " żółw")
    assert out.getvalue() == "* healthy -> x unhealthy ???w\n"


def test_the_row_of_a_service_tells_who_can_work_and_what_is_missing() -> None:
    sick = instance("b", status=Status.UNHEALTHY, version="1.1.0", zone="eu", dependencies=("user", "bus"))
    row = service_row(service(instance(), sick, impaired=("user",)), ["orders"])
    assert row == ["stock", of_status(Status.HEALTHY), Inked("1/2", "yellow"), "1.0.0, 1.1.0", "eu", "",
                   Inked("bus, !user", "yellow"), "orders"]  # fmt: skip
    assert dict(details_of(service(sick, company_id=7), ["x", "y"])) == {
        "company": "7", "needs": "bus, user", "needed by": "x, y",
    }  # fmt: skip
    assert needed_by({"edges": [{"source": "a", "target": "c"}, {"source": "b", "target": "c"}]}) == {"c": ["a", "b"]}
    shown = instance_row(instance(reported_status=Status.HEALTHY, weight=5), NOW + dt.timedelta(seconds=90))
    assert plain(shown) == "a● healthyhealthy1.0.051 min agohttp://h:1"


@pytest.mark.parametrize(
    ("seconds", "words"), [(-5, "0 s"), (59, "59 s"), (3599, "59 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_ages_are_in_their_largest_unit(seconds: int, words: str) -> None:
    assert age(NOW, NOW - dt.timedelta(seconds=seconds)) == words


def what(before: ServiceRecord | None, after: ServiceRecord) -> list[str]:
    return [plain(change.pieces()) for change in changes(before, after)]


def test_changes_are_told_for_the_service_and_for_each_instance() -> None:
    assert what(None, service(instance())) == ["stock  joined as ● healthy  1 instance, version 1.0.0"]
    assert what(service(instance()), service(status=Status.DEREGISTERED)) == ["stock  left"]
    sick = instance(status=Status.UNHEALTHY, polled_status=Status.UNHEALTHY, reported_status=Status.HEALTHY)
    assert what(service(instance(), instance("b")), service(sick, instance("c"), status=Status.DEGRADED)) == [
        "stock/a  ● healthy → ✕ unhealthy  says healthy, polled unhealthy",
        "stock/c  instance joined as ● healthy  version 1.0.0 at http://h:1",
        "stock/b  instance left",
        "stock  ● healthy → ◐ degraded",
    ]
    newer = instance(version="1.1.0", tags=("x",), last_seen=NOW + dt.timedelta(1))
    assert what(service(instance()), service(newer)) == ["stock/a  changed  version 1.0.0 → 1.1.0, tags"]
    assert what(service(instance()), service(instance(last_seen=NOW + dt.timedelta(1)))) == []
    assert what(service(), service(impaired=("user",))) == [
        "stock  impaired  what it needs is missing or unhealthy: user"
    ]
    assert what(service(impaired=("user",)), service()) == ["stock  unimpaired  all that it needs is there"]
    assert Change("left", "stock", 7).to_json() == {"what": "left", "service": "stock", "revision": 7}


def entries(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number} for number in numbers]


def test_of_the_journal_only_what_is_new_is_shown_and_what_came_late() -> None:
    shown = Shown(entries(50, 48, 47))
    assert [one["id"] for one in entries(51, 50, 49, 48, 47, 46) if shown.is_news(one)] == [51, 49]
    assert shown.reaches_back(entries(52, 51)) is False
    assert shown.reaches_back(entries(51, 50)) is True
    shown.note(entries(51))
    assert not shown.is_news({"id": 51})
    shown.note(entries(5000))
    assert not shown.is_news({"id": 3999})
    assert shown.is_news({"id": 4001})
    empty = Shown([])
    assert empty.is_news({"id": 1})
    assert empty.reaches_back([]) is True


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("30s", "2026-05-04T11:59:30.000Z"),
        ("10m", "2026-05-04T11:50:00.000Z"),
        (" 2h", "2026-05-04T10:00:00.000Z"),
        ("7d", "2026-04-27T12:00:00.000Z"),
        ("2026-05-04T12:00Z", "2026-05-04T12:00:00.000Z"),
        ("2026-05-04T12:00+02:00", "2026-05-04T10:00:00.000Z"),
    ],
)
def test_times_are_given_as_ages_or_as_themselves(text: str, time: str) -> None:
    assert moment(text, NOW) == time


@pytest.mark.parametrize("text", ["", "yesterday", "5", "-3m", "10 m", "h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="10m"):
        moment(text, NOW)


def test_an_event_is_one_line_whatever_it_says() -> None:
    entry: dict[str, Any] = {
        "event_type": "stock_low", "entity_type": "Product", "entity_id": 42, "service_name": "stock", "company_id": 7,
        "timestamp": "2026-05-04T12:00:00.250Z", "data": {"left": 3, "by": "a\nb\x1b"}, "verdict": "valid",
    }  # fmt: skip
    text = plain(event_pieces(entry))
    assert text.endswith('.250  stock_low  Product:42  stock  company 7  {"left":3,"by":"a\\nb\\u001b"}')
    odd = entry | {
        "timestamp": "soon",
        "entity_id": None,
        "verdict": "mismatch",
        "fault": "/left: no number",
        "data": {},
    }
    assert plain(event_pieces(odd)) == "soon  stock_low  Product  stock  company 7  ! mismatch: /left: no number"
    assert "!" not in plain(event_pieces(entry | {"verdict": "unverified"}))
    letter = {
        "id": 17, "state": "waiting", "group": "billing", "event_type": None, "dead_at": "2026-05-04T12:00:00Z",
        "attempts": 5, "reason": "max_attempts", "error": "Traceback\n  File\nKeyError: 'x'\n",
    }  # fmt: skip
    row = dead_row(letter)
    assert (row[0], row[1], row[6], row[7]) == ("17", Inked("waiting", "yellow"), "5", "max_attempts: KeyError: 'x'")


BEFORE = Manifest(
    menus=[MenuItem("Orders", "/orders", order_number=1)],
    widgets=[UIWidget("Late", widget_type="metric", api_endpoint="/late")],
)
AFTER = Manifest(menus=[MenuItem("Orders", "/orders", order_number=9), MenuItem("New", "/new")], version="1.0.0")


def test_a_plan_shows_each_item_and_what_of_it_changes() -> None:
    result = ManifestResult(
        3, 1000000, True,
        created=(ManifestEntry("menu", "/new"),),
        updated=(ManifestEntry("menu", "/orders", 1, ("order_number", "path")),),
        removed=(ManifestEntry("widget", "Late"),),
        kept_by_overlay=(ManifestEntry("menu", "/orders", 1, ("name",)),),
        pending=(ManifestEntry("menu", "/new"),),
        warnings=(FieldProblem("/menus/1/icon", "icon", "No such icon."), FieldProblem("", "pending_parent", "")),
    )  # fmt: skip
    assert [plain(line) for line in plan(result, BEFORE, AFTER)] == [
        "  + menu       /new  New, /new",
        "  ~ menu       /orders",
        "      order_number: 1 → 9",
        "      path",
        "  - widget     Late  Late, metric",
        "  = menu       /orders (name): operators changed it, and that stays",
        "  … menu       /new: waits for its parent, and is not shown before",
        "  ! /menus/1/icon: No such icon.",
    ]
    assert summary(result) == "1 to add, 1 to change, 1 to remove."
    nothing = replace(result, created=(), updated=(), removed=())
    assert summary(nothing).startswith("The same items")
    assert summary(replace(nothing, changed=False)) == "Nothing would change."
    assert plain(next(iter(plan(result, None, AFTER)))) == "  + menu       /new  New, /new"


def test_why_a_manifest_is_left_alone_is_said() -> None:
    stored = Manifest(version="2.0.0", generation=2000000)
    assert "newer release" in standing(Settlement(Outcome.NEWER, stored=stored))
    assert standing(Settlement(Outcome.ROLLED_BACK, stored=stored, actor="eva")).startswith("eva put an earlier")
    assert standing(Settlement(Outcome.APPLIED)) == ""


def refused(status: int, **said: Any) -> HubError:
    return refusal(Problem(**{"status": status, "title": "No", "detail": "So it is."} | said))


ANSWERED: dict[str, Any] = {"status": 400, "problem": None, "text": ""}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HubUnavailable("away"), 3),
        (UnreadableAnswer("what"), 3),
        (refused(404), 4),
        (HubError("no key"), 2),
        (Wrong("no"), 2),
        (NoAnswer("stock", "silent"), 3),
        (CallRefused("stock", "no", **ANSWERED), 4),
        (ServiceFailed("stock", "no", **ANSWERED), 5),
        (NoInstanceToCall("stock", "none"), 6),
        (TookTooLong("stock", "long"), 7),
        (RuntimeError("odd"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_kind_of_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert code_of(error) == code
    assert code in EXIT_CODES


def test_errors_name_what_to_change() -> None:
    assert "XERPIUM_SERVICE_KEY_FILE" in list(told(refused(401), has_key=False))[-1]
    assert "was disabled" in list(told(refused(401), has_key=True))[-1]
    assert "doctor" in list(told(refused(403), has_key=True))[-1]
    assert "XERPIUM_HUB_URL" in list(told(HubUnavailable("away"), has_key=False))[-1]
    assert "no hub" in list(told(UnreadableAnswer("what"), has_key=False))[-1]
    assert list(told(NoInstanceToCall("stock", "none"), has_key=False))[-1].startswith("xerpium services stock")
    faults = (FieldProblem("/a", "x", "Too long."), FieldProblem("/b", "y", "So it is."))
    assert list(told(refused(422, errors=faults), has_key=False)) == [
        "The hub refuses (422): So it is.", "  /a: Too long.", "  /b",
    ]  # fmt: skip
