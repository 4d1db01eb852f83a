"""Trees in memory: who hears of changes, whose rows are in them, what is kept, what is served without a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.tenancy import use
from apps.menus import following
from apps.menus import live as module
from apps.menus.kept import Kept, Key, Rendered, Whose, accepts_gzip
from apps.menus.live import LiveMenus, View
from apps.menus.models import MenuItem, MenuRevision
from apps.registry.services import operations
from apps.serviceauth.services import role_assign, role_save
from tests.menus.planting import hub, overlay, plant
from tests.support import services as registered
from tests.support.database import database_away
from tests.support.registry import NOW
from tests.support.wait import wait_until
from xerpium_sdk.wire.registry import Status

__all__ = ["hub"]

EVERYTHING = View(None, ("*",))


@pytest.fixture
def menus(hub: None) -> LiveMenus:
    """Menus of a process that has just begun."""
    return LiveMenus()


def names(menus: LiveMenus, view: View = EVERYTHING, locale: str | None = None) -> list[str]:
    return [node["name"] for node in orjson.loads(menus.answer(view, locale).body)["items"]]


def revision(menus: LiveMenus, view: View = EVERYTHING) -> int:
    found: int = orjson.loads(menus.answer(view).body)["revision"]
    return found


def test_there_is_a_tree_before_there_is_anything(menus: LiveMenus) -> None:
    assert orjson.loads(menus.answer(EVERYTHING).body) == {"revision": 0, "items": []}


def test_another_process_hears_of_a_change_when_it_looks_again(menus: LiveMenus, monkeypatch: Any) -> None:
    plant("Orders")
    assert names(menus) == ["Orders"]
    plant("Billing")
    assert names(menus) == ["Orders"], "it looked just now"
    wait_until(lambda: names(menus) == ["Orders", "Billing"] or names(menus) == ["Billing", "Orders"], 1, "the change")


def test_a_process_that_follows_hears_of_changes_by_itself(menus: LiveMenus) -> None:
    told: list[Any] = []
    menus.revisions.subscribe(told.append)
    menus.revisions.follow()
    try:
        wait_until(lambda: menus.revisions.is_known, 2, "the first look")
        plant("Orders", company_id=7)
        wait_until(lambda: told == [[7]], 1, "the change")
        assert (menus.revisions.of(7), menus.revisions.of(8), menus.revisions.of(None)) == (1, 0, 0)
    finally:
        menus.revisions.unfollow()


def test_the_writers_own_process_knows_at_the_commit(hub: None) -> None:
    assert names(module.live) == []
    plant("Orders")
    assert names(module.live) == ["Orders"]
    with transaction.atomic():
        plant("Billing")
        assert names(module.live) == ["Billing", "Orders"], "its writer sees it at once"
        transaction.set_rollback(True)
    assert names(module.live) == ["Orders"]
    assert revision(module.live) == 1


def test_what_is_kept_costs_no_query(menus: LiveMenus) -> None:
    plant("Orders")
    first = menus.answer(EVERYTHING, packed=True)
    menus.revisions.follow()
    try:
        with CaptureQueriesContext(connection) as queries:
            assert menus.at_hand(EVERYTHING) is not None
            assert menus.answer(EVERYTHING) == first
        assert len(queries) <= 1
    finally:
        menus.revisions.unfollow()


def test_a_company_has_what_is_everybodys_and_its_own(menus: LiveMenus) -> None:
    plant("Common")
    plant("Secret", company_id=7)
    plant("Foreign", company_id=8)
    with use(None):
        found = {company: names(menus, View(company, ("*",))) for company in (None, 7, 8, 9)}
    assert found == {None: ["Common"], 7: ["Common", "Secret"], 8: ["Common", "Foreign"], 9: ["Common"]}
    assert {company: revision(menus, View(company, ("*",))) for company in (None, 7, 8, 9)} == {
        None: 1,
        7: 2,
        8: 3,
        9: 1,
    }


def test_overlays_of_another_company_role_or_person_count_for_nobody_else(menus: LiveMenus) -> None:
    row = plant("Common")
    clerk = role_save(name="clerk", permissions=("a",), actor="test", now=timezone.now())
    boss = role_save(name="boss", permissions=("a",), actor="test", now=timezone.now())
    role_assign(role=clerk, user_id=5, company_id=7, actor="test")
    role_assign(role=boss, user_id=5, company_id=7, actor="test")
    role_assign(role=clerk, user_id=6, company_id=8, actor="test")
    overlay(row, name="For all", icon="a")
    overlay(row, "company", 7, 7, name="Of seven", icon="b")
    overlay(row, "role", clerk.pk, 7, name="Of clerks in seven")
    overlay(row, "role", boss.pk, None, name="Of bosses", icon="c")
    overlay(row, "user", 9, 7, name="Of nine in seven")
    found = {
        (company, user): names(menus, View(company, ("*",), user))[0]
        for company, user in [(None, None), (8, None), (7, None), (7, 5), (8, 6), (8, 5), (7, 9), (8, 9), (None, 9)]
    }
    assert found == {
        (None, None): "For all",
        (8, None): "For all",
        (7, None): "Of seven",
        (7, 5): "Of clerks in seven",
        (8, 6): "For all",
        (8, 5): "For all",
        (7, 9): "Of nine in seven",
        (8, 9): "For all",
        (None, 9): "For all",
    }
    assert b'"icon":"c"' in menus.answer(View(7, ("*",), 5)).body


def test_those_with_the_same_rights_share_one_answer(menus: LiveMenus) -> None:
    plant("Orders", required_permissions=["order.view"])
    one = menus.answer(View(7, ("order.*", "x"), 5))
    assert menus.answer(View(7, ("x", "order.*"), 6)) is one
    assert menus.answer(View(7, ("x", "order.*"), 6), "pl") is one, "nothing has a name in it"
    assert menus.answer(View(8, ("x", "order.*"), 6)) is not one
    assert names(menus, View(7, ("x",))) == []
    assert len(menus._compiled) == 2


def test_roles_are_asked_for_where_they_matter_and_again_after_a_second(menus: LiveMenus, monkeypatch: Any) -> None:
    row = plant("Common")
    clerk = role_save(name="clerk", permissions=("a",), actor="test", now=timezone.now())
    view = View(7, ("*",), 5)
    assert names(menus, view) == ["Common"]
    assert menus._roles == {}
    overlay(row, "role", clerk.pk, 7, hidden=True)
    wait_until(lambda: menus.answer(view) is not None and bool(menus._roles), 1, "the overlay")
    assert names(menus, view) == ["Common"]
    assert menus.at_hand(view) is not None
    role_assign(role=clerk, user_id=5, company_id=7, actor="test")
    monkeypatch.setattr(module, "ROLES_SECONDS", 0.0)
    assert menus.at_hand(view) is None
    assert names(menus, view) == []


def test_at_hand_is_only_what_is_current(menus: LiveMenus) -> None:
    plant("Orders", labels={"pl": "Zamówienia" * 200})
    assert menus.at_hand(EVERYTHING) is None
    answer = menus.answer(EVERYTHING)
    assert menus.at_hand(EVERYTHING) is answer
    assert menus.at_hand(EVERYTHING, "de") is answer
    assert menus.at_hand(EVERYTHING, "pl") is None
    menus.answer(EVERYTHING, "pl")
    assert menus.at_hand(EVERYTHING, "pl-PL") is not None
    assert menus.at_hand(EVERYTHING, "pl", packed=True) is None
    menus.answer(EVERYTHING, "pl", packed=True)
    assert menus.at_hand(EVERYTHING, "pl", packed=True) is not None
    assert menus.at_hand(View(7, ("*",))) is None
    menus.revisions.note([8], 99)
    assert menus.at_hand(EVERYTHING) is answer, "it is none of its business"
    menus.revisions.note([None], 100)
    assert menus.at_hand(EVERYTHING) is None


def test_how_services_live_shows_at_once(menus: LiveMenus) -> None:
    told: list[Any] = []
    menus.lives.subscribe(lambda companies: told.append(set(companies)))
    plant("Orders", service_name="orders")
    plant("Secret", service_name="secret", company_id=7)
    of_seven = View(7, ("*",))
    assert names(menus, of_seven) == ["Orders", "Secret"]
    row = registered.register("orders", now=NOW)
    secret = registered.register("secret", 2, now=NOW, company_id=7)
    registered.report(secret, now=NOW)
    registered.report(row, Status.UNHEALTHY, now=NOW)
    wait_until(lambda: b'"service_status":"unhealthy"' in menus.answer(of_seven).body, 2, "the mark")
    assert menus.at_hand(of_seven) is not None
    operations.service_deregister(service="orders", reason="", actor="x", now=NOW)
    wait_until(lambda: menus.at_hand(of_seven) is None, 2, "the service to leave")
    assert names(menus, of_seven) == ["Secret"]
    assert names(LiveMenus(), of_seven) == ["Secret"], "so does a process that begins now"
    told.clear()
    operations.service_deregister(service="secret", reason="", actor="x", now=NOW)
    wait_until(lambda: told == [{7}], 2, "only its company to be told")
    assert names(menus, of_seven) == []
    row = registered.register("orders", now=NOW)
    wait_until(lambda: names(menus, of_seven) == ["Orders"], 2, "the service to return")


def test_a_company_learns_nothing_of_how_anothers_service_lives(menus: LiveMenus) -> None:
    """Everybody's item of a service that is another company's: as if it had never been registered."""
    plant("Common", service_name="secret")
    row = registered.register("secret", now=NOW, company_id=8)
    registered.report(row, Status.UNHEALTHY, now=NOW)
    wait_until(lambda: b"unhealthy" in menus.answer(View(8, ("*",))).body, 2, "the mark in its own company")
    for view in (View(7, ("*",)), EVERYTHING):
        assert b"service_status" not in menus.answer(view).body
    operations.service_deregister(service="secret", reason="", actor="x", now=NOW)
    wait_until(lambda: names(menus, View(8, ("*",))) == [], 2, "it to leave its own")
    assert names(menus, View(7, ("*",))) == ["Common"]


def test_a_database_that_went_back_is_read_again(menus: LiveMenus) -> None:
    plant("Orders")
    plant("Billing")
    assert names(menus) == ["Billing", "Orders"]
    MenuItem.objects.filter(name="Billing").delete()
    MenuRevision.objects.update(value=1)
    wait_until(lambda: names(menus) == ["Orders"], 2, "the older state")
    assert revision(menus) == 1


@contextmanager
def impatient() -> Iterator[None]:
    """Let those who want a connection wait for a third of a second only."""
    options = connection.settings_dict["OPTIONS"]["pool"]
    timeout, options["timeout"] = options["timeout"], 0.3
    try:
        close_connections()
        yield
    finally:
        options["timeout"] = timeout
        close_connections()


def close_connections() -> None:
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # the pool is of PostgreSQL's backend


def test_without_a_database_the_last_good_trees_are_served(menus: LiveMenus, monkeypatch: Any) -> None:
    row = plant("Orders")
    clerk = role_save(name="clerk", permissions=("a",), actor="test", now=timezone.now())
    overlay(row, "role", clerk.pk, 7, name="Ours")
    views = [EVERYTHING, View(7, ("*",)), View(7, ("*",), 5)]
    before = [menus.answer(view) for view in views]
    menus.revisions.note([None], 99)  # it has heard of a change that it cannot read any more
    with impatient(), database_away():
        wait_until(lambda: menus.answer(EVERYTHING) and menus.revisions.is_away, 10, "it to be away")
        assert [menus.answer(view) for view in views] == before
        assert names(menus, View(7, ())) == ["Orders"], "also what nobody asked for before"
        wait_until(lambda: (menus.staleness() or 0) > 1, 5, "the staleness")
    monkeypatch.setattr(following, "AWAY_SECONDS", 0.0)
    wait_until(lambda: menus.answer(EVERYTHING) and menus.staleness() is None, 10, "the database")


# --- What is kept -----------------------------------------------------------------------------------------------------


def key(grants: str = "x") -> Key:
    return Key(Whose(7, (), None), (1, 2), grants, ())


def test_so_many_bytes_and_no_more() -> None:
    kept = Kept(most_bytes=100, most=10)
    for name in ("a", "b", "c"):
        kept.put(key(name), Rendered.of(b"x" * 40))
        kept.get(key("a"))
    assert [name for name in "abc" if kept.get(key(name))] == ["a", "c"]
    kept.put(key("large"), Rendered.of(b"x" * 101))
    assert (kept.get(key("large")), kept.size, len(kept)) == (None, 80, 2)
    kept.put(key("a"), Rendered.of(b"x"))
    assert kept.size == 41
    for number in range(20):
        kept.put(key(str(number)), Rendered.of(b""))
    assert len(kept) == 10
    kept.clear()
    assert (kept.size, len(kept)) == (0, 0)


@pytest.mark.parametrize(
    "other",
    [
        key("y"),
        key()._replace(stamp=(1, 3)),
        key()._replace(locales=("pl",)),
        key()._replace(whose=Whose(8, (), None)),
        key()._replace(whose=Whose(None, (), None)),
        key()._replace(whose=Whose(7, (1,), None)),
        key()._replace(whose=Whose(7, (), 5)),
    ],
    ids=str,
)
def test_every_part_of_a_key_makes_another_answer(other: Key) -> None:
    kept = Kept(100, 10)
    kept.put(key(), Rendered.of(b"mine"))
    assert kept.get(other) is None


def test_forms_have_tags_of_their_own() -> None:
    small, large = Rendered.of(b"x").with_packed(), Rendered.of(b"x" * 5000).with_packed()
    assert small.packed is None
    assert large.packed is not None
    assert large.with_packed() is large
    assert large.etag(packed=True) != large.etag(packed=False)
    assert large.size == 5000 + len(large.packed)
    assert Rendered.of(b"x" * 5000).with_packed() == large


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("deflate, GZIP;q=1.0, *;q=0.5", True),
        ("br", False),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("gzip; q=0.001", True),
        ("x-gzip", True),
        ("identity, *;q=0", False),
        ("gzipped", False),
    ],
)  # fmt: skip
def test_who_takes_gzip(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted
