"""``{% load access %}``: words and badges of accounts and keys in templates."""

from django import template

from apps.core import look
from apps.serviceauth.standing import maker
from apps.serviceauth.troubles import REFUSED

register = template.Library()

register.simple_tag(look.draw_badge, name="drawn_badge")
register.filter("maker", maker)


@register.filter
def refusal(reason: str) -> str:
    """Return why a key was refused, after "it": ``has ended``."""
    return f"it {REFUSED.get(reason, 'is not good')}"
