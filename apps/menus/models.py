"""What services declare as menu items, what operators change of it, and who may have which path.

A row holds what its service said last. What operators change lies beside it, in `Overlay`, and no service ever touches
it. Rows are archived, not deleted: an item that comes back has its id and its overlays again. Trees are compiled from
rows in memory (`apps.menus.live`); nothing of a tree is stored.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core.tenancy.models import CompanyScoped

__all__ = ["Conflict", "Handover", "MenuItem", "MenuRevision", "Overlay"]

ALL, ANY = "all", "any"
GLOBAL, COMPANY, ROLE, USER = "global", "company", "role", "user"
SCOPES = (GLOBAL, COMPANY, ROLE, USER)
MENU, COMPONENT = "menu", "component"
KINDS = [(MENU, "menu item"), (COMPONENT, "component")]


class MenuItem(CompanyScoped):
    """One item as its service declares it. ``declared`` is what was sent, the columns what it means."""

    service_name = models.CharField("service", max_length=100)
    company_id = models.BigIntegerField("company", null=True, blank=True, help_text="Empty: for all companies.")
    key = models.CharField(max_length=200)
    declared_in = models.BigIntegerField(null=True, help_text="The company of the caller who declared it; null: none.")
    declared = models.JSONField(help_text="What was sent, without nulls and without service_name.")
    position = models.PositiveIntegerField(default=0, help_text="Where it stood in its manifest.")

    name = models.CharField(max_length=80)
    path = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  null: it has a url
    url = models.CharField(max_length=2000, null=True, blank=True)  # noqa: DJ001  null: it has a path
    route_key = models.CharField(max_length=200, null=True)  # noqa: DJ001  null: it has a url
    icon = models.CharField(max_length=60, blank=True)
    description = models.TextField(blank=True)
    parent_ref = models.CharField(max_length=200, null=True)  # noqa: DJ001  null: at the top
    parent_ref_kind = models.CharField(  # noqa: DJ001  null: at the top
        max_length=4, choices=[("id", "id"), ("name", "name")], null=True
    )
    parent = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, related_name="children")
    order_number = models.IntegerField(default=100)
    before = models.CharField(max_length=200, null=True)  # noqa: DJ001  null: not said
    after = models.CharField(max_length=200, null=True)  # noqa: DJ001  null: not said
    required_permissions = ArrayField(models.CharField(max_length=100), default=list)
    permission_mode = models.CharField(max_length=3, choices=[(ALL, "all of them"), (ANY, "any of them")], default=ALL)
    labels = models.JSONField(default=dict, help_text="Names by locale.")
    badge = models.JSONField(null=True)
    is_page = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    displaced = models.BooleanField(default=False, help_text="An operator handed its path to another service.")
    archived_at = models.DateTimeField(null=True, help_text="Taken back by its service; it returns with its overlays.")
    revision = models.BigIntegerField(default=0, help_text="Of its last change.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta(CompanyScoped.Meta):
        ordering = ["id"]
        verbose_name = "menu item"
        constraints = [
            models.UniqueConstraint(
                fields=["service_name", "company_id", "key"], name="menus_item_key", nulls_distinct=False
            ),
            models.UniqueConstraint(
                fields=["route_key", "company_id"],
                name="menus_item_route",
                condition=Q(archived_at=None, displaced=False, route_key__isnull=False),
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")), name="menus_item_not_its_own_parent"
            ),
            models.CheckConstraint(condition=Q(path__isnull=True) ^ Q(url__isnull=True), name="menus_item_path_or_url"),
        ]
        indexes = [
            models.Index(fields=["company_id", "name"], name="menus_item_name", condition=Q(archived_at=None)),
            models.Index(
                fields=["parent_ref"],
                name="menus_item_pending",
                condition=Q(archived_at=None, parent=None, parent_ref__isnull=False),
            ),
            models.Index(fields=["revision"], name="menus_item_revision"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def pending_parent(self) -> bool:
        """Whether it names a parent that is not there."""
        return self.parent_ref is not None and self.parent_id is None


class Overlay(CompanyScoped):
    """What operators changed of an item in one scope; ``base`` is what the service said when they did.

    ``values`` and ``base`` have the same keys, of: ``name, icon, parent_id`` (0: at the top)``, order_number`` (may be
    a fraction, so that an item fits between two)``, hidden, pinned``.
    """

    item = models.ForeignKey(MenuItem, on_delete=models.CASCADE, related_name="overlays")
    scope = models.CharField(max_length=7, choices=[(scope, scope) for scope in SCOPES])
    scope_id = models.BigIntegerField(help_text="0 for global, else the number of the company, role or user.")
    company_id = models.BigIntegerField(
        "company", null=True, blank=True, help_text="In which company it holds. Empty: in all."
    )
    values = models.JSONField()
    base = models.JSONField()
    reason = models.CharField(max_length=300, blank=True)
    actor = models.CharField(max_length=200)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta(CompanyScoped.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["item", "scope", "scope_id", "company_id"], name="menus_overlay_once", nulls_distinct=False
            ),
            models.CheckConstraint(condition=Q(scope__in=SCOPES), name="menus_overlay_scope"),
            models.CheckConstraint(
                condition=(Q(scope=GLOBAL) & Q(scope_id=0) & Q(company_id=None))
                | (Q(scope=COMPANY) & Q(scope_id=F("company_id")))
                | Q(scope__in=(ROLE, USER)),
                name="menus_overlay_company",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.scope_id}"


class Handover(CompanyScoped):
    """An operator's word on who has a path or a route, whatever the others declare."""

    kind = models.CharField(max_length=9, choices=KINDS)
    route_key = models.CharField(max_length=200)
    company_id = models.BigIntegerField("company", null=True, blank=True)
    service_name = models.CharField("service", max_length=100)
    actor = models.CharField(max_length=200)
    at = models.DateTimeField(db_default=Now())

    class Meta(CompanyScoped.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "route_key", "company_id"], name="menus_handover_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.route_key}: {self.service_name}"


class Conflict(CompanyScoped):
    """A service that wanted a path or a route which another one has, for operators to decide."""

    kind = models.CharField(max_length=9, choices=KINDS)
    route_key = models.CharField(max_length=200)
    path = models.CharField(max_length=200, help_text="As the claimant wrote it.")
    company_id = models.BigIntegerField("company", null=True, blank=True)
    owner = models.CharField(max_length=100)
    claimant = models.CharField(max_length=100)
    times = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField(db_default=Now())
    last_at = models.DateTimeField(db_default=Now())

    class Meta(CompanyScoped.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "route_key", "company_id", "claimant"], name="menus_conflict_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.path}: {self.claimant} wants what {self.owner} has"


class MenuRevision(models.Model):
    """When what belongs to a company (null: to everybody) last changed, as numbers of one row of changes."""

    company_id = models.BigIntegerField(null=True)
    value = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["company_id"], name="menus_revision_once", nulls_distinct=False)]
        indexes = [models.Index(fields=["value"], name="menus_revision_value")]

    def __str__(self) -> str:
        return str(self.value)
