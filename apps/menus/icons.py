"""The icons that the hub draws: Material Symbols, which the console ships, and names that other sets have for them.

``icons.txt`` lists the names of the font. Services name icons as their own front end does, so names of the Feather and
Lucide sets are understood as well; a name that nobody knows is kept, and drawn as `FALLBACK`.
"""

from functools import cache
from pathlib import Path

__all__ = ["FALLBACK", "every", "glyph", "is_known"]

FALLBACK = "radio_button_unchecked"

_OTHER_NAMES = {
    "activity": "monitoring",
    "alert-circle": "error",
    "alert-triangle": "warning",
    "bar-chart-2": "bar_chart",
    "bell": "notifications",
    "box": "deployed_code",
    "briefcase": "work",
    "building": "apartment",
    "calendar": "calendar_month",
    "clipboard": "assignment",
    "clock": "schedule",
    "cpu": "memory",
    "dollar-sign": "attach_money",
    "edit-2": "edit",
    "external-link": "open_in_new",
    "eye": "visibility",
    "file": "draft",
    "file-text": "description",
    "git-branch": "account_tree",
    "globe": "language",
    "grid": "grid_view",
    "hash": "tag",
    "heart": "favorite",
    "help-circle": "help",
    "layout": "dashboard",
    "life-buoy": "support",
    "line-chart": "show_chart",
    "log-out": "logout",
    "map-pin": "location_on",
    "message-circle": "chat_bubble",
    "message-square": "chat",
    "package": "package_2",
    "phone": "call",
    "plus": "add",
    "printer": "print",
    "refresh-cw": "refresh",
    "rotate-ccw": "undo",
    "server": "dns",
    "sliders": "tune",
    "tool": "build",
    "trash": "delete",
    "trash-2": "delete",
    "truck": "local_shipping",
    "user": "person",
    "user-plus": "person_add",
    "users": "group",
    "zap": "bolt",
}


def glyph(name: str) -> str:
    """Return the symbol of the font that draws the icon ``name``; `FALLBACK` for one that nobody knows."""
    return _found(name) or FALLBACK


def is_known(name: str) -> bool:
    """Whether there is an icon with this name; no name is no icon, which is fine."""
    return not name or _found(name) is not None


def _found(name: str) -> str | None:
    symbol = _OTHER_NAMES.get(name, name.replace("-", "_"))
    return symbol if symbol in _symbols() else None


@cache
def _symbols() -> frozenset[str]:
    return frozenset(Path(__file__).with_name("icons.txt").read_text(encoding="ascii").split())


_FIRST = """
dashboard home inventory_2 shopping_cart receipt_long payments point_of_sale local_shipping warehouse store sell
category group person badge support_agent mail chat notifications calendar_month schedule task_alt checklist assignment
description folder bar_chart monitoring trending_up query_stats account_balance credit_card savings request_quote gavel
factory precision_manufacturing engineering build handyman bolt science school work business apartment public language
translate map location_on flag bookmark star favorite label settings tune security key lock shield policy help info
search filter_list list table_chart grid_view account_tree hub lan dns storage cloud code api terminal bug_report
"""


def every() -> list[tuple[str, str]]:
    """Return all names with the symbols that draw them: the usual ones first, then by name."""
    symbols = _symbols()
    first = [name for name in _FIRST.split() if name in symbols]
    names = {**dict.fromkeys(first), **dict.fromkeys(sorted(_OTHER_NAMES)), **dict.fromkeys(sorted(symbols))}
    return [(name, glyph(name)) for name in names]
