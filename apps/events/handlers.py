"""What the bus itself keeps of what comes by: the journal of all entries, and the dead letters."""

from collections.abc import Sequence

from django.utils import timezone

from apps.events import deadletters
from apps.events.journal import Journal
from apps.events.streams import DEAD_GROUP, ENVELOPE_STREAMS, JOURNAL_GROUP
from apps.events.subscriptions import Subscription
from xerpium_sdk.events import Received
from xerpium_sdk.wire.keys import STREAM_EVENTS_DEAD

__all__ = ["SUBSCRIPTIONS"]

_journal = Journal()


def journal_entries(entries: Sequence[Received]) -> None:
    """Copy entries into the journal. Acknowledged after the commit: what comes again then is there already."""
    _journal.write(entries, now=timezone.now())


def store_dead_letters(entries: Sequence[Received]) -> None:
    """Copy dead letters into PostgreSQL; trimming takes them off their stream once they are acknowledged."""
    deadletters.store(entries, now=timezone.now())


SUBSCRIPTIONS = (
    Subscription(group=JOURNAL_GROUP, streams=ENVELOPE_STREAMS, copier=journal_entries),
    Subscription(group=DEAD_GROUP, streams=(STREAM_EVENTS_DEAD,), copier=store_dead_letters, is_last=True),
)
