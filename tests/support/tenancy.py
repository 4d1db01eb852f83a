"""A row of every model that belongs to companies, for company 1, for company 2 and for nobody."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models
from django.utils import timezone

from apps.core.models import AuditEntry
from apps.core.tenancy import system, use
from apps.core.tenancy.models import CompanyScoped
from apps.events.models import DeadLetter, EventTypeDeclaration, EventTypeHour, JournalEntry, OutboxEntry
from apps.menus.models import Conflict, Handover, MenuItem, Overlay
from apps.registry.models import HistoryEntry, Instance, PollHour, PollResult, Service, Vitals
from apps.serviceauth.models import Company, EnrolmentToken, Role, RoleAssignment, ServiceAccount, ServiceKey
from apps.uiregistry.models import Component, Dashboard, Layout, Manifest, ManifestRevision, Widget

__all__ = ["ONE", "SCOPED", "TWO", "Rows", "columns_of_key", "rows_of_all"]

ONE, TWO = 1, 2
SCOPED = sorted((m for m in apps.get_models() if issubclass(m, CompanyScoped)), key=lambda m: m._meta.label)
Rows = dict[type[CompanyScoped], dict[int | None, Any]]


def rows_of_all() -> Rows:
    """Store a row of every scoped model for each company and for nobody; return them by model and company."""
    found: Rows = {}
    with use(system("tests make rows of everybody")):
        for company in (ONE, TWO, None):
            for row in _rows_of(company, timezone.now()):
                found.setdefault(type(row), {})[company] = row
    return found


def columns_of_key(model: type[models.Model]) -> str:
    """Return the columns of the primary key, as SQL."""
    key: Any = model._meta.pk
    fields = getattr(key, "fields", None) or [key]
    return ", ".join(f'"{field.column}"' for field in fields)


def _rows_of(company: int | None, now: dt.datetime) -> Iterator[CompanyScoped]:
    name = f"of-{company or 'all'}"
    yield from _registered(company, name, now)
    yield from _events(company, name, now)
    yield from _access(company, name, now)
    yield from _menus(company, name)
    yield from _ui(company, name)
    yield AuditEntry.objects.create(
        actor_kind="hub", actor="tests", action="made", object_type="row", object_id=name, company_id=company
    )


def _registered(company: int | None, name: str, now: dt.datetime) -> Iterator[CompanyScoped]:
    service = Service.objects.create(name=name, company_id=company)
    yield service
    instance = Instance.objects.create(
        service=service, instance_id="a:1", version="1.0.0", host="10.0.0.1", port=80, health_check_url="http://a/h",
        api_base_url="http://a/", status="healthy",
    )  # fmt: skip
    yield instance
    yield Vitals.objects.create(instance=instance)
    yield HistoryEntry.objects.create(service=service, change=HistoryEntry.NOTED, cause="tests", actor="tests")
    yield PollHour.objects.create(
        instance=instance, hour=now.replace(minute=0, second=0, microsecond=0), polls=1, failures=0, latency_avg_ms=1,
        latency_p95_ms=1, latency_max_ms=1,
    )  # fmt: skip
    yield PollResult.objects.create(instance_id=instance.pk, at=now, ok=True, latency_ms=1)


def _events(company: int | None, name: str, now: dt.datetime) -> Iterator[CompanyScoped]:
    yield OutboxEntry.objects.create(stream="xerpium:hub", fields={"company_id": str(company or "")})
    yield JournalEntry.objects.create(
        recorded_at=now, stream="xerpium:events", stream_id=f"{company or 0}-1", event_id=name, event_type="made",
        company_id=company, occurred_at=now, verdict="valid",
    )  # fmt: skip
    yield DeadLetter.objects.create(
        entry_id=f"{company or 0}-1", group="hub-g", reason="r", stream="xerpium:events", stream_id="1-1", dead_at=now,
        company_id=company, fields={"company_id": str(company or "")},
    )  # fmt: skip
    yield EventTypeDeclaration.objects.create(
        event_type=name.replace("-", "_"), service_name="orders", company_id=company
    )
    yield EventTypeHour.objects.create(event_type="made", hour=now, company_id=company, count=1, last_at=now)


def _access(company: int | None, name: str, now: dt.datetime) -> Iterator[CompanyScoped]:
    if company is not None:
        yield Company.objects.create(id=company, name=name, last_event_at=now)
    account = ServiceAccount.objects.create(
        name=name, companies=[] if company is None else [company], created_by="tests"
    )
    yield account
    secret = {"pepper_version": 1, "hint": "abcd", "created_by": "tests"}
    yield ServiceKey.objects.create(account=account, key_id=name, digest=b"k" * 32, **secret)
    yield EnrolmentToken.objects.create(
        account=account, digest=name.encode().ljust(32), expires_at=now + dt.timedelta(days=1), **secret
    )
    role = Role.objects.create(name=name, company_id=company)
    yield role
    yield RoleAssignment.objects.create(role=role, user_id=7, company_id=company, created_by="tests")


def _menus(company: int | None, name: str) -> Iterator[CompanyScoped]:
    item = MenuItem.objects.create(
        service_name="orders",
        company_id=company,
        key=name,
        declared={},
        name=name,
        path=f"/{name}",
        route_key=f"/{name}",
    )
    yield item
    scope = ("global", 0) if company is None else ("company", company)
    yield Overlay.objects.create(
        item=item, scope=scope[0], scope_id=scope[1], company_id=company, values={}, base={}, actor="tests"
    )
    yield Handover.objects.create(kind="menu", route_key=name, company_id=company, service_name="orders", actor="tests")
    yield Conflict.objects.create(
        kind="menu", route_key=name, path=name, company_id=company, owner="orders", claimant="shop"
    )


def _ui(company: int | None, name: str) -> Iterator[CompanyScoped]:
    declared: dict[str, Any] = {"service_name": "orders", "company_id": company, "name": name, "declared": {}}
    yield Component.objects.create(
        **declared, component_type="page", route_path=f"/{name}", route_key=f"/{name}", api_endpoint="/api"
    )
    yield Widget.objects.create(**declared, widget_type="metric", api_endpoint="/api")
    dashboard = Dashboard.objects.create(slug=name, title=name, company_id=company, actor="tests")
    yield dashboard
    scope = ("global", 0) if company is None else ("company", company)
    yield Layout.objects.create(
        dashboard=dashboard, scope=scope[0], scope_id=scope[1], company_id=company, actor="tests"
    )
    manifest = Manifest.objects.create(service_name=name, company_id=company)
    yield manifest
    yield ManifestRevision.objects.create(manifest=manifest, number=1, digest="", cause="put", actor="tests")
