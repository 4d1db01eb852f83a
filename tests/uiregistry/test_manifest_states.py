"""Every state of a manifest: kept, compared, put back, thinned out."""

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from apps.events.models import OutboxEntry
from apps.menus.models import MenuItem, Overlay
from apps.uiregistry import tasks
from apps.uiregistry.models import Manifest, ManifestRevision
from apps.uiregistry.services import states
from tests.support.api import Api
from tests.uiregistry.manifests import BODY, PATH, manifest, menu, put

pytestmark = pytest.mark.django_db

REVISIONS = f"{PATH}/revisions"


@pytest.fixture
def api() -> Api:
    return Api()


def listed(api: Api, query: str = "") -> list[dict[str, Any]]:
    answer = api.get(f"{REVISIONS}{query}")
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def causes(api: Api) -> list[tuple[int, str]]:
    return [(one["number"], one["cause"]) for one in listed(api)]


def single(api: Api, **changes: Any) -> Any:
    answer = api.post("/menu-items", {"name": "Extra", "path": "/extra", "service_name": "orders", **changes})
    assert answer.status_code == 201, answer.content
    return answer.json()


def three_states(api: Api) -> None:
    """Let a manifest be in three states: as put, with another name, without a widget."""
    put(api, manifest())
    menus = [BODY["menus"][0] | {"name": "All orders"}, *BODY["menus"][1:]]
    put(api, manifest(generation=42, version="1.5.0", menus=menus))
    put(api, manifest(generation=43, version="1.5.0", menus=menus, widgets=[]))


def test_each_change_is_kept_and_nothing_else(api: Api) -> None:
    assert api.get(REVISIONS).status_code == 404
    three_states(api)
    put(api, manifest(generation=44, version="1.5.0", menus=[]), "?dry_run=true")
    last, second, first = listed(api)
    assert [one["number"] for one in (first, second, last)] == [1, 2, 3]
    assert [one["version"] for one in (first, second, last)] == ["1.4.2", "1.5.0", "1.5.0"]
    assert [one["generation"] for one in (first, second, last)] == [41, 42, 43]
    assert [one["current"] for one in (first, second, last)] == [False, False, True]
    assert last["counts"] == {"menus": 3, "components": 1, "widgets": 0}
    assert (first["cause"], first["actor"]) == ("put", "service:orders")
    assert first["created_at"].endswith("Z")
    assert len({one["digest"] for one in (first, second, last)}) == 3
    whole = api.get(f"{REVISIONS}/1").json()
    assert whole == {**first, "body": BODY}
    assert api.get(f"{REVISIONS}/4").status_code == 404
    assert [one["number"] for one in listed(api, "?limit=2")] == [3, 2]


def test_what_single_items_made_is_one_state_before_the_next(api: Api) -> None:
    put(api, manifest())
    single(api)
    extra = single(api, name="Other", path="/other", key="other")
    api.delete(f"/menu-items/{extra['id']}")
    assert ManifestRevision.objects.count() == 1
    put(api, manifest(generation=42))
    assert causes(api) == [(3, "put"), (2, "items"), (1, "put")]
    items = api.get(f"{REVISIONS}/2").json()
    assert items["actor"] == "service:orders"
    assert [item["path"] for item in items["body"]["menus"][3:]] == ["/extra"]


def test_what_single_items_made_is_kept_when_somebody_looks_and_in_time(api: Api) -> None:
    single(api)
    assert causes(api) == [(1, "items")]
    answer = api.post("/widgets", {**BODY["widgets"][0], "service_name": "orders"})
    assert answer.status_code == 201, answer.content
    tasks.keep_states()
    assert ManifestRevision.objects.count() == 2
    tasks.keep_states()
    assert causes(api) == [(2, "items"), (1, "items")]


def test_single_items_that_came_and_went_are_no_state(api: Api) -> None:
    put(api, manifest())
    extra = single(api)
    api.delete(f"/menu-items/{extra['id']}")
    assert causes(api) == [(1, "put")]
    assert Manifest.objects.get().touched_by == ""


def test_who_changed_single_items_is_named_once_and_never_at_too_great_a_length() -> None:
    for number in range(300):
        states.manifest_touch(service_name="orders", company_id=None, actor=f"operator:o{number % 100}")
    touched = Manifest.objects.get().touched_by
    assert touched.startswith("operator:o0, operator:o1, ")
    assert len(touched) <= 200


def test_differences(api: Api) -> None:
    three_states(api)
    found = api.get(f"{REVISIONS}/2/difference").json()
    assert (found["number"], found["against"], found["added"], found["removed"]) == (2, 1, [], [])
    assert found["version"] == {"field": "version", "before": "1.4.2", "after": "1.5.0"}
    (changed,) = found["changed"]
    assert changed["fields"] == [{"field": "name", "before": "Orders", "after": "All orders"}]
    assert [one["key"] for one in api.get(f"{REVISIONS}/3/difference").json()["removed"]] == ["Order count"]
    back = api.get(f"{REVISIONS}/1/difference?against=current").json()
    assert [one["key"] for one in back["added"]] == ["Order count"]
    assert back["against"] == "current"
    assert api.get(f"{REVISIONS}/1/difference?against=3").json() == {**back, "against": 3}
    first = api.get(f"{REVISIONS}/1/difference").json()
    assert (first["against"], len(first["added"])) == (None, 5)
    for wrong, status in (("9/difference", 404), ("1/difference?against=9", 404), ("1/difference?against=x", 422)):
        assert api.get(f"{REVISIONS}/{wrong}").status_code == status


def test_an_earlier_state_comes_back_with_its_ids_and_overlays(api: Api) -> None:
    first = put(api, manifest())
    widget = next(entry["id"] for entry in first["created"] if entry["kind"] == "widget")
    item = MenuItem.objects.get(key="/orders/open")
    api.send("PUT", f"/menus/overlays/global/0/{item.pk}", {"hidden": True})
    put(api, manifest(generation=42, menus=BODY["menus"][:1], widgets=[]))
    events = OutboxEntry.objects.count()
    dry = api.post(f"{REVISIONS}/1/restore?dry_run=true").json()
    assert OutboxEntry.objects.count() == events
    answer = api.post(f"{REVISIONS}/1/restore")
    assert answer.status_code == 200, answer.content
    done = answer.json()
    assert (done["changed"], done["generation"]) == (True, 42)
    assert dry["created"] == [{**entry, "id": None} for entry in done["created"]]
    assert {entry["key"]: entry["id"] for entry in done["created"]} == {
        "/orders/open": item.pk,
        "handbook": MenuItem.objects.get(key="handbook").pk,
        "Order count": widget,
    }
    assert Overlay.objects.get().item_id == item.pk
    assert api.get(PATH).json() == manifest(generation=42)
    assert causes(api) == [(3, "restored from 1"), (2, "put"), (1, "put")]
    assert listed(api)[0]["digest"] == listed(api)[2]["digest"]
    last = OutboxEntry.objects.order_by("id").last()
    assert last is not None
    assert last.fields["event_type"] == "manifest_applied"
    assert not api.post(f"{REVISIONS}/1/restore", {}).json()["changed"]


def test_a_service_that_starts_again_does_not_undo_a_roll_back_but_its_next_release_does(api: Api) -> None:
    put(api, manifest())
    bad = manifest(generation=42, version="1.5.0", menus=[menu(1), *BODY["menus"]])
    put(api, bad)
    api.post(f"{REVISIONS}/1/restore")
    assert put(api, bad, status=409)["code"] == "older_generation"
    assert api.get(PATH).json()["version"] == "1.4.2"
    # The old release is what is there, and may say so.
    assert not put(api, manifest())["changed"]
    assert put(api, {**bad, "generation": 43})["changed"]


def test_what_was_taken_back_is_a_state_and_can_be_undone(api: Api) -> None:
    put(api, manifest())
    api.delete(PATH)
    gone = listed(api)[0]
    assert (gone["cause"], gone["version"], gone["generation"]) == ("removed", None, None)
    assert gone["counts"] == {"menus": 0, "components": 0, "widgets": 0}
    assert api.get(f"{REVISIONS}/2").json()["body"] is None
    refused = api.post(f"{REVISIONS}/2/restore")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_there")
    assert len(api.get(f"{REVISIONS}/2/difference").json()["removed"]) == 5
    assert api.post(f"{REVISIONS}/1/restore").json()["generation"] == 41
    assert api.get(PATH).json() == BODY
    assert api.post(f"{REVISIONS}/7/restore").status_code == 404


def test_restoring_is_not_guarded(api: Api) -> None:
    put(api, manifest())
    put(api, manifest(generation=42, menus=[*BODY["menus"], *map(menu, range(30))]))
    assert len(api.post(f"{REVISIONS}/1/restore").json()["removed"]) == 30


def test_a_path_that_another_service_has_by_now_keeps_a_state_from_coming_back(api: Api) -> None:
    put(api, manifest())
    put(api, manifest(generation=42, menus=BODY["menus"][1:]))
    put(api, manifest(menus=[BODY["menus"][0]], components=[], widgets=[]), path="/services/shop/manifest")
    answer = api.post(f"{REVISIONS}/1/restore")
    assert (answer.status_code, answer.json()["code"]) == (409, "path_taken")
    assert causes(api) == [(2, "put"), (1, "put")]


def test_the_oldest_states_go_but_for_the_first() -> None:
    now = timezone.now() - dt.timedelta(days=1)
    head = states.head_of("orders", None)
    ManifestRevision.objects.bulk_create(
        ManifestRevision(manifest=head, number=n, digest="", body={}, cause="put", actor="a", created_at=now)
        for n in range(1, 206)
    )
    Manifest.objects.update(number=205)
    tasks.thin_states()
    kept = list(ManifestRevision.objects.order_by("number").values_list("number", flat=True))
    assert kept == [1, *range(7, 206)]
    tasks.thin_states()
    assert ManifestRevision.objects.count() == states.MOST_STATES
