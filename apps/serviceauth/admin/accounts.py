"""Service accounts: the list, and the page of one with its keys."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.views import ChangeList

from apps.core.admin import ReadOnlyModelAdmin
from apps.core.companies import company_names
from apps.core.look import ago_html, draw_badge
from apps.core.scopes import SCOPES
from apps.serviceauth import selectors
from apps.serviceauth.admin import pages
from apps.serviceauth.admin.deeds import Deeds
from apps.serviceauth.models import ServiceAccount, ServiceKey
from apps.serviceauth.services.granting import companies_of
from apps.serviceauth.standing import account_standing

__all__ = ["ServiceAccountAdmin"]


class AccountRows(ChangeList):
    """A page of accounts, each with its keys and how it stands."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Fetch the page; two more queries whatever its length."""
        super().get_results(request)
        if not self.query:
            self.full_result_count = self.result_count
        now = timezone.now()
        accounts: list[Any] = list(selectors.with_keys(self.result_list))
        names = company_names({number for account in accounts for number in account.companies})
        for account in accounts:
            account.company_names = names
            account.standing = account_standing(account.all_keys, now, is_active=account.is_active)
            used = [key for key in account.all_keys if key.last_used_at]
            account.last_use = max(used, key=lambda key: key.last_used_at, default=None)
        self.result_list = accounts


@admin.register(ServiceAccount)
class ServiceAccountAdmin(Deeds, ReadOnlyModelAdmin):
    """Who may get tokens. Whoever acts for some companies sees the accounts of these."""

    list_display = ("state", "name_link", "companies_shown", "scopes_shown", "keys_shown", "last_used")
    list_display_links = None
    list_fullwidth = True
    list_per_page = 50
    show_full_result_count = False
    search_fields = ("name",)
    search_help_text = "Name, description, or the id of a key"
    ordering = ("name",)
    sortable_by: tuple[str, ...] = ()
    empty_template = "serviceauth/accounts_empty.html"
    fields = ("name",)

    class Media:
        css = {"all": ["serviceauth/access.css"]}

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Whether the operator may make accounts."""
        return request.user.has_perm("serviceauth.add_serviceaccount")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type:
        """Return what fetches a page of rows."""
        return AccountRows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ServiceAccount], search_term: str
    ) -> tuple[QuerySet[ServiceAccount], bool]:
        """Find by a part of the name or the description, or by a key's id, as logs tell it."""
        text = search_term.strip()
        if not text:
            return queryset, False
        key_id = text.removeprefix("xrp_").partition("_")[0]
        having = ServiceKey.objects.filter(key_id=key_id).values("account_id")
        found = Q(name__icontains=text) | Q(description__icontains=text) | Q(pk__in=having)
        return queryset.filter(found), False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask what a new account may do, and make it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self.create(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one account with its keys."""
        account = self.get_object(request, object_id)
        if account is None or not self.has_view_permission(request, account):
            # Django's own answer: a word that it is not there, or a refusal.
            answer: HttpResponse = super().change_view(request, object_id, form_url, extra_context)
            return answer
        keys = list(ServiceKey.objects.filter(account=account).defer("digest").order_by("-created_at", "-id"))
        may = {
            name: request.user.has_perm(f"serviceauth.{permission}")
            for name, permission in (
                ("change", "change_serviceaccount"),
                ("issue", "add_servicekey"),
                ("disable_key", "change_servicekey"),
                ("enrol", "add_enrolmenttoken"),
                ("cancel", "change_enrolmenttoken"),
            )
        }
        page = pages.account_page(account, keys, timezone.now()) | {"may": may}
        shown: HttpResponse = super().change_view(request, object_id, form_url, page)
        return shown

    @admin.display(description="State")
    def state(self, account: Any) -> SafeString:
        """How it stands: as the key of it that most needs somebody's eyes."""
        return draw_badge(account.standing.badge)

    @admin.display(description="Name")
    def name_link(self, account: Any) -> SafeString:
        """The name, which leads to its page; what it is stands in the title."""
        title = f"{account.name}: {account.description}" if account.description else account.name
        link = '<a class="hub-link hub-name" href="{}" title="{}">{}</a>'
        return format_html(link, pages.account_url(account.pk), title, account.name)

    @admin.display(description="Companies")
    def companies_shown(self, account: Any) -> SafeString:
        """For whom it may act."""
        return pages.companies_html(companies_of(account), shown=2, names=account.company_names)

    @admin.display(description="Scopes")
    def scopes_shown(self, account: Any) -> SafeString:
        """How many scopes it has, all of them on hover."""
        told = f"{len(account.scopes)} of {len(SCOPES)}" + (", people" if account.may_act else "")
        title = " ".join(account.scopes) or "nothing"
        return format_html('<span title="{}">{}</span>', title + (", and it acts for people" * account.may_act), told)

    @admin.display(description="Keys")
    def keys_shown(self, account: Any) -> SafeString:
        """How many keys are live, end soon, and were never used."""
        standing = account.standing
        if not standing.live:
            return format_html('<span class="hub-quiet">{}</span>', "none")
        counts = ((standing.live, "live"), (standing.ending, "ending"), (standing.unused, "unused"))
        return format_html("{}", " · ".join(f"{count:,} {word}" for count, word in counts if count))

    @admin.display(description="Last used")
    def last_used(self, account: Any) -> SafeString:
        """When a key of it last got a token, and from where."""
        if account.last_use is None:
            return ago_html(None, timezone.now())
        moment = ago_html(account.last_use.last_used_at, timezone.now())
        if account.last_use.last_used_from is None:
            return moment
        return format_html('{} <span class="hub-quiet">{}</span>', moment, account.last_use.last_used_from)
