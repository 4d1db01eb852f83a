"""``menus/conflicts`` and ``menus/handovers``: who wanted which path, and whom operators gave it."""

from typing import Any

import pytest

from apps.core.access import Principal
from apps.core.models import AuditEntry
from apps.menus.models import Conflict, MenuItem
from apps.menus.signals import path_handed
from tests.menus.conftest import Declare
from tests.support.api import Api, faults_of

ANN = Principal("operator", "ann", frozenset({7}))


def want(api: Api, service: str, path: str = "/reports", headers: Any = None, **more: Any) -> Any:
    body = {"name": "Reports", "path": path, "service_name": service, **more}
    return api.post("/menu-items", body, headers=headers)


def hand(api: Api, service: str, path: str = "/reports", **more: Any) -> Any:
    return api.post("/menus/handovers", {"kind": "menu", "path": path, "service_name": service, **more})


def shown() -> dict[str, bool]:
    """Return by service whether its live item is shown."""
    return {row.service_name: not row.displaced for row in MenuItem.objects.filter(archived_at=None)}


def conflicts(api: Api, query: str = "") -> list[tuple[str, str, int]]:
    found = api.get(f"/menus/conflicts?{query}").json()["results"]
    return [(one["owner"], one["claimant"], one["times"]) for one in found]


# --- Conflicts --------------------------------------------------------------------------------------------------------


def test_who_was_refused_is_remembered(api: Api, declare: Declare) -> None:
    want(api, "shop")
    assert want(api, "billing", "/Reports/").status_code == 409
    assert want(api, "billing", headers={"Idempotency-Key": "k"}).status_code == 409
    assert want(api, "third", company_id=7).status_code == 201
    assert want(api, "fourth", company_id=7).status_code == 409
    assert conflicts(api) == [("shop", "billing", 2), ("third", "fourth", 1)]
    assert conflicts(api, "company_id=7") == conflicts(api, "service_name=third") == [("third", "fourth", 1)]
    assert len(conflicts(api, "kind=menu&path=/reports")) == 2
    [first, _] = api.get("/menus/conflicts").json()["results"]
    assert first["path"] == "/reports"
    assert api.get(f"/menus/conflicts/{first['id']}").json() == first


def test_what_is_settled_is_forgotten(api: Api, declare: Declare) -> None:
    item = want(api, "shop").json()
    want(api, "billing")
    api.delete(f"/menu-items/{item['id']}")
    assert conflicts(api) == []
    assert want(api, "billing").status_code == 201
    assert want(api, "shop").status_code == 409
    moved = api.get("/menu-items?service_name=billing").json()["results"][0]
    api.send("PATCH", f"/menu-items/{moved['id']}", {"path": "/elsewhere"})
    assert conflicts(api) == []


def test_a_conflict_that_is_dismissed(api: Api) -> None:
    want(api, "shop")
    want(api, "billing")
    path = f"/menus/conflicts/{Conflict.objects.get().pk}"
    assert (api.delete(path).status_code, api.delete(path).status_code, api.get(path).status_code) == (204, 404, 404)
    want(api, "billing")
    assert conflicts(api) == [("shop", "billing", 1)]


# --- Handing over -----------------------------------------------------------------------------------------------------


def test_a_path_that_is_handed_over(api: Api) -> None:
    first = want(api, "shop").json()
    want(api, "billing")
    answer = hand(api, "billing", "/Reports/")
    assert answer.status_code == 201, answer.content
    record = answer.json()
    assert (record["path"], record["service_name"], record["company_id"]) == ("/reports", "billing", None)
    assert (shown(), conflicts(api)) == ({"shop": False}, [])
    assert want(api, "billing").json()["displaced"] is False
    again = want(api, "shop")
    assert again.status_code == 201
    assert (again.json()["id"], again.json()["displaced"]) == (first["id"], True)
    assert [warning["code"] for warning in again.json()["warnings"]] == ["handed_over"]
    assert shown() == {"shop": False, "billing": True}
    assert want(api, "third").json()["displaced"] is True
    assert api.get(f"/menus/handovers/{record['id']}").json() == record
    assert api.get("/menus/handovers?service_name=billing&path=/reports").json()["results"] == [record]


def test_a_path_that_is_taken_back(api: Api) -> None:
    want(api, "shop")
    path = f"/menus/handovers/{hand(api, 'billing').json()['id']}"
    want(api, "billing")
    assert (api.delete(path).status_code, api.delete(path).status_code, api.get(path).status_code) == (204, 404, 404)
    assert shown() == {"shop": True, "billing": False}
    assert want(api, "billing").status_code == 409
    # The path is free when its owner leaves: whoever waits there has it.
    api.delete(f"/menu-items/{MenuItem.objects.get(service_name='shop').pk}")
    assert shown() == {"billing": True}
    assert want(api, "billing").json()["displaced"] is False


def test_a_path_is_handed_on(api: Api) -> None:
    want(api, "shop")
    hand(api, "billing")
    want(api, "billing")
    number = hand(api, "shop").json()["id"]
    assert shown() == {"shop": True, "billing": False}
    assert hand(api, "billing").json()["id"] == number
    assert shown() == {"shop": False, "billing": True}
    actions = AuditEntry.objects.filter(object_type="menu_path").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["path_handed_over"] * 3


def test_what_leaves_a_path_that_is_somebody_elses_shows_nobody(api: Api) -> None:
    want(api, "shop")
    hand(api, "billing")
    item = want(api, "billing").json()
    api.delete(f"/menu-items/{item['id']}")
    assert shown() == {"shop": False}


def test_who_keeps_components_is_told(api: Api) -> None:
    heard: list[Any] = []

    def hear(**told: Any) -> None:
        heard.append((told["kind"], told["route_key"], told["company_id"], told["service"]))

    path_handed.connect(hear)
    try:
        number = hand(api, "billing", "/Edit/:id", kind="component", company_id=7).json()["id"]
        api.delete(f"/menus/handovers/{number}")
    finally:
        path_handed.disconnect(hear)
    assert heard == [("component", "/edit/:", 7, "billing"), ("component", "/edit/:", 7, None)]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"path": "reports"}, ("/path", "path")),
        ({"kind": "page"}, ("/kind", "invalid_choice")),
        ({"service_name": "A B"}, ("/service_name", "name")),
        ({"company_id": 0}, ("/company_id", "min_value")),
        ({"to": "x"}, ("/to", "unknown_field")),
    ],
)
def test_what_is_refused(body: Any, fault: tuple[str, str], api: Api) -> None:
    answer = api.post("/menus/handovers", {"kind": "menu", "path": "/a", "service_name": "shop", **body})
    assert fault in faults_of(answer)


# --- Who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "caller",
    [Principal("service", "shop"), Principal("user", "user:5", frozenset({7}), company_id=7, user_id=5)],
    ids=["service", "person"],
)
def test_it_is_for_operators(caller: Principal, api: Api, come_in_as: Any) -> None:
    want(api, "shop")
    want(api, "billing")
    number = hand(api, "third", "/other").json()["id"]
    come_in_as(caller)
    conflict = f"/menus/conflicts/{Conflict.objects.get().pk}"
    refused = [api.get("/menus/conflicts"), api.get(conflict), api.delete(conflict), hand(api, "shop")]
    refused += [api.get("/menus/handovers"), api.delete(f"/menus/handovers/{number}")]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(403, "operators_only")}


def test_operators_of_a_company_decide_for_it(api: Api, come_in_as: Any) -> None:
    for company in (None, 7, 8):
        want(api, "shop", company_id=company)
        want(api, "billing", company_id=company)
    everybodys, eights = hand(api, "shop", "/a").json()["id"], hand(api, "shop", "/a", company_id=8).json()["id"]
    come_in_as(ANN)
    assert len(conflicts(api)) == 2
    everybody, eight = (Conflict.objects.get(company_id=of).pk for of in (None, 8))
    assert api.delete(f"/menus/conflicts/{everybody}").json()["code"] == "not_your_company"
    assert (
        api.delete(f"/menus/conflicts/{eight}").status_code == api.get(f"/menus/conflicts/{eight}").status_code == 404
    )
    assert api.delete(f"/menus/handovers/{everybodys}").status_code == 403
    assert api.delete(f"/menus/handovers/{eights}").status_code == 404
    assert hand(api, "billing", company_id=8).status_code == 403
    assert hand(api, "billing").json()["company_id"] == 7
    assert len(conflicts(api)) == 1
