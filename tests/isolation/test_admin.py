"""Every address of the admin for an operator of a company, with ids of its own, another's, everybody's and nobody's.

Generated from the resolver, as the matrix of the API is: a page that is added is asked for, or this fails because
nobody said what its address leads to. What each page shows is also read by `test_console`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages import get_messages
from django.db import transaction
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from apps.core.models import AuditEntry
from apps.core.tenancy import system, use
from apps.events.models import DeadLetter, JournalEntry, OutboxEntry
from apps.menus.models import Conflict, Handover, MenuItem, Overlay
from apps.registry.live import live
from apps.registry.models import HistoryEntry, Instance, Service
from apps.serviceauth.models import Company, Role, RoleAssignment
from apps.uiregistry.models import Component, Layout, Manifest, Widget
from tests.isolation.callers import operator_of
from tests.isolation.names import COMPANIES, ONE, THREE, TWO, canary, word
from tests.isolation.world import build
from tests.support import accounts
from tests.support.database import transactional_db

__all__ = ["transactional_db"]

Ids = Mapping[str, object]
"""What stands in the addresses of one company, by the beginning of the route; the longest that fits counts."""

MISSING: Ids = {
    "registry/service/": "nobody-there", "serviceauth/signingkey/": "no-key", "login/": "", "r/": "999999999",
    "": 999_999_999,
}  # fmt: skip
ELSEWHERE = re.compile(r"^(login|logout|second-factor|password_change|jsi18n)")
"""Pages about the operator's own session."""
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@pytest.fixture
def ids(transactional_db: None) -> Iterator[dict[int | None, Ids]]:
    """The world of three companies with accounts, keys, roles, names and a trail of each; its ids by company."""
    things = build()
    with use(system("tests build more of their world")):
        JournalEntry.objects.update(correlation_id="shared")
        DeadLetter.objects.update(correlation_id="shared")
        found = {company: _ids(company, of.service, of.letter) for company, of in things.items()}
    yield found
    live.stop()


def _ids(company: int | None, service: str, letter: int) -> Ids:
    sign = canary(company)
    account = accounts.account(f"{word(company)}-account", () if company is None else [company], description=sign)
    key = accounts.key_row(accounts.key(account, label=sign))
    enrolment = account.enrolments.create(
        digest=sign.encode().ljust(32)[:32], expires_at="2999-01-01T00:00Z", pepper_version=1, hint="abcd",
        created_by=sign,
    )  # fmt: skip
    if company is not None:
        Company.objects.create(id=company, name=sign, last_event_at="2026-01-01T00:00Z")
    role = Role.objects.create(name=sign, company_id=company, permissions=[f"{sign}.*"])
    given = RoleAssignment.objects.create(role=role, user_id=7, company_id=company, created_by=sign)
    entry = AuditEntry.objects.create(
        actor_kind="hub", actor=sign, action="made", object_type="row", object_id=sign, company_id=company,
        after={"note": sign},
    )  # fmt: skip
    waiting = OutboxEntry.objects.create(stream=sign, fields={"data": sign}, error=sign)
    first = Service.objects.get(name=service)
    instance = Instance.objects.filter(service=first).get()
    event = JournalEntry.objects.get(service_name=service)
    history = HistoryEntry.objects.filter(service=first).first()
    assert history is not None
    menus = _menus(company, sign, service)
    _written_down(first, instance, DeadLetter.objects.get(pk=letter), account, role)
    return {
        "registry/service/": service, "registry/instance/": instance.pk, "registry/historyentry/": history.pk,
        "registry/instance/operate/": "drain", "serviceauth/company/": company or 0,
        "serviceauth/serviceaccount/": account.pk, "serviceauth/serviceaccount/keys/": key.pk,
        "serviceauth/serviceaccount/enrolments/": enrolment.pk, "serviceauth/role/": role.pk,
        "serviceauth/roleassignment/": given.pk, "core/auditentry/": entry.pk, "events/outboxentry/": waiting.pk,
        "events/deadletter/": letter, "events/journalentry/": event.pk, "events/groups/": f"{service}-group",
        "events/types/": event.event_type, "auth/user/": User.objects.get_or_create(username=sign)[0].pk,
        "auth/group/": Group.objects.get_or_create(name=sign)[0].pk, "r/": service, "": 1, **menus,
        **_pages(service),
    }  # fmt: skip


def _pages(service: str) -> dict[str, object]:
    """Return where the pages about what a service shows are; its rows are the world's."""
    models: tuple[Any, ...] = (Component, Widget, Manifest)
    found = {f"uiregistry/{model._meta.model_name}/": model.objects.get(service_name=service).pk for model in models}
    layout = Layout.objects.get(placements=[{"widget_id": found["uiregistry/widget/"], "x": 0, "y": 0, "w": 3, "h": 2}])
    return {**found, "uiregistry/dashboard/": layout.dashboard_id}


def _menus(company: int | None, sign: str, service: str) -> dict[str, object]:
    """Store an item that an operator changed, what drifted from that, and a path that two services want."""
    path = {"path": f"/{sign}", "route_key": f"/{sign}"}
    item = MenuItem.objects.create(
        service_name=service, company_id=company, key=sign, declared={}, name=sign, parent_ref=f"{sign}-parent", **path
    )
    scope = ("global", 0) if company is None else ("company", company)
    overlay = Overlay.objects.create(
        item=item, scope=scope[0], scope_id=scope[1], company_id=company, values={"name": f"{sign} changed"},
        base={"name": f"{sign} before"}, actor=sign,
    )  # fmt: skip
    conflict = Conflict.objects.create(kind="menu", company_id=company, owner=service, claimant=sign, **path)
    given = Handover.objects.create(
        kind="menu", route_key=f"/{sign}/given", company_id=company, service_name=service, actor=sign
    )
    return {
        "menus/menuitem/": item.pk, "menus/inbox/drift/": overlay.pk, "menus/inbox/conflict/": conflict.pk,
        "menus/inbox/handover/": given.pk,
    }  # fmt: skip


def _written_down(*rows: Any) -> None:
    """Let somebody have done something to each row, as Django's own history of it tells."""
    user, _ = User.objects.get_or_create(username="somebody")
    for row in rows:
        kind = ContentType.objects.get_for_model(row)
        LogEntry.objects.create(
            user=user, content_type=kind, object_id=str(row.pk), object_repr=str(row), action_flag=CHANGE
        )


def routes() -> list[str]:
    """Return the routes below ``/admin/``, without it."""
    found = set(_below(get_resolver()))
    return sorted(route.removeprefix("admin/") for route in found if route.startswith("admin/") and "(?P" not in route)


def _below(one: URLPattern | URLResolver, before: str = "") -> Iterator[str]:
    route = before + str(one.pattern).removeprefix("^/")
    if isinstance(one, URLResolver):
        for inner in one.url_patterns:
            yield from _below(inner, route)
    else:
        yield route


def address(route: str, ids: Ids) -> str:
    """Return the address of a route with the ids of one company, or of nobody."""
    if "<slug:verb>" in route:
        return f"/admin/{route.replace('<slug:verb>', 'discard')}?ids={ids.get('events/deadletter/', 999_999_999)}"
    if "<slug:operation>" in route:
        pk = ids.get("registry/instance/", 999_999_999)
        return f"/admin/{route.replace('<slug:operation>', 'drain')}?ids={pk}&pk={pk}"
    start = max((start for start in ids if route.startswith(start)), key=len)
    return f"/admin/{PARAMETER.sub(quote(str(ids[start])), route)}"


def asked(browser: Client, verb: str, address: str) -> HttpResponseBase:
    """Ask for a page, and take back what that changed, and what the next page would say of it."""
    browser.cookies.pop("messages", None)
    with transaction.atomic():
        answer = browser.generic(verb, address, "", "application/x-www-form-urlencoded")
        transaction.set_rollback(True)
    return answer


def told(answer: Any) -> str:
    """Return everything that an answer tells: its headers, its body, and what the next page will say."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    said = [str(one) for one in get_messages(answer.wsgi_request)]
    return f"{body.decode()} {dict(answer.items())!r} {said}"


def refusal(answer: Any, asked_for: str) -> tuple[int, str, list[str]]:
    """Return what a refusal is told by, without the address that was asked for."""
    where = unquote(answer.headers.get("Location", ""))
    said = [str(one) for one in get_messages(answer.wsgi_request)]
    names = sorted(re.findall(r"[\w:.-]+", unquote(asked_for)), key=len, reverse=True)
    for name in [name for name in names if any(sign.isdigit() for sign in name) or "-" in name or "_happened" in name]:
        where, said = where.replace(name, "…"), [one.replace(name, "…") for one in said]
    return answer.status_code, where, said


def test_no_page_of_the_admin_tells_of_another_company(ids: dict[int | None, Ids]) -> None:
    with use(None):
        browser = operator_of("of-two", [TWO])
        number = 0
        shown = ""
        for route in routes():
            if ELSEWHERE.match(route):
                continue
            for company in COMPANIES[:3] if PARAMETER.search(route) else (TWO,):
                where = address(route, ids[company])
                answer = asked(browser, "GET", where)
                number += 1
                assert answer.status_code < 500, where
                shown += (text := told(answer))
                for other in (ONE, THREE):
                    assert canary(other) not in text, where
                    assert f"{word(other)}-neighbour" not in text, where
        assert number > 200
        assert shown.count(canary(TWO)) > 50


def test_what_is_anothers_looks_like_what_is_not_there(ids: dict[int | None, Ids]) -> None:
    with use(None):
        browser = operator_of("of-two", [TWO])
        for route in routes():
            if ELSEWHERE.match(route) or not PARAMETER.search(route):
                continue
            for verb in ("GET", "POST"):
                others, nobodys = address(route, ids[ONE]), address(route, MISSING)
                answers = [refusal(asked(browser, verb, where), where) for where in (others, nobodys)]
                assert answers[0] == answers[1], (verb, route)


def test_the_admin_has_something_to_leak(ids: dict[int | None, Ids]) -> None:
    with use(None):
        browser = operator_of("of-all", None)
        for route in routes():
            changes = re.fullmatch(r"(\w+/\w+/)<path:object_id>/change/", route)
            if changes and changes[1] in ids[ONE]:
                page = browser.get(address(route, ids[ONE]))
                assert page.status_code == 200, route
                assert re.search(f"{canary(ONE)}|{word(ONE)}-service", page.content.decode()), route
