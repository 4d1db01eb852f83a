"""Days of raw polls are made and dropped by the owner of the tables, for a role that may neither make nor drop any.

As `apps.events.migrations.0003_partitions_by_the_owner`, with the same reasons.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION registry_pollresult_day(day date) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF day IS NULL OR day NOT BETWEEN '1970-01-01' AND '9999-12-30' THEN
        RAISE EXCEPTION 'not a day of polls: %', day USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN 'registry_pollresult_' || to_char(day, 'YYYYMMDD');
END $$;

CREATE OR REPLACE FUNCTION registry_pollresult_partition(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    partition text := registry_pollresult_day(day);
    begins timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('registry_pollresult_partition', 7));
    IF to_regclass(partition) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE registry_pollresult INCLUDING ALL)', partition);
    EXECUTE format('WITH moved AS (DELETE FROM registry_pollresult_other WHERE at >= %L AND at < %L RETURNING *)'
                   ' INSERT INTO %I SELECT * FROM moved', begins, ends, partition);
    EXECUTE format('ALTER TABLE registry_pollresult ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   partition, begins, ends);
END $$;

CREATE FUNCTION registry_pollresult_drop(day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    partition regclass := to_regclass(registry_pollresult_day(day));
BEGIN
    IF NOT EXISTS (SELECT FROM pg_inherits
                   WHERE inhrelid = partition AND inhparent = 'registry_pollresult'::regclass) THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %s', partition);
    RETURN true;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY
        ARRAY['registry_pollresult_day', 'registry_pollresult_partition', 'registry_pollresult_drop'] LOOP
        EXECUTE format('ALTER FUNCTION %I(date) SET search_path = %I, pg_temp', name, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %I(date) FROM PUBLIC', name);
    END LOOP;
END $$;
"""

BACKWARD = """
DROP FUNCTION registry_pollresult_drop(date);
CREATE OR REPLACE FUNCTION registry_pollresult_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    partition text := 'registry_pollresult_' || to_char(day, 'YYYYMMDD');
    begins timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('registry_pollresult_partition', 7));
    IF to_regclass(partition) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE registry_pollresult INCLUDING ALL)', partition);
    EXECUTE format('WITH moved AS (DELETE FROM registry_pollresult_other WHERE at >= %L AND at < %L RETURNING *)'
                   ' INSERT INTO %I SELECT * FROM moved', begins, ends, partition);
    EXECUTE format('ALTER TABLE registry_pollresult ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   partition, begins, ends);
END $$;
ALTER FUNCTION registry_pollresult_partition(date) RESET ALL;
GRANT EXECUTE ON FUNCTION registry_pollresult_partition(date) TO PUBLIC;
DROP FUNCTION registry_pollresult_day(date);
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0002_polls")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
