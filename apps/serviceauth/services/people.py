"""What becomes of a person's rights when the person is gone."""

import datetime as dt

from django.db import transaction

from apps.core import audit
from apps.serviceauth.models import Operator, RoleAssignment
from apps.serviceauth.services.revoking import revoke_user

__all__ = ["user_forget"]


@transaction.atomic
def user_forget(*, user_id: int, company_id: int | None, reason: str, actor: str, now: dt.datetime) -> int:
    """Take a person's rights: roles, tokens that act for them, and their way into the console.

    Whoever speaks for one company takes nothing that another gave: with ``company_id`` only the roles given there go,
    and only an operator of no other company is switched off. So with the tokens: those in that company are revoked; who
    is still there gets new ones. Superusers stay: no event may lock the last of them out of the hub.

    Once a person is gone, doing it again revokes again and finds nothing else to take.

    Args:
        user_id: the person, as services number people.
        company_id: for which company the news is; None: for all.
        reason: why, for the audit.
        actor: who says so.
        now: the present.

    Returns:
        How many roles were taken.
    """
    held = RoleAssignment.objects.select_for_update(of=("self",)).select_related("role").filter(user_id=user_id)
    if company_id is not None:
        held = held.filter(company_id=company_id)
    roles = list(held.order_by("pk"))
    for one in roles:
        before = {"role": one.role.name, "company": "all" if one.company_id is None else one.company_id}
        after = {"reason": reason}
        audit.record("role_taken", "person", user_id, company_id=one.company_id, before=before, after=after)
    RoleAssignment.objects.filter(pk__in=[one.pk for one in roles]).delete()
    revoke_user(user_id, reason=reason, actor=actor, now=now, company_id=company_id)
    _switch_off(user_id, company_id, reason)
    return len(roles)


def _switch_off(user_id: int, company_id: int | None, reason: str) -> None:
    """Let the operator who is this person no longer in; the sessions end with that."""
    found = Operator.objects.select_related("user").filter(user_number=user_id, user__is_active=True).first()
    if found is None:
        return
    if company_id is not None and found.companies != [company_id]:
        return
    if found.user.is_superuser:
        told = {"reason": f"{reason}; superusers are switched off by superusers only"}
        audit.record("operator_kept", "operator", found.user.get_username(), after=told)
        return
    found.user.is_active = False
    found.user.save(update_fields=["is_active"])
    name = found.user.get_username()
    audit.record("operator_switched_off", "operator", name, company_id=company_id, after={"reason": reason})
