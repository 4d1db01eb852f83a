"""The trail of operators in the audit: accounts, passwords, rights, companies, lock-outs, whichever way they change.

It listens to the models instead of to the pages, so a command and a handler of events leave the same trail as the admin
does. For the same reason it is here that the tokens end which an operator got as the person that he is, when he may not
sign in any more, or for fewer companies. Django's `QuerySet.update` sends no signal: nothing here uses it on these
models.
"""

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.signals import user_logged_out
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.http import HttpRequest
from django.utils import timezone

from apps.core.audit import Actor, actor, record
from apps.serviceauth.models import Operator
from apps.serviceauth.services import revoke_user

__all__ = ["VISITOR", "listen"]

VISITOR = Actor("visitor", "nobody signed in")
"""Who does something before it is known who that is."""

_USER_FIELDS = ("username", "email", "first_name", "last_name", "is_active", "is_staff", "is_superuser")
_OPERATOR_FIELDS = ("user_number", "companies")
_NOT_NOTED = frozenset({"last_login"})
"""Signing in has an entry of its own."""


def listen() -> None:
    """Begin to listen; called once, when the apps are ready."""
    for receiver, signal, sender in (
        (_user_before, pre_save, User),
        (_user_saved, post_save, User),
        (_user_deleted, post_delete, User),
        (_operator_before, pre_save, Operator),
        (_operator_saved, post_save, Operator),
        (_operator_deleted, post_delete, Operator),
        (_group_before, pre_save, Group),
        (_group_saved, post_save, Group),
        (_group_deleted, post_delete, Group),
        (_rights_changed, m2m_changed, User.groups.through),
        (_rights_changed, m2m_changed, User.user_permissions.through),
        (_rights_changed, m2m_changed, Group.permissions.through),
        (_locked_out, user_locked_out, None),
        (_signed_out, user_logged_out, None),
    ):
        signal.connect(receiver, sender=sender, dispatch_uid=f"trail of {receiver.__name__} {sender}")


def _stored(instance: Model, names: tuple[str, ...]) -> dict[str, Any] | None:
    """Return what the database has of a row that is about to be saved; None of one that is new."""
    if instance._state.adding:
        return None
    found: dict[str, Any] | None = type(instance)._default_manager.filter(pk=instance.pk).values(*names).first()
    return found


def _told(instance: Model, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(instance, name) for name in names}


def _note(kind: str, verb: str, name: object, before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
    if before != after:
        record(verb, kind, name, before=before, after=after)


def _user_before(instance: Any, raw: bool, update_fields: frozenset[str] | None, **_: Any) -> None:
    instance._trail = None if _is_unnoted(raw, update_fields) else (_stored(instance, _USER_FIELDS),)


def _user_saved(instance: Any, created: bool, raw: bool, update_fields: frozenset[str] | None, **_: Any) -> None:
    if instance._trail is None:
        return
    (before,) = instance._trail
    name = instance.get_username()
    verb = "operator_created" if created else "operator_changed"
    after = _told(instance, _USER_FIELDS)
    _note("operator", verb, name, before, after)
    if before and _may_enter(before) and not _may_enter(after):
        _end_tokens(Operator.objects.filter(user=instance).values_list("user_number", flat=True).first())
    # Django keeps the password as it was typed until the row is saved; a hash that is only renewed has none.
    if not created and instance._password is not None:
        record("password_changed", "operator", name)


def _is_unnoted(raw: bool, update_fields: frozenset[str] | None) -> bool:
    return raw or (update_fields is not None and update_fields <= _NOT_NOTED)


def _user_deleted(instance: Any, **_: Any) -> None:
    record("operator_deleted", "operator", instance.get_username(), before=_told(instance, _USER_FIELDS))


def _operator_before(instance: Any, **_: Any) -> None:
    instance._trail = _stored(instance, _OPERATOR_FIELDS)


def _operator_saved(instance: Any, **_: Any) -> None:
    before = instance._trail or {"user_number": None, "companies": None}
    after = _told(instance, _OPERATOR_FIELDS)
    _note("operator", "companies_changed", instance.user.get_username(), before, after)
    old, new = before["companies"], after["companies"]
    is_narrowed = new is not None and (old is None or not set(old) <= set(new))
    if is_narrowed or before["user_number"] != after["user_number"]:
        _end_tokens(before["user_number"])


def _operator_deleted(instance: Any, **_: Any) -> None:
    _end_tokens(instance.user_number)


def _may_enter(told: dict[str, Any]) -> bool:
    return bool(told["is_active"] and told["is_staff"])


def _end_tokens(user_number: int | None) -> None:
    """Void what the person has got; who is still somebody gets new tokens."""
    if user_number is not None:
        who = actor()
        revoke_user(
            user_number, reason="lost rights in the console", actor=f"{who.kind}:{who.name}", now=timezone.now()
        )


def _group_before(instance: Any, raw: bool, **_: Any) -> None:
    instance._trail = _stored(instance, ("name",))


def _group_saved(instance: Any, created: bool, **_: Any) -> None:
    verb = "group_created" if created else "group_changed"
    _note("group", verb, instance.name, instance._trail, _told(instance, ("name",)))


def _group_deleted(instance: Any, **_: Any) -> None:
    record("group_deleted", "group", instance.name, before={"name": instance.name})


def _rights_changed(instance: Any, action: str, reverse: bool, model: Any, pk_set: Any, **_: Any) -> None:
    """Note permissions and groups that were given or taken; ``reverse`` is when a group's people are set."""
    given_or_taken = {"post_add": "given", "post_remove": "taken", "pre_clear": "taken"}.get(action)
    if given_or_taken is None:
        return
    rows = model.objects.filter(pk__in=pk_set) if pk_set is not None else _all_of(instance, model)
    names = sorted(_name_of(row) for row in rows)
    if not names:
        return
    kind = "group" if isinstance(instance, Group) else "operator"
    word = "people" if reverse else ("groups" if model is Group else "permissions")
    told, is_given = {word: names}, given_or_taken == "given"
    before, after = (None, told) if is_given else (told, None)
    record(f"rights_{given_or_taken}", kind, _name_of(instance), before=before, after=after)


def _all_of(instance: Any, model: Any) -> Any:
    if isinstance(instance, Group):
        return instance.user_set.all() if model is User else instance.permissions.all()
    return instance.groups.all() if model is Group else instance.user_permissions.all()


def _name_of(row: Any) -> str:
    if isinstance(row, Permission):
        return f"{row.content_type.app_label}.{row.codename}"
    return str(row.name if isinstance(row, Group) else row.get_username())


def _locked_out(request: Any, username: str | None, **_: Any) -> None:
    """Note that a name is refused at an address from now on; a name that nobody has comes as its digest.

    The signal comes for every refusal, but failures are counted only for the one that begins the lock-out.
    """
    if getattr(request, "axes_failures_since_start", None) is not None:
        record("locked_out", "operator", username or "no name", by=VISITOR)


def _signed_out(request: HttpRequest, user: Any, **_: Any) -> None:
    if user is not None and user.is_authenticated:
        name = user.get_username()
        record("signed_out", "operator", name, by=Actor("operator", name))
