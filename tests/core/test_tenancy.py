"""Who is in which company, and that no model and no table is forgotten; `test_walls` asks each of them for its rows."""

import threading
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, models, transaction

from apps.core.access import Principal
from apps.core.errors import NotFound
from apps.core.tenancy import (
    Scope,
    acting,
    company,
    current,
    scope_of,
    system,
    use,
)
from apps.core.tenancy.models import CompanyScoped
from apps.serviceauth.models import Role
from tests.support.tenancy import ONE, SCOPED, TWO

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


# --- new rows -------------------------------------------------------------------------------------------------------


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
