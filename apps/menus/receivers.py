"""What menus do when something happens in their own process."""

from typing import Any

from django.dispatch import receiver

from apps.menus.live import live
from apps.menus.signals import trees_changed


@receiver(trees_changed)
def note_own_changes(sender: object, companies: tuple[int | None, ...], revision: int, **kwargs: Any) -> None:
    """Let this process know at once what it has committed itself."""
    live.revisions.note(companies, revision)
