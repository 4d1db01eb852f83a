# Generated from tests/sdk/ui/_async/test_manifests.py by tools/unasync.py; change that file, not this one.
"""Putting, trying, reading and restoring manifests."""

import pytest
from starlette.responses import JSONResponse

from tests.sdk.hub import problem
from tests.sdk.ui.hub import UIHub
from xerpium_sdk.registry import Conflict, NotFound
from xerpium_sdk.ui import InvalidManifest, Manifest, ManifestClient, MenuItem, Outcome, UIWidget

SERVICE = "product-service"
ORDERS = MenuItem("Orders", "/orders", "receipt")
ONE = Manifest(menus=[ORDERS])
TWO = Manifest(menus=[ORDERS, MenuItem("Archive", "/orders/archive", parent_name="Orders")])


def client(hub: UIHub, version: str = "1.4.2") -> ManifestClient:
    return ManifestClient(hub.url, SERVICE, version=version)


def test_a_manifest_is_tried_put_read_restored_and_removed(hub: UIHub) -> None:
    with client(hub) as manifests:
        assert (manifests.dry_run(ONE)).changed
        assert hub.manifests == {}
        result = manifests.put(ONE)
        assert (result.changed, result.generation, result.created) == (True, 1_004_002, ())
        assert manifests.get() == ONE.of(SERVICE, "1.4.2")
        assert not (manifests.put(ONE)).changed
        ManifestClient(hub.url, SERVICE).put(Manifest(version="2.0.0"), confirm_prune=True)
        assert hub.calls[-1].query == {"confirm_prune": "true"}
        newest, first = manifests.revisions()
        assert (newest.version, first.number, first.cause, first.is_rollback) == ("2.0.0", 1, "put", False)
        assert (manifests.restore(1)).changed
        assert (manifests.revisions(limit=1))[0].is_rollback
        assert (manifests.get()).menus == (ORDERS,)
        manifests.remove()
        with pytest.raises(NotFound):
            manifests.get()


def test_what_contradicts_itself_is_not_sent(hub: UIHub) -> None:
    with ManifestClient(hub.url, SERVICE) as manifests:
        with pytest.raises(InvalidManifest, match="/version: Say which version"):
            manifests.put(ONE)
        with pytest.raises(InvalidManifest, match="/widgets/0/service_name: It is said to be of shop"):
            manifests.dry_run(Manifest(widgets=[UIWidget("Count", "shop", "metric", "/count")], version="1.0.0"))
    assert hub.calls == []


def test_the_same_version_may_change_its_mind(hub: UIHub) -> None:
    with client(hub) as manifests:
        assert (manifests.apply(ONE)).outcome is Outcome.APPLIED
        settlement = manifests.apply(TWO)
        assert settlement.outcome is Outcome.RAISED
        assert settlement.stored is not None
        assert (settlement.stored.generation, hub.manifests[SERVICE]["generation"]) == (1_004_002, 1_004_003)
        with pytest.raises(Conflict) as caught:
            manifests.put(ONE)
        assert caught.value.problem.code == "older_generation"


def test_a_release_follows_a_version_that_changed_often(hub: UIHub) -> None:
    with client(hub) as manifests, client(hub, "1.4.3") as released:
        for _ in range(3):
            manifests.apply(ONE)
            manifests.apply(TWO)
        assert (released.apply(ONE)).outcome is Outcome.RAISED
        assert hub.manifests[SERVICE]["version"] == "1.4.3"


def test_a_release_follows_its_prerelease(hub: UIHub) -> None:
    with client(hub, "2.0.0-rc.1") as candidate, client(hub, "2.0.0") as released:
        candidate.apply(ONE)
        assert (released.apply(TWO)).outcome is Outcome.RAISED
        left = candidate.apply(ONE)
    assert (left.outcome, left.result, hub.manifests[SERVICE]["version"]) == (Outcome.NEWER, None, "2.0.0")


def test_an_older_replica_leaves_a_newer_release_alone(hub: UIHub) -> None:
    with client(hub, "1.5.0") as newer, client(hub) as older:
        newer.apply(TWO)
        left = older.apply(ONE)
    assert left.outcome is Outcome.NEWER
    assert left.stored is not None
    assert (left.stored.version, hub.manifests[SERVICE]["version"]) == ("1.5.0", "1.5.0")


def test_what_an_operator_rolled_back_stays_so_until_the_next_release(hub: UIHub) -> None:
    with client(hub, "1.4.1") as older, client(hub) as current, client(hub, "1.4.3") as following:
        older.apply(ONE)
        current.apply(TWO)
        current.restore(1)
        hub.revisions.insert(0, hub.revisions[0] | {"number": 4, "cause": "items"})
        left = current.apply(TWO)
        assert (left.outcome, left.actor) == (Outcome.ROLLED_BACK, "operator ada")
        assert hub.manifests[SERVICE]["version"] == "1.4.1"
        assert (following.apply(TWO)).outcome is Outcome.APPLIED


def test_who_may_not_look_at_revisions_goes_by_versions(hub: UIHub) -> None:
    with client(hub) as manifests:
        manifests.apply(ONE)
        stored = JSONResponse(hub.manifests[SERVICE])
        hub.answers = [problem(409, code="older_generation"), stored, problem(403)]
        assert (manifests.apply(TWO)).outcome is Outcome.RAISED


def test_other_conflicts_are_raised(hub: UIHub) -> None:
    hub.answers = [problem(409, code="path_taken")]
    with client(hub) as manifests:
        with pytest.raises(Conflict) as caught:
            manifests.apply(ONE)
    assert caught.value.problem.code == "path_taken"
    assert len(hub.calls) == 1
