"""``{% load hub %}``: badges, times and numbers in templates."""

from datetime import datetime

from django import template
from django.conf import settings
from django.db.models import Model
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from apps.core import look, times
from apps.core.badges import badge_of

register = template.Library()

register.simple_tag(look.badge_html, name="badge")
register.simple_tag(look.icon_html, name="status_icon")
register.simple_tag(look.identifier_html, name="identifier")


@register.simple_tag(name="ago")
def ago_tag(moment: datetime | None) -> SafeString:
    """Return ``12 s ago`` with the exact time on hover."""
    return look.ago_html(moment, timezone.now())


@register.simple_tag
def hub_address() -> str:
    """Return where this hub is reached, for commands that people copy."""
    return str(settings.HUB_PUBLIC_URL)


@register.filter
def grouped(number: float) -> str:
    """Return a number with its thousands grouped: ``10,000``."""
    return f"{number:,}"


@register.filter
def spelled(moment: datetime) -> str:
    """Return how long it has been since ``moment``: ``3 h``."""
    return times.spell(timezone.now() - moment)


@register.filter
def headed(title: object) -> str:
    """Return a part of a page's title: words with a capital letter, names of things as they are."""
    return str(title) if isinstance(title, Model) else capfirst(str(title))


@register.filter
def plus(number: float, more: float) -> float:
    """Return a sum, for places in a drawing."""
    return number + more


@register.filter
def tone(status: str) -> str:
    """Return the name of a status's colour."""
    return badge_of(status).tone


@register.filter
def icon_path(status: str) -> str:
    """Return the path of a status's sign, in a box of 16 by 16."""
    return badge_of(status).icon


@register.filter
def some(count: int, noun: str) -> str:
    """Return a count with its noun: ``1 instance``, ``2 instances``.

    ``noun`` names both forms as ``"one/many"`` where the second is not made by an ``s``.
    """
    one, _, many = noun.partition("/")
    return f"{count:,} {one if count == 1 else many or one + 's'}"
