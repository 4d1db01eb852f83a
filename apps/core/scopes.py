"""What a token can be good for. Pure: the one list that views, accounts, the API documents and the console share."""

from collections.abc import Callable, Mapping, Sequence

from xerpium_sdk.wire.credentials import covers

__all__ = [
    "ANY_CALLER",
    "DEFAULT_SCOPES",
    "OPERATOR_PERMISSIONS",
    "SCOPES",
    "covers",
    "operator_grant",
    "operator_permissions",
    "operator_scopes",
    "unknown",
]

SCOPES: Mapping[str, str] = {
    "registry:read": "find services, follow the catalogue",
    "registry:write": "register, report and deregister instances of its own name",
    "events:read": "search the journal, see dead letters and groups",
    "events:publish": "publish events over REST in its own name",
    "events:declare": "declare types of events of its own",
    "events:decide": "replay and discard dead letters",
    "menus:read": "read menu trees",
    "menus:write": "publish menu items of its own",
    "ui:read": "read pages, forms and widgets",
    "ui:write": "publish pages, forms and widgets of its own",
    "auth:introspect": "ask the hub about other services' tokens",
}
"""By name: what a caller with it may do. RFC 6749 (3.3) allows these characters in a scope."""

DEFAULT_SCOPES = frozenset(SCOPES) - {"events:decide"}
"""What an account gets unless somebody says otherwise: everything that a service does with what is its own."""

ANY_CALLER = "any"
"""In a view's `scopes`, where a token needs no scope in particular: whoever is known may ask."""

OPERATOR_PERMISSIONS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "registry:read": {"": ("registry.view_service",), "history": ("registry.view_historyentry",)},
    "registry:write": {"": ("registry.change_instance",)},
    "events:read": {
        "": ("events.view_journalentry",),
        "types": ("events.view_eventtypedeclaration",),
        "dead-letters": ("events.view_deadletter",),
        "groups": ("events.view_groupstate",),
        "streams": ("events.view_streamstate",),
    },
    "events:publish": {"": ("events.add_journalentry",)},
    "events:declare": {"": ("events.change_eventtypedeclaration",)},
    "events:decide": {"": ("events.view_deadletter", "events.decide_deadletter")},
    "menus:read": {"": ("menus.view_menuitem",)},
    "menus:write": {"": ("menus.view_menuitem", "menus.change_menuitem")},
    "ui:read": {
        "": ("uiregistry.view_component",),
        "widgets": ("uiregistry.view_widget",),
        "dashboards": ("uiregistry.view_dashboard",),
        "manifests": ("uiregistry.view_manifest",),
    },
    "ui:write": {
        "": ("uiregistry.change_component",),
        "widgets": ("uiregistry.change_widget",),
        "dashboards": ("uiregistry.change_dashboard",),
        "manifests": ("uiregistry.change_manifest",),
    },
    "auth:introspect": {"": ("serviceauth.view_serviceaccount",)},
}
"""What an operator needs where a token needs a scope: Django's permissions, all of them, as the console asks for.

A view that shows other rows than its scope's first ones names its `area`. What is not here is for superusers.
"""


def operator_permissions(scope: str, area: str = "") -> tuple[str, ...]:
    """Return the permissions that an operator needs for ``scope`` in ``area``; none: superusers only."""
    areas = OPERATOR_PERMISSIONS.get(scope, {})
    return areas.get(area) or areas.get("", ())


def operator_grant(scope: str, area: str = "") -> str:
    """Return what an operator who may work with the rows of ``area`` has among his scopes."""
    return f"{scope}#{area}" if area in OPERATOR_PERMISSIONS.get(scope, {}) and area else scope


def operator_scopes(has_perms: Callable[[Sequence[str]], bool]) -> frozenset[str]:
    """Return what an operator's account is good for, as `operator_grant` names it; ``has_perms`` knows the account."""
    return frozenset(
        operator_grant(scope, area)
        for scope, areas in OPERATOR_PERMISSIONS.items()
        for area, needed in areas.items()
        if has_perms(needed)
    )


def unknown(scopes: "frozenset[str] | set[str] | list[str]") -> list[str]:
    """Return those of ``scopes`` that are none, sorted."""
    return sorted(set(scopes) - SCOPES.keys())
