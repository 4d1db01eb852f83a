"""What permissions may be, wherever a service declares something."""

from rest_framework.exceptions import ValidationError

from apps.menus.declaring import PERMISSION

__all__ = ["PERMISSION_PATTERN", "permission"]

PERMISSION_PATTERN = f"^{PERMISSION.pattern}$"


def permission(value: str) -> None:
    """Let through what an item, a page or a widget may ask for: one permission, by its name.

    Raises:
        ValidationError: it is none, or a pattern: only grants have wildcards.
    """
    if "*" in value:
        raise ValidationError("Name the permission itself: only what is granted may be a pattern.", "wildcard")
    if not PERMISSION.fullmatch(value):
        raise ValidationError("A permission is written with letters, digits, '_', '.', ':' and '-'.", "permission")
