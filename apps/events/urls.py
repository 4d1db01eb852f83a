"""The bus' addresses, below ``/api/v1/``."""

from apps.core.routing import api_path
from apps.events import views

urlpatterns = [
    api_path("events", views.EventListView, "event-list"),
    api_path("events/types", views.EventTypeListView, "event-type-list"),
    api_path("events/types/<str:key>", views.EventTypeView, "event-type"),
    api_path("events/dead-letters", views.DeadLetterListView, "dead-letter-list"),
    api_path("events/dead-letters/replay", views.ReplayManyView, "dead-letters-replay"),
    api_path("events/dead-letters/discard", views.DiscardManyView, "dead-letters-discard"),
    api_path("events/dead-letters/<int:id>", views.DeadLetterView, "dead-letter"),
    api_path("events/dead-letters/<int:id>/replay", views.ReplayView, "dead-letter-replay"),
    api_path("events/dead-letters/<int:id>/discard", views.DiscardView, "dead-letter-discard"),
    api_path("events/groups", views.GroupListView, "group-list"),
    api_path("events/streams", views.StreamListView, "stream-list"),
    api_path("events/<str:key>", views.EventView, "event"),
]
