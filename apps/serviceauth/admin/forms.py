"""What operators fill in about accounts and keys. The services decide what is right; forms only read."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, cast

from django import forms
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from apps.core.errors import HubError
from apps.core.scopes import DEFAULT_SCOPES, SCOPES
from apps.core.tenancy import Companies
from apps.serviceauth.models import ServiceAccount, ServiceKey
from apps.serviceauth.services.granting import companies_of

__all__ = ["AccountForm", "EnrolmentForm", "KeyForm", "ReasonForm", "RightsForm", "RotationForm"]

NONE, SOME, ALL = "none", "some", "all"
LIVES = {
    "365": "one year",
    "180": "180 days",
    "90": "90 days",
    "30": "30 days",
    "7": "7 days",
    "1": "one day",
    "": "never by itself",
}
VALID = {"15": "15 minutes", "60": "1 hour", "1440": "1 day", "10080": "7 days"}
UNTIL_USED = "used"
OVERLAP_WORDS = {
    UNTIL_USED: "Until the new key is used, and an hour longer for the other instances",
    "1": "For 1 hour",
    "24": "For 1 day",
    "168": "For 7 days",
    "720": "For 30 days",
    "0": "Not at all: it ends now, and every token that it got",
}


def _text(placeholder: str = "", **attributes: Any) -> UnfoldAdminTextInputWidget:
    return UnfoldAdminTextInputWidget(attrs={"placeholder": placeholder, "autocomplete": "off"} | attributes)


def _numbers(text: str) -> frozenset[int]:
    """Return the companies that were written down.

    Raises:
        ValidationError: something is no number.
    """
    words = [word for word in re.split(r"[,;\s]+", text) if word]
    bad = next((word for word in words if not re.fullmatch("[0-9]{1,19}", word, re.ASCII)), None)
    if bad is not None:
        raise forms.ValidationError(f"“{bad[:40]}” is no company: write numbers, with commas between.")
    return frozenset(int(word) for word in words)


class ServiceForm(forms.Form):
    """A form whose answers go to a service, which may refuse them."""

    def refused(self, error: HubError) -> None:
        """Take over why a service refused it, each reason at its field."""
        for fault in error.errors:
            name = fault.pointer.lstrip("/").partition("/")[0]
            self.add_error(name if name in self.fields else None, fault.message)
        if not error.errors:
            self.add_error(None, error.detail)


class RightsForm(ServiceForm):
    """What an account may do, and for whom."""

    description = forms.CharField(
        required=False,
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="For people: whose it is, where it runs, whom to call.",
    )
    reach = forms.ChoiceField(
        label="It acts for",
        choices=[(NONE, "no company: global rows only"), (SOME, "these companies:"), (ALL, "all companies")],
        widget=UnfoldAdminRadioSelectWidget(),
    )
    companies = forms.CharField(
        required=False,
        label="Companies",
        max_length=2000,
        widget=_text("1, 2"),
        help_text="Their numbers; only with “these companies”.",
    )
    writes_global = forms.BooleanField(
        required=False,
        initial=True,
        label="May write what belongs to all companies",
        widget=UnfoldBooleanWidget(),
        help_text="Its tokens may name no company then. Without it, each token is for one of its companies.",
    )
    scopes = forms.MultipleChoiceField(required=False, choices=[*SCOPES.items()], label="It may")
    may_act = forms.BooleanField(
        required=False,
        label="May act for a person",
        widget=UnfoldBooleanWidget(),
        help_text="With a token of that person (token exchange). What it does then is no more than both may.",
    )
    act_companies = forms.CharField(
        required=False,
        label="For people in the companies",
        max_length=2000,
        widget=_text("1, 2 or *"),
        help_text="Their numbers, or * for all that it acts for itself.",
    )
    act_scopes = forms.MultipleChoiceField(required=False, choices=[*SCOPES.items()], label="For them it may")

    @classmethod
    def values_of(cls, account: ServiceAccount) -> dict[str, Any]:
        """Return an account as the form shows it."""
        companies = companies_of(account)
        return {
            "description": account.description,
            "reach": ALL if companies == "*" else SOME if companies else NONE,
            "companies": ", ".join(str(number) for number in account.companies),
            "writes_global": account.writes_global,
            "scopes": list(account.scopes),
            "may_act": account.may_act,
            "act_companies": "*" if account.act_all_companies else ", ".join(map(str, account.act_companies)),
            "act_scopes": list(account.act_scopes),
        }

    def narrow(self, companies: Companies) -> None:
        """Offer no more than somebody who acts for ``companies`` may grant; the services refuse it anyway."""
        if companies == "*":
            return
        mine = ", ".join(str(number) for number in sorted(companies))
        cast(forms.ChoiceField, self.fields["reach"]).choices = [(SOME, "these companies:")]
        self.fields["companies"].help_text = f"Of yours: {mine}."
        self.initial = {"reach": SOME, "companies": mine, "writes_global": False, **self.initial}
        self.fields["writes_global"].disabled = True
        self.fields["writes_global"].help_text = "Only operators of all companies may grant this."

    def clean_companies(self) -> frozenset[int]:
        """Return the companies as numbers."""
        return _numbers(self.cleaned_data["companies"])

    def clean_act_companies(self) -> Companies:
        """Return the companies of people as numbers, or all."""
        text = self.cleaned_data["act_companies"].strip()
        return "*" if text == "*" else _numbers(text)

    def clean(self) -> dict[str, Any]:
        """Refuse companies that would be lost, and a choice of companies without any."""
        values: dict[str, Any] = super().clean() or {}
        reach, companies = values.get("reach"), values.get("companies")
        if reach == SOME and companies == frozenset():
            self.add_error("companies", "Write the numbers of the companies.")
        if reach in (NONE, ALL) and companies:
            self.add_error("companies", "Leave this empty, or choose “these companies”.")
        return values

    def asked(self) -> dict[str, Any]:
        """Return what the services of accounts take."""
        values = dict(self.cleaned_data)
        reach = values.pop("reach")
        values["companies"] = {NONE: frozenset(), ALL: "*", SOME: values["companies"]}[reach]
        if values["act_companies"] == "*" and values["companies"] != "*":
            values["act_companies"] = values["companies"]
        return values


class AccountForm(RightsForm):
    """A new account."""

    name = forms.CharField(
        max_length=100,
        widget=_text("orders", autofocus=True, spellcheck="false"),
        help_text="The service's name, as it registers; or the beginning of names of several, such as acme-*.",
    )

    field_order = ("name",)

    def __init__(self, data: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(data, **options)
        self.initial = {"scopes": sorted(DEFAULT_SCOPES), **self.initial}

    def narrow(self, companies: Companies) -> None:
        """As for an account that is there; whoever acts for all begins with none."""
        super().narrow(companies)
        self.initial.setdefault("reach", NONE)


def _life() -> forms.ChoiceField:
    return forms.ChoiceField(
        required=False, label="It ends after", choices=[*LIVES.items()], widget=UnfoldAdminSelectWidget()
    )


def _networks() -> forms.CharField:
    return forms.CharField(
        required=False,
        max_length=3000,
        label="It works from",
        widget=_text("10.20.0.0/16, 2001:db8::/48"),
        help_text="Networks or addresses; empty: from anywhere.",
    )


class _Life(ServiceForm):
    """A form that asks how long a key lives, and from where it works."""

    def ends(self, now: dt.datetime) -> dt.datetime | None:
        """Return when the key ends; None: never by itself."""
        days = self.cleaned_data["life"]
        return now + dt.timedelta(days=int(days)) if days else None

    def network_list(self) -> list[str]:
        """Return the networks one by one."""
        return [part for part in re.split(r"[,;\s]+", self.cleaned_data["networks"]) if part]


class KeyForm(_Life):
    """A new key of an account."""

    label = forms.CharField(
        required=False,
        max_length=100,
        widget=_text("warehouse, server 2", autofocus=True),
        help_text="What tells it from other keys: where it is kept, who has it.",
    )
    life = _life()
    networks = _networks()
    companies = forms.CharField(
        required=False,
        max_length=2000,
        widget=_text("1, 2"),
        help_text="To narrow it to some of the account's companies; empty: all of them.",
    )
    scopes = forms.MultipleChoiceField(required=False, label="With it the service may")

    def __init__(self, account: ServiceAccount, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial={"life": "365", "scopes": list(account.scopes)})
        self.account = account
        cast(forms.ChoiceField, self.fields["scopes"]).choices = [
            (name, SCOPES.get(name, "")) for name in account.scopes
        ]

    def clean_companies(self) -> frozenset[int] | None:
        """Return the companies, None for all of the account."""
        return _numbers(self.cleaned_data["companies"]) or None

    def narrowed_scopes(self) -> list[str] | None:
        """Return the scopes, None for all of the account."""
        chosen: list[str] = self.cleaned_data["scopes"]
        return None if set(chosen) == set(self.account.scopes) else chosen


class EnrolmentForm(_Life):
    """A new enrolment token of an account."""

    valid = forms.ChoiceField(
        label="The token is good for", choices=[*VALID.items()], initial="60", widget=UnfoldAdminSelectWidget()
    )
    life = _life()
    networks = _networks()

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial={"life": "365", "valid": "60"})
        self.fields["life"].label = "The key that it fetches ends after"
        self.fields["networks"].label = "Both work from"

    def lifetime(self) -> dt.timedelta:
        """Return how long the token is good."""
        return dt.timedelta(minutes=int(self.cleaned_data["valid"]))


class RotationForm(ServiceForm):
    """For how long the old key stays good."""

    overlap = forms.ChoiceField(
        label="The old key stays good",
        choices=[*OVERLAP_WORDS.items()],
        initial=UNTIL_USED,
        widget=UnfoldAdminRadioSelectWidget(),
    )

    def __init__(self, key: ServiceKey, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data, initial={"overlap": UNTIL_USED})

    def wanted(self) -> dt.timedelta | None:
        """Return one of the service's overlaps."""
        text = self.cleaned_data["overlap"]
        return None if text == UNTIL_USED else dt.timedelta(hours=int(text))


class ReasonForm(ServiceForm):
    """Why."""

    reason = forms.CharField(
        required=False,
        max_length=200,
        widget=_text("such as: the laptop was lost, ticket 4711", autofocus=True),
        help_text="Kept in the audit, with your name.",
    )
