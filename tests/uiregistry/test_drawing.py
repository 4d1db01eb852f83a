"""What the answers of services look like as widgets: the ways of writing a number, rows and series that there are."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.uiregistry.drawing import Chart, Custom, Metric, Nothing, Table, Unreadable, draw
from apps.uiregistry.schemas import document

PRICE = {"format": "currency", "currency": "EUR"}


def metric(data: Any, **config: Any) -> Any:
    return draw("metric", config, data)


@pytest.mark.parametrize(
    ("data", "config", "text"),
    [
        (1234, {}, "1,234"),
        ("12.50", {}, "12.5"),
        ({"count": 0}, {}, "0"),
        ({"value": 3, "count": 9}, {}, "3"),
        ({"sold": 7, "since": "2026-01-01"}, {}, "7"),
        ({"data": {"total": 5}}, {}, "5"),
        ([{"value": 5}], {}, "5"),
        ({"stats": {"open": 4}}, {"value_field": "stats.open"}, "4"),
        ({"value": 1999.5}, PRICE, "€1,999.50"),
        ({"value": 1999.5}, {"format": "currency", "currency": "PLN"}, "1,999.50 PLN"),
        ({"value": 12.345}, {"format": "percent"}, "12.3 %"),
        ({"value": 12.345}, {"precision": 2, "unit": "kg"}, "12.35 kg"),
        ({"value": 5}, {"prefix": "~", "suffix": "!"}, "~5!"),
        ({"value": 0.004567}, {}, "0.004567"),
    ],
)
def test_a_number_is_found_and_written_as_its_config_says(data: Any, config: dict[str, Any], text: str) -> None:
    assert metric(data, **config).text == text


def test_a_metric_knows_its_trend_its_target_and_its_threshold() -> None:
    steps = [{"value": 0, "color": "green"}, {"value": 10, "color": "red"}]
    found = metric({"value": 12, "change": -3, "label": "since Monday"}, target=48, thresholds=steps, color="blue")
    assert (found.trend, found.rises, found.of_target, found.colour, found.label) == (
        "-3", False, 25.0, "red", "since Monday",
    )  # fmt: skip


@pytest.mark.parametrize("data", [{"a": 1, "b": 2}, [1, 2], "many", True, {"value": "NaN"}, {"value": 10**400}])
def test_what_is_no_number_is_said_so_with_an_example(data: Any) -> None:
    found = metric(data)
    assert isinstance(found, Unreadable)
    assert found.wanted == '{"value": 42}'


@pytest.mark.parametrize("kind", ["metric", "table", "chart"])
@pytest.mark.parametrize("data", [None, {}], ids=["null", "empty"])
def test_nothing_is_no_fault(kind: str, data: Any) -> None:
    assert isinstance(draw(kind, {}, data), Nothing)


@pytest.mark.parametrize(
    "data",
    [
        [{"name": "Desk", "current_stock": 3}],
        {"results": [{"name": "Desk", "current_stock": 3}], "next": None},
        {"data": {"items": [{"name": "Desk", "current_stock": 3}]}},
    ],
    ids=["bare", "a page", "nested"],
)
def test_rows_are_found_wherever_they_are(data: Any) -> None:
    found = draw("table", {}, data)
    assert found == Table(("Name", "Current stock"), (("Desk", "3"),), frozenset({1}))


def test_a_table_shows_the_columns_and_as_many_rows_as_its_config_says() -> None:
    rows = [{"name": f"P{number}", "price": "9.5", "stock": {"left": number}, "ok": None} for number in range(5)]
    columns = ["name", {"name": "price", "label": "Price", **PRICE}, "stock.left", "ok", "unknown"]
    found = draw("table", {"columns": columns, "max_rows": 2}, rows)
    assert found.columns == ("Name", "Price", "Stock left", "Ok", "Unknown")
    assert found.rows == (("P0", "€9.50", "0", "–", "–"), ("P1", "€9.50", "1", "–", "–"))
    assert (found.more, found.numbers) == (3, frozenset({2}))
    assert draw("table", {"empty_text": "All is in stock."}, []) == Nothing("All is in stock.")
    assert isinstance(draw("table", {}, {"stock": 3}), Unreadable)


@pytest.mark.parametrize(
    "data",
    [
        [{"label": "Chairs", "value": 3}, {"label": "Desks", "value": 1}],
        {"results": [{"name": "Chairs", "count": 3}, {"name": "Desks", "count": 1}]},
        {"labels": ["Chairs", "Desks"], "values": [3, 1]},
        {"labels": ["Chairs", "Desks"], "datasets": [{"data": [3, 1]}]},
        {"Chairs": 3, "Desks": 1},
        [["Chairs", 3], ["Desks", 1]],
    ],
    ids=["rows", "a page", "parallel lists", "as Chart.js has them", "names with numbers", "pairs"],
)
def test_a_series_is_found_however_it_is_written(data: Any) -> None:
    found = draw("chart", {"chart_type": "pie"}, data)
    assert isinstance(found, Chart)
    assert [(piece.name, piece.text, piece.percent) for piece in found.slices] == [
        ("Chairs", "3", 75.0), ("Desks", "1", 25.0),
    ]  # fmt: skip
    assert found.title == "Chairs is 75 % of 4"


def test_many_slices_become_one_and_the_table_has_them_all() -> None:
    found = draw("chart", {"chart_type": "donut"}, {f"c{number}": number + 1 for number in range(20)})
    assert isinstance(found, Chart)
    assert [piece.name for piece in found.slices][-1] == "13 others"
    assert len(found.slices) == 8
    assert len(found.rows) == 20
    assert found.hole


def test_bars_stand_on_zero_and_carry_their_words() -> None:
    found = draw("chart", {"chart_type": "bar", "unit": "pcs"}, {"up": 10, "down": -10})
    assert isinstance(found, Chart)
    up, down = found.bars
    assert (up.y, up.height, down.y, down.height, found.zero) == (0.0, 120.0, 120.0, 120.0, 120.0)
    assert (up.told, found.ceiling, found.floor) == ("up: 10 pcs", "10 pcs", "-10 pcs")


def test_bars_may_be_stacked_or_lie() -> None:
    rows = [{"day": "Mon", "web": 2, "shop": 3}, {"day": "Tue", "web": 1, "shop": 4}]
    stacked = draw("chart", {"chart_type": "stacked_bar"}, rows)
    assert isinstance(stacked, Chart)
    assert [(bar.x, bar.y, bar.height) for bar in stacked.bars[:2]] == [(42.0, 144.0, 96.0), (42.0, 0.0, 144.0)]
    assert stacked.names == ("Web", "Shop")
    lying = draw("chart", {"chart_type": "horizontal_bar"}, {"a": 5, "b": 10})
    assert isinstance(lying, Chart)
    assert [(bar.x, bar.width) for bar in lying.bars] == [(0.0, 300.0), (0.0, 600.0)]


def test_lines_have_gaps_where_there_is_no_number() -> None:
    config = {"chart_type": "area", "series": [{"field": "sold", "name": "Sold"}]}
    found = draw("chart", config, [{"day": n, "sold": value} for n, value in enumerate([1, None, 2, 2])])
    assert isinstance(found, Chart)
    (line,) = found.lines
    assert line.path == "M0.0 120.0h.5M400.0 0.0L600.0 0.0"
    assert line.area.count("Z") == 2
    assert found.rows[1] == ("1", ("–",))


def test_what_the_preview_cannot_draw_is_drawn_as_bars_and_says_so() -> None:
    found = draw("chart", {"chart_type": "radar"}, {"a": 1})
    assert isinstance(found, Chart)
    assert found.note == "Drawn as bars here: the preview has no “radar”."
    negative = draw("chart", {"chart_type": "pie"}, {"a": 1, "b": -1})
    assert isinstance(negative, Chart)
    assert negative.shape == "bars"


def test_a_chart_is_bounded() -> None:
    found = draw("chart", {"chart_type": "line"}, list(range(1000)))
    assert isinstance(found, Chart)
    assert len(found.rows) == 60
    assert found.note == "The last 60 of 1000 points."
    assert sum(map(bool, found.labels)) <= 8
    many = draw("chart", {}, [{"day": "a", **{f"s{number}": 1 for number in range(9)}}])
    assert isinstance(many, Chart)
    assert len(many.names) == 5


def test_a_widget_of_a_services_own_is_only_described() -> None:
    assert draw("custom", {"module_url": "https://a/b.js"}, {"x": 1}) == Custom("https://a/b.js", {"x": 1})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["label", "value", "labels", "data", "results", "datasets", "x"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(
    st.sampled_from(["metric", "table", "chart"]),
    JSON,
    st.sampled_from(document("chart")["properties"]["chart_type"]["enum"]),
)
def test_any_answer_is_drawn_or_explained(kind: str, data: Any, chart_type: str) -> None:
    assert isinstance(draw(kind, {"chart_type": chart_type}, data), Metric | Table | Chart | Nothing | Unreadable)
