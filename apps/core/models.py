"""What the tools of the hub store."""

from django.db import models
from django.db.models.functions import Now

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
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.object_type} {self.object_id}"


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
