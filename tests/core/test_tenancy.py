"""Whose rows are seen and changed: every model, asked by every kind of caller, through each of the two walls."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, models, transaction

from apps.core.access import Principal
from apps.core.errors import NotFound
from apps.core.models import AuditEntry
from apps.core.postgres import scoped
from apps.core.tenancy import (
    NoCompanyContext,
    Scope,
    acting,
    company,
    current,
    every_company,
    global_rows,
    scope_of,
    system,
    use,
)
from apps.core.tenancy.models import CompanyScoped, HubOwned, ScopedQuerySet
from apps.registry.models import Service
from apps.serviceauth.models import Company, EnrolmentToken, Role, ServiceAccount, ServiceKey
from tests.support.tenancy import ONE, TWO, Rows, columns_of_key, rows_of_all

SCOPED = sorted((m for m in apps.get_models() if issubclass(m, CompanyScoped)), key=lambda m: m._meta.label)
# Their rows without a company are about things of several, or of the hub: not everybody's.
NOT_SHARED = {AuditEntry, ServiceAccount, ServiceKey, EnrolmentToken}
NO_COMPANY = {
    "admin.LogEntry": "what operators did in Django's own forms; shown to themselves only",
    "auth.Group": "operators",
    "auth.Group_permissions": "operators",
    "auth.Permission": "operators",
    "auth.User": "operators",
    "auth.User_groups": "operators",
    "auth.User_user_permissions": "operators",
    "axes.AccessAttempt": "sign-ins that failed",
    "axes.AccessAttemptExpiration": "sign-ins that failed",
    "axes.AccessFailureLog": "sign-ins that failed",
    "axes.AccessLog": "sign-ins",
    "contenttypes.ContentType": "the models themselves",
    "core.AuditCheck": "how far the audit's chain was verified",
    "core.AuditPending": "numbers of entries of the audit",
    "core.AuditSeal": "hashes of entries of the audit",
    "core.IdempotencyRecord": "answers, found by who asked for them and in which company",
    "events.GroupState": "how groups of consumers are doing",
    "events.StreamSample": "how long streams were",
    "events.StreamState": "how long streams are",
    "menus.MenuRevision": "numbers",
    "otp_static.StaticDevice": "operators' second factor",
    "otp_static.StaticToken": "operators' second factor",
    "otp_totp.TOTPDevice": "operators' second factor",
    "registry.CatalogRevision": "one number",
    "registry.Leadership": "which process polls",
    "registry.Protection": "whether the hub's own network is at fault",
    "serviceauth.Operator": "which companies an operator belongs to: what contexts are made of",
    "serviceauth.Revocation": "what is void, for whoever verifies",
    "serviceauth.SigningKey": "the hub's own",
    "serviceauth.TrustedIssuer": "whom the hub believes",
    "sessions.Session": "operators",
}
"""Models of no company's rows, with the reason. A new model is scoped, or stands here."""
NOT_THE_HUBS = {"xerpium_sdk"}

everybody = pytest.mark.parametrize("model", SCOPED, ids=lambda model: model._meta.label)


@pytest.fixture
def rows(db: None) -> Rows:
    return rows_of_all()


def in_sight(model: type[Any], of: int) -> set[int | None]:
    """Return whose rows of ``model`` somebody in company ``of`` sees."""
    if issubclass(model, HubOwned):
        return set()
    return {of} if model in NOT_SHARED or model is Company else {of, None}


def seen(model: type[Any], rows: Rows) -> set[int | None]:
    """Return whose rows the manager shows."""
    shown = set(model.objects.values_list("pk", flat=True))
    return {whose for whose, row in rows[model].items() if row.pk in shown}


def seen_by_sql(model: type[Any], rows: Rows, sql: str = "SELECT {key} FROM {table}") -> set[int | None]:
    """Return whose rows a statement returns that no manager has touched."""
    with connection.cursor() as cursor:
        cursor.execute(sql.format(key=columns_of_key(model), table=model._meta.db_table))
        found = {row if len(row) > 1 else row[0] for row in cursor.fetchall()}
    return {whose for whose, row in rows[model].items() if row.pk in found}


# --- no model and no table is forgotten -------------------------------------------------------------------------------


def test_every_model_is_scoped_or_known_to_hold_no_rows_of_companies() -> None:
    others = {
        model._meta.label
        for model in apps.get_models(include_auto_created=True)
        if not issubclass(model, CompanyScoped) and model._meta.app_label not in NOT_THE_HUBS
    }
    assert others == set(NO_COMPANY)


@everybody
def test_every_scoped_table_is_protected_and_forced(model: type[models.Model], db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relrowsecurity, relforcerowsecurity, ARRAY(SELECT polcmd::text FROM pg_policy"
            " WHERE polrelid = c.oid ORDER BY 1) FROM pg_class c WHERE oid = to_regclass(%s)",
            [model._meta.db_table],
        )
        assert cursor.fetchone() == (True, True, ["a", "d", "r", "w"])


@pytest.mark.parametrize("table", ["events_journalentry", "registry_pollresult"])
def test_a_day_shows_nothing_to_whoever_asks_for_it_by_its_name(table: str, db: None) -> None:
    make = {"events_journalentry": "events_journal_partition", "registry_pollresult": "registry_pollresult_partition"}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {make[table]}('2031-05-06')")
        cursor.execute(
            "SELECT relname, relrowsecurity, EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid),"
            " ARRAY(SELECT a.grantee::regrole::text FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner)"
            " FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass(%s)",
            [table],
        )
        found = {name: rest for name, *rest in cursor.fetchall()}
    assert found.keys() >= {f"{table}_20310506", f"{table}_other"}
    assert list(found.values()) == [[True, False, []]] * len(found)


# --- both walls together ----------------------------------------------------------------------------------------------


@everybody
def test_without_a_context_there_is_nothing(model: type[Any], rows: Rows) -> None:
    with use(None):
        with pytest.raises(NoCompanyContext, match=model._meta.label):
            model.objects.all()
        with pytest.raises(NoCompanyContext):
            model._base_manager.count()
        with pytest.raises(NoCompanyContext):
            rows[model][ONE].save()
        assert seen_by_sql(model, rows) == set()


@everybody
def test_a_company_sees_its_own_rows_and_everybodys(model: type[Any], rows: Rows) -> None:
    for of in (ONE, TWO):
        with use(company(of)):
            assert seen(model, rows) == seen_by_sql(model, rows) == in_sight(model, of)


@everybody
def test_nobody_in_particular_sees_everybodys_rows_and_those_that_it_acts_for(model: type[Any], rows: Rows) -> None:
    with use(global_rows()):
        assert seen(model, rows) == seen_by_sql(model, rows) == in_sight(model, ONE) - {ONE}
    with use(global_rows([TWO])):
        assert seen(model, rows) == seen_by_sql(model, rows) == in_sight(model, TWO)


@everybody
def test_the_hub_sees_everything(model: type[Any], rows: Rows) -> None:
    for scope in (system("tests"), every_company("operator:anna")):
        with use(scope):
            assert seen(model, rows) == seen_by_sql(model, rows) == set(rows[model])


@pytest.mark.parametrize("model", [m for m in SCOPED if m is not AuditEntry], ids=lambda model: model._meta.label)
def test_what_is_written_is_ones_own(model: type[Any], rows: Rows) -> None:
    for scope, may in ((company(ONE), {ONE}), (global_rows([ONE]), {ONE, None})):
        expected = may & in_sight(model, ONE)
        column = model._meta.concrete_fields[-1].column
        same = f'UPDATE {{table}} SET "{column}" = "{column}" RETURNING {{key}}'
        with use(scope):
            assert seen_by_sql(model, rows, same) == expected
            assert model.objects.update(**{model._meta.concrete_fields[-1].attname: models.F(column)}) == len(expected)
            for whose, row in rows[model].items():
                if whose not in expected:
                    with pytest.raises(NotFound):
                        row.save()
                    with pytest.raises(NotFound):
                        row.delete()


# --- each wall by itself ----------------------------------------------------------------------------------------------


@pytest.fixture
def without_managers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScopedQuerySet, "readable", lambda self, scope: self)
    monkeypatch.setattr(ScopedQuerySet, "writable", lambda self: self)
    for model in SCOPED:
        monkeypatch.setattr(model, "require_writable", lambda self: None)


@pytest.fixture
def without_row_level_security(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoped, "announcement", lambda scope: "SET LOCAL xerpium.scope = 'everything'; ")


@everybody
@pytest.mark.usefixtures("without_managers")
def test_row_level_security_holds_without_managers(model: type[Any], rows: Rows) -> None:
    with use(company(ONE)):
        assert seen(model, rows) == in_sight(model, ONE)
        assert model.objects.filter(pk=rows[model][TWO].pk).delete()[0] == 0 if model is not AuditEntry else True
    fresh = _copy_of(rows[model][TWO])
    for scope in (company(ONE), global_rows([ONE])):
        with use(scope), pytest.raises(DatabaseError, match="row-level security"), transaction.atomic():
            fresh.save(force_insert=True)


def _copy_of(row: Any) -> Any:
    """Return a row of the same owner that is not stored; refused before any constraint is looked at."""
    says_whose = row._meta.pk.name in ("pk", "instance") or isinstance(row, Company)  # then the key is part of it
    fields = [field for field in row._meta.concrete_fields if says_whose or not field.primary_key]
    return type(row)(**{field.attname: getattr(row, field.attname) for field in fields})


@everybody
@pytest.mark.usefixtures("without_row_level_security")
def test_managers_hold_without_row_level_security(model: type[Any], rows: Rows) -> None:
    for scope in (company(ONE), global_rows([ONE])):
        with use(scope):
            assert seen(model, rows) == in_sight(model, ONE)
            assert seen_by_sql(model, rows) == set(rows[model])  # the other wall is down, indeed
            with pytest.raises(NotFound):
                rows[model][TWO].save()
            with pytest.raises(NotFound):
                model.objects.bulk_create([rows[model][TWO]])
            with pytest.raises(NotFound):
                model.objects.bulk_update([rows[model][TWO]], [model._meta.concrete_fields[-1].name])


def test_a_new_row_of_another_company_is_refused_by_either_wall(db: None) -> None:
    with use(company(ONE)):
        with pytest.raises(NotFound):
            Role.objects.create(name="clerk", company_id=TWO)
        with pytest.raises(NotFound):
            Role.objects.create(name="clerk")  # everybody's
        own = Role.objects.create(name="clerk", company_id=ONE)
        own.company_id = TWO
        with pytest.raises(NotFound):
            own.save()
        with pytest.raises(DatabaseError, match="row-level security"), transaction.atomic(), connection.cursor() as c:
            c.execute("UPDATE serviceauth_role SET company_id = %s WHERE id = %s", [TWO, own.pk])
    assert [role.company_id for role in Role.objects.all()] == [ONE]


def test_a_name_that_another_company_has_is_taken_and_tells_nothing(rows: Rows) -> None:
    with use(company(ONE)), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO registry_service (name, company_id, notes, revision) VALUES ('of-2', 1, '', 0)"
            " ON CONFLICT (name) DO NOTHING RETURNING id"
        )
        assert cursor.fetchone() is None
        cursor.execute("SELECT 1 FROM registry_service WHERE name = 'of-2'")
        assert cursor.fetchone() is None


# --- contexts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "scope"),
    [
        (Principal("service", "a", companies=frozenset(), company_id=None), (frozenset(), True)),
        (Principal("service", "a", companies=frozenset({1, 2})), (frozenset({1, 2}), True)),
        (Principal("service", "a", companies="*", company_id=1), (frozenset({1}), False)),
        (Principal("service", "a", companies="*"), ("*", True)),
        (Principal("operator", "a", companies=frozenset({1, 2})), (frozenset({1, 2}), False)),
        (Principal("operator", "a", companies=frozenset()), (frozenset(), False)),
        (Principal("operator", "a"), ("*", True)),
    ],
    ids=["global", "global-and-two", "in-one", "all", "operator-of-two", "operator-of-none", "operator"],
)
def test_what_each_caller_sees_and_writes(who: Principal, scope: tuple[Any, bool]) -> None:
    found = scope_of(who)
    assert (found.companies, found.writes_global) == scope


def test_a_thread_begins_in_nobodys_context(db: None) -> None:
    found: list[Scope | None] = []
    with use(company(ONE)):
        thread = threading.Thread(target=lambda: found.append(current()))
        thread.start()
        thread.join()
    assert found == [None]


def test_contexts_nest_and_end_with_their_block() -> None:
    with use(None):
        with use(company(ONE)):
            with acting(Principal("service", "a", company_id=TWO)):
                assert current() == company(TWO)
            assert current() == company(ONE)
            with pytest.raises(ZeroDivisionError), use(system("fails")):
                _ = 1 / 0
            assert current() == company(ONE)
        assert current() is None


def test_the_hub_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="reason"):
        system(" ")


def test_rows_may_be_related_without_seeing_past_the_wall(rows: Rows) -> None:
    with use(company(ONE)):
        assert Service.objects.get(name="of-1").instances.count() == 1
        assert {entry.service.name for entry in rows_by(Service.history.rel.related_model.objects.all)} == {
            "of-1",
            "of-all",
        }


def rows_by(found: Callable[[], Any]) -> list[Any]:
    return list(found().select_related("service"))
