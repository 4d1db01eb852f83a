"""What a widget's data looks like: from the answer of its service to numbers, rows and shapes. Pure.

Services answer in the words of their own API, so the common ways of writing a number, a list and a series are all read.
What cannot be read is told in words that a developer can act on; nothing is guessed beyond that.
"""

from collections.abc import Mapping
from typing import Any

from apps.uiregistry.drawing.charts import chart
from apps.uiregistry.drawing.plain import metric, table
from apps.uiregistry.drawing.shapes import Chart, Custom, Drawing, Metric, Nothing, Table, Unreadable
from apps.uiregistry.drawing.values import text_of

__all__ = ["Chart", "Custom", "Drawing", "Metric", "Nothing", "Table", "Unreadable", "draw"]


def draw(widget_type: str, config: Mapping[str, Any], data: Any) -> Drawing:
    """Return what ``data`` looks like as a widget of this type with this config."""
    if widget_type == "metric":
        return metric(config, data)
    if widget_type == "table":
        return table(config, data)
    if widget_type == "chart":
        return chart(config, data)
    return Custom(text_of(config.get("module_url", "")), data)
