"""Operators, their groups, and who failed to sign in, in the look of the rest."""

import datetime as dt
from typing import Any

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
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.console.lockout import unlock
from apps.console.second_factor import factor_remove
from apps.core.admin import ReadOnlyModelAdmin
from apps.core.look import ago_html, badge_html

admin.site.unregister(User)
admin.site.unregister(Group)
# These pages show the secrets themselves; a person's second factor has a page of its own.
admin.site.unregister(TOTPDevice)
admin.site.unregister(StaticDevice)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """Who may come in."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "first_name", "last_name", "is_staff", "second_factor")
    actions = ("remove_second_factor",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return everybody, with whether they have a second factor."""
        confirmed = TOTPDevice.objects.filter(user=OuterRef("pk"), confirmed=True)
        users: QuerySet[User] = super().get_queryset(request)
        return users.annotate(has_factor=Exists(confirmed))

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


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Who may do what."""


@admin.register(AccessAttempt)
class SignInAttemptAdmin(ReadOnlyModelAdmin):
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
        count = unlock(list(attempts))
        self.message_user(request, f"{count} forgotten; who failed may try again at once.", messages.SUCCESS)

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        """Whether this operator may let others try again."""
        return request.user.has_perm("axes.delete_accessattempt")


AccessAttempt._meta.verbose_name = "failed sign-in"
AccessAttempt._meta.verbose_name_plural = "failed sign-ins"
