"""What the registry's routes answer: the shapes for the OpenAPI document, and the functions that make them."""

from collections.abc import Sequence
from typing import Any

import orjson
from rest_framework import serializers

from apps.registry import documents, models
from apps.registry.catalog import Rendered
from apps.registry.documents import Row
from apps.registry.graph import Graph
from apps.registry.models import HistoryEntry


class DeclaredOut(serializers.Serializer[Any]):
    """What a service declares of an instance."""

    instance_id = serializers.CharField()
    version = serializers.CharField()
    host = serializers.CharField()
    port = serializers.IntegerField()
    health_check_url = serializers.CharField()
    api_base_url = serializers.CharField()
    api_docs_url = serializers.CharField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())
    capabilities = serializers.ListField(child=serializers.CharField())
    dependencies = serializers.ListField(child=serializers.CharField())
    weight = serializers.IntegerField()
    zone = serializers.CharField(allow_null=True)
    metadata = serializers.DictField()
    lease_seconds = serializers.IntegerField()
    deregister_after_seconds = serializers.IntegerField()
    poll_interval_seconds = serializers.IntegerField()


class InstanceOut(DeclaredOut):
    """One instance of a service."""

    status = serializers.ChoiceField(choices=models.STATUS_CHOICES)
    status_since = serializers.DateTimeField()
    reported_status = serializers.ChoiceField(choices=models.REPORT_CHOICES, allow_null=True)
    polled_status = serializers.ChoiceField(choices=models.POLL_CHOICES, allow_null=True)
    draining = serializers.BooleanField()
    registered_at = serializers.DateTimeField()
    last_seen = serializers.DateTimeField()
    revision = serializers.IntegerField()


class ServiceOut(DeclaredOut):
    """A service: the fields of its preferred instance, and all of its instances, best first."""

    name = serializers.CharField()
    company_id = serializers.IntegerField(allow_null=True)
    status = serializers.ChoiceField(choices=models.STATUS_CHOICES)
    impaired = serializers.ListField(child=serializers.CharField())
    revision = serializers.IntegerField()
    instances = InstanceOut(many=True)


class ServicePage(serializers.Serializer[Any]):
    """A page of services."""

    results = ServiceOut(many=True)
    next = serializers.CharField(allow_null=True)


class ReportOut(serializers.Serializer[Any]):
    """The answer to a report: how the instance stands now, and for how long it may be silent."""

    status = serializers.ChoiceField(choices=models.STATUS_CHOICES)
    lease_seconds = serializers.IntegerField()
    revision = serializers.IntegerField()


class HistoryEntryOut(serializers.Serializer[Any]):
    """One change of a service or of one of its instances."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    change = serializers.ChoiceField(choices=HistoryEntry.CHANGES)
    instance_id = serializers.CharField(allow_null=True)
    old_status = serializers.ChoiceField(choices=models.STATUS_CHOICES, allow_null=True)
    new_status = serializers.ChoiceField(choices=models.STATUS_CHOICES, allow_null=True)
    cause = serializers.CharField()
    actor = serializers.CharField()
    revision = serializers.IntegerField()


class HistoryPage(serializers.Serializer[Any]):
    """A page of a service's history."""

    results = HistoryEntryOut(many=True)
    next = serializers.CharField(allow_null=True)


class NodeOut(serializers.Serializer[Any]):
    """A service in the dependency graph; `impact` names who suffers when it is down."""

    name = serializers.CharField()
    status = serializers.ChoiceField(choices=models.STATUS_CHOICES)
    dependencies = serializers.ListField(child=serializers.CharField())
    dependents = serializers.ListField(child=serializers.CharField())
    impact = serializers.ListField(child=serializers.CharField())


class EdgeOut(serializers.Serializer[Any]):
    """`source` depends on `target`."""

    source = serializers.CharField()  # type: ignore[assignment]  # a field's own argument has the same name
    target = serializers.CharField()


class GraphOut(serializers.Serializer[Any]):
    """Who depends on whom. Each cycle is a path that returns to where it began."""

    nodes = NodeOut(many=True)
    edges = EdgeOut(many=True)
    missing = serializers.ListField(child=serializers.CharField())
    cycles = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))


INSTANCE_FIELDS = tuple(InstanceOut().fields)
HISTORY_FIELDS = tuple(HistoryEntryOut().fields)
NODE_FIELDS = tuple(NodeOut().fields)


def instance(row: Row) -> dict[str, Any]:
    """Return the document of an instance as the wire shows it."""
    shown = documents.document(row)
    return {name: shown[name] for name in INSTANCE_FIELDS}


def page_of_records(records: Sequence[Rendered], following: str | None) -> dict[str, Any]:
    """Return a page made of records that are rendered already."""
    return {"results": [orjson.Fragment(record.body) for record in records], "next": following}


def history_entry(entry: HistoryEntry) -> dict[str, Any]:
    """Return a history entry as the wire shows it."""
    return {name: getattr(entry, name) for name in HISTORY_FIELDS}


def graph(found: Graph) -> dict[str, Any]:
    """Return the dependency graph as the wire shows it."""
    return {
        "nodes": [{name: getattr(node, name) for name in NODE_FIELDS} for node in found.nodes],
        "edges": [{"source": source, "target": target} for source, target in found.edges],
        "missing": found.missing,
        "cycles": found.cycles,
    }
