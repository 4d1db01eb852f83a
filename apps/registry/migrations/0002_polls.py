"""The partitioned table of raw polls with the function that makes a day's partition."""

from django.db import migrations

FORWARD = """
CREATE TABLE registry_pollresult (
    instance_id bigint NOT NULL,
    at timestamptz NOT NULL,
    ok boolean NOT NULL,
    latency_ms double precision NOT NULL,
    status_code integer,
    PRIMARY KEY (instance_id, at)
) PARTITION BY RANGE (at);

-- Where no day's partition exists (the roll-up did not run), results still have a place.
CREATE TABLE registry_pollresult_other PARTITION OF registry_pollresult DEFAULT;

CREATE FUNCTION registry_pollresult_partition(day date) RETURNS void LANGUAGE plpgsql AS $$
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

SELECT registry_pollresult_partition((now() AT TIME ZONE 'UTC')::date);
SELECT registry_pollresult_partition((now() AT TIME ZONE 'UTC')::date + 1);
"""

BACKWARD = """
DROP FUNCTION registry_pollresult_partition(date);
DROP TABLE registry_pollresult;
"""


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_registry")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
