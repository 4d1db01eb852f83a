"""What the tools of the hub store."""

from django.db import models


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
