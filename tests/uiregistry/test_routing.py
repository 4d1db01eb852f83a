"""Which component a path leads to."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.menus.paths import route_key
from apps.uiregistry.routing import Route, RouteTable, first_segment, segments

PATHS = (
    "/",
    "/products",
    "/products/list",
    "/products/edit/:id",
    "/products/edit/new",
    "/products/:id/stock",
    "/products/:id/:part",
    "/:anything/end",
    "/Größe/:n",
    "/reports/a%20b",
)


def table(*paths: str, company: int | None = None) -> RouteTable[str]:
    return RouteTable(Route(path, company, path) for path in paths)


@pytest.mark.parametrize(
    ("path", "route", "params"),
    [
        ("/", "/", {}),
        ("/products", "/products", {}),
        ("/PRODUCTS/", "/products", {}),
        ("/products/edit/42", "/products/edit/:id", {"id": "42"}),
        ("/Products/Edit/Ab%2Fc/", "/products/edit/:id", {"id": "Ab/c"}),
        ("/products/edit/NEW", "/products/edit/new", {}),
        ("/products/7/stock", "/products/:id/stock", {"id": "7"}),
        ("/products/list/x", "/products/:id/:part", {"id": "list", "part": "x"}),
        ("/products/edit/", "/:anything/end", None),
        ("/products/end", "/:anything/end", {"anything": "products"}),
        ("/gröSSe/1", "/Größe/:n", None),
        ("/GRÖßE/1", "/Größe/:n", {"n": "1"}),
        ("/gro\u0308ße/1", "/Größe/:n", {"n": "1"}),
        ("/reports/A b", "/reports/a%20b", {}),
        ("/products/edit/:id", "/products/edit/:id", {"id": ":id"}),
        ("/:anything/end", "/:anything/end", {"anything": ":anything"}),
        ("/products/edit/%2e%2e", "/products/edit/:id", {"id": ".."}),
    ],
)
def test_a_path_finds_its_route(path: str, route: str, params: dict[str, str] | None) -> None:
    found = table(*PATHS).match(path)
    if params is None:
        assert found is None
        return
    assert found is not None
    assert (found.route.target, found.params) == (route, params)


@pytest.mark.parametrize("path", ["", "products", "//", "/products//list", "/products/list//", "/a" * 2000, "/nowhere"])
def test_what_is_no_path_leads_nowhere(path: str) -> None:
    assert table(*PATHS).match(path) is None


def test_when_nothing_is_below_a_static_segment_the_parameter_has_its_turn() -> None:
    found = table("/a/b/c", "/:x/b/d").match("/a/b/d")
    assert found is not None
    assert found.params == {"x": "a"}


def test_a_companys_route_takes_the_place_of_everybodys() -> None:
    both: list[Route[Any]] = [Route("/edit/:id", None, "everybody's"), Route("/Edit/:key", 7, "its own")]
    for routes in (both, both[::-1]):
        found = RouteTable(routes).match("/edit/1")
        assert found is not None
        assert (found.route.target, found.params) == ("its own", {"key": "1"})


PART = st.sampled_from(["a", "b", "A", "ä", ":x", ":y", "%61"])
PATH = st.lists(PART, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(st.lists(PATH, max_size=8), st.lists(st.sampled_from(["a", "B", "ä", "c"]), min_size=1, max_size=4))
def test_a_match_has_the_shape_of_its_route_and_is_the_most_static_from_the_left(
    paths: list[str], visited: list[str]
) -> None:
    path = "/" + "/".join(visited)
    wanted = route_key(path).split("/")

    def fits(route: str) -> bool:
        shape = route_key(route).split("/")
        return len(shape) == len(wanted) and all(a in (":", b) for a, b in zip(shape, wanted, strict=True))

    candidates = sorted([part == ":" for part in route_key(route).split("/")] for route in paths if fits(route))
    found = table(*paths).match(path)
    if found is None:
        assert not candidates
    else:
        assert [part == ":" for part in route_key(found.route.path).split("/")] == candidates[0]


def test_parts_of_a_path() -> None:
    assert segments("/") == ()
    assert segments("/a/b/") == ("a", "b")
    assert segments("a") is None
    assert first_segment("/Products/list") == "products"
    assert first_segment("/") == ""
