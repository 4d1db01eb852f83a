"""Operators, their groups, and who failed to sign in, in the look of the rest."""

import datetime as dt
from typing import Any, ClassVar

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django_otp.plugins.otp_static import admin as _static  # noqa: F401  # registers what is taken away below
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp import admin as _totp  # noqa: F401
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import ModelAdmin, StackedInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.console import auditing as _auditing  # noqa: F401  # registers its page
from apps.console.forms import OperatorForm
from apps.console.lockout import unlock
from apps.console.second_factor import factor_remove
from apps.core.admin import HubWide, ReadOnlyModelAdmin, acts_for_all
from apps.core.audit import record
from apps.core.look import ago_html, badge_html
from apps.serviceauth.models import Operator

admin.site.unregister(User)
admin.site.unregister(Group)
# These pages show the secrets themselves; a person's second factor has a page of its own.
admin.site.unregister(TOTPDevice)
admin.site.unregister(StaticDevice)


class OperatorInline(StackedInline):
    """Which companies somebody works for, and who they are to services."""

    model = Operator
    form = OperatorForm
    can_delete = False
    verbose_name = "person"
    verbose_name_plural = "Companies and person"

    def _may(self, request: HttpRequest) -> bool:
        """Whether this operator may say so; whoever belongs to companies cannot widen his own."""
        return bool(request.user.is_superuser and acts_for_all(request))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers of all companies."""
        return self._may(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers of all companies."""
        return self._may(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see operators."""
        return acts_for_all(request)


@admin.register(User)
class UserAdmin(HubWide, DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # takes no parameter at run time
    """Who may come in. Rights are given by superusers only: nobody gives himself more than he has."""

    RIGHTS: ClassVar[tuple[str, ...]] = ("is_staff", "is_superuser", "groups", "user_permissions")
    inlines = (OperatorInline,)

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "first_name", "last_name", "is_staff", "companies", "second_factor")
    list_select_related = ("operator",)
    actions = ("remove_second_factor",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return everybody, with whether they have a second factor."""
        confirmed = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        users: QuerySet[User] = super().get_queryset(request)
        return users.annotate(has_factor=Exists(confirmed))

    def get_inlines(self, request: HttpRequest, obj: User | None) -> tuple[type[StackedInline], ...]:
        """Ask for companies once there is somebody to have them."""
        return self.inlines if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Return what this operator may not set."""
        fields = tuple(super().get_readonly_fields(request, obj))
        return fields if request.user.is_superuser else (*fields, *self.RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Superusers are changed by superusers only: a new password would be a way in."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Superusers are deleted by superusers only."""
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    @admin.display(description="Companies")
    def companies(self, user: User) -> str:
        """The companies whose rows they see."""
        found = getattr(user, "operator", None)
        if found is None or found.companies is None:
            return "all"
        return ", ".join(str(number) for number in found.companies)

    @admin.display(description="Second factor", boolean=True)
    def second_factor(self, user: Any) -> bool:
        """Whether signing in asks for a code."""
        return bool(user.has_factor)

    @admin.action(description="Remove the second factor (a phone was lost)", permissions=["superuser"])
    def remove_second_factor(self, request: HttpRequest, users: "QuerySet[User]") -> None:
        """Let people sign in by their password alone, until they set up a second factor again."""
        removed = sum(factor_remove(user, by=request.user) for user in users)  # type: ignore[arg-type]  # signed in
        self.message_user(request, f"Removed {removed} of {len(users)} second factors.", messages.SUCCESS)

    def has_superuser_permission(self, request: HttpRequest) -> bool:
        """Whether this operator may help others who lost their phone."""
        return bool(request.user.is_active and request.user.is_superuser)


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    return bool(user is None or request.user.is_superuser or not user.is_superuser)


@admin.register(Group)
class GroupAdmin(HubWide, DjangoGroupAdmin, ModelAdmin):
    """Who may do what; a group gives rights, so it is changed by superusers only."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Superusers."""
        return super().has_add_permission(request, *args) and bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Superusers."""
        return super().has_change_permission(request, obj) and bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Superusers."""
        return super().has_delete_permission(request, obj) and bool(request.user.is_superuser)


@admin.register(AccessAttempt)
class SignInAttemptAdmin(HubWide, ReadOnlyModelAdmin):
    """Who failed to sign in, and who is locked out where. Kept until somebody signs in or the lock-out is over."""

    list_display = ("person", "ip_address", "failures_since_start", "since", "fate")
    list_display_links = None
    search_fields = ("username", "ip_address")
    ordering = ("-attempt_time",)
    actions = ("unlock",)
    sortable_by: tuple[str, ...] = ()
    show_full_result_count = False

    @admin.display(description="Who")
    def person(self, attempt: AccessAttempt) -> str:
        """The name that was tried; names that nobody has are kept by a digest only."""
        name = str(attempt.username or "")
        return "a name that nobody has" if name.startswith("nobody:") else name or "no name"

    @admin.display(description="Last failure")
    def since(self, attempt: AccessAttempt) -> SafeString:
        """When it last failed."""
        return ago_html(attempt.attempt_time, timezone.now())

    @admin.display(description="State")
    def fate(self, attempt: AccessAttempt) -> SafeString:
        """Whether further tries are refused; several browsers at one address count together."""
        if timezone.now() - attempt.attempt_time > dt.timedelta(seconds=settings.LOGIN_LOCKOUT_SECONDS):
            return badge_html("healthy", word="may try")
        if attempt.failures_since_start >= settings.LOGIN_FAILURE_LIMIT:
            return badge_html("unhealthy", word="locked out")
        return badge_html("degraded", word="may try")

    @admin.action(description="Let them try again now", permissions=["unlock"])
    def unlock(self, request: HttpRequest, attempts: "QuerySet[AccessAttempt]") -> None:
        """Forget the failures that were chosen."""
        names = sorted({str(attempt.username or "no name") for attempt in attempts})
        count = unlock(list(attempts))
        for name in names:
            record("unlocked", "operator", name)
        self.message_user(request, f"{count} forgotten; who failed may try again at once.", messages.SUCCESS)

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        """Whether this operator may let others try again."""
        return request.user.has_perm("axes.delete_accessattempt")


AccessAttempt._meta.verbose_name = "failed sign-in"
AccessAttempt._meta.verbose_name_plural = "failed sign-ins"
