"""Reads carry a strong ETag, and say 304 to whoever has the answer already."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from apps.core.etags import conditional, etag_of, matches

pytestmark = pytest.mark.urls("tests.core.urls")

TAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (TAG, True),
        ('W/"abc"', True),
        ('"x", "abc"', True),
        ('"x","abc","y"', True),
        ('"x", W/"abc" , "y"', True),
        ("*", True),
        ('"x"', False),
        ('"ab"', False),
        ("abc", False),
        ("", False),
        ('"a, b"', False),
        ('"*"', False),
    ],
)
def test_if_none_match(header: str, known: bool) -> None:
    assert matches(header, TAG) is known


@given(st.text())
def test_no_header_makes_the_hub_fail(header: str) -> None:
    assert matches(header, TAG) in (True, False)


@given(st.binary(), st.binary())
def test_tags_are_strong_and_tell_bodies_apart(one: bytes, other: bytes) -> None:
    assert (etag_of(one) == etag_of(other)) == (one == other)
    assert etag_of(one)[0] == etag_of(one)[-1] == '"'


@pytest.mark.django_db
class TestReads:
    @pytest.fixture
    def path(self) -> str:
        return f"/api/v1/things/{Group.objects.create(name='a').pk}"

    def test_a_read_has_a_tag_and_no_cache_may_answer_for_it(self, client: Client, path: str) -> None:
        answer = client.get(path)
        assert answer.headers["ETag"] == etag_of(answer.content)
        assert answer.headers["Cache-Control"] == "private, no-cache"

    @pytest.mark.parametrize("verb", ["get", "head"])
    def test_who_has_the_answer_gets_a_304(self, client: Client, path: str, verb: str) -> None:
        tag = client.get(path).headers["ETag"]
        answer = getattr(client, verb)(path, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == tag
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "X-Request-ID" in answer.headers
        assert "Content-Type" not in answer.headers

    def test_a_change_changes_the_tag(self, client: Client, path: str) -> None:
        tag = client.get(path).headers["ETag"]
        Group.objects.update(name="b")
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 200

    def test_lists_have_tags_too(self, client: Client, path: str) -> None:
        tag = client.get("/api/v1/things").headers["ETag"]
        assert client.get("/api/v1/things", headers={"If-None-Match": f'"x", {tag}'}).status_code == 304

    def test_refusals_and_live_answers_have_none(self, client: Client) -> None:
        assert "ETag" not in client.get("/api/v1/things/999999").headers
        assert "ETag" not in client.get("/api/v1/echo").headers
        assert client.get("/api/v1/echo", headers={"If-None-Match": "*"}).status_code == 200

    def test_writes_have_none(self, client: Client, path: str) -> None:
        answer: Any = client.patch(path, {}, content_type="application/json", headers={"If-None-Match": "*"})
        assert answer.status_code == 200
        assert "ETag" not in answer.headers


def test_a_view_may_bring_its_own_tag_and_policy() -> None:
    own = HttpResponse(b"body", headers={"ETag": TAG, "Cache-Control": "max-age=60", "X-Catalog-Stale": "3"})
    answer = conditional(RequestFactory().get("/", headers={"If-None-Match": 'W/"abc"'}), own)
    assert answer.status_code == 304
    assert dict(answer.items()) == {"ETag": TAG, "Cache-Control": "max-age=60", "X-Catalog-Stale": "3"}
