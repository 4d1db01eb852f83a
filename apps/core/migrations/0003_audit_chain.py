"""The audit is only added to, and every entry waits for its seal from the moment that it is written."""

from django.db import migrations, models

REFUSE = """
CREATE FUNCTION core_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit is only added to: % of % is refused.', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER core_audit_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON core_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION core_audit_refuse();
CREATE TRIGGER core_audit_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON core_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION core_audit_refuse();
"""
ALLOW = """
DROP TRIGGER core_audit_refuse ON core_auditseal;
DROP TRIGGER core_audit_refuse ON core_auditentry;
DROP FUNCTION core_audit_refuse();
"""
QUEUE = """
CREATE FUNCTION core_audit_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO core_auditpending (entry_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER core_audit_queue AFTER INSERT ON core_auditentry
    FOR EACH ROW EXECUTE FUNCTION core_audit_queue();
INSERT INTO core_auditpending (entry_id) SELECT id FROM core_auditentry;
"""
UNQUEUE = """
DROP TRIGGER core_audit_queue ON core_auditentry;
DROP FUNCTION core_audit_queue();
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0002_audit")]

    operations = [
        migrations.CreateModel(
            name="AuditPending",
            fields=[("entry_id", models.BigIntegerField(primary_key=True, serialize=False))],
        ),
        migrations.CreateModel(
            name="AuditCheck",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("at", models.DateTimeField(help_text="When the chain was last looked at.")),
                (
                    "position",
                    models.BigIntegerField(default=0, help_text="The last seal of the round that is under way."),
                ),
                (
                    "intact_until",
                    models.BigIntegerField(default=0, help_text="The last seal of the last round that found no fault."),
                ),
                (
                    "intact_hash",
                    models.BinaryField(
                        help_text="That seal's hash: the next round finds it.", max_length=32, null=True
                    ),
                ),
                ("intact_at", models.DateTimeField(null=True)),
                (
                    "fault",
                    models.TextField(blank=True, help_text="What was found, until a whole round finds nothing."),
                ),
                ("fault_in_round", models.BooleanField(default=False)),
            ],
            options={
                "constraints": [models.CheckConstraint(condition=models.Q(("id", 1)), name="core_audit_one_check")],
            },
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["action", "-id"], name="core_audit_action"),
        ),
        migrations.RunSQL(REFUSE, ALLOW),
        migrations.RunSQL(QUEUE, UNQUEUE),
    ]
