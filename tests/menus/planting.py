"""Items and overlays for tests of trees, stored as services store them, and a hub that forgets all afterwards."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from apps.core.tenancy import system, use
from apps.menus import services
from apps.menus.models import MenuItem, Overlay
from apps.registry.live import live as catalogue
from apps.serviceauth.services.issuing import sign
from tests.support.tokens import bearer, issued_for

__all__ = ["hub", "overlay", "person", "plant"]


@pytest.fixture
def hub(transactional_db: None) -> Iterator[None]:
    """An empty hub without a relay: its catalogue follows PostgreSQL, and its own writes at once."""
    yield
    catalogue.stop()


def plant(name: str, company_id: int | None = None, **fields: Any) -> MenuItem:
    """Store an item, and say that something changed."""
    path = fields.pop("path", f"/{name.lower()}")
    with transaction.atomic():
        services.lock()
        row = MenuItem.objects.create(
            service_name=fields.pop("service_name", "orders"),
            company_id=company_id,
            key=path,
            declared={},
            name=name,
            path=path,
            route_key=path,
            **fields,
        )
        services.touch([company_id])
    return row


def overlay(
    row: MenuItem, scope: str = "global", scope_id: int = 0, company_id: int | None = None, **values: Any
) -> None:
    """Store what the operator Ann changed."""
    told = {"scope": scope, "scope_id": scope_id, "company_id": company_id, "values": values}
    with transaction.atomic():
        services.lock()
        Overlay.objects.create(item=row, base={}, actor="operator:ann", **told)
        services.touch([company_id])


def person(company_id: int, *permissions: str) -> dict[str, str]:
    """Return the header of person 5 in a company, whose token says these permissions."""
    claims = issued_for("shop", company_id=company_id).claims
    of_person = replace(
        claims, subject="user:5", user_id=5, actors=("shop",), permissions=permissions, token_id=secrets.token_hex(8)
    )
    with use(system("tests sign a token")):
        return bearer(sign(of_person, timezone.now()).access_token)
