"""The menu at the side, and what the search of the console finds."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from apps.core.tenancy import current
from apps.events import selectors as events
from apps.menus.selectors.waiting import items_found, waiting_decisions
from apps.registry import selectors as registry

__all__ = ["account", "find", "menu"]

MOST_FOUND = 20

TITLES = {"auth": "Operators", "axes": "Signing in", "serviceauth": "Access"}
ICONS = {
    "Company": "domain",
    "ServiceAccount": "key",
    "SigningKey": "signature",
    "Revocation": "block",
    "TrustedIssuer": "verified_user",
    "User": "person",
    "Group": "group",
    "AccessAttempt": "lock_person",
    "Role": "badge",
    "RoleAssignment": "assignment_ind",
}


def menu(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of the menu, each with the pages that this operator may see."""
    look = request.user.has_perm("registry.view_service")
    hub = [_item("Home", "admin:index", "home")]
    if look:
        hub += [
            _item("Services", "admin:registry_service_changelist", "deployed_code"),
            _item("Instances", "admin:registry_instance_changelist", "dns"),
            _item("Who needs whom", "console:graph", "account_tree"),
        ]
    if request.user.has_perm("registry.view_historyentry"):
        hub.append(_item("What changed", "admin:registry_historyentry_changelist", "history"))
    if request.user.has_perm("core.view_auditentry"):
        hub.append(_item("Audit", "admin:core_auditentry_changelist", "policy"))
    groups = [
        {"title": "", "items": hub},
        {"title": "Events", "items": _events(request)},
        {"title": "Menus and pages", "items": _menus(request)},
        *_other_apps(request),
    ]
    return [*(group for group in groups if group["items"]), {"title": "Interfaces", "items": _documents()}]


def account(request: HttpRequest) -> list[dict[str, Any]]:
    """Return what an operator can do about their own account, in the menu under their name."""
    links = [{"title": "Second factor", "link": reverse("console:second-factor")}]
    if request.user.is_authenticated and request.user.has_usable_password():
        links.append({"title": "Change password", "link": reverse("admin:password_change")})
    return links


EVENTS = (
    ("Overview", "bus:overview", "monitoring", "view_streamstate"),
    ("Stream explorer", "admin:events_journalentry_changelist", "receipt_long", "view_journalentry"),
    ("Consumer groups", "bus:groups", "groups", "view_groupstate"),
    ("Dead letters", "admin:events_deadletter_changelist", "unsubscribe", "view_deadletter"),
    ("Event types", "bus:types", "category", "view_eventtypedeclaration"),
    ("Outbox", "admin:events_outboxentry_changelist", "outbox", "view_outboxentry"),
)


def _events(request: HttpRequest) -> list[dict[str, Any]]:
    items = [_item(title, view, icon) for title, view, icon, may in EVENTS if request.user.has_perm(f"events.{may}")]
    for item in items:  # the address of the overview is the beginning of all others
        if item["link"] == reverse("bus:overview"):
            item["active"] = request.path == item["link"]
    return items


MENUS = (
    ("Menu tree", "menus:tree", "menu_open", "menus.view_menuitem"),
    ("Inbox", "menus:inbox", "inbox", "menus.view_menuitem"),
    ("Menu check", "menus:check", "rule", "menus.view_menuitem"),
    ("Menu items", "admin:menus_menuitem_changelist", "list_alt", "menus.view_menuitem"),
    ("Dashboards", "admin:uiregistry_dashboard_changelist", "dashboard", "uiregistry.view_dashboard"),
    ("Pages and forms", "admin:uiregistry_component_changelist", "web", "uiregistry.view_component"),
    ("Widgets", "admin:uiregistry_widget_changelist", "widgets", "uiregistry.view_widget"),
    ("Manifests", "admin:uiregistry_manifest_changelist", "inventory_2", "uiregistry.view_manifest"),
)


def _menus(request: HttpRequest) -> list[dict[str, Any]]:
    items = [_item(title, view, icon) for title, view, icon, may in MENUS if request.user.has_perm(may)]
    for item in items:  # the address of the tree is the beginning of all others
        if item["link"] == reverse("menus:tree"):
            item["active"] = request.path == item["link"]
        # Who still has to show a second factor acts for nobody yet.
        if item["link"] == reverse("menus:inbox") and current() and (waiting := waiting_decisions().total):
            item["badge"] = f"{waiting:,}"
    return items


def _item(title: str, view: str, icon: str) -> dict[str, Any]:
    return {"title": title, "link": reverse(view), "icon": icon}


def _other_apps(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {
            "title": TITLES.get(app["app_label"], app["name"]),
            "items": [
                {"title": model["name"], "link": model["admin_url"], "icon": ICONS.get(model["object_name"], "table")}
                for model in app["models"]
                if model["admin_url"]
            ],
        }
        for app in admin.site.get_app_list(request)
        if app["app_label"] not in ("registry", "events", "core", "menus", "uiregistry")
    ]


def _documents() -> list[dict[str, Any]]:
    return [_item("API documents", "docs", "api"), _item("Health", "health", "monitor_heart")]


def find(request: HttpRequest, text: str) -> list[SearchResult]:
    """Return what is called like ``text``, at most `MOST_FOUND` of each kind; events by id.

    That is services, instances, menu items and event types by part of their name, and menu items by part of their path.
    """
    results = []
    if request.user.has_perm("registry.view_service"):
        results = [
            SearchResult(name, kind, address, "dns" if " " in kind else "deployed_code")
            for name, kind, address in registry.find(text, limit=MOST_FOUND)
        ]
    return results + _find_menus(request, text) + _find_events(request, text)


def _find_menus(request: HttpRequest, text: str) -> list[SearchResult]:
    if not request.user.has_perm("menus.view_menuitem"):
        return []
    return [
        SearchResult(name, f"menu item of {service}", reverse("admin:menus_menuitem_change", args=[pk]), "list_alt")
        for pk, name, service in items_found(text, limit=MOST_FOUND)
    ]


def _find_events(request: HttpRequest, text: str) -> list[SearchResult]:
    results = []
    if request.user.has_perm("events.view_eventtypedeclaration"):
        names = [view.event_type for view in events.event_types(q=text)][:MOST_FOUND]
        results = [SearchResult(name, "event type", reverse("bus:type", args=[name]), "category") for name in names]
    if request.user.has_perm("events.view_journalentry") and _is_id(text):
        address = f"{reverse('admin:events_journalentry_changelist')}?{urlencode({'q': text.strip()})}"
        results.append(SearchResult("Events with this id", text.strip(), address, "receipt_long"))
    return results


def _is_id(text: str) -> bool:
    try:
        UUID(text.strip())
    except ValueError:
        return False
    return True
