"""What operators fill in to revoke tokens."""

import datetime as dt
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from apps.serviceauth import services
from apps.serviceauth.models import Revocation, ServiceAccount, ServiceKey
from apps.serviceauth.services.granting import single_company
from apps.serviceauth.services.keys import is_live
from apps.serviceauth.tokens import Claims
from apps.serviceauth.verifying import InvalidToken, claims_of

__all__ = ["RevokeForm"]

KINDS = [
    (Revocation.ACCOUNT, "everything that a service account has got: write its name"),
    (Revocation.KEY, "what one of its keys has got: write the key's id"),
    (Revocation.USER, "everything that acts for a person: write the person's number"),
    (Revocation.TOKEN, "one token: paste the token"),
]
LONGEST = 10_000


class RevokeForm(forms.Form):
    """Whose tokens are to be void. A token that is pasted here is looked at, and kept nowhere."""

    kind = forms.ChoiceField(
        label="Revoke", choices=KINDS, initial=Revocation.ACCOUNT, widget=UnfoldAdminRadioSelectWidget()
    )
    subject = forms.CharField(
        label="Which",
        max_length=LONGEST,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    reason = forms.CharField(
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "such as: the laptop was lost, ticket 4711"}),
        help_text="Kept in the audit, with your name.",
    )

    def clean(self) -> dict[str, Any]:
        """Find what is meant.

        Nothing of what was written is repeated in an error: it may be a secret in the wrong field.
        """
        super().clean()
        said = self.cleaned_data
        if "kind" in said and "subject" in said:
            finders = {
                Revocation.ACCOUNT: self._account,
                Revocation.KEY: self._key,
                Revocation.USER: self._person,
                Revocation.TOKEN: self._token,
            }
            try:
                said["found"] = finders[said["kind"]](said["subject"].strip())
            except forms.ValidationError as error:
                self.add_error("subject", error)
        return said

    def revoke(self, *, actor: str, now: dt.datetime) -> str:
        """Revoke it, and return what was done in words."""
        found, kind = self.cleaned_data["found"], self.cleaned_data["kind"]
        because: dict[str, Any] = {
            "reason": self.cleaned_data["reason"] or "by an operator",
            "actor": actor,
            "now": now,
        }
        if isinstance(found, Claims):
            services.revoke_token(found, **because)
            return f"The token {found.token_id} of {found.client_id} is void."
        if isinstance(found, ServiceKey):
            company_id = single_company(found.account)
            services.revoke_key(found.key_id, is_over=not is_live(found, now), company_id=company_id, **because)
            return f"What the key {found.key_id} has got until now is void; the key itself stays as it is."
        if kind == Revocation.USER:
            services.revoke_user(found, **because)
            return f"Everything that acts for person {found} is void; new tokens are good."
        services.revoke_account(found.name, company_id=single_company(found), **because)
        return f"What {found.name} has got until now is void; it gets new tokens with its keys."

    def _account(self, text: str) -> ServiceAccount:
        found: ServiceAccount | None = ServiceAccount.objects.filter(name=text).first()
        if found is None:
            raise forms.ValidationError("There is no account of that name.")
        return found

    def _key(self, text: str) -> ServiceKey:
        key_id = text.removeprefix("xrp_").partition("_")[0]
        found: ServiceKey | None = ServiceKey.objects.filter(key_id=key_id).first()
        if found is None:
            raise forms.ValidationError("There is no key of that id.")
        return found

    def _person(self, text: str) -> int:
        if not (text.isascii() and text.isdecimal() and 0 < int(text[:20]) < 2**63 and len(text) < 20):
            raise forms.ValidationError("A person is a whole number.")
        return int(text)

    def _token(self, text: str) -> Claims:
        try:
            return claims_of(text.removeprefix("Bearer ").strip())
        except InvalidToken:
            raise forms.ValidationError("This is no token that is good now: there is nothing to revoke.") from None
