"""One call of a handler: what it is given, what surrounds it, and what its error means."""

import traceback
from collections.abc import Callable, Collection, Sequence
from typing import Any

from xerpium_sdk.events.desk import Verdict
from xerpium_sdk.events.entry import fields_of
from xerpium_sdk.events.idempotency import WrappingStore
from xerpium_sdk.events.lanes import Delivery
from xerpium_sdk.events.subscriptions import Received, Subscription
from xerpium_sdk.trace import event_in_hand

__all__ = ["ERROR_LENGTH", "arguments_of", "excerpt", "first_of", "sync_call"]

ERROR_LENGTH = 4000


def sync_call(
    subscription: Subscription, store: WrappingStore | None, group: str
) -> Callable[[Sequence[Delivery]], Verdict]:
    """Return a function that calls the handler of ``subscription`` with deliveries: one, or a batch."""
    function, name = subscription.function, subscription.name
    if store is None:

        def call(deliveries: Sequence[Delivery]) -> Verdict:
            function(arguments_of(subscription, deliveries))
            return Verdict.DONE

        return call

    def call_once(deliveries: Sequence[Delivery]) -> Verdict:
        known = [delivery.envelope.event_id for delivery in deliveries if delivery.envelope]
        with store.once(group, name, known) as fresh:
            wanted = first_of(deliveries, fresh)
            if wanted:
                function(arguments_of(subscription, wanted))
        return Verdict.DONE if wanted else Verdict.REPEATED

    return call_once


def first_of(deliveries: Sequence[Delivery], fresh: Collection[str]) -> list[Delivery]:
    """Return those that a store has not seen, each event id once, and those that have none."""
    left, wanted = set(fresh), []
    for delivery in deliveries:
        if delivery.envelope is None:
            wanted.append(delivery)
        elif delivery.envelope.event_id in left:
            left.remove(delivery.envelope.event_id)
            wanted.append(delivery)
    return wanted


def arguments_of(subscription: Subscription, deliveries: Sequence[Delivery]) -> Any:
    """Return what the handler is called with, and set what `current_event` says to it."""
    batching = subscription.batching
    if batching is None:
        event = deliveries[0].envelope
        event_in_hand.set(event)
        return event
    event_in_hand.set(None)
    if not batching.raw:
        return [delivery.envelope for delivery in deliveries]
    return [
        Received(one.stream, one.entry_id.decode(), fields_of(one.fields), one.envelope, one.fault)
        for one in deliveries
    ]


def excerpt(error: BaseException) -> str:
    """Return the end of the traceback: where it was raised, and the message last."""
    return "".join(traceback.format_exception(error))[-ERROR_LENGTH:].strip()
