"""``{% load registry %}``: links to services and instances in templates."""

import json
import re
from typing import Any

from django import template

from apps.core.secrecy import masked
from apps.registry import links
from apps.registry.chart import spell_ms
from apps.registry.models import HistoryEntry

register = template.Library()

register.filter("service_url", links.service_url)
register.filter("instance_url", links.instance_url)
register.simple_tag(links.services_url, name="services_url")
register.simple_tag(links.instances_url, name="instances_url")
register.filter("ms", spell_ms)

_ACTOR = re.compile(r"(?P<kind>operator|service):(?P<name>.+)")


@register.filter
def pretty_json(value: Any) -> str:
    """Return a value as indented JSON, with what looks like a secret hidden."""
    return json.dumps(masked(value), indent=2, ensure_ascii=False)


@register.filter
def actor(entry: HistoryEntry) -> str:
    """Return who made a change, as people say it: ``anna``, ``the service itself``, ``the hub``."""
    found = _ACTOR.fullmatch(entry.actor)
    if found is None:
        return "the hub" if entry.actor == "hub" else entry.actor
    own = found["kind"] == "service" and found["name"] == entry.service.name
    return "the service itself" if own else found["name"]
