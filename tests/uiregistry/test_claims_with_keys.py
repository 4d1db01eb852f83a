"""Whoever was refused a path is remembered, also where the request's transaction holds its Idempotency-Key."""

from typing import Any

import pytest
from django.test import Client

from apps.menus.models import Conflict, MenuItem
from tests.support.api import Api
from tests.support.database import transactional_db

__all__ = ["transactional_db"]

TAKEN = {"name": "Shop", "path": "/shop", "icon": "box"}
PAGE = {"name": "Shop", "component_type": "page", "route_path": "/shop", "api_endpoint": "/api/shop"}


def manifest(**sections: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"menus": [], "components": [], "widgets": []}
    return {"schema_version": 1, "version": "1.0.0", "generation": 1, **empty, **sections}


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "once"}], ids=["without a key", "with a key"])
def test_every_way_to_a_path_that_another_service_has(transactional_db: None, settings: Any, headers: Any) -> None:
    settings.HUB_OPEN = True
    api = Api(Client(raise_request_exception=False))
    assert api.send("PUT", "/services/first/manifest", manifest(menus=[TAKEN], components=[PAGE])).status_code == 200
    ways = [
        ("POST", "/menu-items", {"service_name": "item", **TAKEN}),
        ("POST", "/components", {"service_name": "page", **PAGE}),
        ("PUT", "/services/both/manifest", manifest(menus=[TAKEN], components=[PAGE])),
    ]
    for verb, path, body in ways:
        answer = api.send(verb, path, body, headers=headers)
        assert answer.status_code == 409, answer.content
        assert "first" in answer.json()["detail"]
    found = set(Conflict.objects.values_list("kind", "claimant", "owner", "times"))
    assert found == {
        ("menu", "item", "first", 1), ("component", "page", "first", 1),
        ("menu", "both", "first", 1), ("component", "both", "first", 1),
    }  # fmt: skip
    assert MenuItem.objects.count() == 1
