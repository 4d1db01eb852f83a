"""Trusted issuers in the admin: whose tokens about people the hub exchanges for its own."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from apps.core.admin import HubWide, actor_of
from apps.core.errors import HubError
from apps.core.fetching import FetchFailed
from apps.core.tenancy import Companies
from apps.serviceauth.grants import spell_companies
from apps.serviceauth.jwks import ALGORITHMS, BadKeySet
from apps.serviceauth.models import TrustedIssuer
from apps.serviceauth.services.issuers import issuer_delete, issuer_faults, issuer_look, issuer_save

__all__ = ["TrustedIssuerAdmin"]

MOST_LOOKS = 5
"""Issuers that one action asks: each may take three seconds to answer."""
STORED = ("issuer", "audience", "algorithms", "jwks_url", "jwks", "user_claim", "company_claim", "is_active")


class IssuerForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """What operators fill in; what may stand there is said by the service."""

    algorithms = forms.MultipleChoiceField(
        choices=[(name, name) for name in ALGORITHMS],
        initial=["ES256", "RS256"],
        widget=forms.CheckboxSelectMultiple,
        help_text="What it may sign with. What a token's header says is not enough.",
    )
    for_companies = forms.RegexField(
        r"^(\*|[0-9]{1,18}(\s*,\s*[0-9]{1,18})*)$",
        max_length=2000,
        label="Companies",
        error_messages={"invalid": "Write numbers, with commas between, or *."},
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "1, 2 or *", "autocomplete": "off"}),
        help_text="The companies that its tokens are good for: numbers, or * for all.",
    )
    jwks = forms.JSONField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        label="Keys",
        help_text="Its public keys as a JWK set, where no address has them.",
    )
    is_active = forms.BooleanField(required=False, initial=True, widget=UnfoldBooleanWidget(), label="Trusted")

    class Meta:
        model = TrustedIssuer
        fields = STORED

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.pk:
            numbers = ", ".join(str(number) for number in self.instance.companies)
            self.initial["for_companies"] = "*" if self.instance.all_companies else numbers

    def clean_for_companies(self) -> Companies:
        """Return the companies as numbers, or all."""
        text = self.cleaned_data["for_companies"]
        return "*" if text == "*" else frozenset(int(number) for number in text.split(","))

    def values(self) -> dict[str, Any]:
        """Return what was filled in, by the names of the service."""
        values = {name: self.cleaned_data[name] for name in STORED}
        companies = self.cleaned_data["for_companies"]
        everyone = companies == "*"
        return values | {"all_companies": everyone, "companies": [] if everyone else sorted(companies)}

    def clean(self) -> dict[str, Any]:
        """Say what the service would refuse, each reason at its field."""
        super().clean()
        known = self.cleaned_data
        if self.errors:
            return known
        for fault in issuer_faults(TrustedIssuer(**self.values())):
            name = fault.pointer.removeprefix("/").replace("companies", "for_companies")
            self.add_error(name if name in self.fields else None, fault.message)
        return known


@admin.register(TrustedIssuer)
class TrustedIssuerAdmin(HubWide, ModelAdmin):
    """Whom the hub believes about people. Only for operators of all companies."""

    form = IssuerForm
    list_display = ("issuer", "good_for", "signs_with", "keys_from", "is_active")
    search_fields = ("issuer",)
    search_help_text = "Part of its address"
    show_full_result_count = False
    actions: ClassVar[list[str]] = ["look_now"]
    fieldsets = (
        (None, {"fields": ("issuer", "audience", "is_active")}),
        ("Keys", {"fields": ("algorithms", "jwks_url", "jwks")}),
        ("What its tokens say", {"fields": ("user_claim", "company_claim", "for_companies")}),
    )

    def save_model(self, request: HttpRequest, obj: TrustedIssuer, form: IssuerForm, change: bool) -> None:
        """Store it by the service, which writes it down."""
        found = TrustedIssuer.objects.filter(pk=obj.pk).first() if change else None
        try:
            saved = issuer_save(row=found, actor=actor_of(request), **form.values())
        except HubError as error:
            self.message_user(request, f"Nothing was stored: {error.detail}", messages.ERROR)
        else:
            obj.pk = saved.pk

    def delete_model(self, request: HttpRequest, obj: TrustedIssuer) -> None:
        """Forget it by the service, which writes it down."""
        issuer_delete(issuer=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[TrustedIssuer]) -> None:
        """Forget several, one by one: each is written down."""
        for issuer in queryset:
            issuer_delete(issuer=issuer)

    @admin.action(description="Look now: fetch its keys", permissions=["change"])
    def look_now(self, request: HttpRequest, queryset: QuerySet[TrustedIssuer]) -> None:
        """Fetch the keys, as the hub does when a token comes, and say which there are."""
        for issuer in queryset[:MOST_LOOKS]:
            try:
                keys = issuer_look(issuer)
            except (FetchFailed, BadKeySet) as error:
                self.message_user(request, f"{issuer.issuer}: {error}", messages.ERROR)
                continue
            usable = [
                f"{key.kid} ({', '.join(names)})"
                for key in keys
                if (names := [name for name in key.by_algorithm if name in issuer.algorithms])
            ]
            told = f"keys {', '.join(usable)}" if usable else "no key for its algorithms"
            level = messages.SUCCESS if usable else messages.WARNING
            self.message_user(request, f"{issuer.issuer}: {told}.", level)

    @admin.display(description="Good for")
    def good_for(self, issuer: TrustedIssuer) -> str:
        """Its companies."""
        return spell_companies("*" if issuer.all_companies else frozenset(issuer.companies))

    @admin.display(description="Signs with")
    def signs_with(self, issuer: TrustedIssuer) -> str:
        """Its algorithms."""
        return ", ".join(issuer.algorithms)

    @admin.display(description="Keys")
    def keys_from(self, issuer: TrustedIssuer) -> str:
        """Where its keys come from."""
        return issuer.jwks_url or "written down"
