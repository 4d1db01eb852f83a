import django.contrib.postgres.functions
from django.db import migrations, models

# Nearly every row is dead within a second. The defaults, which wait for a fifth of the table, would let the index that
# the relay reads all day fill with dead entries.
VACUUM_OFTEN = """
ALTER TABLE events_outboxentry SET (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000
)
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="OutboxEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("stream", models.TextField()),
                (
                    "entry_id",
                    models.TextField(help_text="The id that the entry must have; without one Redis chooses.", null=True),
                ),
                ("fields", models.JSONField(help_text="Text by field name.")),
                ("created_at", models.DateTimeField(db_default=django.contrib.postgres.functions.TransactionNow())),
                (
                    "relayed_as",
                    models.TextField(editable=False, help_text="The id under which Redis took it.", null=True),
                ),
                ("relayed_at", models.DateTimeField(editable=False, null=True)),
                ("parked_at", models.DateTimeField(editable=False, null=True)),
                (
                    "error",
                    models.TextField(blank=True, db_default="", editable=False, help_text="Why it is parked."),
                ),
            ],
            options={
                "verbose_name": "outbox entry",
                "verbose_name_plural": "outbox",
                "indexes": [
                    models.Index(
                        condition=models.Q(("parked_at", None), ("relayed_as", None)),
                        fields=["id"],
                        name="outbox_pending",
                    ),
                    models.Index(
                        condition=models.Q(("parked_at__isnull", False)), fields=["id"], name="outbox_parked"
                    ),
                ],
            },
        ),
        migrations.RunSQL(VACUUM_OFTEN, migrations.RunSQL.noop),
    ]
