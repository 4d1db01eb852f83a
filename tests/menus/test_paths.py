"""What a path and an endpoint are, which two paths are one route, and what may be a link elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.menus.paths import (
    endpoint_fault,
    endpoint_names,
    hidden_character,
    param_names,
    path_fault,
    route_key,
    url_fault,
)

GOOD_PATHS = [
    "/",
    "/products",
    "/products/",
    "/Products/List",
    "/a/:id/b/:other_id",
    "/caf%C3%A9",
    "/żółw",
    "/a.b/c_d-e~f",
]
BAD_PATHS = [
    *("", "a", "//", "//evil", "/a//b", "http://a", "javascript:1", "/a?b", "/a#b", "/a\\b", "/a b", "/a\tb", "/a\x7f"),
    *("/..", "/a/../b", "/a/./b", "/a/..;/b", "/%2e%2e/a", "/%252e%252e/a", "/a%2fb", "/a%252Fb", "/a%5cb", "/a%00"),
    *(
        "/a%",
        "/a%zz",
        "/a\u202eb",
        "/a\u200bb",
        "/a\u200db",
        "/:",
        "/:Id",
        "/:1",
        "/a/:id/:id",
        "/:id-x",
        f"/{'a' * 200}",
    ),
]
GOOD_ENDPOINTS = ["/api/v1/products/", "/api/v1/products/{id}", "/a?x=1&next=/b", "/customers?q={q}", "/"]
BAD_ENDPOINTS = [
    *("", "api", "http://a/b", "//evil/a", "/\\evil", "/a/../b", "/a/%2e%2e/b", "/%2fevil", "/a@b", "/a#b", "/a b"),
    *("/a/{", "/a/{}", "/a/{a b}", "/a}", "/a\r\nHost: b", "/a?b\x00", "/a?b c", "/a?%0d%0a", "/a?%", f"/{'a' * 500}"),
]


@pytest.mark.parametrize("path", GOOD_PATHS)
def test_paths(path: str) -> None:
    assert path_fault(path) is None


@pytest.mark.parametrize("path", BAD_PATHS, ids=ascii)
def test_what_is_no_path(path: str) -> None:
    assert path_fault(path)


@pytest.mark.parametrize("endpoint", GOOD_ENDPOINTS)
def test_endpoints(endpoint: str) -> None:
    assert endpoint_fault(endpoint) is None


@pytest.mark.parametrize("endpoint", BAD_ENDPOINTS, ids=ascii)
def test_what_is_no_endpoint(endpoint: str) -> None:
    assert endpoint_fault(endpoint)


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://a.example/b?c#d", True),
        ("HTTPS://a.example:8443", True),
        ("http://a.example", False),
        ("https://", False),
        ("https://u:p@a.example", False),
        ("https://a.example/ b", False),
        ("https:\\\\a.example", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        (f"https://a.example/{'b' * 2000}", False),
    ],
)
def test_links(url: str, is_good: bool) -> None:
    assert (url_fault(url) is None) is is_good


@pytest.mark.parametrize(
    "alike",
    [
        ("/products", "/products/", "/Products", "/PRODUCTS//"),
        ("/edit/:id", "/edit/:pk/", "/Edit/:other"),
        ("/café", "/cafe\u0301", "/caf%C3%A9", "/CAFÉ"),
        ("/", "//"),
    ],
    ids=lambda alike: alike[0],
)
def test_paths_that_are_one_route(alike: tuple[str, ...]) -> None:
    assert len({route_key(path) for path in alike}) == 1


def test_paths_that_are_not() -> None:
    paths = ("/", "/a", "/a/b", "/a/:id", "/:id/a", "/a-b")
    assert len({route_key(path) for path in paths}) == len(paths)


def test_names_in_paths() -> None:
    assert param_names("/a/:id/b/:other") == ("id", "other")
    assert endpoint_names("/a/{id}?q={q}") == ("id", "q")


@pytest.mark.parametrize(
    ("text", "is_hidden"), [("Zażółć 🙂", False), ("می\u200cخواهم", False), ("a\u200b", True), ("\u200d", True)]
)
def test_characters_that_nobody_sees(text: str, is_hidden: bool) -> None:
    assert hidden_character(text) is is_hidden


@given(st.text(alphabet="/:aA.%25é\\#?@ \x00{}", max_size=30).map("/".__add__))
def test_a_path_stays_what_it_is(path: str) -> None:
    endpoint_fault(path)
    if path_fault(path) is None:
        key = route_key(path)
        assert key == route_key(key.replace("/:", "/:p")) or "%" in key
        assert not key.startswith("//")
        assert ".." not in key
