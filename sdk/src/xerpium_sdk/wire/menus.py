"""Menu items as services declare them (contract, "Menus")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from xerpium_sdk.wire.errors import DecodeError

__all__ = ["Badge", "MenuItem"]


@dataclass(frozen=True, slots=True)
class Badge:
    """A small number beside an item; the hub asks the service for it, every ``refresh_interval`` seconds at most.

    ``endpoint`` is an absolute path at the service, such as ``/api/v1/orders/open-count``.
    """

    endpoint: str
    refresh_interval: int = 60

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a badge.

        Raises:
            DecodeError: it names no endpoint.
        """
        try:
            return cls(**{name: document[name] for name in ("endpoint", "refresh_interval") if name in document})
        except TypeError as error:
            raise DecodeError(f"Not a badge: {error}.", document) from error

    def to_json(self) -> dict[str, Any]:
        """Return the document."""
        return {"endpoint": self.endpoint, "refresh_interval": self.refresh_interval}


@dataclass(frozen=True, slots=True)
class MenuItem:
    """One item of the menu.

    Nothing of what it says is checked here, the hub does that. The first nine fields are those of the first clients, in
    their order; None stands for "not said" in all of them.

    Args:
        name: what people read, unless ``labels`` has it in their language or an operator calls it something else.
        path: where it leads, within the application; it is the item's ``key`` too, unless that is given.
        icon: a name of the icon set.
        parent_name: the item above, which may come later: its name, its key, or ``service:key`` for another service's.
        parent_id: the item above, by the id that the hub gave it.
        order_number: less is further up among siblings.
        required_permissions: what somebody needs to see it: all of them, or any (``permission_mode``).
        is_active: False: declared, but shown to nobody.
        description: more about it, for operators.
        key: what identifies the item for good among those of its service, also when its path changes.
        company_id: the company that it is for; None: the one that the caller's token is in, or all.
        labels: names by locale, such as ``{"pl": "Zamówienia"}``.
        badge: a number beside it; a mapping with the fields of `Badge` does, too.
        is_page: it leads somewhere by itself, so it stays although none of its children may be seen.
        permission_mode: ``all`` or ``any``.
        before, after: keys of siblings to stand next to.
        url: an https link elsewhere, instead of ``path``.
    """

    name: str
    path: str | None = None
    icon: str | None = None
    parent_name: str | None = None
    parent_id: int | None = None
    order_number: int = 100
    required_permissions: Sequence[str] | None = None
    is_active: bool = True
    description: str | None = None
    key: str | None = field(default=None, kw_only=True)
    company_id: int | None = field(default=None, kw_only=True)
    labels: Mapping[str, str] | None = field(default=None, kw_only=True)
    badge: Badge | Mapping[str, Any] | None = field(default=None, kw_only=True)
    is_page: bool = field(default=False, kw_only=True)
    permission_mode: str = field(default="all", kw_only=True)
    before: str | None = field(default=None, kw_only=True)
    after: str | None = field(default=None, kw_only=True)
    url: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "required_permissions", tuple(self.required_permissions or ()))
        if isinstance(self.badge, Mapping):
            object.__setattr__(self, "badge", Badge(**self.badge))

    @property
    def effective_key(self) -> str:
        """The key given, or what the hub takes for it: where the item leads."""
        return (self.key or self.path or self.url or "").rstrip("/") or "/"

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read an item.

        Raises:
            DecodeError: it has no name, or its badge cannot be read.
        """
        known = {name: value for name, value in document.items() if value is not None and name in _FIELDS}
        try:
            if "badge" in known:
                known["badge"] = Badge.from_json(known["badge"])
            return cls(**known)
        except TypeError as error:
            raise DecodeError(f"Not a menu item: {error}.", document) from error

    def to_json(self) -> dict[str, Any]:
        """Return what ``POST menu-items/`` and a manifest take, without ``service_name``.

        What the first clients always said is always there, the rest where it says something: so an item is the same
        item to the hub whichever way it was declared.
        """
        document = {name: getattr(self, name) for name in _FIELDS}
        document["required_permissions"] = list(self.required_permissions or ())
        document["labels"] = dict(self.labels) if self.labels else None
        document["badge"] = self.badge.to_json() if isinstance(self.badge, Badge) else None
        silent = {name for name, default in _SILENT.items() if document[name] == default}
        return {name: value for name, value in document.items() if value is not None and name not in silent}


_FIELDS = dict.fromkeys(item.name for item in fields(MenuItem))
_SILENT = {"is_page": False, "permission_mode": "all"}
