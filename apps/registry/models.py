"""What the registry knows, with the rules that the database itself keeps.

`Instance` is wide and changes seldom; what changes with every poll and heartbeat lives in `Vitals`, so that the wide
rows are not rewritten all day. `CatalogRevision` is one row: its lock puts all changes of the registry in one order.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core.names import SERVICE_PATTERN
from apps.core.tenancy import Scope
from apps.core.tenancy.models import CompanyScoped
from xerpium_sdk.wire.registry import Status

MAX_WEIGHT = 10_000
MIN_LEASE_SECONDS, MAX_LEASE_SECONDS = 5, 3600
MIN_DEREGISTER_SECONDS, MAX_DEREGISTER_SECONDS = 60, 604_800

STATUS_CHOICES = [(status.value, status.value) for status in Status]
REPORTABLE = [Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY, Status.STARTING, Status.DRAINING]
REPORT_CHOICES = [(status.value, status.value) for status in REPORTABLE]
POLL_CHOICES = [(status.value, status.value) for status in (Status.HEALTHY, Status.DEGRADED, Status.UNHEALTHY)]


class Service(CompanyScoped):
    """A name that instances answer for. Its status follows from theirs and is never stored."""

    name = models.CharField(max_length=100, unique=True)
    company_id = models.IntegerField("company", null=True, blank=True, help_text="Empty: for all companies.")
    notes = models.TextField(blank=True, help_text="For operators; registration never touches it.")
    revision = models.BigIntegerField(default=0, help_text="Catalogue revision of the last change.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta(CompanyScoped.Meta):
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(name__regex=SERVICE_PATTERN), name="registry_service_name_well_formed"),
        ]
        indexes = [models.Index(fields=["company_id"], name="registry_service_company")]

    def __str__(self) -> str:
        return self.name


class Instance(CompanyScoped):
    """One running copy of a service. The row outlives it, so that what an operator decided is there when it returns."""

    company_path = "service__company_id"

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="instances")
    instance_id = models.CharField(max_length=200)
    version = models.CharField(max_length=100)
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(65535)])
    health_check_url = models.CharField(max_length=2048)
    api_base_url = models.CharField(max_length=2048)
    api_docs_url = models.CharField(max_length=2048, null=True, blank=True)  # noqa: DJ001  absent and "" differ on the wire
    tags = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    capabilities = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    dependencies = ArrayField(models.CharField(max_length=100), default=list, blank=True)
    weight = models.PositiveIntegerField(default=100)
    weight_override = models.PositiveIntegerField(null=True, blank=True, help_text="Set by an operator; wins.")
    zone = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001  absent and "" differ on the wire
    metadata = models.JSONField(default=dict, blank=True)
    lease_seconds = models.PositiveIntegerField(default=90)
    deregister_after_seconds = models.PositiveIntegerField(default=600)
    poll_interval_seconds = models.PositiveIntegerField(default=30)

    status = models.CharField(max_length=12, choices=STATUS_CHOICES)
    status_since = models.DateTimeField(db_default=Now())
    reported_status = models.CharField(max_length=12, choices=REPORT_CHOICES, null=True)  # noqa: DJ001  null: no report yet
    polled_status = models.CharField(max_length=12, choices=POLL_CHOICES, null=True)  # noqa: DJ001  null: never polled
    draining = models.BooleanField(default=False, help_text="Set by an operator; only resume lifts it.")
    registered_at = models.DateTimeField(db_default=Now())
    revision = models.BigIntegerField(default=0)

    class Meta(CompanyScoped.Meta):
        ordering = ["service_id", "instance_id"]
        constraints = [
            models.UniqueConstraint(fields=["service", "instance_id"], name="registry_instance_unique"),
            models.CheckConstraint(condition=Q(port__gte=1, port__lte=65535), name="registry_instance_port"),
            models.CheckConstraint(
                condition=Q(lease_seconds__gte=MIN_LEASE_SECONDS, lease_seconds__lte=MAX_LEASE_SECONDS),
                name="registry_instance_lease",
            ),
            models.CheckConstraint(
                condition=Q(
                    deregister_after_seconds__gte=MIN_DEREGISTER_SECONDS,
                    deregister_after_seconds__lte=MAX_DEREGISTER_SECONDS,
                ),
                name="registry_instance_deregister_after",
            ),
            models.CheckConstraint(
                condition=Q(weight__lte=MAX_WEIGHT)
                & (Q(weight_override__isnull=True) | Q(weight_override__lte=MAX_WEIGHT)),
                name="registry_instance_weight",
            ),
            models.CheckConstraint(condition=Q(poll_interval_seconds__gte=1), name="registry_instance_poll_interval"),
            models.CheckConstraint(condition=Q(status__in=[s.value for s in Status]), name="registry_instance_status"),
        ]
        indexes = [
            models.Index(fields=["revision"], name="registry_instance_revision"),
            models.Index(fields=["status", "status_since"], name="registry_instance_status_since"),
            GinIndex(fields=["tags"], name="registry_instance_tags"),
            GinIndex(fields=["capabilities"], name="registry_instance_caps"),
        ]

    def __str__(self) -> str:
        return self.instance_id

    @property
    def effective_weight(self) -> int:
        """The operator's weight where there is one, else what the service declared."""
        return self.weight if self.weight_override is None else self.weight_override


class Vitals(CompanyScoped):
    """What changes with every heartbeat and poll of an instance: the table from which due checks are picked."""

    company_path = "instance__service__company_id"

    instance = models.OneToOneField(Instance, on_delete=models.CASCADE, primary_key=True, related_name="vitals")
    last_seen_at = models.DateTimeField(db_default=Now())
    next_due_at = models.DateTimeField(null=True, help_text="Null: not polled (deregistered).")
    failures = models.PositiveIntegerField(default=0, help_text="Failed polls in a row.")
    successes = models.PositiveIntegerField(default=0, help_text="Good polls in a row.")
    checked_at = models.DateTimeField(null=True)
    ok = models.BooleanField(null=True)
    latency_ms = models.FloatField(null=True)
    status_code = models.PositiveIntegerField(null=True)
    reason = models.CharField(max_length=256, blank=True)

    class Meta(CompanyScoped.Meta):
        verbose_name_plural = "vitals"
        indexes = [
            models.Index(fields=["next_due_at"], name="registry_vitals_due", condition=Q(next_due_at__isnull=False))
        ]

    def __str__(self) -> str:
        return f"vitals of {self.instance_id}"


class HistoryEntry(CompanyScoped):
    """One change of a service or of one of its instances: when, what, why and by whom."""

    company_path = "service__company_id"

    REGISTERED, UPDATED, STATUS = "registered", "updated", "status_changed"
    DRAINED, RESUMED, DEREGISTERED, WEIGHED, NOTED = "drained", "resumed", "deregistered", "weight_changed", "noted"
    CHECKED = "checked"
    CHANGES = [
        (word, word.replace("_", " "))
        for word in (REGISTERED, UPDATED, STATUS, DRAINED, RESUMED, DEREGISTERED, WEIGHED, NOTED, CHECKED)
    ]

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="history")
    instance_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  null: the service as a whole
    at = models.DateTimeField(db_default=Now())
    change = models.CharField(max_length=16, choices=CHANGES)
    old_status = models.CharField(max_length=12, choices=STATUS_CHOICES, null=True)  # noqa: DJ001  null: none before
    new_status = models.CharField(max_length=12, choices=STATUS_CHOICES, null=True)  # noqa: DJ001  null: unchanged
    cause = models.TextField()
    actor = models.CharField(max_length=150)
    revision = models.BigIntegerField(default=0)

    class Meta(CompanyScoped.Meta):
        ordering = ["-id"]
        verbose_name_plural = "history"
        indexes = [
            models.Index(fields=["service", "-id"], name="registry_history_service"),
            models.Index(fields=["at"], name="registry_history_at"),
        ]

    def __str__(self) -> str:
        return f"{self.change}: {self.cause}"


class PollResult(CompanyScoped):
    """One answer to one health poll, kept for a day. Partitioned by day: yesterday's goes as a whole table."""

    pk = models.CompositePrimaryKey("instance_id", "at")
    instance_id = models.BigIntegerField()
    at = models.DateTimeField()
    ok = models.BooleanField()
    latency_ms = models.FloatField()
    status_code = models.PositiveIntegerField(null=True)

    class Meta(CompanyScoped.Meta):
        managed = False
        db_table = "registry_pollresult"

    def __str__(self) -> str:
        return f"{self.at}: {'ok' if self.ok else 'failed'}"

    @classmethod
    def q_readable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope`` may see: polls of instances that it sees."""
        return Q(instance_id__in=Instance.objects.values("pk"))

    @classmethod
    def q_writable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope`` may write."""
        return Q(instance_id__in=Instance.objects.writable().values("pk"))

    def company(self) -> int | None:
        """Return whose instance was polled.

        Raises:
            Instance.DoesNotExist: it is not in sight.
        """
        company_id: int | None = Instance.objects.values_list("service__company_id", flat=True).get(pk=self.instance_id)
        return company_id


class PollHour(CompanyScoped):
    """An hour of polls of one instance, rolled up from `PollResult`."""

    company_path = "instance__service__company_id"

    pk = models.CompositePrimaryKey("instance_id", "hour")
    instance = models.ForeignKey(Instance, on_delete=models.CASCADE, related_name="poll_hours")
    hour = models.DateTimeField()
    polls = models.PositiveIntegerField()
    failures = models.PositiveIntegerField()
    latency_avg_ms = models.FloatField()
    latency_p95_ms = models.FloatField()
    latency_max_ms = models.FloatField()

    class Meta(CompanyScoped.Meta):
        indexes = [models.Index(fields=["hour"], name="registry_pollhour_hour")]

    def __str__(self) -> str:
        return f"{self.hour}: {self.polls} polls"


class CatalogRevision(models.Model):
    """The one integer that every change of the registry raises, in the transaction that makes the change."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    value = models.BigIntegerField(default=0)
    epoch = models.UUIDField(
        db_default=RandomUUID(),
        help_text="Another one means that the database is another one, or went back: revisions cannot be compared.",
    )

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="registry_revision_single_row")]

    def __str__(self) -> str:
        return str(self.value)


class Leadership(models.Model):
    """Who polls and who sweeps. `token` grows with every change of holder: an overtaken holder's writes are refused."""

    duty = models.CharField(max_length=20, primary_key=True)
    holder = models.CharField(max_length=200)
    token = models.BigIntegerField(default=0)
    renewed_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gte=F("renewed_at")), name="registry_leadership_times")
        ]

    def __str__(self) -> str:
        return f"{self.duty}: {self.holder}"


class Protection(models.Model):
    """Whether the hub takes its own network for the fault, and since when. One row."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    since = models.DateTimeField(null=True, help_text="Null: off.")
    reason = models.TextField(blank=True)
    calm_since = models.DateTimeField(null=True)
    losses_accepted = models.BooleanField(default=False)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="registry_protection_single_row")]

    def __str__(self) -> str:
        return f"on: {self.reason}" if self.since else "off"
