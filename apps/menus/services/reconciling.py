"""Making the stored items of a service what it declares: one item, or all of a manifest at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Declared", "Outcome"]

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Declared:
    """One item as a service declares it.

    Attributes:
        pointer: where it stands in the request: ``/menus/3``, or ``""`` for a request that is the item.
        values: what `apps.menus.serializers.MenuItemSerializer` read: only what was sent, without nulls and without
            ``service_name``.
    """

    pointer: str
    values: Mapping[str, Any]


@dataclass(slots=True)
class Outcome:
    """What became of a declaration.

    Entries are ``{"kind": "menu", "key", "id"}``; those of ``updated`` and ``kept_by_overlay`` have ``fields`` too,
    and the latter ``scopes``. Warnings are ``{"pointer", "code", "message"}``.

    Attributes:
        created: what was not there, or came back from the archive.
        updated: what was there and is another now.
        removed: what the service no longer declares.
        kept_by_overlay: what the service changed and operators have decided otherwise.
        pending: what names a parent that is not there, or whose parent would be below it.
        warnings: what was accepted and may not be what was meant.
        ids: the number of each item by its key.
        total_before: how many items this service and scope had.
        revision: the one that this made; None when nothing changed.
    """

    created: list[Entry] = field(default_factory=list)
    updated: list[Entry] = field(default_factory=list)
    removed: list[Entry] = field(default_factory=list)
    kept_by_overlay: list[Entry] = field(default_factory=list)
    pending: list[Entry] = field(default_factory=list)
    warnings: list[Entry] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    total_before: int = 0
    revision: int | None = None

    @property
    def changed(self) -> bool:
        """Whether anything is other than it was."""
        return bool(self.created or self.updated or self.removed)
