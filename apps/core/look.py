"""Pieces of HTML that every page of the console shares: badges, times, identifiers."""

from datetime import UTC, datetime

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.core.badges import Badge, badge_of
from apps.core.times import ago

__all__ = ["ago_html", "badge_html", "draw_badge", "draw_icon", "exactly", "icon_html", "identifier_html"]


def icon_html(status: str) -> SafeString:
    """Return the sign of a status, without its word: for places that say the word beside it."""
    return draw_icon(badge_of(status))


def badge_html(status: str, count: int | None = None, word: str = "") -> SafeString:
    """Return the badge of a status: colour, icon and word.

    With ``count`` in front of the word where there are many, and with another ``word`` for what only looks like it.
    """
    badge = badge_of(status)
    return draw_badge(badge, word or (badge.word if count is None else f"{count:,} {badge.word}"))


def draw_icon(badge: Badge) -> SafeString:
    """Return the sign of a badge in its colour."""
    return format_html(
        '<svg class="hub-icon hub-tone-{}" viewBox="0 0 16 16" aria-hidden="true"><path d="{}"/></svg>',
        badge.tone,
        badge.icon,
    )


def draw_badge(badge: Badge, word: str = "") -> SafeString:
    """Return any badge, with another ``word`` than its own if one is given; its meaning stands in the title."""
    return format_html(
        '<span class="hub-badge hub-tone-{}" title="{}">'
        '<svg class="hub-icon" viewBox="0 0 16 16" aria-hidden="true"><path d="{}"/></svg>{}</span>',
        badge.tone,
        badge.meaning,
        badge.icon,
        word or badge.word,
    )


def exactly(moment: datetime) -> str:
    """Return a time as an operator may compare it with a log: ``2026-11-22 21:00:12 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago_html(moment: datetime | None, now: datetime) -> SafeString:
    """Return how long ago ``moment`` was; the script keeps it ticking and adds the local time to the title."""
    if moment is None:
        return format_html('<span class="hub-quiet">{}</span>', ago(None, now))
    return format_html(
        '<time class="hub-ago" datetime="{}" title="{}">{}</time>',
        moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        exactly(moment),
        ago(moment, now),
    )


def identifier_html(text: str) -> SafeString:
    """Return an identifier in a monospaced face that is copied by a click on it."""
    return format_html('<button type="button" class="hub-id" data-copy title="Copy {0}">{0}</button>', text)
