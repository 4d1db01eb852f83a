"""Whose rows are seen and changed: every model, asked by every kind of caller, through each of the two walls."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connection, models, transaction
from pytest_django.plugin import DjangoDbBlocker

from apps.core.errors import NotFound
from apps.core.models import AuditEntry
from apps.core.postgres import scoped
from apps.core.tenancy import NoCompanyContext, company, every_company, global_rows, system, use
from apps.core.tenancy.models import HubOwned, ScopedQuerySet
from apps.registry.models import Service
from apps.serviceauth.models import Company, EnrolmentToken, ServiceAccount, ServiceKey
from tests.support.database import empty
from tests.support.tenancy import ONE, SCOPED, TWO, Rows, columns_of_key, rows_of_all

# Their rows without a company are about things of several, or of the hub: not everybody's.
NOT_SHARED = {AuditEntry, ServiceAccount, ServiceKey, EnrolmentToken}

everybody = pytest.mark.parametrize("model", SCOPED, ids=lambda model: model._meta.label)


@pytest.fixture(scope="module")
def stored(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Rows]:
    """The rows of everybody, committed once for all tests of this module: each is rolled back to them."""
    with django_db_blocker.unblock():
        yield rows_of_all()
        empty()


@pytest.fixture
def rows(stored: Rows, db: None) -> Rows:
    """What is stored, in objects that a test may spoil."""
    return copy.deepcopy(stored)


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


def test_a_name_that_another_company_has_is_taken_and_tells_nothing(rows: Rows) -> None:
    with use(company(ONE)), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO registry_service (name, company_id, notes, revision) VALUES ('of-2', 1, '', 0)"
            " ON CONFLICT (name) DO NOTHING RETURNING id"
        )
        assert cursor.fetchone() is None
        cursor.execute("SELECT 1 FROM registry_service WHERE name = 'of-2'")
        assert cursor.fetchone() is None


def test_rows_may_be_related_without_seeing_past_the_wall(rows: Rows) -> None:
    with use(company(ONE)):
        assert Service.objects.get(name="of-1").instances.count() == 1
        assert {entry.service.name for entry in rows_by(Service.history.rel.related_model.objects.all)} == {
            "of-1",
            "of-all",
        }


def rows_by(found: Callable[[], Any]) -> list[Any]:
    return list(found().select_related("service"))
