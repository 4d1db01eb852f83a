"""Companies in the admin."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.serviceauth.models import Company


@admin.register(Company)
class CompanyAdmin(ModelAdmin):
    """Read-only: names come from ``company_created`` and ``company_updated`` events."""

    list_display = ("id", "name", "last_event_at")
    search_fields = ("=id", "name")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Company | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Company | None = None) -> bool:
        """Nobody."""
        return False
