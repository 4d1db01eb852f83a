"""The bus' REST routes (contract, "Events")."""

from apps.events.views.catalogue import AsyncAPIView, EventTypeListView, EventTypeView
from apps.events.views.deadletters import (
    DeadLetterListView,
    DeadLetterView,
    DiscardManyView,
    DiscardView,
    ReplayManyView,
    ReplayView,
)
from apps.events.views.journal import EventListView, EventView
from apps.events.views.state import GroupListView, StreamListView

__all__ = [
    "AsyncAPIView",
    "DeadLetterListView",
    "DeadLetterView",
    "DiscardManyView",
    "DiscardView",
    "EventListView",
    "EventTypeListView",
    "EventTypeView",
    "EventView",
    "GroupListView",
    "ReplayManyView",
    "ReplayView",
    "StreamListView",
]
