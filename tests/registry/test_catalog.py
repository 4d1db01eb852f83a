"""The catalogue's order: what it takes for news, what it tells and when, and how fast it is."""

import json
from collections.abc import Callable
from threading import Event, Thread
from time import process_time

import pytest

from apps.registry.catalog import Catalog, CatalogGapError, Update
from tests.registry.catalog_rows import change, ids, loaded, row, shown, told


class TestNews:
    def test_a_row_is_taken_only_if_it_is_newer(self) -> None:
        catalog = loaded(row(1, "p", 5))
        catalog.catch_up(6, [row(1, "p", 4, status="unhealthy")])
        assert shown(catalog, "p")["status"] == "healthy"
        catalog.catch_up(7, [row(1, "p", 7, status="unhealthy")])
        assert shown(catalog, "p")["status"] == "unhealthy"

    def test_a_late_row_does_not_bring_back_what_has_left(self) -> None:
        catalog = loaded(row(1, "p", 1), row(2, "p", 2))
        catalog.apply(change(row(1, "p", 4, status="deregistered")))
        catalog.apply(change(row(1, "p", 3, status="degraded")))
        assert ids(shown(catalog, "p")) == ["10.0.0.2:8000"]
        assert catalog.revision == 4

    def test_a_service_that_left_and_an_older_instance_of_it_that_comes_late(self) -> None:
        catalog = loaded(row(1, "p", 1))
        catalog.apply(change(row(1, "p", 3, status="deregistered")))
        catalog.apply(change(row(2, "p", 2)))
        assert (ids(shown(catalog, "p")), shown(catalog, "p")["revision"]) == (["10.0.0.2:8000"], 3)

    def test_what_left_may_return(self) -> None:
        catalog = loaded(row(1, "p", 1))
        catalog.apply(change(row(1, "p", 2, status="deregistered")))
        catalog.apply(change(row(1, "p", 3)))
        assert catalog.knows("p")

    def test_a_known_change_is_passed_over(self) -> None:
        catalog = loaded(row(1, "p", 1))
        first = change(row(1, "p", 2, status="degraded"))
        assert told(catalog.apply(first)) == [(2, "p")]
        assert catalog.apply(first) == []

    def test_a_change_that_comes_early_counts_at_once_and_is_told_in_its_turn(self) -> None:
        catalog = loaded(row(1, "p", 1), row(2, "q", 2))
        assert catalog.apply(change(row(2, "q", 4, status="degraded"))) == []
        assert (shown(catalog, "q")["status"], catalog.revision, catalog.waiting) == ("degraded", 2, 1)
        assert told(catalog.apply(change(row(1, "p", 3)))) == [(3, "p"), (4, "q")]
        assert (catalog.revision, catalog.waiting) == (4, 0)

    def test_a_gap_that_does_not_close_asks_for_a_reload(self) -> None:
        catalog = Catalog(max_waiting=3)
        catalog.load(1, [row(1, "p", 1)])
        for revision in (3, 4, 5):
            catalog.apply(change(row(1, "p", revision)))
        with pytest.raises(CatalogGapError, match="revision 2 has not arrived, and 4 later changes wait") as caught:
            catalog.apply(change(row(1, "p", 6, status="degraded")))
        assert caught.value.missing == 2
        assert shown(catalog, "p")["status"] == "degraded"
        updates = catalog.load(5, [row(1, "p", 5), row(2, "q", 2)])
        assert told(updates) == [(3, "p"), (4, "p"), (4, "p"), (5, "q"), (6, "p")]
        assert catalog.revision == 6

    def test_a_load_replaces_what_is_older(self) -> None:
        catalog = loaded(row(1, "p", 1), row(2, "p", 2), row(3, "q", 3))
        updates = catalog.load(9, [row(1, "p", 7, version="3.0.0")])
        assert told(updates) == [(8, "p"), (9, "q")]
        assert (ids(shown(catalog, "p")), shown(catalog, "p")["version"]) == (["10.0.0.1:8000"], "3.0.0")
        assert (catalog.knows("q"), catalog.revision) == (False, 9)

    def test_a_load_that_is_older_keeps_the_processs_own_writes(self) -> None:
        catalog = loaded(row(1, "p", 1), row(2, "q", 2))
        catalog.apply(change(row(3, "r", 3)))
        catalog.apply(change(row(2, "q", 4, status="deregistered")))
        catalog.load(2, [row(1, "p", 1), row(2, "q", 2)])
        assert (catalog.services(), catalog.revision) == (["p", "r"], 4)

    def test_an_older_load_does_not_bring_back_what_a_later_one_left_out(self) -> None:
        catalog = loaded(row(1, "p", 1), row(2, "q", 2), revision=2)
        catalog.load(5, [row(1, "p", 1)])
        catalog.load(2, [row(1, "p", 1), row(2, "q", 2)])
        assert catalog.services() == ["p"]

    def test_a_database_that_went_back_takes_the_catalogue_along(self) -> None:
        catalog = loaded(row(1, "p", 8, status="degraded"), row(2, "q", 9), revision=20)
        catalog.load(5, [row(1, "p", 4), row(3, "r", 5)], rewind=True)
        assert (catalog.services(), catalog.revision) == (["p", "r"], 5)
        assert (shown(catalog, "p")["status"], shown(catalog, "p")["revision"]) == ("healthy", 4)
        assert told(catalog.apply(change(row(1, "p", 6)))) == [(6, "p")]
        assert catalog.changes_since(4) is None

    def test_catching_up_skips_the_revisions_in_between(self) -> None:
        catalog = loaded(row(1, "p", 1), row(2, "q", 2))
        updates = catalog.catch_up(9, [row(1, "p", 9, status="unhealthy"), row(2, "q", 7, status="deregistered")])
        assert told(updates) == [(8, "p"), (9, "q")]
        assert (catalog.services(), catalog.revision) == (["p"], 9)

    def test_loading_the_same_again_tells_and_renders_nothing(self) -> None:
        rows = [row(1, "p", 1), row(2, "q", 2)]
        catalog = loaded(*rows)
        rendered = catalog.record("p")
        assert catalog.load(2, rows) == []
        assert catalog.record("p") is rendered

    def test_the_first_load_tells_nothing(self) -> None:
        catalog = Catalog()
        assert (catalog.loaded, catalog.load(3, [row(1, "p", 3)]), catalog.loaded) == (False, [], True)
        assert catalog.changes_since(2) is None
        assert catalog.changes_since(3) == []

    def test_changes_that_came_before_the_first_load_are_told_after_it(self) -> None:
        catalog = Catalog()
        assert catalog.apply(change(row(1, "p", 9, status="degraded"))) == []
        assert told(catalog.load(8, [row(1, "p", 3)])) == [(9, "p")]
        assert shown(catalog, "p")["status"] == "degraded"


class TestUpdates:
    def test_listeners_hear_of_every_change_in_order(self) -> None:
        catalog = loaded(row(1, "p", 1))
        heard: list[Update] = []
        stop = catalog.subscribe(heard.append)
        for revision in (4, 2, 3):
            catalog.apply(change(row(revision, f"s{revision}", revision)))
        stop()
        catalog.apply(change(row(5, "s5", 5)))
        assert told(heard) == [(2, "s2"), (3, "s3"), (4, "s4")]
        assert [json.loads(update.body)["name"] for update in heard] == ["s2", "s3", "s4"]

    def test_dependents_whose_record_changes_are_told_before(self) -> None:
        catalog = loaded(row(1, "shop", 1, dependencies=["stock"]), row(2, "stock", 2))
        updates = catalog.apply(change(row(2, "stock", 3, status="unhealthy")))
        # Whoever loses the connection after the first of them resumes at 2, and gets both again.
        assert told(updates) == [(2, "shop"), (3, "stock")]
        assert json.loads(updates[0].body)["impaired"] == ["stock"]
        assert told(catalog.changes_since(2) or []) == [(2, "shop"), (3, "stock")]

    def test_a_listener_that_fails_is_dropped_and_disturbs_nobody(self, caplog: pytest.LogCaptureFixture) -> None:
        catalog = loaded(row(1, "p", 1))
        heard: list[Update] = []
        calls: list[Update] = []

        def failing(update: Update) -> None:
            calls.append(update)
            raise RuntimeError("the loop is closed")

        catalog.subscribe(failing)
        catalog.subscribe(heard.append)
        catalog.apply(change(row(1, "p", 2)))
        catalog.apply(change(row(1, "p", 3)))
        assert (len(calls), told(heard)) == (1, [(2, "p"), (3, "p")])
        assert "A listener of the catalogue failed" in caplog.text

    def test_each_service_is_told_once_to_those_who_resume(self) -> None:
        catalog = loaded(row(1, "p", 1), row(2, "q", 2))
        for revision in range(3, 50):
            catalog.apply(change(row(1, "p", revision)))
        catalog.apply(change(row(2, "q", 50, status="deregistered")))
        assert told(catalog.changes_since(2) or []) == [(49, "p"), (50, "q")]
        assert catalog.changes_since(50) == []

    def test_what_is_not_known_any_more_is_not_made_up(self) -> None:
        catalog = Catalog(max_history=2)
        catalog.load(1, [row(1, "p", 1)])
        for revision in (2, 3, 4):
            catalog.apply(change(row(revision, f"s{revision}", revision)))
        assert catalog.changes_since(1) is None
        assert told(catalog.changes_since(2) or []) == [(3, "s3"), (4, "s4")]
        assert catalog.changes_since(5) is None  # another hub's number, or one of before a restored backup


class TestSnapshot:
    def test_it_is_the_revision_and_all_records(self) -> None:
        catalog = loaded(row(2, "q", 1), row(1, "p", 4))
        revision, body = catalog.snapshot()
        assert json.loads(body) == {"revision": 4, "services": [shown(catalog, "p"), shown(catalog, "q")]}
        assert revision == 4

    def test_it_is_made_once_for_each_state(self) -> None:
        catalog = loaded(row(1, "p", 1))
        body = catalog.snapshot()[1]
        assert catalog.snapshot()[1] is body
        catalog.apply(change(row(1, "p", 3)))
        assert catalog.snapshot()[0] == 1
        assert json.loads(catalog.snapshot()[1])["services"][0]["revision"] == 3

    def test_an_empty_hub_has_one_too(self) -> None:
        catalog = Catalog()
        catalog.load(0, [])
        assert json.loads(catalog.snapshot()[1]) == {"revision": 0, "services": []}


class TestGraph:
    def test_it_follows_the_changes(self) -> None:
        catalog = loaded(row(1, "shop", 1, dependencies=["stock", "lost"]), row(2, "stock", 2))
        assert catalog.graph() is catalog.graph()
        assert catalog.graph().missing == ("lost",)
        catalog.apply(change(row(2, "stock", 3, dependencies=["shop"])))
        assert catalog.graph().cycles == (("shop", "stock", "shop"),)


def test_readers_see_whole_records_while_writers_write() -> None:
    catalog = loaded(*(row(pk, "p", pk) for pk in range(1, 21)), revision=20)
    done = Event()
    faults: list[str] = []

    def read() -> None:
        last = 0
        while not done.is_set():
            record = shown(catalog, "p", zone="eu-1")
            versions = {instance["version"] for instance in record["instances"]}
            if len(versions) != 1 or len(record["instances"]) != 20 or record["revision"] < last:
                faults.append(f"{versions} {len(record['instances'])} {record['revision']} after {last}")
            last = record["revision"]
            catalog.services(tag="x")

    readers = [Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for revision in range(21, 221):
        catalog.apply(change(*(row(pk, "p", revision, version=f"1.0.{revision}") for pk in range(1, 21))))
        catalog.touch(dict.fromkeys(range(1, 21), 1_796_000_000_000 + revision))
        catalog.apply(change(row(1000 + revision, f"s{revision}", revision)))
    done.set()
    for reader in readers:
        reader.join()
    assert faults == []


def seconds(function: Callable[[], object], times: int = 1) -> float:
    started = process_time()
    for _ in range(times):
        function()
    return (process_time() - started) / times


def test_ten_thousand_instances_of_five_hundred_services() -> None:
    """Bounds far above what was measured, so that only a change of the order of magnitude fails."""
    names = [f"service-{number:03}" for number in range(500)]
    rows = [
        row(pk, names[pk % 500], pk, tags=["erp"], dependencies=[names[pk * step % 500] for step in (3, 7, 11)])
        for pk in range(1, 10_001)
    ]
    changes = [change({**rows[index], "revision": 10_001 + index}) for index in range(200)]
    catalog = Catalog()
    assert seconds(lambda: catalog.load(10_000, rows)) < 1
    assert seconds(catalog.snapshot) < 2
    assert seconds(lambda: catalog.record("service-123"), 1000) < 60e-6
    assert seconds(lambda: catalog.touch(dict.fromkeys(range(10_000), 1_796_000_000_000))) < 0.5
    assert seconds(lambda: [catalog.apply(item) for item in changes]) / len(changes) < 1e-3
    assert seconds(lambda: catalog.services(tag="erp", q="vice-1")) < 0.1
    assert seconds(catalog.graph) < 0.5
