"""What the tools of the hub store."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.core.tenancy import Scope
from apps.core.tenancy.models import CompanyScoped


class IdempotencyRecord(models.Model):
    """The first answer to a write that carried an ``Idempotency-Key``; kept for a day."""

    caller = models.CharField(max_length=300)
    route = models.CharField(max_length=500)
    key = models.CharField(max_length=255)
    fingerprint = models.BinaryField(max_length=32)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField()
    body = models.BinaryField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["caller", "route", "key"], name="core_idempotency_claim"),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


class AuditEntry(CompanyScoped):
    """Who did what to which object, when and from where. Rows are only ever added.

    ``before`` and ``after`` hold what changed, without secrets. The entry's place in the chain is its `AuditSeal`.
    """

    at = models.DateTimeField(db_default=Now(), db_index=True)
    actor_kind = models.CharField(max_length=20)
    actor = models.CharField(max_length=200)
    on_behalf_of = models.BigIntegerField(null=True, help_text="The person that a service acted for.")
    action = models.CharField(max_length=60, help_text="A verb of its app, such as key_issued.")
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=300)
    company_id = models.BigIntegerField(null=True, help_text="Whose object it is; empty: everybody's.")
    source = models.CharField(max_length=60, blank=True, help_text="The address that the request came from.")
    request_id = models.CharField(max_length=128, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta(CompanyScoped.Meta):
        ordering = ["-id"]
        verbose_name_plural = "audit"
        indexes = [
            models.Index(fields=["object_type", "object_id", "-id"], name="core_audit_object"),
            models.Index(fields=["actor", "-id"], name="core_audit_actor"),
            models.Index(fields=["company_id", "-id"], name="core_audit_company"),
            models.Index(fields=["action", "-id"], name="core_audit_action"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_type} {self.object_id}"

    @classmethod
    def q_readable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope`` may see: entries of its companies.

        An entry without a company may be about a thing of several: it is for those who act for all.
        """
        return Q(company_id__in=scope.companies)


class AuditSeal(models.Model):
    """A link of the audit's hash chain: an entry's hash over itself and the link before (docs/decisions/0021)."""

    id = models.BigIntegerField(primary_key=True, help_text="1, 2, 3, … without a gap.")
    entry_id = models.BigIntegerField(unique=True)
    previous = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return str(self.id)


class AuditPending(models.Model):
    """An entry that has no seal yet; a trigger writes it together with the entry (`apps.core.sealing`)."""

    entry_id = models.BigIntegerField(primary_key=True)

    def __str__(self) -> str:
        return str(self.entry_id)


class AuditCheck(models.Model):
    """How far the chain was recomputed and found intact; one row (`apps.core.verification`)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField(help_text="When the chain was last looked at.")
    position = models.BigIntegerField(default=0, help_text="The last seal of the round that is under way.")
    intact_until = models.BigIntegerField(default=0, help_text="The last seal of the last round that found no fault.")
    intact_hash = models.BinaryField(max_length=32, null=True, help_text="That seal's hash: the next round finds it.")
    intact_at = models.DateTimeField(null=True)
    fault = models.TextField(blank=True, help_text="What was found, until a whole round finds nothing.")
    fault_in_round = models.BooleanField(default=False)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="core_audit_one_check")]

    def __str__(self) -> str:
        return self.fault or f"intact until {self.intact_until}"
