"""A menu as most teams would write it first, and as they would write it when that is too slow. Peers, not parts."""

from collections.abc import Sequence
from typing import Any, ClassVar

import orjson
from django.http import HttpRequest, HttpResponse
from rest_framework import serializers

from benchmarks.plain.models import PlainMenuItem

FIELDS = ("id", "name", "path", "icon", "service_name")


class PlainMenuSerializer(serializers.ModelSerializer[PlainMenuItem]):
    """One item, with its children by itself again."""

    children = serializers.SerializerMethodField()

    class Meta:
        model = PlainMenuItem
        fields: ClassVar[list[str]] = [*FIELDS, "children"]

    def get_children(self, item: PlainMenuItem) -> Any:
        """Return what is below an item, if the viewer may see it."""
        below = PlainMenuItem._default_manager.filter(parent=item, is_active=True).order_by("order_number", "path")
        return PlainMenuSerializer(_seen(below, self.context["grants"]), many=True, context=self.context).data


def naive_tree(grants: Sequence[str]) -> bytes:
    """Return the tree by a serializer that calls itself, with a query for each item."""
    top = PlainMenuItem._default_manager.filter(parent=None, is_active=True).order_by("order_number", "path")
    return orjson.dumps(PlainMenuSerializer(_seen(top, grants), many=True, context={"grants": grants}).data)


def one_query_tree(grants: Sequence[str]) -> bytes:
    """Return the tree by one query, a dict and a fast JSON library."""
    rows = list(
        PlainMenuItem._default_manager.filter(is_active=True)
        .order_by("order_number", "path")
        .values(*FIELDS, "parent_id", "required_permissions")
    )
    given = frozenset(grants)
    nodes: dict[int, dict[str, Any]] = {}
    for row in rows:
        if "*" in given or given.issuperset(row["required_permissions"]):
            nodes[row["id"]] = {**{name: row[name] for name in FIELDS}, "children": []}
    found = []
    for row in rows:
        node = nodes.get(row["id"])
        if node is None:
            continue
        if row["parent_id"] is None:
            found.append(node)
        elif row["parent_id"] in nodes:
            nodes[row["parent_id"]]["children"].append(node)
    return orjson.dumps(found)


def menu(request: HttpRequest) -> HttpResponse:
    """Answer with the whole tree."""
    return HttpResponse(one_query_tree(("*",)), content_type="application/json")


def _seen(items: Any, grants: Sequence[str]) -> list[PlainMenuItem]:
    return [item for item in items if "*" in grants or set(item.required_permissions) <= set(grants)]
