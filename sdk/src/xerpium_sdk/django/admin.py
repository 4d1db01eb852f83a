"""Both tables in the admin: to see what waits and why, and to send it again. Nothing is changed by hand."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from xerpium_sdk.django.models import HandledEvent, OutboxEvent


class _ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for the type checker only
    """Shows, and changes nothing."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: the service writes here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody: a deleted row would be a lost event, or one that is handled twice."""
        return False


@admin.register(OutboxEvent)
class OutboxEventAdmin(_ReadOnly):
    """What is pending, sent and parked."""

    list_display = ("id", "event_type", "event_id", "stream", "created_at", "sent_at", "parked_at", "error")
    list_filter = ("event_type", ("parked_at", admin.EmptyFieldListFilter), ("sent_at", admin.EmptyFieldListFilter))
    search_fields = ("event_id__exact",)
    ordering = ("-id",)
    actions = ("send_again",)

    @admin.action(description="Send again", permissions=["send_again"])
    def send_again(self, request: HttpRequest, queryset: "QuerySet[OutboxEvent]") -> None:
        """Make parked and sent events pending; what was sent has the same ``event_id`` again."""
        count = queryset.exclude(sent_at=None, parked_at=None).update(sent_at=None, parked_at=None)
        self.message_user(request, f"{count} events will be sent again.")

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        """Who has the permission of that name."""
        return request.user.has_perm("xerpium_sdk.send_outboxevent_again")


@admin.register(HandledEvent)
class HandledEventAdmin(_ReadOnly):
    """Which events are done."""

    list_display = ("event_id", "handler", "group", "handled_at")
    search_fields = ("event_id__exact",)
    ordering = ("-id",)
