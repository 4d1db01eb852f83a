"""Who may have which path: the first who declared it, or whom an operator gave it; who is refused is remembered.

For menu items and for components alike: what has paths asks here, and keeps `displaced` of its own rows.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import or_

from django.db import connection, transaction
from django.db.models import Q

from apps.core.errors import Conflict as Refusal
from apps.core.errors import FieldError, HubError
from apps.menus.models import Conflict, Handover
from apps.menus.services.revisions import lock

__all__ = [
    "Claim",
    "Judged",
    "PathTaken",
    "Place",
    "Wanted",
    "at_places",
    "claiming",
    "claims_judge",
    "claims_remember",
    "conflicts_settle",
    "handovers_at",
]

Place = tuple[str, int | None]
"""A route (`apps.menus.paths.route_key`) and the company in which it is; None: in all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A path that a service declares; ``pointer`` is where it says so."""

    pointer: str
    path: str
    place: Place


@dataclass(frozen=True, slots=True)
class Claim:
    """A path that a service wanted and another one has."""

    kind: str
    path: str
    place: Place
    owner: str
    claimant: str


@dataclass(slots=True)
class Judged:
    """What became of wanted paths.

    Attributes:
        displaced: where an operator gave the path to somebody else: what is declared there is kept and not shown.
        faults: where another service has it.
        claims: the same, to be remembered.
    """

    displaced: set[Place] = field(default_factory=set)
    faults: list[FieldError] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)


class PathTaken(Refusal):
    """Raised when another service has a path; ``claims`` are for `claims_remember`, once all is rolled back."""

    code = "path_taken"

    def __init__(self, judged: Judged) -> None:
        self.claims = tuple(judged.claims)
        super().__init__(judged.faults[0].message, errors=judged.faults)


def claims_judge(*, kind: str, service_name: str, wanted: Sequence[Wanted], owners: Mapping[Place, str]) -> Judged:
    """Return which of the paths that ``service_name`` wants it may have.

    Args:
        kind: ``menu`` or ``component``.
        service_name: who wants them.
        wanted: what it declares, under `apps.menus.services.lock`.
        owners: which service shows something at those places now, other than this one.
    """
    judged = Judged()
    given = handovers_at(kind, {one.place for one in wanted}) if wanted else {}
    for one in wanted:
        winner = given.get(one.place)
        if winner not in (None, service_name):
            judged.displaced.add(one.place)
        elif winner is None and (owner := owners.get(one.place)) is not None:
            words = f"The path {one.path} belongs to {owner}."
            judged.faults.append(FieldError(one.pointer, PathTaken.code, words))
            judged.claims.append(Claim(kind, one.path, one.place, owner, service_name))
    return judged


def handovers_at(kind: str, places: Iterable[Place]) -> dict[Place, str]:
    """Return to which service an operator gave each of ``places``, where one did."""
    rows = Handover.objects.filter(at_places(places), kind=kind)
    return {(row.route_key, row.company_id): row.service_name for row in rows}


@contextmanager
def claiming(now: dt.datetime) -> Iterator[None]:
    """Run the block in a transaction, as the only writer of menus and manifests; remember whom a path was refused.

    That is for operators to decide, and happens when the refused transaction is rolled back: here, or where an outer
    one ends.
    """
    try:
        with transaction.atomic():
            lock()
            yield
    except PathTaken as refusal:
        claims_remember(refusal, [refusal], now=now)
        raise


def claims_remember(error: HubError, refusals: Iterable[Exception], *, now: dt.datetime) -> None:
    """Remember the claims that ``refusals`` are about, once nothing encloses them any more.

    Args:
        error: what the caller gets of them; it carries what has to wait.
        refusals: those that are no `PathTaken` claim nothing.
        now: when.
    """
    claims = [claim for refusal in refusals if isinstance(refusal, PathTaken) for claim in refusal.claims]
    if not claims:
        return
    if connection.in_atomic_block:
        error.afterwards.append(partial(_remember, claims, now))
    else:
        _remember(claims, now)


def _remember(claims: Iterable[Claim], now: dt.datetime) -> None:
    rows = {(claim.kind, *claim.place, claim.claimant): claim for claim in claims}
    with transaction.atomic():
        lock()
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO menus_conflict"
                " (kind, route_key, company_id, claimant, path, owner, times, first_at, last_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, 1, %s, %s)"
                " ON CONFLICT (kind, route_key, company_id, claimant) DO UPDATE SET path = excluded.path,"
                " owner = excluded.owner, times = menus_conflict.times + 1, last_at = excluded.last_at",
                [(*key, claim.path, claim.owner, now, now) for key, claim in rows.items()],
            )


def conflicts_settle(*, kind: str, claimant: str, has: Iterable[Place], left: Iterable[Place] = ()) -> None:
    """Forget what there is nothing to decide about any more.

    Args:
        kind: ``menu`` or ``component``.
        claimant: a service that has declared something.
        has: the places that it wanted and has now, or has in spite of an operator's word.
        left: the places that it had and left: whoever wanted them may have them.
    """
    has, left = list(has), list(left)
    settled = []
    if has:
        settled.append(at_places(has) & Q(claimant=claimant))
    if left:
        settled.append(at_places(left) & Q(owner=claimant))
    if settled:
        Conflict.objects.filter(reduce(or_, settled), kind=kind).delete()


def at_places(places: Iterable[Place]) -> Q:
    """Return the condition of rows with a ``route_key`` and a ``company_id`` that are at one of ``places``."""
    routes: dict[int | None, set[str]] = {}
    for route, company in places:
        routes.setdefault(company, set()).add(route)
    # A test for None of its own: SQL's IN never finds it.
    found = (
        Q(
            route_key__in=sorted(of),
            **({"company_id": company} if company is not None else {"company_id__isnull": True}),
        )
        for company, of in routes.items()
    )
    return reduce(or_, found, Q(pk__in=()))
