"""Every read of the event bus that others may ask for."""

from apps.events.declarations import catalogue_version
from apps.events.selectors.catalogue import EventTypeView, event_type, event_types
from apps.events.selectors.entries import dead_letters, dead_letters_waiting, journal
from apps.events.selectors.outbox import OutboxState, outbox_state
from apps.events.selectors.state import (
    OWN_PREFIX,
    BusState,
    ConsumerView,
    GroupView,
    SamplePoint,
    StreamView,
    bus_state,
    group_consumers,
    groups,
    samples,
    streams,
)

__all__ = [
    "OWN_PREFIX",
    "BusState",
    "ConsumerView",
    "EventTypeView",
    "GroupView",
    "OutboxState",
    "SamplePoint",
    "StreamView",
    "bus_state",
    "catalogue_version",
    "dead_letters",
    "dead_letters_waiting",
    "event_type",
    "event_types",
    "group_consumers",
    "groups",
    "journal",
    "outbox_state",
    "samples",
    "streams",
]
