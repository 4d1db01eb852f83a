"""A service's record: what it says, in which order, for which version and zone, and who may see it."""

import json
from importlib.resources import files
from typing import Any

import pytest

from apps.registry.catalog import Catalog
from tests.registry.catalog_rows import change, ids, loaded, row, shown, told
from xerpium_sdk.wire.registry import ServiceRecord, Status
from xerpium_sdk.wire.versions import VersionRangeError


class TestRecord:
    def test_it_is_the_wire_contracts_example(self) -> None:
        example = json.loads(files("xerpium_sdk.wire.examples").joinpath("service.json").read_text())
        rows = [
            {"id": pk, "service": example["name"], "company_id": example["company_id"]} | instance
            for pk, instance in enumerate(example["instances"][::-1])
        ]
        body = shown(loaded(*rows), example["name"])
        assert body == example
        assert list(body) == list(example)

    def test_one_that_left_is_the_wire_contracts_example(self) -> None:
        example = json.loads(files("xerpium_sdk.wire.examples").joinpath("service_left.json").read_text())
        catalog = loaded(row(1, "billing-service", 43))
        (update,) = catalog.apply(change(row(1, "billing-service", 44, status="deregistered")))
        assert json.loads(update.body) == example
        assert catalog.record("billing-service") is None

    def test_the_sdk_reads_it(self) -> None:
        catalog = loaded(row(1, "product", 7, status="draining"), row(2, "product", 8))
        record = ServiceRecord.from_json(shown(catalog, "product"))
        assert record.preferred is not None
        assert (record.status, record.revision, record.preferred.instance_id) == (Status.HEALTHY, 8, "10.0.0.2:8000")

    def test_the_fields_of_the_preferred_instance_are_on_top(self) -> None:
        body = shown(loaded(row(1, "p", 1, status="starting"), row(2, "p", 2, version="2.0.0")), "p")
        assert (body["instance_id"], body["version"]) == ("10.0.0.2:8000", "2.0.0")
        assert "last_seen" not in body
        assert "id" not in body["instances"][0]

    def test_instances_come_best_first(self) -> None:
        order = ["healthy", "degraded", "starting", "unhealthy", "draining", "stale"]
        rows = [row(pk, "p", pk, status=status) for pk, status in enumerate(order[::-1], 1)]
        assert [instance["status"] for instance in shown(loaded(*rows), "p")["instances"]] == order

    def test_among_equals_the_heavier_comes_first_then_the_smaller_id(self) -> None:
        catalog = loaded(row(3, "p", 1), row(1, "p", 2), row(2, "p", 3, weight=200))
        assert ids(shown(catalog, "p")) == ["10.0.0.2:8000", "10.0.0.1:8000", "10.0.0.3:8000"]

    def test_a_zone_is_a_preference_within_equal_status(self) -> None:
        catalog = loaded(
            row(1, "p", 1, zone="eu-1", weight=500),
            row(2, "p", 2, zone="eu-2"),
            row(3, "p", 3, zone="eu-2", status="degraded"),
        )
        assert ids(shown(catalog, "p", zone="eu-2")) == ["10.0.0.2:8000", "10.0.0.1:8000", "10.0.0.3:8000"]
        assert ids(shown(catalog, "p", zone="us-1")) == ids(shown(catalog, "p"))

    def test_a_version_is_a_filter(self) -> None:
        catalog = loaded(
            row(1, "p", 1, version="1.9.0", dependencies=["lost"]),
            row(2, "p", 2, version="2.1.0", status="unhealthy", dependencies=["gone"]),
        )
        body = shown(catalog, "p", version="^2")
        assert (ids(body), body["status"], body["impaired"]) == (["10.0.0.2:8000"], "unhealthy", ["gone"])
        assert shown(catalog, "p")["status"] == "degraded"

    def test_an_unmet_version_and_an_unknown_service_are_told_apart(self) -> None:
        catalog = loaded(row(1, "p", 1))
        assert catalog.record("p", ">=9") is None
        assert catalog.record("q") is None
        assert (catalog.knows("p"), catalog.knows("q")) == (True, False)

    def test_what_is_no_range_is_refused(self) -> None:
        with pytest.raises(VersionRangeError):
            loaded(row(1, "p", 1)).record("p", "newest")

    def test_known_but_nothing_healthy_tells_the_truth(self) -> None:
        assert shown(loaded(row(1, "p", 1, status="stale")), "p")["status"] == "unhealthy"

    def test_its_revision_is_that_of_its_own_last_change(self) -> None:
        catalog = loaded(row(1, "p", 3), row(2, "p", 5), row(3, "q", 9))
        assert shown(catalog, "p")["revision"] == 5
        catalog.apply(change(row(1, "p", 10, status="deregistered")))
        assert shown(catalog, "p")["revision"] == 10
        assert catalog.revision == 10

    def test_a_source_may_know_a_services_later_revision(self) -> None:
        catalog = Catalog()
        catalog.load(9, [row(1, "p", 3)], service_revisions={"p": 7})
        assert shown(catalog, "p")["revision"] == 7

    def test_the_etag_is_strong_and_changes_with_the_body(self) -> None:
        catalog = loaded(row(1, "p", 1))
        before = catalog.record("p")
        catalog.apply(change(row(1, "p", 2, status="degraded")))
        after = catalog.record("p")
        assert before is not None
        assert after is not None
        assert before.etag != after.etag
        assert before.etag[0] == before.etag[-1] == '"'

    def test_it_is_rendered_once(self) -> None:
        catalog = loaded(row(1, "p", 1))
        assert catalog.record("p") is catalog.record("p")
        assert catalog.record("p", "^1", "eu-1") is catalog.record("p", "^1", "eu-1")


class TestHeartbeats:
    def test_they_show_as_last_seen_without_a_revision(self) -> None:
        catalog = loaded(row(1, "p", 1))
        before = catalog.record("p")
        catalog.touch({1: 1_796_000_000_123})
        after = catalog.record("p")
        assert before is not None
        assert after is not None
        assert before.etag != after.etag
        assert json.loads(after.body)["instances"][0]["last_seen"] == "2026-11-30T00:53:20.123Z"
        assert after.revision == before.revision == catalog.revision == 1

    def test_older_ones_and_unknown_instances_change_nothing(self) -> None:
        catalog = loaded(row(1, "p", 1, last_seen="2030-01-01T00:00:00.000Z"))
        catalog.touch({1: 1_795_000_000_123, 99: 1_795_000_000_123})
        assert shown(catalog, "p")["instances"][0]["last_seen"] == "2030-01-01T00:00:00.000Z"
        rendered = catalog.record("p")
        catalog.touch({1: 1_795_000_000_122})
        assert catalog.record("p") is rendered

    def test_they_survive_a_change_of_the_service(self) -> None:
        catalog = loaded(row(1, "p", 1))
        catalog.touch({1: 1_796_000_000_000})
        catalog.apply(change(row(2, "p", 2)))
        assert shown(catalog, "p")["instances"][0]["last_seen"] == "2026-11-30T00:53:20.000Z"

    def test_a_version_and_a_zone_see_them_too(self) -> None:
        catalog = loaded(row(1, "p", 1))
        assert shown(catalog, "p", version="^1")["instances"][0]["last_seen"].startswith("2026-11-22T20")
        catalog.touch({1: 1_796_000_000_000})
        assert shown(catalog, "p", version="^1")["instances"][0]["last_seen"].startswith("2026-11-30")


class TestImpaired:
    def test_missing_and_unhealthy_dependencies_are_named(self) -> None:
        catalog = loaded(
            row(1, "shop", 1, dependencies=["stock", "mail", "pay"]),
            row(2, "stock", 2),
            row(3, "pay", 3, status="unhealthy"),
        )
        assert shown(catalog, "shop")["impaired"] == ["mail", "pay"]

    def test_they_follow_their_dependencies(self) -> None:
        catalog = loaded(row(1, "shop", 1, dependencies=["stock"]))
        for revision, status, impaired in [
            (2, "starting", []),
            (3, "healthy", []),
            (4, "unhealthy", ["stock"]),
            (5, "degraded", []),
            (6, "stale", ["stock"]),
            (7, "healthy", []),
            (8, "deregistered", ["stock"]),
        ]:
            catalog.apply(change(row(2, "stock", revision, status=status)))
            assert shown(catalog, "shop")["impaired"] == impaired, status

    def test_stale_instances_need_nothing(self) -> None:
        catalog = loaded(row(1, "shop", 1, dependencies=["a"]), row(2, "shop", 2, dependencies=["b"], status="stale"))
        assert shown(catalog, "shop")["impaired"] == ["a"]

    def test_a_service_may_depend_on_itself(self) -> None:
        catalog = loaded(row(1, "a", 1, dependencies=["a"]))
        assert shown(catalog, "a")["impaired"] == []
        catalog.apply(change(row(1, "a", 2, dependencies=["a"], status="unhealthy")))
        assert shown(catalog, "a")["impaired"] == ["a"]

    def test_a_dependency_no_longer_declared_does_not_count(self) -> None:
        catalog = loaded(row(1, "shop", 1, dependencies=["stock"]), row(2, "stock", 2))
        catalog.apply(change(row(1, "shop", 3)))
        assert told(catalog.apply(change(row(2, "stock", 4, status="unhealthy")))) == [(4, "stock")]
        assert shown(catalog, "shop")["impaired"] == []


class TestCompanies:
    """Company 7 and company 9 share a hub, and neither may notice the other."""

    @pytest.fixture
    def catalog(self) -> Catalog:
        return loaded(
            row(1, "gateway", 1, dependencies=["ledger"]),
            row(2, "ledger", 2, company_id=7, dependencies=["gateway", "vault"], tags=["money"]),
            row(3, "vault", 3, company_id=9),
        )

    @pytest.mark.parametrize(
        ("companies", "names"),
        [
            ("*", ["gateway", "ledger", "vault"]),
            (frozenset({7}), ["gateway", "ledger"]),
            (frozenset({9}), ["gateway", "vault"]),
            (frozenset(), ["gateway"]),
        ],
    )
    def test_a_caller_sees_global_services_and_its_own(
        self, catalog: Catalog, companies: Any, names: list[str]
    ) -> None:
        assert catalog.services(companies=companies) == names
        assert [name for name in ("gateway", "ledger", "vault") if catalog.record(name, companies=companies)] == names
        assert [name for name in ("gateway", "ledger", "vault") if catalog.knows(name, companies)] == names
        assert [item["name"] for item in json.loads(catalog.snapshot(companies)[1])["services"]] == names
        assert [node.name for node in catalog.graph(companies).nodes] == names
        assert len(catalog.list_items(["gateway", "ledger", "vault"], companies)) == len(names)
        assert bool(catalog.instance_for_report("vault", None, None, companies=companies)) == ("vault" in names)
        assert catalog.record("vault", "^1", companies=companies) is None or "vault" in names

    def test_another_companys_dependency_is_missing_whatever_its_state(self, catalog: Catalog) -> None:
        before = catalog.record("ledger", companies=frozenset({7}))
        assert before is not None
        assert json.loads(before.body)["impaired"] == ["vault"]
        for revision, status in [(4, "unhealthy"), (5, "healthy"), (6, "deregistered")]:
            updates = catalog.apply(change(row(3, "vault", revision, company_id=9, status=status)))
            assert told(updates) == [(revision, "vault")]
            assert catalog.record("ledger", companies=frozenset({7})) is before

    def test_a_global_service_cannot_lean_on_one_companys(self, catalog: Catalog) -> None:
        assert shown(catalog, "gateway")["impaired"] == ["ledger"]

    def test_global_services_count_for_every_company(self, catalog: Catalog) -> None:
        catalog.apply(change(row(1, "gateway", 4, status="unhealthy")))
        assert shown(catalog, "ledger")["impaired"] == ["gateway", "vault"]

    def test_the_graph_does_not_tell_hidden_from_unknown(self, catalog: Catalog) -> None:
        graph = catalog.graph(frozenset({7}))
        assert graph.missing == ("vault",)
        assert [(node.name, node.impact) for node in graph.nodes] == [
            ("gateway", ("ledger",)),
            ("ledger", ("gateway",)),
        ]

    def test_updates_name_their_company_and_resuming_filters_by_it(self, catalog: Catalog) -> None:
        catalog.apply(change(row(2, "ledger", 4, company_id=7)))
        (update,) = catalog.apply(change(row(3, "vault", 5, company_id=9, status="deregistered")))
        assert update.company_id == 9
        assert told(catalog.changes_since(3, frozenset({7})) or []) == [(4, "ledger")]
        assert told(catalog.changes_since(3, frozenset({9})) or []) == [(5, "vault")]

    def test_a_service_that_changes_hands_takes_its_dependents_along(self) -> None:
        catalog = loaded(row(1, "shop", 1, company_id=7, dependencies=["stock"]), row(2, "stock", 2, company_id=9))
        assert shown(catalog, "shop")["impaired"] == ["stock"]
        catalog.apply(change(row(2, "stock", 3, company_id=7)))
        assert shown(catalog, "shop")["impaired"] == []


class TestList:
    @pytest.fixture
    def catalog(self) -> Catalog:
        return loaded(
            row(1, "product", 1, tags=["erp", "Goods"], capabilities=["product_management"], dependencies=["users"]),
            row(2, "product", 2, tags=["beta"], status="stale", dependencies=["search"]),
            row(3, "orders", 3, tags=["erp"], capabilities=["checkout"], company_id=7, status="starting"),
            row(4, "users", 4, capabilities=["login"]),
        )

    @pytest.mark.parametrize(
        ("filters", "names"),
        [
            ({}, ["orders", "product", "users"]),
            ({"tag": "erp"}, ["orders", "product"]),
            ({"tag": "beta"}, ["product"]),
            ({"tag": "er"}, []),
            ({"capability": "login"}, ["users"]),
            ({"status": Status.HEALTHY}, ["product", "users"]),
            ({"status": Status.STARTING}, ["orders"]),
            ({"dependency": "users"}, ["product"]),
            ({"dependency": "search"}, []),  # only a stale instance needs it
            ({"company_id": 7}, ["orders"]),
            ({"q": "good"}, ["product"]),
            ({"q": "CHECK"}, ["orders"]),
            ({"q": "er"}, ["orders", "product", "users"]),
            ({"tag": "erp", "company_id": 7, "q": "o"}, ["orders"]),
        ],
    )
    def test_filters_narrow_it_down(self, catalog: Catalog, filters: Any, names: list[str]) -> None:
        assert catalog.services(**filters) == names

    def test_items_come_in_the_order_asked_and_without_those_that_left(self, catalog: Catalog) -> None:
        catalog.apply(change(row(3, "orders", 5, company_id=7, status="deregistered")))
        items = catalog.list_items(["users", "orders", "product"])
        assert [json.loads(item.body)["name"] for item in items] == ["users", "product"]


class TestReport:
    @pytest.fixture
    def catalog(self) -> Catalog:
        return loaded(
            row(1, "p", 1, host="localhost", instance_id="a"),
            row(2, "p", 2, host="10.0.0.2", instance_id="b"),
            row(3, "p", 3, host="2001:db8::1", instance_id="c"),
            row(4, "p", 4, host="10.0.0.2", instance_id="d", status="stale"),
            row(5, "p", 5, host="Node-5.local", instance_id="e"),
        )

    @pytest.mark.parametrize(
        ("instance_id", "peer", "found"),
        [
            ("b", None, "b"),
            ("b", "10.9.9.9", "b"),  # the name counts, not where the report came from
            ("z", "10.0.0.2", ""),
            (None, "10.0.0.2", "bd"),
            (None, "::ffff:10.0.0.2", "bd"),
            (None, "127.0.0.1", "a"),
            (None, "::1", "a"),
            (None, "::ffff:127.0.0.1", "a"),
            (None, "2001:0DB8:0::1", "c"),
            (None, "node-5.local", "e"),
            (None, "10.7.7.7", "abcde"),  # none is there: all of that name
            (None, None, "abcde"),
        ],
    )
    def test_it_means_the_instance_named_or_those_at_the_address_or_all(
        self, catalog: Catalog, instance_id: str | None, peer: str | None, found: str
    ) -> None:
        rows = catalog.instance_for_report("p", instance_id, peer)
        assert "".join(sorted(item.document["instance_id"] for item in rows)) == found

    def test_what_is_deregistered_or_unknown_is_not_meant(self, catalog: Catalog) -> None:
        catalog.apply(change(row(2, "p", 6, instance_id="b", status="deregistered")))
        assert catalog.instance_for_report("p", "b", None) == []
        assert catalog.instance_for_report("q", None, "10.0.0.2") == []
