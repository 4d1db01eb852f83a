"""``{% load events %}``: links of the bus in templates, and JSON that people can read."""

import json
from collections.abc import Iterable
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.core.look import draw_badge, draw_icon
from apps.core.secrecy import masked
from apps.core.times import spell
from apps.events import links, wording
from apps.events.charts import spell_seconds

register = template.Library()

register.filter("group_url", links.group_url)
register.filter("type_url", links.type_url)
register.filter("event_url", links.event_url)
register.filter("dead_letter_url", links.dead_letter_url)
register.filter("service_page", links.service_url)
register.simple_tag(links.journal_url, name="journal_url")
register.simple_tag(links.dead_letters_url, name="dead_letters_url")
register.simple_tag(draw_badge, name="draw_badge")
register.simple_tag(draw_icon, name="draw_icon")
register.filter("stream_word", wording.stream_word)
register.filter("who", wording.who)
register.filter("last_line", wording.last_line)
register.filter("duration", spell_seconds)

MOST_NODES = 2000
"""A document with more values than this is shown as text: a browser would labour over so many elements."""
MOST_LEVELS = 40
OPEN_LEVELS = 2
MOST_TEXT = 200_000


@register.filter
def pretty(value: Any) -> str:
    """Return a value, or a JSON text, as indented JSON with what looks like a secret hidden; other text as it is."""
    try:
        parsed = _parsed(value)
        shown = parsed if isinstance(parsed, str) else json.dumps(masked(parsed), indent=2, ensure_ascii=False)
    except RecursionError:
        shown = "It is nested too deeply to be shown: part of it could be a secret."
    return (
        shown if len(shown) <= MOST_TEXT else f"{shown[:MOST_TEXT]}\n… and {len(shown) - MOST_TEXT:,} characters more"
    )


@register.filter
def json_tree(value: Any) -> SafeString:
    """Return a value, or a JSON text, as a tree that opens and closes, with what looks like a secret hidden."""
    try:
        shown = masked(_parsed(value))
        if isinstance(shown, dict | list) and _fits(shown):
            return format_html('<div class="hub-code hub-tree" tabindex="0">{}</div>', _branch("", shown, 0))
    except RecursionError:
        pass
    return format_html('<pre class="hub-code" tabindex="0">{}</pre>', pretty(value))


@register.filter
def reason_word(letter: Any) -> str:
    """Return in a few words why a dead letter was given up."""
    return wording.reason_of(letter.reason, attempts=letter.attempts).word


@register.filter
def state_badge(state: str) -> SafeString:
    """Return the badge of a dead letter's state."""
    return draw_badge(wording.STATES[state])


@register.filter
def compact(number: float) -> str:
    """Return a number in little room: ``950``, ``12k``, ``1.5M``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            told = number / size
            return f"{told:.0f}{unit}" if told >= 10 or told == int(told) else f"{told:.1f}{unit}"
    return f"{number:g}"


@register.filter
def size(count: int) -> str:
    """Return a number of bytes as people say it: ``512 B``, ``1.5 MB``."""
    number = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1024 or unit == "GB":
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1024
    raise AssertionError


@register.filter
def plain_json(value: Any) -> str:
    """Return a document that holds no secrets, a schema or an example, as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)


@register.filter
def milliseconds(seconds: float) -> str:
    """Return how long something took: ``0.8 ms``, ``12 ms``, ``1.4 s``."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    told = seconds * 1000
    return f"{told:.0f} ms" if told >= 10 else f"{told:.1f} ms"


@register.filter
def between(later: Any, earlier: Any) -> str:
    """Return the time between two moments."""
    return spell(later - earlier)


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _fits(value: Any) -> bool:
    """Whether a document is small and flat enough to be shown as a tree."""
    count, level = 0, [value]
    for _ in range(MOST_LEVELS):
        count += len(level)
        if not level or count > MOST_NODES:
            break
        level = [part for one in level for part in _parts(one)]
    return not level


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _branch(name: str, value: Any, level: int) -> SafeString:
    label = format_html('<span class="hub-json-name">{}</span>: ', name) if name else ""
    if isinstance(value, dict | list) and value:
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        inner = format_html_join("", "<li>{}</li>", ((_branch(str(key), part, level + 1),) for key, part in parts))
        count = f"{{{len(value)}}}" if isinstance(value, dict) else f"[{len(value)}]"
        told = '<summary>{}<span class="hub-quiet">{}</span></summary><ul>{}</ul></details>'
        return format_html(f"<details{' open' if level < OPEN_LEVELS else ''}>{told}", label, count, inner)
    kind = "text" if isinstance(value, str) else "none" if value in (None, {}, []) else "plain"
    text = json.dumps(value, ensure_ascii=False)
    return format_html('{}<span class="hub-json-{}">{}</span>', label, kind, text)
