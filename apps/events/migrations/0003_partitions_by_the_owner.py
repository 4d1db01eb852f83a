"""Days of the journal are made and dropped by the owner of the tables, for a role that may neither make nor drop any.

Both functions take a date and build the name themselves; their search path is fixed, with temporary objects last, so
that nobody can put another table in its place. They move rows between partitions of one table, and return none.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION events_journal_day(day date) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF day IS NULL OR day NOT BETWEEN '1970-01-01' AND '9999-12-30' THEN
        RAISE EXCEPTION 'not a day of the journal: %', day USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN 'events_journalentry_' || to_char(day, 'YYYYMMDD');
END $$;

CREATE OR REPLACE FUNCTION events_journal_partition(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    partition text := events_journal_day(day);
    begins timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('events_journal_partition', 7));
    IF to_regclass(partition) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE events_journalentry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
    EXECUTE format('CREATE UNIQUE INDEX %I ON %I (event_id)', partition || '_once', partition);
    EXECUTE format('WITH moved AS (DELETE FROM events_journalentry_other'
                   ' WHERE recorded_at >= %L AND recorded_at < %L RETURNING *)'
                   ' INSERT INTO %I SELECT * FROM moved', begins, ends, partition);
    EXECUTE format('ALTER TABLE events_journalentry ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   partition, begins, ends);
END $$;

CREATE FUNCTION events_journal_drop(day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    partition regclass := to_regclass(events_journal_day(day));
BEGIN
    IF NOT EXISTS (SELECT FROM pg_inherits
                   WHERE inhrelid = partition AND inhparent = 'events_journalentry'::regclass) THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %s', partition);
    RETURN true;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['events_journal_day', 'events_journal_partition', 'events_journal_drop'] LOOP
        EXECUTE format('ALTER FUNCTION %I(date) SET search_path = %I, pg_temp', name, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %I(date) FROM PUBLIC', name);
    END LOOP;
END $$;
"""

BACKWARD = """
DROP FUNCTION events_journal_drop(date);
CREATE OR REPLACE FUNCTION events_journal_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    partition text := 'events_journalentry_' || to_char(day, 'YYYYMMDD');
    begins timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('events_journal_partition', 7));
    IF to_regclass(partition) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE events_journalentry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
    EXECUTE format('CREATE UNIQUE INDEX %I ON %I (event_id)', partition || '_once', partition);
    EXECUTE format('WITH moved AS (DELETE FROM events_journalentry_other'
                   ' WHERE recorded_at >= %L AND recorded_at < %L RETURNING *)'
                   ' INSERT INTO %I SELECT * FROM moved', begins, ends, partition);
    EXECUTE format('ALTER TABLE events_journalentry ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   partition, begins, ends);
END $$;
ALTER FUNCTION events_journal_partition(date) RESET ALL;
GRANT EXECUTE ON FUNCTION events_journal_partition(date) TO PUBLIC;
DROP FUNCTION events_journal_day(date);
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0002_journal_and_dead_letters")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
