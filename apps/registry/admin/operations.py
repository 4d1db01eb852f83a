"""What operators do to instances, with the words that say what will happen, in numbers, before and after it."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from apps.core.errors import NotFound
from apps.registry.models import Instance
from apps.registry.services import operations
from xerpium_sdk.wire.registry import Status

__all__ = ["OPERATIONS", "Operation", "Order", "phrase"]


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator decided on the page that asks."""

    reason: str
    actor: str
    now: dt.datetime
    weight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be done to instances.

    Attributes:
        name: the word in its address.
        verb: what the button says.
        icon: a name of the icon font.
        wanted: which instances it can be done to.
        sentence: what will happen, with a place for "2 instances of product-service".
        afterwards: what follows from it, for the one who hesitates.
        done: what has happened, with the same place.
        advice: what to do next.
        undo: the name of the operation that takes it back.
        removes: whether instances take no more calls by it: the page says who is left.
        asks_weight: whether the page asks for a weight.
        carry_out: does it and returns how many instances it was done to.
    """

    name: str
    verb: str
    icon: str
    wanted: Q
    sentence: str
    afterwards: str
    done: str
    advice: str
    carry_out: Callable[[Sequence[Instance], Order], int]
    undo: str = ""
    removes: bool = False
    asks_weight: bool = False


def phrase(instances: Sequence[Instance]) -> str:
    """Return ``2 instances of product-service`` or ``5 instances of 3 services``; one by its id."""
    services = {instance.service.name for instance in instances}
    of = f"of {next(iter(services))}" if len(services) == 1 else f"of {len(services):,} services"
    if len(instances) == 1:
        return f"{instances[0].instance_id} {of}"
    return f"{len(instances):,} instances {of}"


def _each(act: Callable[..., object], *, weighs: bool = False) -> Callable[[Sequence[Instance], Order], int]:
    """Return what does ``act`` to one instance after the other; who has left meanwhile is not counted."""

    def carry_out(instances: Sequence[Instance], order: Order) -> int:
        count = 0
        more: dict[str, Any] = {"weight": order.weight} if weighs else {}
        for instance in instances:
            told = {"reason": order.reason, "actor": order.actor, "now": order.now, **more}
            try:
                act(service=instance.service.name, instance_id=instance.instance_id, **told)
            except NotFound:
                continue
            count += 1
        return count

    return carry_out


def _check(instances: Sequence[Instance], order: Order) -> int:
    pks = [instance.pk for instance in instances]
    return operations.instances_check_now(instance_pks=pks, reason=order.reason, actor=order.actor, now=order.now)


PRESENT = ~Q(status=Status.DEREGISTERED)
_DRAINS = Q(draining=True) | Q(status=Status.DRAINING)

OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation(
            name="check",
            verb="Check now",
            icon="stethoscope",
            wanted=PRESENT,
            sentence="asks the health endpoint of {} now, instead of at its next turn.",
            afterwards="One answer seldom changes a status: down takes 3 failures in a row, up 2 good answers.",
            done="Asked for a check of {}.",
            advice="The answer is on the page within a few seconds.",
            carry_out=_check,
        ),
        Operation(
            name="drain",
            verb="Drain",
            icon="pause_circle",
            wanted=PRESENT & Q(draining=False),
            sentence="takes {} out of rotation.",
            afterwards="Clients stop choosing it; what runs there runs on. It stays so until somebody resumes it.",
            done="Took {} out of rotation.",
            advice="When the work is done:",
            undo="resume",
            removes=True,
            carry_out=_each(operations.instance_drain),
        ),
        Operation(
            name="resume",
            verb="Resume",
            icon="play_circle",
            wanted=PRESENT & _DRAINS,
            sentence="puts {} back into rotation.",
            afterwards="Each counts again by its own reports and checks.",
            done="Put {} back into rotation.",
            advice="Clients choose it as soon as it is healthy.",
            undo="drain",
            carry_out=_each(operations.instance_resume),
        ),
        Operation(
            name="weigh",
            verb="Set weight",
            icon="balance",
            wanted=PRESENT,
            sentence="changes the share of calls that {} gets.",
            afterwards="Twice the weight is twice the calls. It outlives restarts until it is emptied again.",
            done="Set the weight of {}.",
            advice="Clients follow within a second.",
            asks_weight=True,
            carry_out=_each(operations.instance_weigh, weighs=True),
        ),
        Operation(
            name="deregister",
            verb="Deregister",
            icon="delete",
            wanted=PRESENT,
            sentence="removes {} from the registry.",
            afterwards="One that still runs registers again at its next report: to keep it out, stop it or drain it.",
            done="Removed {} from the registry.",
            advice="Its history and your settings are kept for its return.",
            removes=True,
            carry_out=_each(operations.instance_deregister),
        ),
    )
}
