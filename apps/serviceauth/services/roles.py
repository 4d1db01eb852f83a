"""Roles of people: which permissions a name stands for, and who has it in which company.

What is taken away counts at once: the tokens that act for whoever loses it are revoked.
"""

import datetime as dt
import re
from collections.abc import Collection, Iterable
from typing import Any

from django.db import IntegrityError, connection, transaction

from apps.core import audit
from apps.core.errors import Conflict, FieldError, InvalidInput, NotFound
from apps.core.scopes import covers
from apps.core.tenancy.models import required_scope
from apps.serviceauth.models import Role, RoleAssignment
from apps.serviceauth.services.revoking import revoke_user

__all__ = ["assignment_faults", "role_assign", "role_delete", "role_faults", "role_save", "role_unassign"]

MOST_PATTERNS = 200
MOST_REVOKED = 1000
"""People whose tokens are revoked when their role loses something; those of more end by themselves in minutes."""
_MOST_NUMBER = 2**63 - 1
_LOCK = 0x524F4C45  # "ROLE"

# A comma separates permissions in a query; spaces are for people. Requirements name no wildcard, so only a grant may.
_PATTERN = re.compile(r"\*|[^\s,*]+(?:\.\*)?")


@transaction.atomic
def role_save(
    *,
    name: str,
    permissions: Collection[str],
    actor: str,
    now: dt.datetime,
    company_id: int | None = None,
    description: str = "",
    role: Role | None = None,
) -> Role:
    """Make a role, or change one.

    Args:
        name: unique in its company, and among those of all companies.
        permissions: patterns such as ``product.view``, ``product.*`` or ``*``.
        actor: who does it.
        now: the present.
        company_id: whose role it is; None: all companies may give it. A role keeps its company.
        description: for people.
        role: the one to change; None makes one.

    Raises:
        InvalidInput: with every fault.
        Conflict: the name is taken there.
        NotFound: the role to change is gone, or not in sight.
    """
    found = _locked(role) if role else Role(company_id=company_id)
    patterns = sorted(set(permissions))
    faults = role_faults(name=name, permissions=patterns, company_id=found.company_id, is_new=role is None)
    if faults:
        raise InvalidInput(errors=faults)
    before = _told(found) if role else None
    lost = [] if role is None else [old for old in found.permissions if not any(covers(p, old) for p in patterns)]
    found.name, found.permissions, found.description = name.strip(), patterns, description
    if before == _told(found):
        return found
    try:
        with transaction.atomic():
            found.save()
    except IntegrityError as error:
        where = "all companies" if found.company_id is None else f"company {found.company_id}"
        raise Conflict(f"There is a role “{found.name}” of {where} already.", code="name_taken") from error
    _record("role_changed" if role else "role_created", found, before=before, after=_told(found))
    if lost:
        _revoke(_holders(found), f"role {found.name} lost permissions", actor, now, found.company_id)
    return found


@transaction.atomic
def role_delete(*, role: Role, actor: str, now: dt.datetime) -> int:
    """Delete a role and take it from everybody; return how many had it.

    Raises:
        NotFound: it is gone, or not in sight.
    """
    found = _locked(role)
    holders = _holders(found)
    _record("role_deleted", found, before=_told(found) | {"held_by": holders[:100], "holders": len(holders)})
    found.delete()
    _revoke(holders, f"role {found.name} was deleted", actor, now, found.company_id)
    return len(holders)


@transaction.atomic
def role_assign(*, role: Role, user_id: int, company_id: int | None, actor: str) -> RoleAssignment:
    """Give a person a role in a company, or with None in all of them. Giving it twice changes nothing.

    Raises:
        InvalidInput: the person is no number, or the company is not one in which this role may be given.
        NotFound: the role is gone, or not in sight.
    """
    _hold(role)
    found: Role | None = Role.objects.filter(pk=role.pk).first()
    if found is None:
        raise NotFound
    faults = assignment_faults(found, user_id, company_id)
    if faults:
        raise InvalidInput(errors=faults)
    given = {"role": found, "user_id": user_id, "company_id": company_id}
    there: RoleAssignment | None = RoleAssignment.objects.filter(**given).first()
    if there is not None:
        return there
    assignment = RoleAssignment(**given, created_by=actor[:200])
    assignment.save(force_insert=True)
    _record_assignment("role_given", assignment, after=_told_assignment(assignment))
    return assignment


@transaction.atomic
def role_unassign(*, assignment: RoleAssignment, actor: str, now: dt.datetime) -> bool:
    """Take a role from a person in a company; return whether they had it still.

    Raises:
        NotFound: it is in sight, but not to be changed here: it counts in all companies.
    """
    _hold(assignment.role)
    found: RoleAssignment | None = RoleAssignment.objects.select_related("role").filter(pk=assignment.pk).first()
    if found is None:
        return False
    found.require_writable()
    _record_assignment("role_taken", found, before=_told_assignment(found))
    found.delete()
    _revoke([found.user_id], f"role {found.role.name} was taken away", actor, now, found.company_id)
    return True


def role_faults(*, name: str, permissions: Collection[str], company_id: int | None, is_new: bool) -> list[FieldError]:
    """Return what is wrong with a role that somebody wants to save; the company counts for a new one."""
    faults = _company_faults(company_id) if is_new else []
    return faults + _name_faults(name) + _pattern_faults(permissions)


def assignment_faults(role: Role, user_id: int, company_id: int | None) -> list[FieldError]:
    """Return why ``role`` cannot be given to this person in this company (None: in all of them)."""
    is_person = 1 <= user_id <= _MOST_NUMBER
    faults = [] if is_person else [FieldError("/user_id", "invalid", "A person is a whole number from 1.")]
    faults += _company_faults(company_id)
    if role.company_id is not None and company_id != role.company_id:
        message = f"This is a role of company {role.company_id}: it can be given there only."
        faults.append(FieldError("/company_id", "not_its_company", message))
    return faults


def _hold(role: Role) -> None:
    """Wait for whoever changes, gives or takes this role, until the transaction ends.

    A lock of the row would not do: who gives a role of all companies in his own sees it, and may not lock it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK, role.pk % 2**31])


def _locked(role: Role) -> Role:
    _hold(role)
    found: Role | None = Role.objects.filter(pk=role.pk).first()
    if found is None:
        raise NotFound
    found.require_writable()
    return found


def _holders(role: Role) -> list[int]:
    people = RoleAssignment.objects.filter(role=role).order_by("user_id").values_list("user_id", flat=True)
    return list(people.distinct())


def _revoke(people: Iterable[int], reason: str, actor: str, now: dt.datetime, company_id: int | None) -> None:
    """Void what people have that says otherwise: in the one company where it counted, None is in all of them."""
    for user_id in list(people)[:MOST_REVOKED]:
        revoke_user(user_id, reason=reason, actor=actor, now=now, company_id=company_id)


def _company_faults(company_id: int | None) -> list[FieldError]:
    if company_id is not None and not 1 <= company_id <= _MOST_NUMBER:
        return [FieldError("/company_id", "invalid", "A company is a whole number from 1.")]
    if required_scope(Role).writes(company_id):
        return []
    message = "Name one of your companies." if company_id is None else f"You do not act for company {company_id}."
    return [FieldError("/company_id", "not_yours", message)]


def _name_faults(name: str) -> list[FieldError]:
    text = name.strip()
    if not text or len(text) > 100 or not text.isprintable():
        return [FieldError("/name", "invalid", "A role's name has 1 to 100 printable characters.")]
    return []


def _pattern_faults(patterns: Collection[str]) -> list[FieldError]:
    if len(patterns) > MOST_PATTERNS:
        return [FieldError("/permissions", "too_many", f"A role has at most {MOST_PATTERNS} permissions.")]
    return [
        FieldError("/permissions", "invalid", f"“{text[:60]}” is no permission such as product.view, product.* or *.")
        for text in patterns
        if len(text) > 200 or not text.isprintable() or _PATTERN.fullmatch(text) is None
    ]


def _told(role: Role) -> dict[str, Any]:
    return {"name": role.name, "permissions": list(role.permissions), "description": role.description}


def _told_assignment(assignment: RoleAssignment) -> dict[str, Any]:
    return {
        "role": assignment.role.name,
        "role_company": assignment.role.company_id,
        "user_id": assignment.user_id,
        "company": "all" if assignment.company_id is None else assignment.company_id,
    }


def _record(action: str, role: Role, **sides: Any) -> None:
    audit.record(action, "role", role.name, company_id=role.company_id, **sides)


def _record_assignment(action: str, assignment: RoleAssignment, **sides: Any) -> None:
    audit.record(action, "person", assignment.user_id, company_id=assignment.company_id, **sides)
