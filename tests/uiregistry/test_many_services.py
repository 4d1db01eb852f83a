"""Many services that start at once: one consistent tree, no deadlock, and nothing to do the second time."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from apps.core.errors import Conflict
from apps.core.tenancy import system, use
from apps.menus.models import MenuItem, MenuRevision
from apps.uiregistry.manifest import digest
from apps.uiregistry.manifest_serializers import read_manifest
from apps.uiregistry.models import Component, Manifest, ManifestRevision, Widget
from apps.uiregistry.selectors.manifests import manifest_body
from apps.uiregistry.services import states
from apps.uiregistry.services.declaring import widget_declare
from apps.uiregistry.services.manifests import manifest_apply, manifest_restore
from tests.support.api import Api
from tests.uiregistry.manifests import manifest
from tests.uiregistry.storm import manifest_of, unleash

pytestmark = pytest.mark.usefixtures("transactional_db")

SERVICES = int(os.environ.get("STORM_SERVICES", "40"))
ITEMS = int(os.environ.get("STORM_ITEMS", "20"))


def put(service: str, body: dict[str, Any]) -> dict[str, Any]:
    """Put a manifest as a request would, in a thread that has neither a context nor a connection."""
    try:
        with use(system("tests")):
            return manifest_apply(
                service_name=service,
                declared_in=None,
                body=read_manifest(body),
                actor=f"service:{service}",
                companies="*",
                now=timezone.now(),
            )
    finally:
        connections.close_all()


def tree() -> dict[str, str | None]:
    """Return the key of each item's parent."""
    return dict(MenuItem.objects.filter(archived_at=None).values_list("key", "parent__key"))


def expected_tree() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for number in range(SERVICES):
        for item in manifest_of(number, SERVICES, ITEMS)["menus"]:
            parent = item.get("parent_name")
            found[item["path"]] = None if parent is None else parent.split(":")[-1].replace("Home ", "/")
    return found


@pytest.mark.thorough
def test_many_services_at_once_and_once_more() -> None:
    storm = unleash(SERVICES, ITEMS, put)
    print(f"\n{SERVICES} services of {ITEMS} items: {storm}")  # noqa: T201  the figures of the storm
    assert all(answer["changed"] for answer in storm.first)
    assert all(len(answer["created"]) == ITEMS for answer in storm.first)
    assert not any(answer["changed"] or answer["pending"] for answer in storm.second)
    # No revision was made the second time, and the first time one for each.
    assert {answer["revision"] for answer in storm.second} == {max(answer["revision"] for answer in storm.first)}
    assert len({answer["revision"] for answer in storm.first}) == SERVICES
    assert MenuRevision.objects.get().value == storm.second[0]["revision"]
    assert tree() == expected_tree()
    in_all = sum(table.objects.count() for table in (MenuItem, Component, Widget))  # type: ignore[attr-defined]
    assert in_all == SERVICES * ITEMS
    assert ManifestRevision.objects.count() == Manifest.objects.count() == SERVICES


def test_whoever_writes_one_manifest_at_once_waits_in_line() -> None:
    put("orders", manifest(generation=0))

    @use(system("tests"))
    def write(number: int) -> str:
        now = timezone.now()
        asked: Any = {"service_name": "orders", "declared_in": None, "actor": "tests", "now": now}
        try:
            match number % 4:
                case 0:
                    body = manifest(generation=number, version=f"1.0.{number}")
                    manifest_apply(**asked, body=body, companies="*")
                case 1:
                    manifest_restore(**asked, number=1, companies="*")
                case 2:
                    values = {**manifest()["widgets"][0], "name": f"W{number}"}
                    widget_declare(**asked, values=values)
                case _:
                    states.states_keep_pending(now=now)
        except Conflict as error:
            return error.code
        finally:
            connections.close_all()
        return "done"

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(write, range(48)))
    assert "done" in answers
    assert answers <= {"done", "older_generation", "prune_guard"}
    states.states_keep_pending(now=timezone.now())
    numbers = list(ManifestRevision.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    head, last = Manifest.objects.get(), ManifestRevision.objects.order_by("-number")[0]
    assert (head.number, last.digest) == (numbers[-1], digest(manifest_body("orders", None)))


@pytest.mark.parametrize("part", ["uiregistry_widget", "uiregistry_manifestrevision", "events_outboxentry"])
def test_what_breaks_off_in_the_middle_leaves_nothing(part: str) -> None:
    api = Api()
    assert api.send("PUT", "/services/orders/manifest", manifest(menus=[])).status_code == 200
    before = manifest_body("orders", None), MenuRevision.objects.get().value, ManifestRevision.objects.count()
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken off'; END $$;"
            f"CREATE TRIGGER fail BEFORE INSERT ON {part} FOR EACH ROW EXECUTE FUNCTION fail()"
        )
    try:
        widgets = [*manifest()["widgets"], {**manifest()["widgets"][0], "name": "Another"}]
        answer = api.send("PUT", "/services/orders/manifest", manifest(generation=42, widgets=widgets))
        assert answer.status_code >= 500
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER fail ON {part}; DROP FUNCTION fail()")
    after = manifest_body("orders", None), MenuRevision.objects.get().value, ManifestRevision.objects.count()
    assert after == before
    assert not MenuItem.objects.exists()
    assert api.send("PUT", "/services/orders/manifest", manifest(generation=42)).json()["changed"]
