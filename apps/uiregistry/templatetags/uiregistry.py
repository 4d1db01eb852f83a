"""What the templates of the UI registry need: addresses, icons, colours, and words for counts."""

import json
from typing import Any

from django import template

from apps.core.badges import Badge
from apps.core.look import draw_badge as draw_badge_html
from apps.menus.icons import glyph as glyph_of
from apps.uiregistry import links

register = template.Library()

_TONES = {
    "green": "green", "success": "green", "teal": "green", "orange": "amber", "yellow": "amber", "amber": "amber",
    "warning": "amber", "red": "red", "danger": "red", "error": "red", "blue": "blue", "info": "blue",
    "primary": "blue", "cyan": "blue", "violet": "violet", "purple": "violet", "indigo": "violet", "grey": "grey",
    "gray": "grey",
}  # fmt: skip


@register.simple_tag
def ui_badge(badge: Badge, word: str = "") -> str:
    """Return a badge, with another ``word`` than its own if one is given."""
    return draw_badge_html(badge, word)


@register.filter
def component_page(pk: int) -> str:
    """Return the address of the page of a component."""
    return links.component_url(pk)


@register.filter
def widget_page(pk: int) -> str:
    """Return the address of the page of a widget."""
    return links.widget_url(pk)


@register.filter
def dashboard_page(pk: int) -> str:
    """Return the address of the page of a dashboard."""
    return links.dashboard_url(pk)


@register.filter
def manifest_page(pk: int) -> str:
    """Return the address of the page of a manifest."""
    return links.manifest_url(pk)


@register.filter
def service_found(name: str) -> str:
    """Return the address of what the registry knows of a service."""
    return links.service_url(name)


@register.filter
def glyph(name: str) -> str:
    """Return the sign that stands for an icon's name; of a name that nobody knows the usual one."""
    return glyph_of(name)


@register.filter
def tone_named(colour: str) -> str:
    """Return the hub's tone for a colour that a service names; empty for one that it has none for."""
    return _TONES.get(str(colour).lower(), "")


@register.filter
def indented(value: Any) -> str:
    """Return a value as JSON that people read."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


@register.filter
def share(value: float, whole: float) -> str:
    """Return ``value`` of ``whole`` in percent, for a width or a place."""
    return f"{100 * value / whole:.2f}%"


@register.filter
def nth(values: Any, place: int) -> Any:
    """Return what stands at a place."""
    return values[place]
