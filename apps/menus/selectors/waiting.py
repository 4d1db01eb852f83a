"""What the console asks of menus: what waits for a decision or for a parent, and what is called like something."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Q, QuerySet, Value, When

from apps.menus.models import MenuItem
from apps.menus.selectors.decisions import conflicts, drifted

__all__ = ["Waiting", "items_found", "pending_items", "waiting_decisions"]

MOST_COUNTED = 1000
"""Nobody needs to know more exactly how many decisions wait, and every page of the console asks."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits for a decision: paths that two services want, and overlays that drifted."""

    conflicts: int
    drifted: int

    @property
    def total(self) -> int:
        """How many decisions that are."""
        return self.conflicts + self.drifted


def waiting_decisions() -> Waiting:
    """Return how many decisions wait, of what is in sight of the running code; at most `MOST_COUNTED` of each kind."""
    both = _some(conflicts(), "conflict").union(_some(drifted(), "drift"), all=True)
    found = Counter(both.values_list("kind_of_decision", flat=True))
    return Waiting(found["conflict"], found["drift"])


def pending_items(*, limit: int) -> list[MenuItem]:
    """Return items whose parent is not there, the latest first."""
    rows = MenuItem.objects.filter(parent_ref__isnull=False, parent=None, archived_at=None)
    return list(rows.order_by("-updated_at", "-pk")[:limit])


def items_found(text: str, *, limit: int) -> list[tuple[int, str, str]]:
    """Return number, name and service of items whose name or path holds ``text``, those that begin with it first."""
    rows = MenuItem.objects.filter(Q(name__icontains=text) | Q(path__icontains=text), archived_at=None)
    beginning = Case(When(name__istartswith=text, then=0), default=1)
    return list(rows.order_by(beginning, "name", "pk").values_list("pk", "name", "service_name")[:limit])


def _some(rows: "QuerySet[Any]", kind: str) -> "QuerySet[Any]":
    return rows.order_by().values(kind_of_decision=Value(kind))[:MOST_COUNTED]
