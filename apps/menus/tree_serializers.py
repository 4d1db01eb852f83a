"""What the routes of menu trees read from their addresses."""

import re

from rest_framework import serializers

from apps.core.serializers import Query, QueryText

__all__ = ["LOCALE", "StreamQuery", "TreeQuery", "ViewQuery"]

LOCALE = re.compile(r"[A-Za-z]{1,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}")
MOST_GRANTS = 1000


def _company() -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, required=False, help_text="Operators only: the company whose tree it is."
    )


class StreamQuery(Query):
    """Which company's tree is followed."""

    company_id = _company()


class ViewQuery(Query):
    """As whom operators look."""

    permissions = QueryText(
        max_length=8000,
        required=False,
        allow_blank=True,
        help_text="Operators only: with these permissions, such as `product.*`; commas between them.",
    )
    as_user = serializers.IntegerField(
        min_value=1,
        max_value=2**63 - 1,
        required=False,
        help_text="Operators only: as this person, with what it may and what was changed for it in the company.",
    )
    company_id = _company()

    def validate_permissions(self, value: str) -> list[str]:
        """Return the single permissions."""
        found = [name for part in value.split(",") if (name := part.strip())]
        if len(found) > MOST_GRANTS:
            raise serializers.ValidationError(f"There may be at most {MOST_GRANTS}.", code="max_length")
        return found


class TreeQuery(ViewQuery):
    """As whom operators look, and in which language anybody reads."""

    locale = QueryText(
        max_length=35,
        required=False,
        help_text="The language of names, such as `pl-PL`; where there is none, `pl`, then the plain name.",
    )

    def validate_locale(self, value: str) -> str:
        """Refuse what names no language."""
        if LOCALE.fullmatch(value) is None:
            raise serializers.ValidationError("This is no language such as pl or pl-PL.", code="invalid")
        return value
