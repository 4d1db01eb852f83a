"""What a token can be good for. Pure: the one list that views, accounts, the API documents and the console share."""

from collections.abc import Mapping

__all__ = ["DEFAULT_SCOPES", "SCOPES", "covers", "unknown"]

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


def unknown(scopes: "frozenset[str] | set[str] | list[str]") -> list[str]:
    """Return those of ``scopes`` that are none, sorted."""
    return sorted(set(scopes) - SCOPES.keys())


def covers(pattern: str, permission: str) -> bool:
    """Whether a granted pattern (``product.*``, ``*``, or a plain name) gives ``permission``, which has no wildcard."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return permission.startswith(pattern[:-1])
    return pattern == permission
