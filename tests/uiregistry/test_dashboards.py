"""Dashboards over REST: who may arrange what for whom, and what each viewer then sees."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.access import OpenHub, Principal
from apps.core.models import AuditEntry
from apps.core.tenancy import use
from apps.events.models import OutboxEntry
from apps.serviceauth.models import Role, RoleAssignment
from apps.uiregistry.models import Dashboard, Layout, Widget
from tests.support.api import Api, faults_of
from tests.support.services import make_stale, report, run
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.django_db

Calling = Callable[[Principal], Api]


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def as_caller(monkeypatch: pytest.MonkeyPatch) -> Calling:
    """A function that returns the API as somebody in particular has it."""

    def come_in(caller: Principal) -> Api:
        monkeypatch.setattr(OpenHub, "authenticate", lambda self, request: (caller, None))
        return Api()

    return come_in


def person(user_id: int = 5, company_id: int | None = 7, *permissions: str) -> Principal:
    companies = frozenset() if company_id is None else frozenset({company_id})
    return Principal(
        "user", f"user:{user_id}", companies=companies, company_id=company_id, permissions=permissions,
        user_id=user_id, actors=("shop",),
    )  # fmt: skip


def operator(*companies: int) -> Principal:
    return Principal("operator", "ann", companies=frozenset(companies) if companies else "*")


def widget(name: str = "count", service: str = "products", **more: Any) -> Widget:
    given: dict[str, Any] = {"widget_type": "metric", "size": "small", "api_endpoint": "/api/v1/count", **more}
    return Widget.objects.create(service_name=service, name=name, declared={}, **given)


def at(row: Widget, x: int = 0, y: int = 0, w: int = 3, h: int = 2) -> dict[str, int]:
    return {"widget_id": row.pk, "x": x, "y": y, "w": w, "h": h}


def made(api: Api, slug: str = "sales", **more: Any) -> dict[str, Any]:
    answer = api.post("/dashboards/", {"slug": slug, "title": slug.title(), **more})
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def shown(api: Api, slug: str = "sales", query: str = "") -> dict[str, Any]:
    answer = api.get(f"/ui/dashboards/{slug}{query}")
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def names(document: dict[str, Any]) -> list[str]:
    return [place["widget"]["name"] for place in document["widgets"]]


# --- the collection ---------------------------------------------------------------------------------------------------


def test_a_dashboard_is_made_changed_listed_and_taken_away(api: Api) -> None:
    first, second = widget(), widget("sold")
    document = made(api, placements=[at(first)])
    where = f"/dashboards/{document['id']}"
    assert document == {
        "id": document["id"], "slug": "sales", "title": "Sales", "company_id": None, "placements": [at(first)],
        "created_at": document["created_at"],
    }  # fmt: skip
    assert api.get(where).json() == document
    assert api.get("/dashboards?q=SAL").json() == {"results": [document], "next": None}
    assert api.get("/dashboards?company_id=7").json()["results"] == []

    changed = api.send("PATCH", where, {"title": "What we sold", "placements": [at(second), at(first, 3)]}).json()
    assert (changed["slug"], changed["title"]) == ("sales", "What we sold")
    assert changed["placements"] == [at(second), at(first, 3)]
    replaced = api.send("PUT", where, {"slug": "sold", "title": "Sold"}).json()
    assert (replaced["slug"], replaced["placements"]) == ("sold", None)

    assert api.delete(where).status_code == 204
    assert api.delete(where).status_code == 404
    assert [e.action for e in AuditEntry.objects.filter(object_type="dashboard").order_by("id")] == [
        "created", "changed", "changed", "deleted",
    ]  # fmt: skip
    told = [orjson.loads(entry.fields["data"])["change"] for entry in OutboxEntry.objects.order_by("id")]
    assert told == ["created", "changed", "changed", "deleted"]
    assert {entry.fields["event_type"] for entry in OutboxEntry.objects.all()} == {"ui_changed"}


def test_what_says_nothing_new_tells_nobody(api: Api) -> None:
    first = widget()
    document = made(api, placements=[at(first)])
    OutboxEntry.objects.all().delete()
    body = {"slug": "sales", "title": "Sales", "placements": [at(first)]}
    assert api.send("PUT", f"/dashboards/{document['id']}", body).json() == document
    assert (
        api.send("PUT", f"/dashboards/{document['id']}/layouts/global/-", {"placements": [at(first)]}).status_code
        == 200
    )
    assert not OutboxEntry.objects.exists()


def test_a_slug_is_taken_once_in_a_company(api: Api) -> None:
    other = made(api, "stock")
    made(api)
    made(api, company_id=7)
    again = api.post("/dashboards", {"slug": "sales", "title": "Again"})
    assert (again.status_code, again.json()["code"]) == (409, "slug_taken")
    renamed = api.send("PATCH", f"/dashboards/{other['id']}", {"slug": "sales"})
    assert (renamed.status_code, renamed.json()["code"]) == (409, "slug_taken")


def test_every_fault_of_a_body_is_named_at_once(api: Api) -> None:
    answer = api.post(
        "/dashboards",
        {"slug": "No Slug", "title": " ", "colour": 1, "placements": [{"widget_id": 1, "x": 12, "y": 0, "w": 0}]},
    )
    assert faults_of(answer) == {
        ("/slug", "slug"), ("/title", "text"), ("/colour", "unknown_field"), ("/placements/0/x", "max_value"),
        ("/placements/0/w", "min_value"), ("/placements/0/h", "required"),
    }  # fmt: skip
    assert not Dashboard.objects.exists()


def test_a_place_is_whole_wherever_it_stands(api: Api) -> None:
    made = api.post("/dashboards", {"slug": "sales", "title": "Sales"}).json()["id"]
    half = {"placements": [{"widget_id": 1, "x": 0, "w": 1, "h": 1}, None, 3]}
    for verb, path in (("PATCH", f"/dashboards/{made}"), ("PUT", f"/dashboards/{made}/layouts/global/-")):
        found = faults_of(api.send(verb, path, half))
        assert {pointer for pointer, _ in found} == {"/placements/0/y", "/placements/1", "/placements/2"}
    assert api.send("PATCH", f"/dashboards/{made}", {"placements": None}).status_code == 200


def test_places_are_judged_together_and_widgets_have_to_be_there(api: Api) -> None:
    first, of_seven, of_eight = widget(), widget(company_id=7), widget(company_id=8)
    gone = widget("old", archived_at="2026-01-01T00:00Z")

    def refused(*places: dict[str, int], **more: Any) -> set[tuple[str, str]]:
        return faults_of(api.post("/dashboards", {"slug": "a", "title": "A", "placements": list(places), **more}))

    assert refused(at(first), at(gone, 2, 1)) == {("/placements/1", "overlap")}
    assert refused(at(first), at(first, 3)) == {("/placements/1/widget_id", "repeated")}
    assert refused({**at(first), "widget_id": 999}) == {("/placements/0/widget_id", "unknown_widget")}
    assert refused(at(first), at(of_seven, 3)) == {("/placements/1/widget_id", "unknown_widget")}
    assert refused(at(of_seven), at(of_eight, 3), company_id=7) == {("/placements/1/widget_id", "unknown_widget")}
    many = [{"widget_id": number + 1, "x": 0, "y": number, "w": 1, "h": 1} for number in range(101)]
    assert refused(*many) == {("/placements", "max_length")}
    assert made(api, company_id=7, placements=[at(of_seven), at(gone, 3)])["company_id"] == 7


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "caller", [Principal("service", "shop", companies="*"), person()], ids=["a service", "a person"]
)
def test_services_and_people_arrange_nothing_for_others(api: Api, as_caller: Calling, caller: Principal) -> None:
    pk = made(api)["id"]
    within = made(api, "seven", company_id=7)["id"]
    with use(None):
        caller_api = as_caller(caller)
        answers = [
            caller_api.post("/dashboards", {"slug": "b", "title": "B"}),
            caller_api.send("PATCH", f"/dashboards/{within}", {"title": "B"}),
            caller_api.delete(f"/dashboards/{pk}"),
            caller_api.send("PUT", f"/dashboards/{pk}/layouts/company/7", {"placements": []}),
            caller_api.send("PUT", f"/dashboards/{pk}/layouts/user/6", {"placements": []}),
            caller_api.delete(f"/dashboards/{pk}/layouts/global/-"),
        ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "operators_only")}


def test_a_person_arranges_and_resets_their_own(api: Api, as_caller: Calling) -> None:
    first, second = widget(), widget("sold")
    pk = made(api, placements=[at(first)])["id"]
    with use(None):
        anna = as_caller(person(5, 7, "*"))
        where = f"/dashboards/{pk}/layouts/user/5"
        assert anna.get(where).status_code == 404
        put = anna.send("PUT", where, {"placements": [at(second)]})
        assert put.status_code == 200, put.content
        assert put.json()["company_id"] == 7
        assert put.json()["actor"] == "user:5 via shop"
        assert anna.get(where).json() == put.json()
        assert names(shown(anna)) == ["sold"]
        assert shown(anna)["scope"] == "user"
        bert = as_caller(person(6, 7, "*"))
        assert bert.get(where).status_code == 403
        assert names(shown(bert)) == ["count"]
        anna = as_caller(person(5, 7, "*"))
        assert anna.delete(where).status_code == 204
        assert anna.delete(where).status_code == 404
        assert names(shown(anna)) == ["count"]
    assert [e.action for e in AuditEntry.objects.filter(object_type="layout").order_by("id")] == [
        "arranged", "arranged", "reset",
    ]  # fmt: skip


def test_an_operator_of_a_company_arranges_for_that_company_only(api: Api, as_caller: Calling) -> None:
    everybodys, others = made(api)["id"], made(api, "eight", company_id=8)["id"]
    with use(None):
        ann = as_caller(operator(7))
        assert ann.post("/dashboards", {"slug": "mine", "title": "Mine"}).json()["company_id"] == 7
        assert ann.post("/dashboards", {"slug": "x", "title": "X", "company_id": 8}).status_code == 403
        assert ann.send("PUT", f"/dashboards/{everybodys}/layouts/company/7", {"placements": []}).status_code == 200
        assert ann.send("PUT", f"/dashboards/{everybodys}/layouts/role/3", {"placements": []}).json()["company_id"] == 7
        for path in ("global/-", "company/8", "user/5?company_id=8"):
            refused = ann.send("PUT", f"/dashboards/{everybodys}/layouts/{path}", {"placements": []})
            assert refused.status_code == 403, path
        assert ann.send("PATCH", f"/dashboards/{everybodys}", {"title": "Ours"}).status_code == 403
        missing = ann.get("/dashboards/999999").json()["detail"]
        for answer in (ann.get(f"/dashboards/{others}"), ann.delete(f"/dashboards/{others}")):
            assert (answer.status_code, answer.json()["detail"]) == (404, missing)
        assert [row["slug"] for row in ann.get("/dashboards").json()["results"]] == ["sales", "mine"]


def test_a_layout_of_a_companys_dashboard_is_for_that_company(api: Api) -> None:
    pk = made(api, company_id=7)["id"]
    for path in ("global/-", "company/8", "role/3?company_id=8"):
        answer = api.send("PUT", f"/dashboards/{pk}/layouts/{path}", {"placements": []})
        assert faults_of(answer) == {("?company_id", "wrong_company")}, path
    assert api.send("PUT", f"/dashboards/{pk}/layouts/role/3", {"placements": []}).json()["company_id"] == 7
    contradiction = api.send("PUT", f"/dashboards/{pk}/layouts/company/7?company_id=8", {"placements": []})
    assert faults_of(contradiction) == {("?company_id", "wrong_company")}


@pytest.mark.parametrize("path", ["nobody/1", "user/-", "user/0", "company/x", "role/9999999999999999999"])
def test_what_is_no_scope_is_not_there(api: Api, path: str) -> None:
    pk = made(api)["id"]
    assert api.send("PUT", f"/dashboards/{pk}/layouts/{path}", {"placements": []}).status_code == 404


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_the_most_specific_layout_counts_as_a_whole(api: Api) -> None:
    rows = {name: widget(name) for name in ("everybody", "company", "clerk", "boss", "anna")}
    boss, clerk = Role.objects.create(name="a-boss"), Role.objects.create(name="b-clerk", company_id=7)
    for role in (boss, clerk):
        RoleAssignment.objects.create(role=role, user_id=5, company_id=7, created_by="tests")
    pk = made(api, placements=[at(rows["everybody"])])["id"]
    seen = [(names(shown(api, query="?company_id=7&as_user=5&permissions=*")))]
    for path, name in (
        ("company/7", "company"), (f"role/{boss.pk}", "boss"), (f"role/{clerk.pk}?company_id=7", "clerk"),
        ("user/5?company_id=7", "anna"),
    ):  # fmt: skip
        answer = api.send("PUT", f"/dashboards/{pk}/layouts/{path}", {"placements": [at(rows[name])]})
        assert answer.status_code == 200, answer.content
        seen.append(names(shown(api, query="?company_id=7&as_user=5&permissions=*")))
    assert seen == [["everybody"], ["company"], ["boss"], ["clerk"], ["anna"]]
    assert names(shown(api, query="?company_id=8&as_user=5&permissions=*")) == ["everybody"]
    assert names(shown(api)) == ["everybody"]


def test_without_a_layout_all_widgets_stand_by_their_sizes(api: Api) -> None:
    widget("chart", widget_type="chart", size="medium"), widget(), widget("list", size="large", widget_type="table")
    widget("off", is_active=False), widget("of-seven", company_id=7)
    made(api)
    document = shown(api)
    assert (document["scope"], document["scope_id"], document["columns"], document["left_out"]) == (None, None, 12, 0)
    assert [(p["x"], p["y"], p["w"], p["h"]) for p in document["widgets"]] == [
        (0, 0, 6, 4),
        (6, 0, 3, 2),
        (0, 4, 12, 5),
    ]
    assert names(document) == ["chart", "count", "list"]
    assert document["widgets"][1]["widget"]["data_url"] == f"/api/v1/widgets/{Widget.objects.get(name='count').pk}/data"
    assert "of-seven" in names(shown(api, query="?company_id=7"))


def test_a_viewer_sees_what_the_grants_and_the_company_allow(api: Api, as_caller: Calling) -> None:
    open_to_all, guarded = widget("open"), widget("guarded", permissions=["stock.view", "price.view"])
    of_eight = widget("of-eight", company_id=8)
    made(api)
    made(api, "laid", placements=[at(open_to_all), at(guarded, 3)])
    assert of_eight.pk
    with use(None):
        assert names(shown(as_caller(person(5, 7, "stock.*")))) == ["open"]
        assert names(shown(as_caller(person(5, 7, "stock.*", "price.view")))) == ["open", "guarded"]
        assert names(shown(as_caller(person(5, 7)), "laid")) == ["open"]
        assert names(shown(as_caller(Principal("service", "shop", companies="*")))) == ["open"]
        assert names(shown(as_caller(person(5, 8, "*")))) == ["open", "guarded", "of-eight"]


def test_operators_ask_what_somebody_would_see_and_nobody_else_may(api: Api, as_caller: Calling) -> None:
    widget("open"), widget("guarded", permissions=["stock.view"])
    role = Role.objects.create(name="clerk", permissions=["stock.*"])
    RoleAssignment.objects.create(role=role, user_id=5, company_id=7, created_by="tests")
    made(api)
    with use(None):
        ann = as_caller(operator())
        assert names(shown(ann)) == ["open", "guarded"]
        assert names(shown(ann, query="?permissions=")) == ["open"]
        assert names(shown(ann, query="?permissions=stock.view,x")) == ["open", "guarded"]
        assert names(shown(ann, query="?as_user=5&company_id=7")) == ["open", "guarded"]
        assert names(shown(ann, query="?as_user=6&company_id=7")) == ["open"]
        assert faults_of(ann.get("/ui/dashboards/sales?permissions=a b")) == {("?permissions", "grants")}
        of_seven = as_caller(operator(7))
        assert of_seven.get("/ui/dashboards/sales?company_id=8").status_code == 403
        for query in ("permissions=*", "as_user=5", "company_id=7"):
            answer = as_caller(person()).get(f"/ui/dashboards/sales?{query}")
            assert (answer.status_code, answer.json()["code"]) == (403, "operators_only"), query


def test_a_companys_dashboard_takes_the_place_of_everybodys(api: Api, as_caller: Calling) -> None:
    made(api)
    own = made(api, company_id=7)
    made(api, "only-eight", company_id=8)
    assert shown(api, query="?company_id=7")["id"] == own["id"]
    assert shown(api, query="?company_id=8")["id"] != own["id"]
    with use(None):
        seven = as_caller(person())
        assert shown(seven)["id"] == own["id"]
        assert (
            seven.get("/ui/dashboards/only-eight").json()["detail"] == seven.get("/ui/dashboards/none").json()["detail"]
        )


def test_widgets_live_and_go_with_their_service(api: Api) -> None:
    now = run("stale", [Status.HEALTHY])[0]
    run("gone", [Status.DEREGISTERED])
    sick = run("sick", [Status.HEALTHY])[0]
    report(sick, Status.UNHEALTHY)
    half = run("half", [Status.HEALTHY, Status.HEALTHY])
    report(half[0], Status.DEGRADED)
    make_stale(now, now=timezone.now())
    rows = [widget(service, service) for service in ("stale", "gone", "sick", "half", "never")]
    archived = widget("old", archived_at="2026-01-01T00:00Z")
    places = [at(row, x=3 * (number % 4), y=2 * (number // 4)) for number, row in enumerate([*rows, archived])]
    pk = made(api, placements=places)["id"]
    document = shown(api)
    assert [(place["widget"]["name"], place.get("service_status")) for place in document["widgets"]] == [
        ("sick", "unhealthy"), ("half", "degraded"), ("never", None),
    ]  # fmt: skip
    assert api.get(f"/dashboards/{pk}").json()["placements"] == places, "what is not shown keeps its place"


def test_an_effective_dashboard_has_an_etag_and_few_queries(api: Api) -> None:
    for number in range(120):
        widget(f"w{number}", f"service-{number % 20}")
    made(api)
    with CaptureQueriesContext(connection) as queries:
        first = api.get("/ui/dashboards/sales")
    assert len(queries) < 12
    assert len(first.json()["widgets"]) == 100
    assert first.json()["left_out"] == 20
    again = api.get("/ui/dashboards/sales", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    Layout.objects.create(dashboard=Dashboard.objects.get(), scope="global", scope_id=0, placements=[], actor="tests")
    assert api.get("/ui/dashboards/sales", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200
