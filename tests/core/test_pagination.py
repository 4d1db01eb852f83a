"""Cursor lists: every row once, in order, whatever comes and goes between two pages."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.request import Request

from apps.core.errors import InvalidInput
from apps.core.pagination import Page, decode, encode, paginate

pytestmark = pytest.mark.urls("tests.core.urls")


def asking(**params: Any) -> Request:
    return Request(RequestFactory().get("/", params))


def walk(read: Callable[[Request], Page[Any]], limit: int) -> list[list[Any]]:
    """Follow the cursors to the end; return the pages."""
    page = read(asking(limit=limit))
    pages = [page.items]
    while page.next is not None:
        page = read(asking(limit=limit, cursor=page.next))
        pages.append(page.items)
    return pages


keys = st.tuples(st.text(), st.integers(-(2**63), 2**63 - 1))


@given(st.sets(keys), st.integers(1, 7))
def test_a_walk_over_a_sequence_sees_everything_once(members: set[tuple[str, int]], limit: int) -> None:
    # What a cursor cannot carry no text of the hub contains.
    items = sorted(key for key in members if "\0" not in key[0] and key[0].isprintable())
    pages = walk(lambda request: paginate(items, request, key=lambda item: item), limit)
    assert [item for page in pages for item in page] == items
    assert all(len(page) == limit for page in pages[:-1])


@given(keys.filter(lambda key: "\0" not in key[0]))
def test_a_cursor_keeps_its_key(key: tuple[str, int]) -> None:
    assert decode(encode(key)) == key


def test_items_that_come_and_go_hide_no_other() -> None:
    items = [(n,) for n in range(0, 100, 2)]
    first = paginate(items, asking(limit=10), key=lambda item: item)
    changed = sorted([item for item in items if item != first.items[-1]] + [(1,), (19,)])
    second = paginate(changed, asking(limit=10, cursor=first.next), key=lambda item: item)
    assert first.items[-1] == (18,)
    assert second.items[:2] == [(19,), (20,)]


@pytest.mark.django_db
class TestRows:
    @pytest.fixture(autouse=True)
    def groups(self) -> None:
        Group.objects.bulk_create(Group(name=f"group {n:03}") for n in range(123))

    def test_a_walk_sees_every_row_once_in_order(self) -> None:
        pages = walk(lambda request: paginate(Group.objects.all(), request, key=("name", "id")), 50)
        names = [group.name for page in pages for group in page]
        assert names == [f"group {n:03}" for n in range(123)]
        assert [len(page) for page in pages] == [50, 50, 23]

    def test_a_walk_backwards(self) -> None:
        pages = walk(lambda request: paginate(Group.objects.all(), request, key=("-name", "-id")), 100)
        assert [group.name for page in pages for group in page] == [f"group {n:03}" for n in reversed(range(123))]

    def test_rows_that_share_a_key_are_told_apart_by_the_next(self) -> None:
        now = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        User.objects.bulk_create(
            User(username=f"{n:02}", date_joined=now + timedelta(microseconds=n // 4)) for n in range(30)
        )
        rows = User.objects.values("username", "date_joined", "id")
        pages = walk(lambda request: paginate(rows, request, key=("-date_joined", "-id")), 3)
        assert [row["username"] for page in pages for row in page] == [f"{n:02}" for n in reversed(range(30))]

    def test_a_page_is_one_query_that_can_use_an_index(self) -> None:
        cursor = encode(("group 010", 1))
        with CaptureQueriesContext(connection) as queries:
            paginate(Group.objects.all(), asking(cursor=cursor, limit=5), key=("name", "id"))
        (query,) = queries.captured_queries
        assert ">= 'group 010'" in query["sql"]
        assert "LIMIT 6" in query["sql"]

    def test_the_answer_has_the_shape_of_all_lists(self, client: Client) -> None:
        first = client.get("/api/v1/things?limit=100").json()
        assert list(first) == ["results", "next"]
        assert len(first["results"]) == 100
        second = client.get("/api/v1/things", {"limit": 100, "cursor": first["next"]}).json()
        assert (len(second["results"]), second["next"]) == (23, None)
        assert len(client.get("/api/v1/things").json()["results"]) == 50

    def test_nothing_follows_a_cursor_behind_the_end(self, client: Client) -> None:
        answer = client.get("/api/v1/things", {"cursor": encode(("zzz", 1))})
        assert answer.json() == {"results": [], "next": None}

    @pytest.mark.parametrize("limit", ["0", "-1", "501", "x", "", "1.5", "9" * 1001])
    def test_a_limit_is_1_to_500(self, client: Client, limit: str) -> None:
        answer = client.get("/api/v1/things", {"limit": limit})
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == ["?limit"]

    @pytest.mark.parametrize(
        "cursor",
        [
            "x",
            "é",
            "!!!!",
            "a" * 2001,
            encode(()),
            encode(("a",)),
            encode(("a", 1, 2)),
            encode(("a", "b")),
            encode((None, 1)),
            encode((["a"], 1)),
            urlsafe_b64encode(b'{"a":1}').decode(),
            urlsafe_b64encode(b'["a\\u0000",1]').decode(),
            urlsafe_b64encode(b'["\\ud800",1]').decode(),
            urlsafe_b64encode(b'["a",99999999999999999999]').decode(),
            urlsafe_b64encode(b'["a",1e999]').decode(),
            urlsafe_b64encode(b'["a",1]x').decode(),
            urlsafe_b64encode(b"[" * 1000).decode(),
        ],
    )
    def test_a_cursor_that_no_page_ended_with_is_refused(self, client: Client, cursor: str) -> None:
        answer = client.get("/api/v1/things", {"cursor": cursor})
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == ["?cursor"]

    @pytest.mark.parametrize("text", ["yesterday", "2026-01-02T03:04:05", "2026-13-01", 17, 1.5, True])
    def test_a_time_in_a_cursor_is_a_time_with_its_zone(self, text: Any) -> None:
        with pytest.raises(InvalidInput):
            paginate(User.objects.all(), asking(cursor=encode((text, 1))), key=("date_joined", "id"))

    @given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
    def test_no_cursor_makes_the_hub_fail(self, raw: bytes) -> None:
        for cursor in (raw.decode("latin-1"), urlsafe_b64encode(raw).decode()):
            with suppress(InvalidInput):
                paginate(Group.objects.all(), asking(cursor=cursor), key=("name", "id"))


@pytest.mark.parametrize("cursor", [encode((1, "a")), encode(("a",)), encode((1.5, 1)), encode((True, 1))])
def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        paginate([("a", 1)], asking(cursor=cursor), key=lambda item: item)


def test_a_key_must_fit_what_is_listed() -> None:
    with pytest.raises(TypeError, match="tuple of field names"):
        paginate(Group.objects.all(), asking(), key=lambda group: (group.pk,))
    with pytest.raises(TypeError, match="is a function"):
        paginate([1], asking(), key=("name",))
    with pytest.raises(TypeError, match="all ascending or all descending"):
        paginate(Group.objects.all(), asking(), key=("name", "-id"))
