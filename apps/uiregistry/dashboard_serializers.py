"""What the routes of dashboards take: bodies and query parameters."""

import re
from dataclasses import fields
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from apps.core.pagination import ListQuery
from apps.core.serializers import Query, QueryText, StrictSerializer, Text
from apps.uiregistry.layouts import COLUMNS, MOST_PLACEMENTS, MOST_ROWS, TALLEST, Placement

__all__ = [
    "MOST_TITLE",
    "SLUG_PATTERN",
    "ChangedDashboardSerializer",
    "DashboardQuery",
    "DashboardSerializer",
    "LayoutQuery",
    "LayoutSerializer",
    "ShownQuery",
]

INT64 = 2**63
SLUG_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?$"
MOST_TITLE = 80
MOST_GRANTS = 500
_SLUG = re.compile(SLUG_PATTERN)
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_GRANT = re.compile(r"\*|[A-Za-z0-9_.:-]{1,100}(\.\*)?")


def is_slug(value: str) -> None:
    """Let through what addresses name a dashboard by.

    Raises:
        ValidationError: it is none.
    """
    if not _SLUG.fullmatch(value) or "\n" in value:
        message = "A slug has 1 to 60 of a-z, 0-9 and '-', and begins and ends with a letter or digit."
        raise ValidationError(message, "slug")


def is_title(value: str) -> None:
    """Let through what people can read.

    Raises:
        ValidationError: it is blank, or holds characters that cannot be seen.
    """
    if not value.strip() or _UNSEEN.search(value):
        raise ValidationError("A title is a line of text without control characters.", "text")


class PlacementSerializer(StrictSerializer):
    """A widget's place on the grid; where it leaves the grid or lies over another is judged with all of them."""

    widget_id = serializers.IntegerField(min_value=1, max_value=INT64 - 1)
    x = serializers.IntegerField(min_value=0, max_value=COLUMNS - 1, help_text="The column in which it begins.")
    y = serializers.IntegerField(min_value=0, max_value=MOST_ROWS - 1, help_text="The row in which it begins.")
    w = serializers.IntegerField(min_value=1, max_value=COLUMNS, help_text="How many columns it is wide.")
    h = serializers.IntegerField(min_value=1, max_value=TALLEST, help_text="How many rows it is high.")

    def validate(self, attrs: dict[str, Any]) -> Any:
        """Return the place itself, which is whole also where a PATCH may leave out other things.

        Raises:
            ValidationError: something of it is missing.
        """
        missing = [part.name for part in fields(Placement) if part.name not in attrs]
        if missing:
            raise ValidationError({name: ["This field is required."] for name in missing}, "required")
        return Placement(**attrs)


def _placements(**options: Any) -> Any:
    # Not many=True, by which null would be a place where the list may be null.
    return serializers.ListSerializer(child=PlacementSerializer(), max_length=MOST_PLACEMENTS, **options)


class LayoutSerializer(StrictSerializer):
    """Where the widgets stand."""

    placements = _placements(help_text="All of them; a widget without a place is not shown.")


class ChangedDashboardSerializer(StrictSerializer):
    """What PUT and PATCH take for a dashboard."""

    slug = Text(is_slug, max_length=60, pattern=SLUG_PATTERN, help_text="Its name in addresses.")
    title = Text(is_title, max_length=MOST_TITLE, help_text="What people read.")
    company_id = serializers.IntegerField(
        min_value=1, max_value=INT64 - 1, required=False, allow_null=True, help_text="As it is."
    )
    placements = _placements(
        required=False, allow_null=True, help_text="The layout that everybody gets; absent: all widgets by their size."
    )


class DashboardSerializer(ChangedDashboardSerializer):
    """``POST dashboards``."""

    company_id = serializers.IntegerField(
        min_value=1, max_value=INT64 - 1, required=False, allow_null=True, default=None,
        help_text="Absent: for all companies.",
    )  # fmt: skip


class DashboardQuery(ListQuery):
    """Filters of ``GET dashboards``."""

    company_id = serializers.IntegerField(min_value=1, max_value=INT64 - 1, required=False)
    q = QueryText(max_length=100, required=False, help_text="Part of a title or a slug.")


class LayoutQuery(Query):
    """In which company a layout of a role or a person holds."""

    company_id = serializers.IntegerField(
        min_value=1,
        max_value=INT64 - 1,
        required=False,
        help_text="For the scopes `role` and `user`: the company in which it holds. Absent: the caller's.",
    )


class ShownQuery(Query):
    """As whom an operator looks."""

    permissions = QueryText(
        max_length=20_000, required=False, allow_blank=True, help_text="Grants, separated by commas. For operators."
    )
    as_user = serializers.IntegerField(
        min_value=1, max_value=INT64 - 1, required=False, help_text="With the grants and layout of this person."
    )
    company_id = serializers.IntegerField(
        min_value=1, max_value=INT64 - 1, required=False, help_text="In this company. For operators."
    )

    def validate_permissions(self, value: str) -> list[str]:
        """Return the grants.

        Raises:
            ValidationError: one is none.
        """
        grants = [grant.strip() for grant in value.split(",") if grant.strip()]
        if len(grants) > MOST_GRANTS or not all(_GRANT.fullmatch(grant) for grant in grants):
            raise ValidationError("Grants are names such as product.view or product.*, separated by commas.", "grants")
        return grants
