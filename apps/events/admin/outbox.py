"""The outbox in the admin: to see what waits, and to let what was parked go again."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.events import services
from apps.events.models import OutboxEntry


@admin.register(OutboxEntry)
class OutboxEntryAdmin(ModelAdmin):
    """Read-only; an entry leaves when it was sent."""

    list_display = ("id", "stream", "created_at", "relayed_as", "parked_at", "error")
    list_filter = ("stream", ("parked_at", admin.EmptyFieldListFilter), ("relayed_as", admin.EmptyFieldListFilter))
    ordering = ("-id",)
    show_full_result_count = False
    actions = ("send_again",)

    @admin.action(description="Send the parked ones again")
    def send_again(self, request: HttpRequest, queryset: "QuerySet[OutboxEntry]") -> None:
        """Unpark what is selected."""
        count = services.outbox_unpark(ids=queryset.values_list("pk", flat=True))
        self.message_user(request, f"{count} parked entries will be sent again.")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: services write here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutboxEntry | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutboxEntry | None = None) -> bool:
        """Nobody: a deleted entry would be a lost event."""
        return False
