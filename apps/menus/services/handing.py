"""An operator's word on who has a path: given, and taken back."""

import datetime as dt

from django.db import transaction

from apps.core import audit
from apps.core.errors import FieldError, InvalidInput, NotFound
from apps.menus.models import MENU, Conflict, Handover, MenuItem
from apps.menus.paths import path_fault, route_key
from apps.menus.services.claiming import Place, at_places
from apps.menus.services.revisions import lock, touch
from apps.menus.services.telling import announce
from apps.menus.signals import path_handed

__all__ = ["conflict_dismiss", "path_hand_over", "path_take_back"]


def path_hand_over(
    *, kind: str, path: str, company_id: int | None, service_name: str, actor: str, now: dt.datetime
) -> Handover:
    """Give a path to ``service_name``, whoever declares it.

    What others declare there is kept and not shown, now and later; ``service_name`` may declare it, and shows at once
    what it has declared already.

    Args:
        kind: ``menu`` or ``component``.
        path: the path of items or the route of components.
        company_id: in which company; None: among what is everybody's.
        service_name: who has it from now on.
        actor: who says so.
        now: when.

    Raises:
        InvalidInput: it is no path.
    """
    if words := path_fault(path):
        raise InvalidInput(errors=[FieldError("/path", "path", words)])
    place = (route_key(path), company_id)
    with transaction.atomic():
        lock()
        row = Handover.objects.filter(at_places([place]), kind=kind).first()
        before = None if row is None else {"service_name": row.service_name}
        row = row or Handover(kind=kind, route_key=place[0], company_id=company_id)
        row.service_name, row.actor, row.at = service_name, actor, now
        row.save()
        _tell("path_handed_over", kind, path, place, before=before, after={"service_name": service_name})
        _show(kind, place, service_name, actor, now)
        Conflict.objects.filter(at_places([place]), kind=kind, claimant=service_name).delete()
        Conflict.objects.filter(at_places([place]), kind=kind).update(owner=service_name)
    return row


def path_take_back(*, id: int, actor: str, now: dt.datetime) -> None:
    """Take an operator's word back: the first who declared the path has it again.

    Raises:
        NotFound: there is none, or it is not in sight.
    """
    with transaction.atomic():
        lock()
        row = Handover.objects.filter(pk=id).first()
        if row is None:
            raise NotFound("Nobody handed this over.")
        place = (row.route_key, row.company_id)
        _tell("path_taken_back", row.kind, row.route_key, place, before={"service_name": row.service_name}, after=None)
        row.delete()
        _show(row.kind, place, None, actor, now)


def conflict_dismiss(*, id: int) -> None:
    """Forget that somebody wanted a path; it is remembered anew should that happen again.

    Raises:
        NotFound: there is no such conflict, or it is not in sight.
    """
    with transaction.atomic():
        lock()
        row = Conflict.objects.filter(pk=id).first()
        if row is None:
            raise NotFound("There is no such conflict.")
        audit.record(
            "conflict_dismissed",
            "menu_path",
            row.path,
            company_id=row.company_id,
            before={"kind": row.kind, "owner": row.owner, "claimant": row.claimant},
        )
        row.delete()


def _show(kind: str, place: Place, winner: str | None, actor: str, now: dt.datetime) -> None:
    """Show at ``place`` what ``winner`` declares, or (None) what was declared first, and nothing else."""
    path_handed.send(sender=None, kind=kind, route_key=place[0], company_id=place[1], service=winner, actor=actor)
    if kind != MENU:
        return
    rows = list(MenuItem.objects.filter(at_places([place]), archived_at=None).order_by("pk"))
    shown = next((row.pk for row in rows if winner in (None, row.service_name)), None)
    changed = [row.pk for row in rows if row.displaced != (row.pk != shown)]
    if not changed:
        return
    revision = touch([place[1]])
    # The one that is shown comes last: two at a time cannot be.
    hidden = [pk for pk in changed if pk != shown]
    MenuItem.objects.filter(pk__in=hidden).update(displaced=True, revision=revision, updated_at=now)
    if shown in changed:
        MenuItem.objects.filter(pk=shown).update(displaced=False, revision=revision, updated_at=now)
    data = {"path": place[0], "service_name": winner, "revision": revision, "actor": actor}
    announce("menu", place[0], [place[1]], data, now)


def _tell(
    action: str,
    kind: str,
    path: str,
    place: Place,
    *,
    before: dict[str, str] | None,
    after: dict[str, str] | None,
) -> None:
    told = {"kind": kind, "path": path}
    audit.record(
        action,
        "menu_path",
        path,
        company_id=place[1],
        before=None if before is None else {**told, **before},
        after=None if after is None else {**told, **after},
    )
