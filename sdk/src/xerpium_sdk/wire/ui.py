"""Pages, forms and dashboard widgets as services declare them (contract, "UI registry")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

from xerpium_sdk.wire.errors import DecodeError

__all__ = ["UIComponent", "UIWidget"]


@dataclass(frozen=True, slots=True)
class UIComponent:
    """A page, form, modal or widget that a service shows at a route.

    Nothing is checked here, the hub does that. None stands for "not said".

    Args:
        name: identifies it among those of its service.
        component_type: ``page``, ``widget``, ``modal`` or ``form``.
        service_name: whose it is; in a manifest it may be left out.
        route_path: where it is shown, such as ``/products/edit/:id``.
        api_endpoint: where its data come from: an absolute path at the service, such as ``/api/v1/products/{id}``.
        permissions: all that somebody needs to see it.
        props: as the JSON Schema of its type says (``GET ui/schemas/form``).
        metadata: anything else, such as ``title`` and ``breadcrumb``.
        is_active: False: declared, but shown to nobody.
    """

    name: str
    component_type: str
    service_name: str | None = None
    route_path: str = ""
    api_endpoint: str = ""
    permissions: Sequence[str] | None = None
    props: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] | None = None
    is_active: bool = True

    def __post_init__(self) -> None:
        if self.permissions is not None:
            object.__setattr__(self, "permissions", tuple(self.permissions))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a component.

        Raises:
            DecodeError: name or type is missing.
        """
        try:
            return cls(**_known(document, _COMPONENT_FIELDS))
        except TypeError as error:
            raise DecodeError(f"Not a component: {error}.", document) from error

    def to_json(self) -> dict[str, Any]:
        """Return what ``POST components/`` and a manifest take; what says nothing is left out."""
        return _said({name: getattr(self, name) for name in _COMPONENT_FIELDS})


@dataclass(frozen=True, slots=True)
class UIWidget:
    """A number, chart, table or module of a service's own for dashboards.

    Nothing is checked here, the hub does that. None stands for "not said".

    Args:
        name: identifies it among those of its service.
        service_name: whose it is; in a manifest it may be left out.
        widget_type: ``chart``, ``metric``, ``table`` or ``custom``.
        api_endpoint: where its data come from: an absolute path at the service.
        refresh_interval: seconds for which the data are good, 5 to 86400; 0: until somebody asks for new ones.
        size: ``small``, ``medium`` or ``large``.
        permissions: all that somebody needs to see it.
        config: as the JSON Schema of its type says (``GET ui/schemas/chart``).
        is_active: False: declared, but shown to nobody.
    """

    name: str
    service_name: str | None = None
    widget_type: str = ""
    api_endpoint: str = ""
    refresh_interval: int = 30
    size: str = "medium"
    permissions: Sequence[str] | None = None
    config: Mapping[str, Any] | None = None
    is_active: bool = True

    def __post_init__(self) -> None:
        if self.permissions is not None:
            object.__setattr__(self, "permissions", tuple(self.permissions))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read a widget.

        Raises:
            DecodeError: it has no name.
        """
        try:
            return cls(**_known(document, _WIDGET_FIELDS))
        except TypeError as error:
            raise DecodeError(f"Not a widget: {error}.", document) from error

    def to_json(self) -> dict[str, Any]:
        """Return what ``POST widgets/`` and a manifest take; what says nothing is left out."""
        return _said({name: getattr(self, name) for name in _WIDGET_FIELDS})


def _known(document: Mapping[str, Any], names: Mapping[str, None]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None and name in names}


def _said(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing, and let the rest be what JSON has."""
    if document["permissions"] is not None:
        document["permissions"] = list(document["permissions"])
    for name in ("props", "metadata", "config"):
        if document.get(name) is not None:
            document[name] = dict(document[name])
    return {name: value for name, value in document.items() if value is not None}


_COMPONENT_FIELDS = dict.fromkeys(item.name for item in fields(UIComponent))
_WIDGET_FIELDS = dict.fromkeys(item.name for item in fields(UIWidget))
