"""The base of the operator's admin pages."""

from typing import Any

from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin


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
