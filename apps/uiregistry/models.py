"""What services declare as pages, forms and widgets, how operators arrange widgets, and every state of a manifest.

As with menu items, rows hold what their service said last, are archived instead of deleted, and keep their ids.
"""

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core.tenancy.models import CompanyScoped

__all__ = ["Component", "Dashboard", "Layout", "Manifest", "ManifestRevision", "Widget"]

COMPONENT_TYPES = ("page", "widget", "modal", "form")
WIDGET_TYPES = ("chart", "metric", "table", "custom")
SIZES = ("small", "medium", "large")
SCOPES = ("global", "company", "role", "user")


class Declared(CompanyScoped):
    """What pages, forms and widgets have in common."""

    service_name = models.CharField("service", max_length=100)
    company_id = models.BigIntegerField("company", null=True, blank=True, help_text="Empty: for all companies.")
    name = models.CharField(max_length=100)
    declared_in = models.BigIntegerField(null=True, help_text="The company of the caller who declared it; null: none.")
    declared = models.JSONField(help_text="What was sent, without nulls and without service_name.")
    position = models.PositiveIntegerField(default=0, help_text="Where it stood in its manifest.")
    api_endpoint = models.CharField(max_length=500)
    permissions = ArrayField(models.CharField(max_length=100), default=list)
    is_active = models.BooleanField(default=True)
    archived_at = models.DateTimeField(null=True, help_text="Taken back by its service.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta(CompanyScoped.Meta):
        abstract = True

    def __str__(self) -> str:
        return self.name


class Component(Declared):
    """A page, form, modal or widget that a service shows at a route."""

    component_type = models.CharField("type", max_length=6, choices=[(kind, kind) for kind in COMPONENT_TYPES])
    route_path = models.CharField(max_length=200)
    route_key = models.CharField(max_length=200)
    props = models.JSONField(default=dict)
    metadata = models.JSONField(default=dict)
    displaced = models.BooleanField(default=False, help_text="An operator handed its route to another service.")

    class Meta(Declared.Meta):
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["service_name", "company_id", "name"], name="uiregistry_component_name", nulls_distinct=False
            ),
            models.UniqueConstraint(
                fields=["route_key", "company_id"],
                name="uiregistry_component_route",
                condition=Q(archived_at=None, displaced=False),
                nulls_distinct=False,
            ),
        ]


class Widget(Declared):
    """A chart, number, table or module of a service's own for dashboards."""

    widget_type = models.CharField("type", max_length=6, choices=[(kind, kind) for kind in WIDGET_TYPES])
    refresh_interval = models.PositiveIntegerField(default=30, help_text="Seconds; 0: by hand.")
    size = models.CharField(max_length=6, choices=[(size, size) for size in SIZES], default="medium")
    config = models.JSONField(default=dict)

    class Meta(Declared.Meta):
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["service_name", "company_id", "name"], name="uiregistry_widget_name", nulls_distinct=False
            )
        ]


class Dashboard(CompanyScoped):
    """A page of widgets. Its layouts say where they stand."""

    slug = models.SlugField(max_length=60)
    title = models.CharField(max_length=80)
    company_id = models.BigIntegerField("company", null=True, blank=True, help_text="Empty: for all companies.")
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    class Meta(CompanyScoped.Meta):
        ordering = ["slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["slug", "company_id"], name="uiregistry_dashboard_slug", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.title


class Layout(CompanyScoped):
    """Where the widgets of a dashboard stand in one scope; the most specific one counts, as a whole.

    ``placements`` is a list of ``{"widget_id", "x", "y", "w", "h"}`` on a grid of twelve columns.
    """

    dashboard = models.ForeignKey(Dashboard, on_delete=models.CASCADE, related_name="layouts")
    scope = models.CharField(max_length=7, choices=[(scope, scope) for scope in SCOPES])
    scope_id = models.BigIntegerField(help_text="0 for global, else the number of the company, role or user.")
    company_id = models.BigIntegerField("company", null=True, blank=True)
    placements = models.JSONField(default=list)
    actor = models.CharField(max_length=200)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta(CompanyScoped.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["dashboard", "scope", "scope_id", "company_id"],
                name="uiregistry_layout_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=(Q(scope="global") & Q(scope_id=0) & Q(company_id=None))
                | (Q(scope="company") & Q(scope_id=F("company_id")))
                | Q(scope__in=("role", "user")),
                name="uiregistry_layout_company",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.scope_id}"


class Manifest(CompanyScoped):
    """All that a service declared in one scope: for everybody (``company_id`` null) or from within a company."""

    service_name = models.CharField("service", max_length=100)
    company_id = models.BigIntegerField("company", null=True, blank=True)
    version = models.CharField(max_length=100, default="0.0.0")
    generation = models.BigIntegerField(null=True, help_text="Empty: no manifest was put, or it was taken back.")
    number = models.PositiveIntegerField(default=0, help_text="Of the last revision.")
    touched_by = models.CharField(
        max_length=200,
        blank=True,
        help_text="Who changed single items since the last revision; empty: nobody.",
    )
    updated_at = models.DateTimeField(db_default=Now())

    class Meta(CompanyScoped.Meta):
        ordering = ["service_name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["service_name", "company_id"], name="uiregistry_manifest_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return self.service_name


class ManifestRevision(CompanyScoped):
    """One state that a service's declarations were in. ``body`` is what PUT takes; null: everything was taken back."""

    company_path = "manifest__company_id"

    manifest = models.ForeignKey(Manifest, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of the canonical body.")
    body = models.JSONField(null=True, encoder=DjangoJSONEncoder)
    cause = models.CharField(max_length=60, help_text="put, items, restored from N, removed, applied")
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())

    class Meta(CompanyScoped.Meta):
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["manifest", "number"], name="uiregistry_manifest_revision_once")]

    def __str__(self) -> str:
        return f"{self.number}: {self.cause}"
