"""Row-level security on what the registry knows, and on each day of polls against whoever asks for it by its name."""

from django.db import migrations

from apps.core.tenancy.rls import EVERYTHING, RowLevelSecurity, reads, writes



def of_service(table: str) -> RowLevelSecurity:
    """Return what protects rows of services: a subquery sees the services that its policies let through."""
    same = f"SELECT FROM registry_service s WHERE s.id = {table}.service_id"
    return RowLevelSecurity(
        table,
        read=f"{EVERYTHING} OR EXISTS ({same})",
        write=f"{EVERYTHING} OR EXISTS ({same} AND ({writes('s.company_id')}))",
    )


def of_instance(table: str) -> RowLevelSecurity:
    """Return what protects rows of instances."""
    same = f"FROM registry_instance i JOIN registry_service s ON s.id = i.service_id WHERE i.id = {table}.instance_id"
    return RowLevelSecurity(
        table,
        read=f"{EVERYTHING} OR EXISTS (SELECT FROM registry_instance i WHERE i.id = {table}.instance_id)",
        write=f"{EVERYTHING} OR EXISTS (SELECT {same} AND ({writes('s.company_id')}))",
    )


# Vitals are written by the statement that writes their instance, which a subquery of that statement does not see yet:
# a volatile function does. As its caller, so it sees no more than the statement may.
SEEN_BY_FUNCTION = f"{EVERYTHING} OR registry_instance_is_seen(instance_id)"
OWN_BY_FUNCTION = f"{EVERYTHING} OR registry_instance_is_own(instance_id)"

FUNCTIONS = f"""
CREATE FUNCTION registry_instance_is_seen(wanted bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM registry_instance i WHERE i.id = wanted);
END $$;

CREATE FUNCTION registry_instance_is_own(wanted bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM registry_instance i JOIN registry_service s ON s.id = i.service_id
                   WHERE i.id = wanted AND ({writes("s.company_id")}));
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['registry_instance_is_seen', 'registry_instance_is_own'] LOOP
        EXECUTE format('ALTER FUNCTION %I(bigint) SET search_path = %I, pg_temp', name, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %I(bigint) FROM PUBLIC', name);
    END LOOP;
END $$;
"""
NO_FUNCTIONS = "DROP FUNCTION registry_instance_is_seen(bigint); DROP FUNCTION registry_instance_is_own(bigint);"

# A partition that is asked for by its name knows nothing of the policies of its table. Without any of its own it shows
# nothing but to its owner, whose functions move rows between days.
PARTITION = """
CREATE OR REPLACE FUNCTION registry_pollresult_partition(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    partition text := registry_pollresult_day(day);
    begins timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('registry_pollresult_partition', 7));
    IF to_regclass(partition) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE registry_pollresult INCLUDING ALL)', partition);{close}
    EXECUTE format('WITH moved AS (DELETE FROM registry_pollresult_other WHERE at >= %L AND at < %L RETURNING *)'
                   ' INSERT INTO %I SELECT * FROM moved', begins, ends, partition);
    EXECUTE format('ALTER TABLE registry_pollresult ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   partition, begins, ends);
END $$;

DO $$
DECLARE
    name regclass;
BEGIN
    EXECUTE format('ALTER FUNCTION registry_pollresult_partition(date) SET search_path = %I, pg_temp',
                   current_schema());
    FOR name IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'registry_pollresult'::regclass LOOP
        EXECUTE format('ALTER TABLE %s {switch} ROW LEVEL SECURITY', name);
    END LOOP;
END $$;
"""
CLOSE = "\n    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', partition);"
CLOSED = PARTITION.replace("{close}", CLOSE).replace("{switch}", "ENABLE")
OPENED = PARTITION.replace("{close}", "").replace("{switch}", "DISABLE")


class Migration(migrations.Migration):
    dependencies = [("registry", "0003_partitions_by_the_owner")]

    operations = [
        migrations.AlterModelOptions(
            name='historyentry',
            options={'base_manager_name': 'objects', 'default_manager_name': 'objects', 'ordering': ['-id'], 'verbose_name_plural': 'history'},
        ),
        migrations.AlterModelOptions(
            name='instance',
            options={'base_manager_name': 'objects', 'default_manager_name': 'objects', 'ordering': ['service_id', 'instance_id']},
        ),
        migrations.AlterModelOptions(
            name='pollhour',
            options={'base_manager_name': 'objects', 'default_manager_name': 'objects'},
        ),
        migrations.AlterModelOptions(
            name='pollresult',
            options={'base_manager_name': 'objects', 'default_manager_name': 'objects', 'managed': False},
        ),
        migrations.AlterModelOptions(
            name='service',
            options={'base_manager_name': 'objects', 'default_manager_name': 'objects', 'ordering': ['name']},
        ),
        migrations.AlterModelOptions(
            name='vitals',
            options={'base_manager_name': 'objects', 'default_manager_name': 'objects', 'verbose_name_plural': 'vitals'},
        ),
        migrations.RunSQL(FUNCTIONS, NO_FUNCTIONS),
        RowLevelSecurity("registry_service", read=reads(), write=writes()),
        of_service("registry_instance"),
        RowLevelSecurity("registry_vitals", read=SEEN_BY_FUNCTION, write=OWN_BY_FUNCTION),
        of_service("registry_historyentry"),
        of_instance("registry_pollhour"),
        of_instance("registry_pollresult"),
        migrations.RunSQL(CLOSED, OPENED),
    ]
