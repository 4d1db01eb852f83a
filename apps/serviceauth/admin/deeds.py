"""What operators do to accounts and keys: each has a page that asks, and what is secret is shown once, in its answer.

A secret is in the answer to the POST that made it and nowhere else: no redirect carries it, no session, message, log or
history of the browser. Whoever sends the same form again (a reload, a double click) makes no second key: each form
knows the newest key that its operator saw, and is refused when there is another by now.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from apps.core.admin import actor_of
from apps.core.errors import Conflict, HubError
from apps.core.tenancy.models import required_scope
from apps.serviceauth import services
from apps.serviceauth.admin import forms, pages
from apps.serviceauth.keys import parse_key
from apps.serviceauth.models import EnrolmentToken, ServiceAccount, ServiceKey
from apps.serviceauth.services.keys import live_keys

__all__ = ["Deeds", "actor_of"]

MADE_MEANWHILE = (
    "Something was issued for this account since this page was opened, perhaps by this very form: nothing was made now."
    " See the account before you try again."
)


class Deeds:
    """For the admin of accounts: the pages that issue, rotate and disable."""

    admin_site: Any
    message_user: Callable[..., None]

    def get_urls(self) -> list[URLPattern]:
        """Add the pages, in front of the admin's own."""
        deeds = {
            "account_rights": ("<int:pk>/rights/", self.rights),
            "account_disable": ("<int:pk>/disable/", self.disable),
            "account_enable": ("<int:pk>/enable/", self.enable),
            "key_issue": ("<int:pk>/issue/", self.issue),
            "key_rotate": ("keys/<int:pk>/rotate/", self.rotate),
            "key_disable": ("keys/<int:pk>/disable/", self.disable_key),
            "enrolment_create": ("<int:pk>/enrol/", self.enrol),
            "enrolment_cancel": ("enrolments/<int:pk>/cancel/", self.cancel),
        }
        own = [
            path(route, self.admin_site.admin_view(view), name=f"serviceauth_{name}")
            for name, (route, view) in deeds.items()
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]  # a mixin of ModelAdmin

    # --- accounts -----------------------------------------------------------------------------------------------------

    def create(self, request: HttpRequest) -> HttpResponse:
        """Make an account; it needs a key next."""
        form = forms.AccountForm(_sent(request))
        form.narrow(required_scope(ServiceAccount).companies)
        if form.is_valid():
            try:
                account = services.account_create(actor=actor_of(request), **form.asked())
            except HubError as error:
                form.refused(error)
            else:
                self.message_user(request, f"Made the account {account.name}. It needs a key.", messages.SUCCESS)
                return HttpResponseRedirect(pages.account_url(account.pk))
        return self._form(request, form, "New service account", template="account", back=_list_url())

    def rights(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Change what an account may do."""
        account = self._account(request, pk, "change_serviceaccount")
        form = forms.RightsForm(_sent(request), initial=forms.RightsForm.values_of(account))
        form.narrow(required_scope(ServiceAccount).companies)
        if form.is_valid():
            try:
                services.account_update(account=account, actor=actor_of(request), **form.asked())
            except HubError as error:
                form.refused(error)
            else:
                told = f"Changed what {account.name} may do. What was taken away is void at once."
                self.message_user(request, told, messages.SUCCESS)
                return HttpResponseRedirect(pages.account_url(pk))
        return self._form(request, form, f"What {account.name} may do", template="account", account=account)

    def disable(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Switch an account off."""
        account = self._account(request, pk, "change_serviceaccount")
        now = timezone.now()
        live = live_keys(account, now).count()

        def do(reason: str) -> str:
            services.account_disable(account=account, actor=actor_of(request), now=now, reason=reason)
            return f"Disabled {account.name}: its keys get no tokens, and the tokens that are out are void."

        return self._ask(
            request,
            account,
            title=f"Disable {account.name}",
            sentence=f"{live:,} live key{'' if live == 1 else 's'} of {account.name} will get no tokens.",
            afterwards="Tokens that are out are void within a second here, and within half a minute with services that"
            " verify offline. Its services stay registered until their leases end. Enabling it again brings the keys"
            " back as they are.",
            verb="Disable",
            is_danger=True,
            do=do,
        )

    def enable(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Switch an account on again."""
        account = self._account(request, pk, "change_serviceaccount")
        live = live_keys(account, timezone.now()).count()

        def do(reason: str) -> str:
            services.account_enable(account=account, actor=actor_of(request))
            return f"Enabled {account.name}."

        return self._ask(
            request,
            account,
            title=f"Enable {account.name}",
            sentence=f"{live:,} key{'' if live == 1 else 's'} of {account.name} will get tokens again.",
            afterwards="Tokens from before it was disabled stay void; its services fetch new ones by themselves.",
            verb="Enable",
            do=do,
        )

    # --- keys ---------------------------------------------------------------------------------------------------------

    @sensitive_variables("text")
    def issue(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Issue a key, and show it once."""
        account = self._account(request, pk, "add_servicekey")
        form = forms.KeyForm(account, _sent(request))
        if form.is_valid():
            now = timezone.now()
            try:
                with _once(request, account, ServiceKey):
                    text = services.key_issue(
                        account=account,
                        actor=actor_of(request),
                        now=now,
                        label=form.cleaned_data["label"].strip(),
                        companies=form.cleaned_data["companies"],
                        scopes=form.narrowed_scopes(),
                        networks=form.network_list(),
                        expires_at=form.ends(now),
                    )
            except HubError as error:
                form.refused(error)
            else:
                return self._shown_key(request, account, text)
        return self._form(
            request,
            form,
            f"A key for {account.name}",
            template="issue",
            account=account,
            newest=_newest(account, ServiceKey),
            verb="Issue the key",
        )

    @sensitive_variables("text")
    def rotate(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Issue a key in place of another, and show it once."""
        key = self._key(request, pk, "add_servicekey")
        account = key.account
        form = forms.RotationForm(key, _sent(request))
        if form.is_valid():
            try:
                text = services.key_rotate(key=key, overlap=form.wanted(), actor=actor_of(request), now=timezone.now())
            except HubError as error:
                form.refused(error)
            else:
                key.refresh_from_db()
                return self._shown_key(request, account, text, old=key)
        return self._form(
            request,
            form,
            f"Rotate a key of {account.name}",
            template="rotate",
            account=account,
            key=key,
            verb="Issue the new key",
        )

    def disable_key(self, request: HttpRequest, pk: int) -> HttpResponse:
        """End a key and its tokens."""
        key = self._key(request, pk, "change_servicekey")
        account, now = key.account, timezone.now()
        others = live_keys(account, now).exclude(pk=key.pk).count()
        left = f"{others:,} other live key{'' if others == 1 else 's'}" if others else "no other live key"

        def do(reason: str) -> str:
            services.key_disable(key=key, reason=reason or "by an operator", actor=actor_of(request), now=now)
            return f"Disabled the key {key}. The account has {left}."

        warning = "" if others else "Its service gets no token then, and stands still when the one that it has ends."
        return self._ask(
            request,
            account,
            title=f"Disable a key of {account.name}",
            sentence=f"The key {key} ends, with every token that it got. The account has {left}.",
            afterwards="There is no way back: issue another key instead.",
            warning=warning,
            verb="Disable the key",
            is_danger=True,
            key=key,
            do=do,
        )

    # --- enrolment ----------------------------------------------------------------------------------------------------

    @sensitive_variables("text")
    def enrol(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make an enrolment token, and show it once."""
        account = self._account(request, pk, "add_enrolmenttoken")
        form = forms.EnrolmentForm(_sent(request))
        if form.is_valid():
            now = timezone.now()
            try:
                with _once(request, account, EnrolmentToken):
                    text = services.enrolment_create(
                        account=account,
                        actor=actor_of(request),
                        now=now,
                        lifetime=form.lifetime(),
                        key_expires_at=form.ends(now),
                        networks=form.network_list(),
                    )
            except HubError as error:
                form.refused(error)
            else:
                until = now + form.lifetime()
                return self._shown(request, account, text, f"An enrolment token for {account.name}", until=until)
        return self._form(
            request,
            form,
            f"An enrolment token for {account.name}",
            template="enrol",
            account=account,
            newest=_newest(account, EnrolmentToken),
            verb="Make the token",
        )

    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Void an enrolment token that nobody used."""
        _require(request, "change_enrolmenttoken")
        token = EnrolmentToken.objects.select_related("account").filter(pk=pk).first()
        if token is None or request.method != "POST":
            raise Http404
        if services.enrolment_cancel(token=token, now=timezone.now()):
            self.message_user(request, "The enrolment token is void.", messages.SUCCESS)
        else:
            self.message_user(request, "It was used, or had ended, before.", messages.WARNING)
        return HttpResponseRedirect(pages.account_url(token.account_id))

    # --- pages --------------------------------------------------------------------------------------------------------

    def _account(self, request: HttpRequest, pk: int, permission: str) -> ServiceAccount:
        _require(request, permission)
        account: ServiceAccount | None = ServiceAccount.objects.filter(pk=pk).first()
        if account is None:
            raise Http404
        return account

    def _key(self, request: HttpRequest, pk: int, permission: str) -> ServiceKey:
        _require(request, permission)
        key: ServiceKey | None = ServiceKey.objects.select_related("account").filter(pk=pk).first()
        if key is None:
            raise Http404
        return key

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        whole = self.admin_site.each_context(request) | {"title": title} | context
        account = context.get("account")
        whole.setdefault("back", pages.account_url(account.pk) if account else _list_url())
        return TemplateResponse(request, f"serviceauth/{template}.html", whole)

    def _form(
        self, request: HttpRequest, form: forms.ServiceForm, title: str, *, template: str, **context: Any
    ) -> HttpResponse:
        return self._page(request, template, title, form=form, **context)

    def _ask(
        self, request: HttpRequest, account: ServiceAccount, *, title: str, do: Callable[[str], str], **context: Any
    ) -> HttpResponse:
        """Ask once (GET), then do it (POST) and say what was done."""
        form = forms.ReasonForm(_sent(request))
        if form.is_valid():
            try:
                told = do(form.cleaned_data["reason"])
            except HubError as error:
                form.refused(error)
            else:
                self.message_user(request, told, messages.SUCCESS)
                return HttpResponseRedirect(pages.account_url(account.pk))
        return self._page(request, "ask", title, form=form, account=account, **context)

    @sensitive_variables("text")
    def _shown_key(
        self, request: HttpRequest, account: ServiceAccount, text: str, old: ServiceKey | None = None
    ) -> HttpResponse:
        parsed = parse_key(text)
        key = ServiceKey.objects.get(key_id=parsed.key_id if parsed else "")
        return self._shown(request, account, text, f"A key for {account.name}", key=key, old=old)

    @sensitive_variables("text")
    def _shown(
        self, request: HttpRequest, account: ServiceAccount, text: str, title: str, **context: Any
    ) -> HttpResponse:
        """Answer with the one page that holds a secret; nobody may keep a copy of it."""
        answer = self._page(
            request, "shown", title, account=account, secret=text, hub_url=settings.HUB_PUBLIC_URL, **context
        )
        answer["Cache-Control"] = "no-store"
        return answer


@contextmanager
def _once(request: HttpRequest, account: ServiceAccount, model: Any) -> Iterator[None]:
    """Do the block once for each form: under the account's lock, unless something newer than the form is there.

    Raises:
        Conflict: there is.
    """
    with transaction.atomic():
        ServiceAccount.objects.select_for_update().get(pk=account.pk)
        if request.POST.get("newest", "") != str(_newest(account, model)):
            raise Conflict(MADE_MEANWHILE)
        yield


def _newest(account: ServiceAccount, model: Any) -> int:
    """Return the number of the newest row of an account, 0 for none."""
    newest: int | None = model.objects.filter(account=account).order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


def _sent(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(f"serviceauth.{permission}"):
        raise PermissionDenied


def _list_url() -> str:
    return reverse("admin:serviceauth_serviceaccount_changelist")
