"""Making everything that a service declares at once what it says, and keeping every state that it was in.

A manifest goes the way of single items: the same reconcilers, in one transaction, under the lock of all writers of
menus. What is new or not is judged by the rows (docs/decisions/0027).
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from apps.core.errors import Conflict, FieldError, HubError, InvalidInput, NotFound
from apps.core.tenancy import Companies
from apps.menus import services as menus
from apps.uiregistry.manifest import NO_VERSION, Body, body_of, digest, is_guarded, is_superseded
from apps.uiregistry.models import Manifest
from apps.uiregistry.selectors import manifests as selectors
from apps.uiregistry.services.declaring import components_reconcile, widgets_reconcile
from apps.uiregistry.services.states import (
    PUT,
    REMOVED,
    Cause,
    head_of,
    restored,
    state_keep,
    state_pending_keep,
    told,
)

__all__ = ["Writing", "manifest_apply", "manifest_remove", "manifest_restore"]

RECONCILERS: Mapping[str, Callable[..., menus.Outcome]] = {
    "menus": menus.menus_reconcile,
    "components": components_reconcile,
    "widgets": widgets_reconcile,
}
LISTS = ("created", "updated", "removed", "kept_by_overlay", "pending", "warnings")
MOST_NAMED = 10
"""So many of the items that would go are named; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Writing:
    """Whose manifest is written, and by whom.

    Attributes:
        service_name: whose it is.
        declared_in: the company from within which it is declared; None: from none.
        actor: who does it, as histories name them.
        companies: those that the actor acts for; items of others are neither seen nor touched.
        now: when.
    """

    service_name: str
    declared_in: int | None
    actor: str
    companies: Companies
    now: dt.datetime


@dataclass(slots=True)
class _Done:
    """What all reconcilers did together."""

    revision_before: int
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in LISTS})
    total_before: int = 0
    revision: int | None = None

    def add(self, outcome: menus.Outcome) -> None:
        """Add what one of them did."""
        for name in LISTS:
            self.lists[name] += getattr(outcome, name)
        self.total_before += outcome.total_before
        self.revision = outcome.revision or self.revision

    @property
    def is_change(self) -> bool:
        """Whether anything is other than it was."""
        return any(self.lists[name] for name in ("created", "updated", "removed"))


def manifest_apply(
    *,
    service_name: str,
    declared_in: int | None,
    body: Mapping[str, Any],
    confirm_prune: bool = False,
    dry_run: bool = False,
    actor: str,
    companies: Companies,
    now: dt.datetime,
) -> Body:
    """Make what a service has what ``body`` says: add, change, and archive what it does not name.

    Args:
        service_name: whose manifest it is; the service need not be registered.
        declared_in: the company from within which it is declared, whose rows it covers and prunes; None: from none.
        body: a manifest whose items the serializers have read.
        confirm_prune: more than half may go.
        dry_run: go all the way and take everything back.
        actor: who does it.
        companies: those that the actor acts for.
        now: when.

    Returns:
        The answer of the contract: ``revision, generation, changed, created, updated, removed, kept_by_overlay,
        pending, warnings``.

    Raises:
        InvalidInput: with the faults of all items.
        Conflict: ``older_generation``, ``prune_guard``, or a path is another service's.
    """
    writing = Writing(service_name, declared_in, actor, companies, now)
    wanted = body_of(body["version"], body["generation"], body)
    with _deed(writing, dry_run=dry_run):
        head = head_of(service_name, declared_in)
        state_pending_keep(head, now=now)
        current = selectors.manifest_body(service_name, declared_in, head)
        is_same = digest(current) == digest(wanted)
        if not is_same and is_superseded(wanted["generation"], head.generation):
            raise _older(wanted["generation"], head)
        done = _reconciled(writing, wanted)
        if not confirm_prune:
            _guard(done)
        head.generation = max(wanted["generation"], head.generation or 0)
        return _finished(writing, head, wanted, done, PUT, is_same=is_same, dry_run=dry_run)


def manifest_restore(
    *,
    service_name: str,
    declared_in: int | None,
    number: int,
    dry_run: bool = False,
    actor: str,
    companies: Companies,
    now: dt.datetime,
) -> Body:
    """Make what a service has what it was in an earlier state; items keep their ids and overlays.

    The generation stays: a service that restarts with the manifest that was rolled back is refused, its next release
    is not. Nothing is guarded, for whoever names a state means it.

    Returns:
        What `manifest_apply` does.

    Raises:
        NotFound: there is no such state.
        Conflict: in that state everything was taken back, or a path belongs to another service by now.
        InvalidInput: something in it is not accepted any more.
    """
    writing = Writing(service_name, declared_in, actor, companies, now)
    with _deed(writing, dry_run=dry_run):
        head = head_of(service_name, declared_in)
        earlier = selectors.revision(service_name, declared_in, number, companies=companies).body
        if earlier is None:
            raise Conflict(f"In revision {number} everything was taken back: DELETE does that.", code="nothing_there")
        state_pending_keep(head, now=now)
        current = selectors.manifest_body(service_name, declared_in, head)
        if head.generation is None:
            head.generation = earlier["generation"]
        wanted = body_of(earlier["version"], head.generation, earlier)
        is_same = digest(current) == digest(wanted)
        done = _reconciled(writing, wanted)
        return _finished(writing, head, wanted, done, restored(number), is_same=is_same, dry_run=dry_run)


def manifest_remove(
    *, service_name: str, declared_in: int | None, actor: str, companies: Companies, now: dt.datetime
) -> None:
    """Take back everything that a service declares. Rows are archived: they return with their ids and overlays.

    Raises:
        NotFound: there is nothing.
    """
    writing = Writing(service_name, declared_in, actor, companies, now)
    with _deed(writing):
        head = head_of(service_name, declared_in)
        state_pending_keep(head, now=now)
        if selectors.manifest_body(service_name, declared_in, head) is None:
            raise NotFound(f"{service_name!r} has no manifest here.")
        done = _reconciled(writing, body_of(NO_VERSION, None, {}))
        head.version, head.generation = NO_VERSION, None
        _conclude(writing, head, done, REMOVED)


@contextmanager
def _deed(writing: Writing, *, dry_run: bool = False) -> Iterator[None]:
    """Run the block as the only writer of menus and manifests; a dry run leaves nothing behind.

    Who wanted a path that somebody else has is remembered, once everything is taken back.
    """
    try:
        with transaction.atomic():
            menus.lock()
            yield
            if dry_run:
                transaction.set_rollback(True)
    except _Refused as error:
        joined = error.joined
        if not dry_run:
            menus.claims_remember(joined, error.refusals, now=writing.now)
        raise joined from error


class _Refused(Exception):
    """Raised when reconcilers refuse; each of them has its own refusal, of which callers get one."""

    def __init__(self, refusals: Sequence[InvalidInput | Conflict]) -> None:
        super().__init__()
        self.refusals = refusals

    @property
    def joined(self) -> HubError:
        """One refusal that tells the faults of all; what is invalid comes before what conflicts."""
        if len(self.refusals) == 1:
            return self.refusals[0]
        first = next((one for one in self.refusals if isinstance(one, InvalidInput)), self.refusals[0])
        kind = InvalidInput if isinstance(first, InvalidInput) else Conflict
        return kind(first.detail, errors=[fault for one in self.refusals for fault in one.errors], code=first.code)


def _reconciled(writing: Writing, wanted: Body) -> _Done:
    """Bring the rows in line with ``wanted``, and prune.

    Raises:
        _Refused: with what all the reconcilers found.
    """
    companies = {writing.declared_in, *(item.get("company_id", writing.declared_in) for item in wanted["menus"])}
    done = _Done(max(map(menus.revision_of, companies)))
    refusals: list[InvalidInput | Conflict] = []
    for section, reconcile in RECONCILERS.items():
        items = [menus.Declared(f"/{section}/{index}", item) for index, item in enumerate(wanted[section])]
        try:
            done.add(
                reconcile(
                    service_name=writing.service_name,
                    declared_in=writing.declared_in,
                    items=items,
                    prune=True,
                    companies=writing.companies,
                    actor=writing.actor,
                    now=writing.now,
                )
            )
        except (InvalidInput, Conflict) as error:
            refusals.append(error)
    if refusals:
        raise _Refused(refusals)
    return done


def _older(generation: int, head: Manifest) -> Conflict:
    return Conflict(
        f"The manifest of {head.service_name} is of generation {head.generation}, and other content needs a greater one"
        f" than that; this is {generation}.",
        errors=[FieldError("/generation", "older_generation", f"Other content needs more than {head.generation}.")],
        code="older_generation",
    )


def _guard(done: _Done) -> None:
    """Return where few enough items go.

    Raises:
        Conflict: it is more than half and more than five.
    """
    removed = done.lists["removed"]
    if not is_guarded(len(removed), done.total_before):
        return
    named = ", ".join(f"{entry['kind']} {entry['key']}" for entry in removed[:MOST_NAMED])
    more = f" and {len(removed) - MOST_NAMED} more" if len(removed) > MOST_NAMED else ""
    raise Conflict(
        f"This would take away {len(removed)} of {done.total_before} items: {named}{more}. If it is meant, say"
        " ?confirm_prune=true.",
        errors=[
            FieldError("?confirm_prune", "prune_guard", f"{len(removed)} of {done.total_before} items would be gone.")
        ],
        code="prune_guard",
    )


def _finished(
    writing: Writing, head: Manifest, wanted: Body, done: _Done, cause: Cause, *, is_same: bool, dry_run: bool
) -> Body:
    """Note what was done, and return the answer."""
    changed = done.is_change or not is_same
    if changed:
        head.version = wanted["version"]
        _conclude(writing, head, done, cause)
    else:
        # The greater generation counts from now on, and nobody has to hear of it.
        head.save(update_fields=["generation"])
    if dry_run:
        _forget_ids(done)
    revision = done.revision_before if dry_run or not changed else done.revision
    return {"revision": revision, "generation": head.generation, "changed": changed, **done.lists}


def _forget_ids(done: _Done) -> None:
    """Take the ids of what was never stored out of an answer."""
    made = {(entry["kind"], entry["id"]) for entry in done.lists["created"]}
    for name in ("created", "pending"):
        for entry in done.lists[name]:
            if (entry["kind"], entry["id"]) in made:
                entry["id"] = None


def _conclude(writing: Writing, head: Manifest, done: _Done, cause: Cause) -> None:
    if done.revision is None:
        # Only the version or the order is another one. The revision stands for all of a manifest.
        done.revision = menus.touch([writing.declared_in])
    state_keep(head, cause=cause, actor=writing.actor, now=writing.now)
    told(head, cause=cause, actor=writing.actor, revision=done.revision, lists=done.lists, now=writing.now)
