"""Every route, every verb, every caller, and ids of its own, another's, everybody's and nobody's.

Generated from the resolver: a route that is added is in the matrix, or this fails because nobody said how to call it.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import pytest
from django.db import transaction
from django.urls import get_resolver

from apps.core.tenancy import system, use
from apps.registry.live import live
from tests.isolation import callers
from tests.isolation.callers import Caller
from tests.isolation.names import COMPANIES, ONE, canary
from tests.isolation.world import MISSING, Things, build
from tests.support.api import PREFIX
from tests.support.database import transactional_db

__all__ = ["transactional_db"]

PUBLIC = re.compile(r"service-auth/(token|validate|report-leak|enrol)$")
"""Routes whose body is the credential."""
EVERYTHING = bool(os.environ.get("ISOLATION_EVERYTHING"))
VERBS = ("GET", *(("HEAD",) if EVERYTHING else ()), "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
"""HEAD is answered by what answers GET, without its body."""
_NUMBERS = count(1)
EVERYBODYS = ("ui/schemas/<str:type>",)
"""Routes whose parameters name nothing of anybody's."""
LISTS = (
    "/services", "/events", "/events/dead-letters", "/events/types", "/menu-items", "/menus/overlays",
    "/menus/conflicts", "/menus/handovers", "/components", "/widgets", "/dashboards",
)  # fmt: skip
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


def routes() -> dict[str, type]:
    """Return the views below ``/api/v1/`` by their routes, as they are declared."""
    found = {}
    for pattern in get_resolver().url_patterns:
        if str(pattern.pattern) == PREFIX.lstrip("/") + "/":
            for inner in getattr(pattern, "url_patterns", ()):
                found[str(inner.pattern)] = inner.callback.view_class
    return dict(sorted(found.items()))


def companies_asked(caller: Caller, view: type, verb: str) -> tuple[int | None, ...]:
    """Return of whose things ``caller`` asks: everybody's, its own and another's.

    Whom nobody knows, and a verb that the route does not know, are refused before anything is looked for: there one
    is enough, unless the environment asks for all.
    """
    is_known = hasattr(view, "get" if verb == "HEAD" else verb.lower())
    return COMPANIES[:3] if EVERYTHING or (caller.known and is_known) else COMPANIES[1:2]


def address(route: str, things: Things) -> str:
    """Return the address of a route for ``things``; fails for a route that nobody said how to fill."""
    names = _PARAMETER.findall(route)
    if not names:
        return f"/{route}"
    beginning = max((start for start in things.addresses if route.startswith(start)), key=len, default=None)
    assert beginning, f"tests/isolation/world.py does not say what {route} leads to"
    values = things.addresses[beginning]
    return "/" + _PARAMETER.sub(lambda match: str(values[match[1]]), route)


ITEMS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "components": lambda name: {"component_type": "page", "route_path": f"/{name}".replace(" ", "-")},
    "widgets": lambda name: {"widget_type": "metric"},
}


def bodies(route: str, things: Things) -> Any:
    """Return a body that is well formed for what has one, so that a refusal is about who asks."""
    if route == "services/register":
        port = 21_000 + (things.company or 0)
        return {
            "name": things.service, "version": "1.0.0", "host": "127.0.0.1", "port": port,
            "health_check_url": f"http://127.0.0.1:{port}/health", "api_base_url": f"http://127.0.0.1:{port}/api/v1",
        }  # fmt: skip
    if route == "services/health":
        return {"service_name": things.service, "status": "healthy", "instance_id": things.instance_id}
    if route == "events/types":
        return {"event_type": f"{things.event_type}_too", "service_name": things.service}
    if route == "menu-items":
        path = f"/{things.service}/too"
        return {"service_name": things.service, "name": "Too", "path": path, "icon": "box", "order_number": 1}
    if route in ITEMS:
        name = f"{things.service} shows"
        return {"service_name": things.service, "name": name, "api_endpoint": "/api/shown", **ITEMS[route](name)}
    if route.endswith("/manifest"):
        return {"schema_version": 1, "version": "1.0.1", "generation": 2, "menus": [], "components": [], "widgets": []}
    if route.startswith("menus/overlays/"):
        return {"name": "Renamed"}
    if route == "menus/handovers":
        return {"kind": "menu", "path": "/somewhere", "service_name": things.service, "company_id": things.company}
    if route == "dashboards":
        return {"slug": f"{things.shown.slug}-too", "title": "Too", "company_id": things.company}
    if "/layouts/" in route:
        return {"placements": []}
    if route == "events":
        return {"event_type": things.event_type, "service_name": things.service, "entity_type": "thing", "data": {}}
    return {}


@pytest.fixture
def world(transactional_db: None, settings: Any) -> Iterator[dict[int | None, Things]]:
    """The things of three companies and of everybody, and no limit to how often one may ask for them."""
    settings.API_RATE_LIMIT = 0
    yield build()
    live.stop()


def elsewhere() -> str:
    """Return an address from which nobody has asked yet: refusals are counted by address."""
    number = next(_NUMBERS)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def answer_to(caller: Caller, verb: str, path: str, sent: Any) -> Any:
    """Send a request whose changes are undone."""
    with transaction.atomic():
        answer = caller.api.send(
            verb, path, None if verb in ("GET", "HEAD", "OPTIONS") else sent,
            headers=dict(caller.headers), REMOTE_ADDR=elsewhere(),
        )  # fmt: skip
        if getattr(answer, "streaming", False):
            answer.close()
        transaction.set_rollback(True)
    return answer


def is_away(route: str, answer: Any) -> bool:
    """Whether data of a service that does not run was asked for."""
    return answer.status_code == 503 and route.endswith(("/data", "/badge"))


def body_of(answer: Any) -> bytes:
    return b"" if answer.streaming else answer.content


def unnamed(answer: Any, things: Things) -> tuple[int, str]:
    """Return an answer without what every answer has of its own: the names that were asked for, the request's id."""
    text = re.sub(
        r'"status":\d+,', "", body_of(answer).decode()
    )  # it is compared by itself, and a row may have its number
    for values in things.addresses.values():
        for value in values.values():
            # A whole word: a row's number may be a digit of another.
            text = re.sub(rf"(?<!\w){re.escape(str(value))}(?!\w)", "…", text)
    for value in (things.service, things.event_type, things.instance_id, things.event_id):
        text = text.replace(value, "…")
    return answer.status_code, re.sub(r'"request_id":"[^"]*"', "", text)


def assert_says_nothing_of_others(answer: Any, caller: Caller, what: str) -> None:
    said = body_of(answer).decode() + repr(dict(answer.items()))
    for company in COMPANIES:
        if company not in caller.sees:
            assert canary(company) not in said, f"{what}: {canary(company)}"


@pytest.mark.parametrize("name", callers.MAKERS)
@pytest.mark.timeout(240)
def test_nothing_leaks_and_refusals_look_the_same(name: str, world: dict[int | None, Things]) -> None:
    caller = callers.make(name)
    asked = 0
    with use(None):
        for route, view in routes().items():
            if PUBLIC.search(route):
                continue
            for verb in VERBS:
                nothing = unnamed(answer_to(caller, verb, address(route, MISSING), bodies(route, MISSING)), MISSING)
                for company in companies_asked(caller, view, verb):
                    things = world[company]
                    what = f"{name}: {verb} {route} of {company}"
                    answer = answer_to(caller, verb, address(route, things), bodies(route, things))
                    asked += 1
                    assert answer.status_code < 500 or is_away(route, answer), what
                    assert_says_nothing_of_others(answer, caller, what)
                    if not caller.known:
                        assert answer.status_code == 401, what
                    elif company not in caller.sees and _PARAMETER.search(route) and route not in EVERYBODYS:
                        assert unnamed(answer, things) == nothing, what
    assert asked > 150


@pytest.mark.parametrize("name", ["owner", "neighbour", "global", "other company"])
def test_who_sees_a_thing_reads_it_and_only_its_owner_changes_it(name: str, world: dict[int | None, Things]) -> None:
    caller = callers.make(name)
    with use(None):
        for company in COMPANIES:
            things = world[company]
            read = answer_to(caller, "GET", f"/services/{things.service}", None)
            left = answer_to(caller, "DELETE", f"/services/{things.service}", None)
            if company not in caller.sees:
                assert (read.status_code, left.status_code) == (404, 404), company
            elif things.service == caller.service:
                assert (read.status_code, left.status_code) == (200, 204), company
            else:
                assert (read.status_code, left.status_code) == (200, 403), company


def test_an_operator_of_one_company_sees_its_rows_and_global_ones_in_lists(world: dict[int | None, Things]) -> None:
    caller = callers.make("operator of two")
    with use(None):
        names = {item["name"] for item in answer_to(caller, "GET", "/services", None).json()["results"]}
    assert names == {"common-service", "common-neighbour", "two-service", "two-neighbour"}


def test_the_world_has_something_to_leak(world: dict[int | None, Things]) -> None:
    """The matrix proves nothing unless an operator of all companies sees every canary."""
    client = callers.operator_of("everyone", None)
    seen = ""
    with use(system("tests")):
        caller = Caller("everyone", frozenset(COMPANIES), client=client)
        for path in (
            *LISTS,
            "/menus/tree",
            "/menus/tree?company_id=1",
            "/menus/tree?company_id=2",
            "/menus/tree?company_id=3",
        ):
            seen += answer_to(caller, "GET", path, None).content.decode()
        for company in COMPANIES:
            seen += answer_to(caller, "GET", f"/services/{world[company].service}/manifest", None).content.decode()
    assert all(seen.count(canary(company)) >= 10 for company in COMPANIES)
    assert world[ONE].company == ONE
