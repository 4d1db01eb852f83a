"""What is told of groups, streams, verdicts and dead letters, in words; charts and examples. No database."""

import ast
import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from apps.events import charts, snippets, wording
from apps.events.charts import Series, Value
from apps.events.conditions import GroupFigures, StreamFigures, group_condition, stream_condition
from apps.events.models import DeadLetter, Verdict
from apps.events.schemas import Schema, schema_faults
from apps.events.templatetags import events as tags

NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(hours=24)
GROUP = GroupFigures(
    group="stock-service-group", lag=0, pending=0, lag_seconds=0, consumers=2, alive=2, still_seconds=1
)
STREAM = StreamFigures(stream="xerpium:events", length=10, target=1000, hard_max=5000, held_by=(), alarm="")


@pytest.mark.parametrize(
    ("facts", "word", "told", "mend"),
    [
        (GROUP, "up to date", "stock-service-group has handled everything.", ""),
        (replace(GROUP, alive=0), "nobody listens", "no consumer of it runs now.", "waits until its service runs"),
        (replace(GROUP, alive=None, consumers=0), "nobody listens", "no consumer of it runs now.", "waits until"),
        (replace(GROUP, lag=3, lag_seconds=2), "up to date", "is 3 events behind; the oldest has waited 2 s.", ""),
        (
            replace(GROUP, lag=1203, pending=1, lag_seconds=180),
            "behind",
            "is 1,204 events behind; the oldest has waited 3 min.",
            "handlers is slow",
        ),
        (replace(GROUP, pending=1, lag_seconds=180), "behind", "is 1 event behind", "handlers"),
        (
            replace(GROUP, lag=None, lag_seconds=180, alive=None),
            "behind",
            "an unknown number of events behind",
            "do not say",
        ),
        (
            replace(GROUP, lag=9, lag_seconds=180, alive=0),
            "stands still",
            "No consumer of it runs.",
            "Start its service",
        ),
        (
            replace(GROUP, lag=9, lag_seconds=180, still_seconds=100),
            "stands still",
            "It has done nothing for 1 min.",
            "Its consumers live",
        ),
        (
            replace(GROUP, lag=9, lag_seconds=180, alive=None, still_seconds=100),
            "stands still",
            "It has done nothing",
            "restart it",
        ),
    ],
)
def test_a_group_is_summed_up(facts: GroupFigures, word: str, told: str, mend: str) -> None:
    found = group_condition(facts)
    assert found.level.badge.word == word
    assert told in found.text
    assert mend in found.mend
    assert found.is_wrong == (word in ("stands still", "behind"))


@pytest.mark.parametrize(
    ("facts", "word", "told", "mend"),
    [
        (STREAM, "up to date", "10 entries, 0% of its cap of 5,000", ""),
        (replace(STREAM, length=1500, held_by=("a", "b")), "behind", "1,500 entries", "a, b holds it"),
        (replace(STREAM, length=3000), "behind", "60% of its cap", "trimmed as soon as"),
        (
            replace(STREAM, alarm="full in 2 h."),
            "stands still",
            "xerpium:events: full in 2 h.",
            "EVENTS_HARD_MAX_LENGTH",
        ),
    ],
)
def test_a_stream_is_summed_up(facts: StreamFigures, word: str, told: str, mend: str) -> None:
    found = stream_condition(facts)
    assert (found.level.badge.word, told in found.text, mend in found.mend) == (word, True, True)


def test_every_verdict_and_state_has_words() -> None:
    assert set(wording.VERDICTS) == set(Verdict.values)
    assert set(wording.STATES) == set(DeadLetter.State.values)
    assert "said" not in wording.verdict_of("valid").text
    assert "from tomorrow" in wording.verdict_of("from tomorrow").text


@pytest.mark.parametrize(
    ("reason", "attempts", "word"),
    [
        ("max_attempts", 5, "failed 5 times"),
        ("max_attempts", 1, "failed once"),
        ("undecodable", 1, "cannot be read"),
        ("of_tomorrow", 1, "of tomorrow"),
        ("", 0, "not told"),
    ],
)
def test_a_reason_is_told_in_plain_words(reason: str, attempts: int, word: str) -> None:
    assert wording.reason_of(reason, attempts=attempts).word == word


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"name": "Ada", "lines": [1], "api_key": "geheim"}, "name: Ada, lines: [1], api_key: (hidden)"),
        ({"text": "x" * 500}, f"text: {'x' * 153}…"),
        ([1, 2], "[1, 2]"),
        ({}, ""),
        (None, ""),
    ],
)
def test_data_is_told_in_a_line_without_secrets(data: Any, told: str) -> None:
    assert wording.preview(data) == told


def test_the_last_line_of_a_traceback_is_what_matters() -> None:
    assert wording.last_line("Traceback\n  File x\nKeyError: 'a'\n\n") == "KeyError: 'a'"
    assert wording.last_line("") == ""


def series(name: str, *values: float | None, colour: int = 1, step: float = 10) -> Series:
    start = NOW - dt.timedelta(minutes=step * len(values))
    points = [Value(start + dt.timedelta(minutes=step * number), value) for number, value in enumerate(values)]
    return Series(name, colour, points)


def test_the_chart_of_throughput_says_its_finding() -> None:
    chart = charts.throughput([series("a", 10, 30, 20), series("b", 0, 0, 0)], since=NOW - DAY, now=NOW)
    assert chart is not None
    assert chart.title == "600 events in the last 24 h, 0.4 a minute on average; at most 30 on a"
    assert [line.name for line in chart.lines] == ["a"]
    assert chart.ceiling == 50
    assert chart.rows[0][1] == (30.0,)


def test_charts_of_nothing() -> None:
    assert charts.throughput([], since=NOW - DAY, now=NOW) is None
    assert charts.backlog([series("a")], since=NOW - DAY, now=NOW) is None
    quiet = charts.throughput([series("a", 0, 0)], since=NOW - DAY, now=NOW)
    assert quiet is not None
    assert quiet.title == "No event in the last 24 h"
    kept_up = charts.backlog([series("a", 0, 0.4)], since=NOW - DAY, now=NOW)
    assert kept_up is not None
    assert kept_up.title.startswith("Every group kept up")


def test_the_chart_of_groups_shows_the_worst_five() -> None:
    many = [series(f"g{number}", number * 10.0, 0, colour=number) for number in range(1, 8)]
    chart = charts.backlog(many, since=NOW - DAY, now=NOW)
    assert chart is not None
    assert chart.title == "At worst events waited 1 min for g7; now nothing waits"
    assert [(line.name, line.colour) for line in chart.lines] == [(f"g{n}", n) for n in range(3, 8)]
    assert chart.left_out == 2
    assert (chart.ceiling, chart.half) == (120, 60)


def test_a_group_that_waits_is_told_with_what_it_waits_now() -> None:
    chart = charts.backlog([series("a", 9, 4000)], since=NOW - DAY, now=NOW)
    assert chart is not None
    assert chart.title == "At worst events waited 1 h for a; now 1 h"


EXAMPLE = {
    "number": "2026 \"1\" 'x'",
    "lines": [{"price": 12.5, "free": True, "note": None}] * 4,
    "count": 3,
    "none": {},
}


@pytest.mark.parametrize("event_type", ["order_created", "invoice_paid", "odd \"type\" 'of' others"])
def test_examples_are_python_that_says_what_they_show(event_type: str) -> None:
    for code in (
        snippets.publish_code(event_type, "shop", "order", EXAMPLE),
        snippets.handle_code(event_type),
        snippets.declare_code(event_type, "shop", "http://hub", EXAMPLE),
    ):
        ast.parse(code)
    assert ast.literal_eval(snippets.literal(EXAMPLE, indent=8)) == EXAMPLE
    assert snippets.envelope_example(event_type, "", "", None)["service_name"] == "my-service"


def test_a_drafted_schema_is_one_that_its_event_fits() -> None:
    for data in (EXAMPLE, {"mixed": [1, "a"], "empty": [], "deep": {"a": {"b": [[1], [2]]}}}):
        schema = snippets.draft_schema(data)
        assert schema_faults(schema) == []
        assert Schema(schema).fits(data)


def test_commands_can_be_pasted_into_a_shell() -> None:
    told = snippets.publish_curl("order_created", "shop", "order", {"name": "O'Brien"}, "http://hub")
    assert "O'\\''Brien" in told


def test_json_is_shown_as_a_tree_escaped_and_without_secrets() -> None:
    shown = tags.json_tree({"a": "<script>", "token": "geheim", "list": [1, {"deep": None}]})
    assert "&lt;script&gt;" in shown
    assert "geheim" not in shown
    assert shown.count("<details") == 3
    assert shown.count("<details open") == 2


@pytest.mark.parametrize(
    "data",
    [
        "no <json> at all",
        "[" * 900 + "]" * 900,
        '{"a":' * 200 + "1" + "}" * 200,
        list(range(5000)),
        "[" * 100_000,
    ],
)
def test_what_makes_no_tree_is_shown_as_text(data: Any) -> None:
    shown = tags.json_tree(data)
    assert "<details" not in shown
    assert "<pre" in shown
    assert "<json>" not in shown


def test_numbers_are_short() -> None:
    assert [tags.compact(n) for n in (950, 2500, 12_000, 1_500_000)] == ["950", "2.5k", "12k", "1.5M"]
    assert [tags.size(n) for n in (512, 1536, 5 * 1024**2)] == ["512 B", "1.5 kB", "5.0 MB"]
    assert [tags.milliseconds(n) for n in (0.0004, 0.012, 1.44)] == ["0.4 ms", "12 ms", "1.4 s"]
