"""What the registry does when something happens in its own process."""

from typing import Any

from django.dispatch import receiver

from apps.registry.live import live
from apps.registry.signals import catalogue_changed


@receiver(catalogue_changed)
def fold_own_changes(sender: object, changes: list[dict[str, Any]], **kwargs: Any) -> None:
    """Fold what this process has committed into its own catalogue."""
    live.fold(changes)
