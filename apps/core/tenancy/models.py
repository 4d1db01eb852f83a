"""The base of models whose rows belong to companies, and the manager that shows none of them by mistake."""

from collections.abc import Iterable
from typing import Any, ClassVar, Self, TypeVar, cast

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models import Model, Q, QuerySet

from apps.core.errors import NotFound
from apps.core.tenancy.context import NoCompanyContext, Scope, current

__all__ = ["CompanyScoped", "HubOwned", "ScopedManager", "ScopedQuerySet", "required_scope"]

_Row = TypeVar("_Row", bound="CompanyScoped", covariant=True)


def required_scope(model: type[Model]) -> Scope:
    """Return the scope of the running code.

    Raises:
        NoCompanyContext: nobody set one.
    """
    scope = current()
    if scope is None:
        raise NoCompanyContext(
            f"{model._meta.label} holds rows of companies, and nobody said whose are wanted: run this within"
            " apps.core.tenancy.use(...) - company, global_rows, or system with a reason."
        )
    return scope


class ScopedQuerySet(QuerySet[_Row]):
    """Rows in sight; what changes rows is narrowed further, to those that may be written."""

    def readable(self, scope: Scope) -> Self:
        """Keep what ``scope`` sees."""
        return self if scope.is_everything else self.filter(self.model.q_readable(scope))

    def writable(self) -> Self:
        """Keep what may be written in the scope of the running code."""
        scope = required_scope(self.model)
        return self if scope.is_everything else self.filter(self.model.q_writable(scope))

    def update(self, **values: Any) -> int:
        """Update rows that may be written, and no others."""
        return super(ScopedQuerySet, self.writable()).update(**values)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete rows that may be written, and no others."""
        return super(ScopedQuerySet, self.writable()).delete()

    def bulk_create(self, objs: Iterable[Any], *args: Any, **options: Any) -> list[Any]:
        """Insert rows, all of which must be writable.

        Raises:
            NotFound: one is another company's.
        """
        rows = list(objs)
        for row in rows:
            row.require_writable()
        return super().bulk_create(rows, *args, **options)

    def bulk_update(self, objs: Iterable[Any], fields: Iterable[str], *args: Any, **options: Any) -> int:
        """Update rows, all of which must be writable.

        Raises:
            NotFound: one is another company's.
        """
        rows = list(objs)
        for row in rows:
            row.require_writable()
        return super().bulk_update(rows, fields, *args, **options)


class ScopedManager(models.Manager[_Row]):
    """Shows the rows that the running code may see, and fails without a context."""

    _queryset_class = ScopedQuerySet

    def get_queryset(self) -> ScopedQuerySet[_Row]:
        """Return the rows in sight.

        Raises:
            NoCompanyContext: nobody said whose rows are wanted.
        """
        queryset = cast(ScopedQuerySet[_Row], super().get_queryset())
        return queryset.readable(required_scope(self.model))

    def writable(self) -> ScopedQuerySet[_Row]:
        """Return the rows that may be written in the scope of the running code."""
        return self.get_queryset().writable()


class CompanyScoped(models.Model):
    """A model whose rows belong to a company, or to all of them where ``company_path`` leads to NULL.

    ``company_path`` is the field that says so, here or (``service__company_id``) on the row's owner. Migrations give
    the table its row-level security (`apps.core.tenancy.rls`); a test holds both to the same list of models.
    """

    company_path: ClassVar[str] = "company_id"

    objects = ScopedManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"
        default_manager_name = "objects"

    def save(self, *args: Any, **options: Any) -> None:
        """Store the row.

        Raises:
            NotFound: it may not be written here.
        """
        self.require_writable()
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        """Delete the row.

        Raises:
            NotFound: it may not be written here.
        """
        self.require_writable()
        return super().delete(*args, **options)

    @classmethod
    def q_readable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope``, which is not everything, may see."""
        path = cls.company_path
        return Q(**{f"{path}__isnull": True}) | Q(**{f"{path}__in": scope.companies})

    @classmethod
    def q_writable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope``, which is not everything, may write."""
        path = cls.company_path
        own = Q(**{f"{path}__in": scope.companies})
        return own | Q(**{f"{path}__isnull": True}) if scope.writes_global else own

    def company(self) -> int | None:
        """Return whose row this is; None is everybody's."""
        value: Any = self
        for name in self.company_path.split("__"):
            value = getattr(value, name)
        return value  # type: ignore[no-any-return]  # a company's number, or None

    @property
    def is_writable(self) -> bool:
        """Whether the running code may write this row."""
        try:
            self.require_writable()
        except NotFound:
            return False
        return True

    def require_writable(self) -> None:
        """Return when the running code may write this row.

        Raises:
            NoCompanyContext: nobody said whose rows are wanted.
            NotFound: it is not in the scope of the running code: another company's looks like one that is not there.
        """
        scope = required_scope(type(self))
        if scope.is_everything:
            return
        try:
            company_id = self.company()
        except ObjectDoesNotExist:  # it belongs to something that is not in sight
            raise NotFound from None
        if not scope.writes(company_id):
            raise NotFound


class HubOwned(CompanyScoped):
    """A model whose rows are about all companies at once, such as what waits to be sent: for who acts for all."""

    class Meta(CompanyScoped.Meta):
        abstract = True

    @classmethod
    def q_readable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope``, which is not everything, may see: nothing."""
        return Q(pk__in=())

    @classmethod
    def q_writable(cls, scope: Scope) -> Q:
        """Return the condition of what ``scope``, which is not everything, may write: nothing."""
        return Q(pk__in=())

    def require_writable(self) -> None:
        """Return for who acts for all companies.

        Raises:
            NoCompanyContext: nobody said whose rows are wanted.
            NotFound: the running code acts for some of them.
        """
        if not required_scope(type(self)).is_everything:
            raise NotFound
