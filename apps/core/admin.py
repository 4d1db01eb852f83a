"""The base of the operator's admin pages."""

from typing import Any

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.core.tenancy import current

__all__ = ["HubWide", "ReadOnlyModelAdmin", "actor_of", "acts_for_all"]


def acts_for_all(request: HttpRequest) -> bool:
    """Whether the operator of this request acts for all companies; the middleware has put that into the context."""
    scope = current()
    return scope is not None and scope.is_everything


def actor_of(request: HttpRequest) -> str:
    """Return the operator of this request as rows and histories name who did something."""
    return f"operator:{request.user.get_username()}"


class HubWide(ModelAdmin):
    """For pages of what belongs to no company, such as operators: operators of some companies have none of them."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows; none for who may not look, so that no refusal tells which of them are there."""
        found: QuerySet[Any] = super().get_queryset(request)
        return found if acts_for_all(request) else found.none()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether it is in the menu."""
        return acts_for_all(request) and bool(super().has_module_permission(request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the operator may look."""
        return acts_for_all(request) and bool(super().has_view_permission(request, obj))

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Whether the operator may add one."""
        return acts_for_all(request) and bool(super().has_add_permission(request, *args))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the operator may change it."""
        return acts_for_all(request) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the operator may delete it."""
        return acts_for_all(request) and bool(super().has_delete_permission(request, obj))


class ReadOnlyModelAdmin(ModelAdmin):
    """Shows rows; whatever changes them is an action that calls a service."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Rows come from services."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Rows are changed by actions."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Rows are removed by actions."""
        return False
