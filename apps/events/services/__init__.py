"""Every write of the event bus that others may ask for."""

from apps.events.services.deciding import dead_letters_discard, dead_letters_replay
from apps.events.services.declaring import type_declare, type_delete, type_update
from apps.events.services.outbox import (
    CHANNEL,
    KEEP_RELAYED,
    append,
    append_many,
    outbox_insert,
    outbox_prune,
    outbox_unpark,
    publish,
    publish_many,
)
from apps.events.services.publishing import events_faults, events_publish

__all__ = [
    "CHANNEL",
    "KEEP_RELAYED",
    "append",
    "append_many",
    "dead_letters_discard",
    "dead_letters_replay",
    "events_faults",
    "events_publish",
    "outbox_insert",
    "outbox_prune",
    "outbox_unpark",
    "publish",
    "publish_many",
    "type_declare",
    "type_delete",
    "type_update",
]
