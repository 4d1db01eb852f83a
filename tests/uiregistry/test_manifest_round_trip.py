"""Whatever a manifest says: what GET returns can be put, and an earlier state comes back as it was."""

import os
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.menus.models import MenuItem, Overlay
from apps.uiregistry.manifest import body_of, digest
from apps.uiregistry.manifest_serializers import read_manifest
from apps.uiregistry.models import Component, Widget
from apps.uiregistry.selectors.manifests import manifest_body
from apps.uiregistry.services.manifests import manifest_apply, manifest_restore

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("MANIFEST_EXAMPLES", "12"))

COMPANIES = st.sampled_from([None, 7])
PERMISSIONS = st.lists(st.sampled_from(["order.view", "order.edit", "a:b"]), max_size=2)
ANYTHING = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text("aż"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("xy", max_size=1), inner, max_size=2),
    max_leaves=4,
)
MENU = st.fixed_dictionaries(
    {"name": st.sampled_from(["Orders", "Zamówienia", "Open"])},
    optional={
        "icon": st.sampled_from(["box", "nobody-knows"]),
        "order_number": st.integers(-5, 5),
        "required_permissions": PERMISSIONS,
        "permission_mode": st.sampled_from(["all", "any"]),
        "labels": st.dictionaries(st.sampled_from(["pl", "de-AT"]), st.sampled_from(["A", "B"])),
        "badge": st.fixed_dictionaries({"endpoint": st.just("/count")}, optional={"refresh_interval": st.just(0)}),
        "is_page": st.booleans(),
        "is_active": st.booleans(),
        "description": st.sampled_from(["", "Some.\nMore."]),
        "parent_name": st.sampled_from(["/m/9", "nobody"]),
        "before": st.sampled_from(["/m/0", "x"]),
        "company_id": st.none() | st.integers(1, 3),
        "parent_id": st.none(),
    },
)
WIDGET = st.fixed_dictionaries(
    {"widget_type": st.just("custom"), "api_endpoint": st.just("/api/v1/x")},
    optional={
        "size": st.sampled_from(["small", "large"]),
        "refresh_interval": st.sampled_from([0, 5, 60]),
        "permissions": PERMISSIONS,
        "config": st.dictionaries(st.sampled_from(["a", "b"]), ANYTHING, max_size=2),
    },
)
COMPONENT = st.fixed_dictionaries(
    {"component_type": st.just("page"), "api_endpoint": st.just("/api/v1/x/{id}")},
    optional={"is_active": st.booleans(), "metadata": st.just({"title": "T"}), "permissions": PERMISSIONS},
)


@st.composite
def bodies(draw: Any, company: int | None) -> dict[str, Any]:
    def some(kind: Any, **named: str) -> list[dict[str, Any]]:
        numbers = draw(st.lists(st.integers(0, 5), unique=True, max_size=4))
        return [{**draw(kind), **{field: text.format(n) for field, text in named.items()}} for n in numbers]

    menus = some(MENU, path="/m/{}")
    if company is not None:
        menus = [{**item, "company_id": None} for item in menus]
    return {
        "schema_version": 1,
        "version": draw(st.sampled_from(["1.0.0", "1.1.0-rc.1"])),
        "generation": 1,
        "menus": menus,
        "components": some(COMPONENT, name="C{}", route_path="/c/{}/:id"),
        "widgets": some(WIDGET, name="W{}"),
    }


def apply(body: dict[str, Any], company: int | None, generation: int) -> dict[str, Any]:
    return manifest_apply(
        service_name="orders",
        declared_in=company,
        body=read_manifest({**body, "generation": generation}),
        confirm_prune=True,
        actor="tests",
        companies="*",
        now=timezone.now(),
    )


def rows() -> dict[Any, int]:
    """Return the ids of what is there, by what it is."""
    tables = (MenuItem, Component, Widget)
    found = (row for table in tables for row in table.objects.filter(archived_at=None))  # type: ignore[attr-defined]
    return {(type(row).__name__, row.company_id, getattr(row, "key", row.name)): row.pk for row in found}


@given(data=st.data(), company=COMPANIES)
@settings(max_examples=EXAMPLES)
def test_put_get_restore(data: Any, company: int | None) -> None:
    with transaction.atomic():
        first, second = data.draw(bodies(company)), data.draw(bodies(company))
        apply(first, company, 1)
        body = manifest_body("orders", company)
        assert body == body_of(first["version"], 1, first)
        assert not apply(body, company, data.draw(st.integers(0, 3)))["changed"]
        ids = rows()
        for row in MenuItem.objects.all():
            Overlay.objects.create(
                item=row, scope="global", scope_id=0, values={"hidden": True}, base={"hidden": False}, actor="ann"
            )
        overlays = list(Overlay.objects.order_by("pk").values())
        done = apply(second, company, 9)
        assert done["changed"] == (digest(body_of(second["version"], 9, second)) != digest(body))
        manifest_restore(
            service_name="orders", declared_in=company, number=1, actor="ann", companies="*", now=timezone.now()
        )
        restored = manifest_body("orders", company)
        assert restored is not None
        assert {**restored, "generation": 1} == {**body, "generation": 1}
        assert rows() == ids
        assert list(Overlay.objects.order_by("pk").values()) == overlays
        transaction.set_rollback(True)
