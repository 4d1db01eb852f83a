"""Forms made from JSON Schemas: what stands in them, what comes back, and where faults are shown."""

from collections.abc import Iterable
from typing import Any

import pytest

from apps.core.errors import FieldError
from apps.uiregistry.schemaforms import Field, form_of, read, tell, words_of
from apps.uiregistry.schemas import TYPES, document, widget_faults

FORM = {
    "title": "Product",
    "fields": [
        {"name": "name", "type": "text", "required": True},
        {"name": "price", "type": "currency", "min": 0, "currency": "EUR"},
        {"name": "category", "type": "select", "options": ["a", {"value": 2, "label": "B"}]},
    ],
    "columns": 2,
}
TABLE = {
    "title": "Low stock",
    "columns": ["name", {"name": "stock", "format": "number", "align": "right"}],
    "max_rows": 10,
    "sortable": False,
}


def sent_by(fields: Iterable[Field]) -> dict[str, str]:
    """Return what a browser sends of a form that nobody touched."""
    found: dict[str, str] = {}
    for one in fields:
        if one.kind not in ("group", "items"):
            found[one.name] = one.value
        found |= sent_by(one.parts)
    return found


def by_name(fields: Iterable[Field]) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for one in fields:
        found[one.name] = one
        found |= by_name(one.parts)
    return found


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("form", FORM),
        ("table", TABLE),
        ("metric", {"thresholds": [{"value": 1.5, "color": "red"}], "target": 3, "trend": True, "precision": 0}),
        ("metric", {"title": "With\nlines", "their_own": {"deep": [1, {"x": None}]}, "icon": "package"}),
        ("chart", {"chart_type": "pie", "colors": ["#ff0000", "blue"], "options": {"a": [1]}, "unit": "1"}),
        ("metadata", {"breadcrumb": ["Catalog", {"label": "Products", "path": "/products"}], "tags": ["007"]}),
        ("page", {"actions": [{"name": "new", "path": "/new"}], "columns": [{"name": "x", "own": 1}]}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_form_that_nobody_touched_sends_the_same_value(kind: str, value: dict[str, Any]) -> None:
    fields = form_of(document(kind), value, name="config")
    sent = read(document(kind), sent_by(fields), name="config")
    assert (sent.value, sent.faults) == (value, [])


@pytest.mark.parametrize("kind", TYPES)
def test_every_schema_makes_a_form_and_an_empty_one_says_nothing(kind: str) -> None:
    fields = form_of(document(kind), {}, name="props")
    assert {one.name for one in fields} == {f"props/{key}" for key in document(kind)["properties"]}
    assert read(document(kind), sent_by(fields), name="props").value == {}


def test_inputs_are_of_the_kind_that_the_schema_says() -> None:
    known = by_name(form_of(document("metric"), {"precision": 2}, name="config"))
    assert known["config/title"].attributes == {"maxlength": 200}
    assert known["config/description"].kind == "area"
    assert known["config/precision"].attributes == {"min": 0, "max": 10, "step": 1}
    assert known["config/target"].attributes == {"step": "any"}
    assert known["config/trend"].choices == (("", "not said"), ("true", "yes"), ("false", "no"))
    assert known["config/format"].choices[:2] == (("", "not said"), ("text", "text"))
    assert known["config/options"].kind == "json"
    assert "Whatever the service wants" in known["config/options"].help
    assert known["config/thresholds"].kind == "items"
    assert known["config/thresholds/0/value"].required


def test_what_is_looked_at_shows_only_what_is_said() -> None:
    fields = form_of(document("form"), FORM, name="props", only_set=True)
    assert [one.label for one in fields] == ["Title", "Fields", "Columns"]
    assert [item.title for item in fields[1].items] == ["name", "price", "category"]
    assert [one.label for one in fields[1].items[1].fields] == ["Name", "Type", "Min", "Currency"]


def test_keys_that_no_schema_knows_are_shown_and_kept() -> None:
    fields = form_of(document("metric"), {"colour": "red"}, name="config")
    assert (fields[-1].label, fields[-1].value) == ("Other keys", '{\n  "colour": "red"\n}')
    changed = sent_by(fields) | {"config/~": '{"color": "blue", "colour": 1}', "config/color": "green"}
    assert read(document("metric"), changed, name="config").value == {"color": "green", "colour": 1}


def test_a_blank_item_is_left_out_and_a_filled_one_is_added() -> None:
    posted = sent_by(form_of(document("metric"), {"thresholds": [{"value": 1, "color": "red"}]}, name="config"))
    posted |= {"config/thresholds/0/value": "", "config/thresholds/0/color": ""}
    posted |= {"config/thresholds/1/value": "5", "config/thresholds/1/color": "blue"}
    assert read(document("metric"), posted, name="config").value == {"thresholds": [{"value": 5, "color": "blue"}]}


def test_what_cannot_be_read_is_told_at_its_input_which_keeps_the_text() -> None:
    posted = {
        "config/precision": "two", "config/options": "{oops", "config/thresholds/4/value": "much", "config/title": "A",
        "config/thresholds/4/color": "red",
    }  # fmt: skip
    sent = read(document("metric"), posted, name="config")
    assert [fault.pointer for fault in sent.faults] == [
        "/config/precision", "/config/thresholds/0/value", "/config/options",
    ]  # fmt: skip
    fields = form_of(document("metric"), sent.value, name="config")
    assert tell(fields, sent.faults, sent.texts) == []
    known = by_name(fields)
    assert (known["config/precision"].value, known["config/precision"].faults) == ("two", ["This must be a number."])
    assert known["config/thresholds/0/value"].value == "much"
    assert known["config/options"].faults[0].startswith("This is not JSON")


def test_faults_of_the_schema_come_to_the_nearest_input() -> None:
    config = {"chart_type": "cake", "colors": ["red", "#x"], "series": [{"name": "a"}], "options": {"a": 1}}
    fields = form_of(document("chart"), config, name="config")
    left = tell(fields, [*widget_faults("chart", config), FieldError("", "too_large", "Too large.")])
    known = by_name(fields)
    assert left == ["Too large."]
    assert known["config/chart_type"].value == "cake"
    assert len(known["config/chart_type"].faults) == 1
    assert known["config/colors"].faults[0].startswith("Line 2: ")
    assert known["config/series/0/field"].faults == ["This field is required."]


def test_what_has_another_shape_than_the_schema_is_shown_as_json() -> None:
    known = by_name(form_of(document("table"), {"columns": {"a": 1}, "max_rows": [1], "title": {}}, name="config"))
    assert [known[f"config/{key}"].kind for key in ("columns", "max_rows", "title")] == ["json", "json", "json"]


def test_a_line_may_be_an_object_and_numbers_stay_texts_where_texts_are_meant() -> None:
    posted = {"config/columns": 'sku\n\n 7 \n{"name": "stock"}\n{broken'}
    sent = read(document("table"), posted, name="config")
    assert sent.value == {"columns": ["sku", "7", {"name": "stock"}, "{broken"]}
    assert [fault.pointer for fault in sent.faults] == ["/config/columns/3"]
    fields = form_of(document("table"), sent.value, name="config")
    tell(fields, sent.faults, sent.texts)
    assert by_name(fields)["config/columns"].faults[0].startswith("Line 4: ")


def test_ids_of_inputs_have_no_signs_that_selectors_trip_over() -> None:
    assert Field("config/a~1b/0", "A", "text").id == "field-config-a-1b-0"
    assert words_of("chart_type") == "Chart type"
