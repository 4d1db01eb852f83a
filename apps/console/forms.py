"""Forms of the console that Django does not make by itself."""

from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.serviceauth.models import Operator

__all__ = ["OperatorForm"]

_MOST_NUMBER = 2**63 - 1


class OperatorForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """Which companies an operator belongs to, as numbers with commas between."""

    companies = SimpleArrayField(
        forms.IntegerField(min_value=1, max_value=_MOST_NUMBER),
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Numbers with commas between: sees these companies' rows and everybody's, and changes only these."
        " Empty: all companies.",
    )

    class Meta:
        model = Operator
        fields = ("companies", "user_number")

    def clean_companies(self) -> list[int] | None:
        """Return each company once, in order; None for all of them."""
        named: list[Any] = self.cleaned_data["companies"] or []
        return sorted({int(number) for number in named}) or None
