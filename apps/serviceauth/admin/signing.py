"""Signing keys and revocations: what there is, drawn over time, and the few things that an operator does to them."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters

from apps.core.admin import HubWide, ReadOnlyModelAdmin, actor_of
from apps.core.look import ago_html, identifier_html
from apps.serviceauth import selectors, services
from apps.serviceauth.admin.forms import ReasonForm
from apps.serviceauth.admin.revoking import RevokeForm
from apps.serviceauth.models import Revocation, SigningKey

__all__ = ["RevocationAdmin", "SigningKeyAdmin"]


@admin.register(SigningKey)
class SigningKeyAdmin(HubWide, ReadOnlyModelAdmin):
    """The keys that sign tokens. They rotate by themselves; only for operators of all companies."""

    fields = (
        "kid",
        "algorithm",
        "public",
        "pepper_version",
        "created_at",
        "signs_from",
        "signs_until",
        "verifies_until",
    )

    def get_urls(self) -> list[URLPattern]:
        """Add what is done to keys, in front of the admin's own."""
        own = {"rotate/": ("rotate", self.rotate), "<path:kid>/withdraw/": ("withdraw", self.withdraw)}
        return [
            *(
                path(route, self.admin_site.admin_view(view), name=f"serviceauth_signingkey_{name}")
                for route, (name, view) in own.items()
            ),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show all keys on one line of time, and what happens next."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        context = self.admin_site.each_context(request) | {
            "title": "Signing keys",
            "opts": self.opts,
            "state": selectors.signing_state(now=now),
            "may_change": self._may_change(request),
        }
        return TemplateResponse(request, "serviceauth/signing_keys.html", context)

    def rotate(self, request: HttpRequest) -> HttpResponse:
        """Make the next key now; it signs ten minutes later."""
        self._require(request)
        if request.method != "POST":
            raise Http404
        if services.signing_keys_rotate(now=timezone.now(), at_once=True):
            told = "Made the next key. Verifiers learn it now; it signs in ten minutes."
            self.message_user(request, told, messages.SUCCESS)
        else:
            self.message_user(request, "Another key waits to take over already.", messages.WARNING)
        return HttpResponseRedirect(_list_of("signingkey"))

    def withdraw(self, request: HttpRequest, kid: str) -> HttpResponse:
        """Ask, and take a key back that somebody else may have."""
        self._require(request)
        key = SigningKey.objects.filter(kid=kid).defer("private").first()
        if key is None:
            raise Http404
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            present = services.signing_key_withdraw(kid=kid, now=timezone.now(), reason=form.cleaned_data["reason"])
            told = f"Withdrew the key {kid}: its tokens are void. {present} signs now."
            self.message_user(request, told, messages.SUCCESS)
            return HttpResponseRedirect(_list_of("signingkey"))
        context = self.admin_site.each_context(request) | {
            "title": "Withdraw a signing key",
            "sentence": f"Every token that {kid} signed is void at once, whoever has it.",
            "warning": "Services fetch new ones by themselves when they are refused; calls of that moment may fail.",
            "afterwards": "For keys that somebody else may have. Services that verify offline learn it when they ask"
            " for the keys again, within five minutes. There is no way back.",
            "verb": "Withdraw the key",
            "is_danger": True,
            "form": form,
            "back": _list_of("signingkey"),
        }
        return TemplateResponse(request, "serviceauth/ask.html", context)

    def _may_change(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and request.user.has_perm("serviceauth.change_signingkey")

    def _require(self, request: HttpRequest) -> None:
        if not self._may_change(request):
            raise PermissionDenied


@admin.register(Revocation)
class RevocationAdmin(HubWide, ReadOnlyModelAdmin):
    """What was revoked before its time; a row goes when everything that it is about has ended."""

    list_display = ("kind", "subject_shown", "issued_before_shown", "reason", "by", "expires_shown")
    list_display_links = None
    list_filter = ("kind",)
    search_fields = ("=subject", "reason")
    search_help_text = "Name, number or id, or a part of the reason"
    ordering = ("-id",)
    sortable_by: tuple[str, ...] = ()
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Whether the operator may revoke."""
        return self.has_view_permission(request) and request.user.has_perm("serviceauth.add_revocation")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask whose tokens are to be void, and make them so."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        answer: Callable[..., HttpResponse] = sensitive_post_parameters("subject")(self._revoke)
        return answer(request)

    def _revoke(self, request: HttpRequest) -> HttpResponse:
        now = timezone.now()
        form = RevokeForm(request.POST or None)
        if form.is_valid():
            told = form.revoke(actor=actor_of(request), now=now)
            self.message_user(request, told, messages.SUCCESS)
            return HttpResponseRedirect(_list_of("revocation"))
        context = self.admin_site.each_context(request) | {
            "title": "Revoke tokens",
            "form": form,
            "back": _list_of("revocation"),
        }
        return TemplateResponse(request, "serviceauth/revoke.html", context)

    @admin.display(description="Of")
    def subject_shown(self, row: Revocation) -> SafeString:
        """Whose tokens, to be copied."""
        return identifier_html(row.subject)

    @admin.display(description="Issued before")
    def issued_before_shown(self, row: Revocation) -> SafeString | str:
        """Which of them."""
        is_over = row.kind == Revocation.TOKEN or row.issued_before > row.created_at + dt.timedelta(minutes=1)
        return "any time" if is_over else ago_html(row.issued_before, timezone.now())

    @admin.display(description="By")
    def by(self, row: Revocation) -> str:
        """Who revoked it."""
        return row.created_by.replace("operator:", "")

    @admin.display(description="Kept until")
    def expires_shown(self, row: Revocation) -> SafeString:
        """When the last token of it has ended."""
        return ago_html(row.expires_at, timezone.now())


def _list_of(model: str) -> str:
    return reverse(f"admin:serviceauth_{model}_changelist")
