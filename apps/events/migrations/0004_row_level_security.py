"""Row-level security on what the bus keeps; counts of types by company; each day of the journal closed by itself.

As in `apps.registry.migrations.0004_row_level_security`, with the same reasons.
"""

from django.db import migrations, models

from apps.core.tenancy.rls import ANYBODY, EVERYTHING, RowLevelSecurity, reads, writes

PARTITION = """
CREATE OR REPLACE FUNCTION events_journal_partition(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    partition text := events_journal_day(day);
    begins timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('events_journal_partition', 7));
    IF to_regclass(partition) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE events_journalentry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);{close}
    EXECUTE format('CREATE UNIQUE INDEX %I ON %I (event_id)', partition || '_once', partition);
    EXECUTE format('WITH moved AS (DELETE FROM events_journalentry_other'
                   ' WHERE recorded_at >= %L AND recorded_at < %L RETURNING *)'
                   ' INSERT INTO %I SELECT * FROM moved', begins, ends, partition);
    EXECUTE format('ALTER TABLE events_journalentry ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   partition, begins, ends);
END $$;

DO $$
DECLARE
    name regclass;
BEGIN
    EXECUTE format('ALTER FUNCTION events_journal_partition(date) SET search_path = %I, pg_temp', current_schema());
    FOR name IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'events_journalentry'::regclass LOOP
        EXECUTE format('ALTER TABLE %s {switch} ROW LEVEL SECURITY', name);
    END LOOP;
END $$;
"""
CLOSE = "\n    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', partition);"
CLOSED = PARTITION.replace("{close}", CLOSE).replace("{switch}", "ENABLE")
OPENED = PARTITION.replace("{close}", "").replace("{switch}", "DISABLE")

# What was counted so far is of all companies together.
RECOUNT = """
DELETE FROM events_eventtypehour;
INSERT INTO events_eventtypehour (event_type, company_id, hour, count, last_at)
SELECT event_type, company_id, date_trunc('hour', recorded_at, 'UTC'), count(*), max(recorded_at)
FROM events_journalentry WHERE event_type <> '' AND (company_id IS NOT NULL OR verdict <> 'undecodable')
GROUP BY 1, 2, 3;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0003_partitions_by_the_owner")]

    operations = [
        migrations.AlterModelOptions(
            name='deadletter',
            options={'base_manager_name': 'objects', 'default_manager_name': 'objects', 'permissions': [('decide_deadletter', 'Can replay and discard dead letters')], 'verbose_name': 'dead letter'},
        ),
        migrations.AlterModelOptions(
            name='eventtypedeclaration',
            options={'base_manager_name': 'objects', 'default_manager_name': 'objects', 'ordering': ['event_type'], 'verbose_name': 'event type'},
        ),
        migrations.AlterModelOptions(
            name='eventtypehour',
            options={'base_manager_name': 'objects', 'default_manager_name': 'objects'},
        ),
        migrations.AlterModelOptions(
            name='journalentry',
            options={'base_manager_name': 'objects', 'default_manager_name': 'objects', 'managed': False, 'verbose_name': 'event', 'verbose_name_plural': 'stream explorer'},
        ),
        migrations.AlterModelOptions(
            name='outboxentry',
            options={'base_manager_name': 'objects', 'default_manager_name': 'objects', 'verbose_name': 'outbox entry', 'verbose_name_plural': 'outbox'},
        ),
        migrations.RemoveConstraint(
            model_name='eventtypehour',
            name='event_type_hour',
        ),
        migrations.AddField(
            model_name='eventtypehour',
            name='company_id',
            field=models.BigIntegerField(null=True),
        ),
        migrations.RunSQL(RECOUNT, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name='eventtypehour',
            constraint=models.UniqueConstraint(fields=('event_type', 'hour', 'company_id'), name='event_type_hour', nulls_distinct=False),
        ),
        # Whoever changes something announces it; what waits there is of all companies.
        RowLevelSecurity("events_outboxentry", read=EVERYTHING, write=EVERYTHING, insert=ANYBODY),
        RowLevelSecurity(
            "events_journalentry", read=reads(shared="verdict <> 'undecodable'"), write=writes()
        ),
        RowLevelSecurity("events_deadletter", read=reads(shared="fields ->> 'company_id' = ''"), write=writes()),
        RowLevelSecurity("events_eventtypedeclaration", read=reads(), write=writes()),
        RowLevelSecurity("events_eventtypehour", read=reads(), write=writes()),
        migrations.RunSQL(CLOSED, OPENED),
    ]
