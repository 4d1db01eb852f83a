"""Effects once per event, by a row in the handler's own transaction."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from uuid import uuid4

from django.db import router, transaction

__all__ = ["DjangoIdempotencyStore"]

LONGEST_NAME = 255


class DjangoIdempotencyStore:
    """A `WrappingStore` in the database of the service: what a handler writes there happens once per event.

    ```python
    consumer = EventConsumer("stock-service", idempotency=DjangoIdempotencyStore(), around=django_worker)
    ```

    The handler runs in a transaction that also writes that the event is handled: both commit or neither. Another
    consumer with the same event at the same time waits for the first, and passes it over if that one committed. Rows
    are kept until ``manage.py prune_handled_events`` deletes old ones: later than an event may come again.

    Args:
        using: alias of the database in which the handlers write; default: where Django's routers put `HandledEvent`.
    """

    def __init__(self, *, using: str | None = None) -> None:
        self._using = using

    @contextmanager
    def once(self, group: str, handler: str, event_ids: Sequence[str]) -> Iterator[Collection[str]]:
        """See `xerpium_sdk.events.WrappingStore`."""
        from xerpium_sdk.django.models import HandledEvent  # models can be imported only when all apps are loaded

        using = self._using or router.db_for_write(HandledEvent)
        with transaction.atomic(using=using):
            names = {"group": _short(group), "handler": _short(handler), "token": uuid4()}
            wanted = sorted(set(event_ids))
            rows = [HandledEvent(event_id=one, **names) for one in wanted]
            # In the same order everywhere, so that two consumers with overlapping batches cannot wait for each other.
            # A row that is there stays as it is, with the token of the run that wrote it.
            HandledEvent._default_manager.using(using).bulk_create(rows, ignore_conflicts=True)
            fresh = HandledEvent._default_manager.using(using).filter(event_id__in=wanted, **names)
            yield set(fresh.values_list("event_id", flat=True))


def _short(name: str) -> str:
    """Return a name that fits into its column, and differs where names differ."""
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 33]}~{blake2b(name.encode(), digest_size=16).hexdigest()}"
