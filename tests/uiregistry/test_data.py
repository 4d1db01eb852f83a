"""The data of widgets: with whose rights it is fetched, for whom it is kept, what happens when a service is silent."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
import redis
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.utils import timezone

from apps.core.tenancy import system, use
from apps.serviceauth.services.issuing import sign
from apps.serviceauth.verifying import InvalidToken, verify
from apps.uiregistry.services import fetching, keeping
from tests.support import services
from tests.support.api import Api
from tests.support.registry import redis_at
from tests.support.tokens import bearer, issued_for, token_for
from tests.support.wait import wait_until
from tests.uiregistry.backends import Backend, register, serving
from tests.uiregistry.declared import component, widget
from xerpium_sdk.wire.registry import Status


@pytest.fixture
def backend(hub: None) -> Iterator[Backend]:
    """The service ``products``, healthy."""
    with serving() as found:
        register(found)
        yield found


def declared(api: Api, **changes: Any) -> str:
    """Declare a widget and return where its data is."""
    sent = {**widget(api_endpoint="/stats/count?by=day"), "service_name": "products", **changes}
    made = api.post("/widgets", sent)
    assert made.status_code == 201, made.content
    return f"/widgets/{made.json()['id']}/data"


def viewer(company: int = 7, user: int | None = None, permissions: tuple[str, ...] = (), via: str = "shop") -> Any:
    """Return the headers of a token of a person, or of the service itself."""
    if user is None:
        return {"headers": bearer(token_for(via, company_id=company))}
    return {"headers": bearer(person_token(via, company, user, permissions))}


def person_token(via: str, company: int, user: int, permissions: tuple[str, ...]) -> str:
    """Return a token with which a service acts for a person."""
    issued = issued_for(via, company_id=company)
    claims = replace(
        issued.claims, subject=f"user:{user}", user_id=user, actors=(via,), permissions=permissions, token_id=f"t{user}"
    )
    with use(system("tests")):
        return sign(claims, timezone.now()).access_token


def grow_old(seconds: float) -> None:
    """Let everything that is kept have come ``seconds`` earlier."""
    cache = caches["shared"]
    for name in kept():
        cache.set(name, {**cache.get(name), "at": cache.get(name)["at"] - seconds}, timeout=60)


def kept() -> list[str]:
    """Return the names of the answers that are kept; django-redis takes the colon in the prefix for one of its own."""
    return [name.removeprefix("1:") for name in caches["shared"].keys("ui:data:*")]


def forget_failures() -> None:
    for pattern in ("ui:failure:*", "ui:pause:*"):
        caches["shared"].delete_pattern(pattern)


# --- Whose rights, and whose answer ---------------------------------------------------------------------------------


def test_an_answer_comes_from_the_origin_and_is_kept_for_the_interval(api: Api, backend: Backend) -> None:
    at = declared(api, refresh_interval=60)
    backend.answers({"value": 12, "of": [1, None, "ä"]})
    first = api.get(at)
    assert first.status_code == 200, first.content
    assert first.json()["data"] == {"value": 12, "of": [1, None, "ä"]}
    assert (first.json()["stale"], first.json()["error"]) == (False, None)
    assert first.json()["fetched_at"].endswith("Z")
    backend.answers({"value": 13})
    assert api.get(at).json() == first.json()
    assert api.get(at, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    assert backend.paths == ["/stats/count?by=day"]
    assert api.get(at + "?refresh=true").json()["data"] == {"value": 13}
    grow_old(59)
    assert api.get(at).json()["data"] == {"value": 13}
    backend.answers([])
    grow_old(2)
    assert api.get(at).json()["data"] == []
    assert len(backend.asked) == 3


def test_by_hand_means_until_somebody_asks(api: Api, backend: Backend, redis_server: "redis.Redis") -> None:
    at = declared(api, refresh_interval=0)
    api.get(at)
    grow_old(10**6)
    api.get(at)
    assert len(backend.asked) == 1
    api.get(at + "?refresh=true")
    assert len(backend.asked) == 2
    assert all(redis_server.ttl(key) > 0 for key in redis_server.keys("xerpium:cache:*"))


def test_a_token_goes_along_that_is_good_there_for_a_minute_and_is_nobodys_own(api: Api, backend: Backend) -> None:
    at = declared(api, permissions=["product.view"])
    own = person_token("shop", 7, 5, ("product.*",))
    assert api.get(at, headers=bearer(own)).status_code == 200
    [claims] = backend.claims
    assert claims is not None
    sent = backend.asked[0][1]
    assert own not in sent["authorization"]
    assert sent["x-request-id"]
    assert claims.audience == ("products",)
    assert claims.expires_at - claims.issued_at <= 60
    assert (claims.company_id, claims.companies, claims.permissions) == (7, (7,), ("product.*",))
    assert (claims.subject, claims.user_id, claims.service_name, claims.scopes) == ("hub:viewer", None, None, ())
    with pytest.raises(InvalidToken):
        verify(sent["authorization"].removeprefix("Bearer "))


def test_who_has_the_same_rights_shares_an_answer(api: Api, backend: Backend) -> None:
    at = declared(api)
    for user, company, permissions in (
        (5, 7, ("a", "b")),
        (6, 7, ("b", "a")),
        (5, 8, ("a", "b")),
        (5, 7, ("a",)),
    ):
        assert api.get(at, **viewer(company, user, permissions)).status_code == 200
    assert len(backend.asked) == 3
    assert {(claims.company_id, claims.permissions) for claims in backend.claims if claims} == {
        (7, ("a", "b")),
        (8, ("a", "b")),
        (7, ("a",)),
    }


def test_what_is_about_persons_names_them_and_is_kept_for_them_alone(api: Api, backend: Backend) -> None:
    at = declared(api, config={"personal": True})
    for user in (5, 6, 5):
        api.get(at, **viewer(7, user, ("a",)))
    api.get(at, **viewer(7))
    told = [(claims.subject, claims.user_id, claims.actors) for claims in backend.claims if claims]
    assert told == [("user:5", 5, ("shop",)), ("user:6", 6, ("shop",)), ("service:shop", None, ())]
    assert backend.claims[0] is not None
    assert "token:t5" in backend.claims[0].rests_on


def test_an_operators_look_is_told_as_a_preview(api: Api, backend: Backend, settings: Any) -> None:
    at = declared(api, permissions=["product.view"])
    api.get(at)
    assert backend.claims == [None]
    browser = Client(raise_request_exception=False)
    browser.force_login(User.objects.create_superuser("eve"))
    operator = Api(browser)
    settings.HUB_OPEN = False
    assert operator.get(f"{at}?company_id=7&permissions=product.view").status_code == 200
    assert operator.get(f"{at}?company_id=7&permissions=other").status_code == 403
    claims = backend.claims[1]
    assert claims is not None
    assert (claims.subject, claims.client_id, claims.company_id) == ("hub:preview", "hub:preview", 7)
    assert (claims.permissions, claims.companies) == (("product.view",), (7,))


def test_who_may_not_see_a_widget_gets_nothing_of_it(api: Api, backend: Backend) -> None:
    at = declared(api, permissions=["product.view"])
    refused = api.get(at, **viewer(7, 5, ("other",)))
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")
    own = {**widget(), "service_name": "products"}
    made = api.post("/widgets", own, headers=bearer(token_for("products", company_id=7))).json()["id"]
    missing = api.get("/widgets/99999999/data", **viewer(8, 5)).json()
    for answer in (api.get(f"/widgets/{made}/data", **viewer(8, 5)), api.get(f"/widgets/{made}/data?company_id=8")):
        assert (answer.status_code, answer.json()["detail"]) == (404, missing["detail"])
    assert api.get(f"/widgets/{made}/data", **viewer(7, 5)).status_code == 200
    assert api.get(f"/widgets/{made}/data").status_code == 200
    api.send("PATCH", at.removesuffix("/data"), {"is_active": False})
    assert api.get(at).status_code == 404
    assert len(backend.asked) == 2


def test_a_name_that_all_services_go_by_gets_no_token(api: Api, backend: Backend) -> None:
    register(backend, "xerpium")
    at = declared(api, service_name="xerpium")
    refused = api.get(at, **viewer(7, 5))
    assert (refused.status_code, refused.json()["code"]) == (503, "no_data")
    assert backend.asked == []


def test_a_badge_is_fetched_in_the_same_way_for_each_person(api: Api, backend: Backend) -> None:
    item = {
        "name": "Products",
        "path": "/products",
        "icon": "box",
        "service_name": "products",
        "required_permissions": ["a", "b"],
        "permission_mode": "any",
        "badge": {"endpoint": "/open/count", "refresh_interval": 30},
    }
    made = api.post("/menu-items", item)
    assert made.status_code == 201, made.content
    at = f"/menus/{made.json()['id']}/badge"
    backend.answers(3)
    assert api.get(at, **viewer(7, 5, ("b",))).json()["data"] == 3
    assert api.get(at, **viewer(7, 6, ("b",))).status_code == 200
    assert [claims.user_id for claims in backend.claims if claims] == [5, 6]
    assert api.get(at, **viewer(7, 5, ("c",))).status_code == 403
    plain = api.post("/menu-items", {**item, "path": "/other", "badge": None}).json()["id"]
    assert api.get(f"/menus/{plain}/badge").status_code == 404
    assert api.get("/menus/99999999/badge").status_code == 404


# --- When a service is silent -----------------------------------------------------------------------------------------


def test_the_last_good_answer_is_shown_until_there_is_a_new_one(api: Api, backend: Backend) -> None:
    at = declared(api)
    backend.answers({"value": 1})
    good = api.get(at).json()
    grow_old(60)
    backend.answers(b"down", status=503)
    for _ in range(3):
        answer = api.get(at)
        assert answer.status_code == 200
        assert answer.json() == {**good, "stale": True, "error": "products answers 503."}
    assert len(backend.asked) == 2
    backend.answers({"value": 2})
    forget_failures()
    assert api.get(at).json()["data"] == {"value": 2}


@pytest.mark.parametrize(
    ("body", "status", "words", "pauses"),
    [
        (b"no", 500, "answers 500", False),
        (b"no", 404, "answers 404", False),
        (b"no", 502, "answers 502", True),
        (b"no", 301, "answers 301", False),
        (b"no", 200, "is not JSON", False),
        (b'{"a": NaN}', 200, "is not JSON", False),
        (b'"' + b"x" * fetching.LIMIT + b'"', 200, "longer than", False),
    ],
    ids=["500", "404", "502", "301", "text", "NaN", "long"],
)
def test_without_a_good_answer_there_is_a_problem(
    api: Api, backend: Backend, body: bytes, status: int, words: str, pauses: bool
) -> None:
    at = declared(api)
    other = declared(api, name="Other", api_endpoint="/other")
    backend.says = lambda path: (200, b"1") if path == "/other" else (status, body)
    for _ in range(2):
        answer = api.get(at)
        assert (answer.status_code, answer.json()["code"]) == (503, "no_data")
        assert words in answer.json()["detail"]
        assert int(answer.headers["Retry-After"]) >= 1
    assert backend.paths == ["/stats/count?by=day"]
    assert api.get(other).status_code == (503 if pauses else 200)


def test_what_a_service_refuses_to_somebody_is_not_shown_from_memory(api: Api, backend: Backend) -> None:
    at = declared(api)
    person = viewer(7, 5, ("a",))
    assert api.get(at, **person).status_code == 200
    backend.answers({}, status=403)
    grow_old(60)
    for _ in range(2):
        refused = api.get(at, **person)
        assert (refused.status_code, refused.json()["code"]) == (403, "service_refused")
    assert len(backend.asked) == 2
    forget_failures()
    backend.answers(b"", status=500)
    assert api.get(at, **person).status_code == 503


def test_a_dead_service_costs_one_question_for_all_of_its_widgets(api: Api, hub: None) -> None:
    services.run("products", [Status.HEALTHY], api_base_url=f"http://127.0.0.1:{unused_port()}/api")
    ways = [declared(api, name=f"W{number}", api_endpoint=f"/{number}") for number in range(3)]
    assert api.get(ways[0]).status_code == 503
    paused = keeping.pause("products")
    assert paused is not None
    assert (paused.failures, 0 < paused.left <= 2) == (1, True)
    began = time.monotonic()
    for at in (*ways, *ways):
        assert "gives no answer" in api.get(at).json()["detail"]
    assert time.monotonic() - began < 1
    assert keeping.pause("products") == paused


def test_after_a_pause_one_question_finds_out_for_all(api: Api, backend: Backend) -> None:
    ways = [declared(api, name=f"W{number}", api_endpoint=f"/{number}") for number in range(3)]
    backend.answers(b"", status=503)
    api.get(ways[0])
    for failures in (2, 3):
        wake("products")
        assert [api.get(at).status_code for at in ways] == [503] * 3
        assert len(backend.asked) == failures
        paused = keeping.pause("products")
        assert paused is not None
        assert paused.failures == failures
        assert 2 ** (failures - 1) < paused.left <= 2**failures
    wake("products")
    backend.answers(1)
    caches["shared"].delete_pattern("ui:failure:*")
    assert [api.get(at).status_code for at in ways] == [200] * 3
    assert keeping.pause("products") is None


def unused_port() -> int:
    """Return a port at which nobody listens any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wake(service: str) -> None:
    """Let a pause be over, and nothing else."""
    cache = caches["shared"]
    cache.set(f"ui:pause:{service}", {**cache.get(f"ui:pause:{service}"), "until": 0.0}, timeout=60)
    cache.delete_pattern("ui:failure:*")


@pytest.mark.parametrize(
    ("instances", "asked"),
    [
        ([Status.UNHEALTHY], False),
        ([Status.STARTING, Status.DRAINING], False),
        ([Status.UNHEALTHY, Status.DEGRADED], True),
        ([], False),
    ],
)
def test_only_instances_that_are_well_are_asked(api: Api, hub: None, instances: list[Status], asked: bool) -> None:
    with serving() as backend:
        services.run("products", instances, api_base_url=f"http://127.0.0.1:{backend.port}/api")
        answer = api.get(declared(api))
        assert answer.status_code == (200 if asked else 503)
        assert bool(backend.asked) is asked


@pytest.mark.parametrize("is_closed", [True, False], ids=["refused by the policy", "nobody there"])
def test_the_next_instance_is_asked_when_one_does_not_answer(api: Api, hub: None, is_closed: bool) -> None:
    port = 9 if is_closed else unused_port()
    with serving() as backend:
        services.run("products", [Status.HEALTHY], weight=200, api_base_url=f"http://127.0.0.1:{port}/api")
        services.report(services.register("products", 1, api_base_url=f"http://127.0.0.1:{backend.port}/api"))
        assert api.get(declared(api)).status_code == 200


@pytest.mark.parametrize("base", ["http://169.254.169.254/latest", "http://10.1.2.3:8000/api", "http://[::1]:22/"])
def test_addresses_that_the_policy_closes_are_not_asked(api: Api, hub: None, base: str) -> None:
    services.run("products", [Status.HEALTHY], api_base_url=base)
    answer = api.get(declared(api))
    assert answer.status_code == 503
    assert answer.json()["detail"] == "The hub may not ask products at its address."


# --- Many at once -----------------------------------------------------------------------------------------------------


@contextmanager
def held(backend: Backend) -> Iterator[threading.Event]:
    """Let the backend answer only when the event is set."""
    gate = threading.Event()

    def says(path: str) -> tuple[int, bytes]:
        gate.wait(10)
        return 200, orjson.dumps(len(backend.asked))

    backend.says = says
    try:
        yield gate
    finally:
        gate.set()


def test_many_viewers_are_one_question(api: Api, backend: Backend) -> None:
    at = declared(api)

    def look(_: int) -> Any:
        try:
            return Api().get(at).json()
        finally:
            connection.close()

    with held(backend) as gate, ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(look, number) for number in range(6)]
        wait_until(lambda: bool(backend.asked), 5, "the service to be asked")
        gate.set()
        answers = [one.result() for one in waiting]
    assert len(backend.asked) == 1
    assert {answer["data"] for answer in answers} == {1}


def test_a_service_that_takes_too_long_gets_no_more_time(
    api: Api, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = declared(api)
    monkeypatch.setattr(fetching, "SECONDS", 0.1)
    with held(backend):
        began = time.monotonic()
        answer = api.get(at)
        assert time.monotonic() - began < 2
    assert (answer.status_code, answer.json()["detail"]) == (503, "products gives no answer that can be used.")
    assert keeping.pause("products") is not None


def test_who_dies_while_asking_holds_others_up_for_a_moment_only(
    api: Api, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = declared(api)
    api.get(at)
    grow_old(60)
    [name] = kept()
    caches["shared"].add(name.replace("ui:data:", "ui:asking:"), "somebody who is gone", timeout=30)
    monkeypatch.setattr(fetching, "PATIENCE_SECONDS", 0.1)
    assert api.get(at).json()["stale"] is True
    assert len(backend.asked) == 1


def test_without_redis_everybody_asks(api: Api, backend: Backend) -> None:
    at = declared(api)
    with redis_at("redis://127.0.0.1:1/0"):
        caches["shared"]._client = None
        assert fetched(at) == 200
        assert fetched(at) == 200
    caches["shared"]._client = None
    assert len(backend.asked) == 2


def fetched(at: str) -> int:
    return int(Api().get(at).status_code)


def test_a_page_has_no_data(api: Api, hub: None) -> None:
    made = api.post("/components", component(service_name="products")).json()["id"]
    assert api.get(f"/components/{made}/data").status_code == 404
