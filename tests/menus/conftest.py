"""Callers of the routes of menus."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.core.access import OpenHub, Principal
from apps.menus.services import Outcome, lock, menus_reconcile
from apps.menus.services.reconciling import Declared
from tests.support.api import Api
from tests.support.database import transactional_db

__all__ = ["transactional_db"]

Declare = Callable[..., dict[str, Any]]


@pytest.fixture
def api(db: None) -> Api:
    """A caller of the REST API on this machine, without credentials: the hub of the tests is open to it."""
    return Api()


@pytest.fixture
def come_in_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Principal], None]:
    """A function that makes every later caller somebody in particular, as credentials will."""

    def come_in(caller: Principal) -> None:
        monkeypatch.setattr(OpenHub, "authenticate", lambda self, request: (caller, None))

    return come_in


@pytest.fixture
def declare(api: Api) -> Declare:
    """A function that declares an item, which must succeed, and returns the record."""

    def declare(name: str, path: str | None = None, service: str = "shop", **more: Any) -> dict[str, Any]:
        body = {"name": name, "path": path or f"/{name.lower()}", "service_name": service, **more}
        answer = api.post("/menu-items/", body)
        assert answer.status_code == 201, answer.content
        found: dict[str, Any] = answer.json()
        return found

    return declare


def reconciled(
    *items: dict[str, Any], service: str = "shop", declared_in: int | None = None, prune: bool = True
) -> Outcome:
    """Declare ``items`` as a manifest does, in the running transaction."""
    lock()
    return menus_reconcile(
        service_name=service,
        declared_in=declared_in,
        items=[Declared(f"/menus/{number}", item) for number, item in enumerate(items)],
        prune=prune,
        companies="*",
        actor=f"service:{service}",
        now=timezone.now(),
    )
