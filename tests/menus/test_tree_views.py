"""``GET menus/tree`` and ``menus/{id}/explain``: who sees what, as whom one may look, what is refused."""

import gzip
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from apps.menus.models import MenuItem
from apps.serviceauth.models import Operator
from apps.serviceauth.services import role_assign, role_save
from tests.menus.planting import hub, overlay, person, plant
from tests.support.api import Api, faults_of
from tests.support.operators import logged_in, superuser
from tests.support.tokens import bearer, token_for

__all__ = ["hub"]


@pytest.fixture
def rows(hub: None) -> dict[str, MenuItem]:
    """What is everybody's, and what companies 7 and 8 have; by name."""
    planted = [
        plant("Common", labels={"pl": "Wspólne"}),
        plant("Guarded", required_permissions=["order.view"]),
        plant("Seven", company_id=7),
        plant("Eight", company_id=8, required_permissions=["order.view"]),
    ]
    return {row.name: row for row in planted}


def operator_of(*companies: int) -> Api:
    """Return the browser of somebody who may look at menus of these companies."""
    user = User.objects.create_user(f"of{companies}", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_menuitem"))
    Operator.objects.create(user=user, companies=list(companies))
    return Api(logged_in(user))


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [node["name"] for node in answer.json()["items"]]


CALLERS: dict[str, tuple[Callable[[], tuple[Api, Mapping[str, str]]], list[str]]] = {
    "a service": (lambda: (Api(), bearer(token_for("shop"))), ["Common"]),
    "a service of all companies": (lambda: (Api(), bearer(token_for("shop", companies="*"))), ["Common"]),
    "a service in a company": (lambda: (Api(), bearer(token_for("shop", company_id=7))), ["Common", "Seven"]),
    "a person": (lambda: (Api(), person(8)), ["Common"]),
    "a person with a role": (lambda: (Api(), person(8, "order.*")), ["Common", "Eight", "Guarded"]),
    "an open hub's": (lambda: (Api(), {}), ["Common", "Guarded"]),
    "a superuser": (lambda: (Api(superuser()), {}), ["Common", "Guarded"]),
    "an operator of one company": (lambda: (operator_of(7), {}), ["Common", "Guarded", "Seven"]),
    "an operator of two companies": (lambda: (operator_of(7, 8), {}), ["Common", "Guarded"]),
}


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("caller", CALLERS)
def test_everybody_sees_what_it_may(caller: str) -> None:
    make, expected = CALLERS[caller]
    api, headers = make()
    assert names(api.get("/menus/tree", headers=headers)) == sorted(expected)
    assert names(api.get("/menus/tree/", headers=headers)) == sorted(expected)


def test_a_tree_says_its_revision_and_its_language(rows: dict[str, MenuItem]) -> None:
    api = Api()
    found = api.get("/menus/tree?locale=pl-PL").json()
    assert (found["revision"], found["items"][0]["name"]) == (2, "Wspólne")
    assert api.get("/menus/tree?company_id=8").json()["revision"] == 4
    assert names(api.get("/menus/tree?locale=de")) == ["Common", "Guarded"]


@pytest.mark.usefixtures("rows")
def test_operators_look_as_others() -> None:
    clerk = role_save(name="clerk", permissions=("order.*",), actor="test", now=timezone.now())
    role_assign(role=clerk, user_id=5, company_id=8, actor="test")
    api = Api(superuser())
    looks = {
        "company_id=8": ["Common", "Eight", "Guarded"],
        "company_id=8&permissions=": ["Common"],
        "company_id=8&permissions=a, order.view ,b": ["Common", "Eight", "Guarded"],
        "company_id=8&as_user=5": ["Common", "Eight", "Guarded"],
        "company_id=8&as_user=5&permissions=x": ["Common"],
        "company_id=8&as_user=6": ["Common"],
        "company_id=7&as_user=5": ["Common", "Seven"],
        "company_id=9": ["Common", "Guarded"],
        "as_user=5": ["Common"],
        "permissions=order.*": ["Common", "Guarded"],
    }
    assert {query: names(api.get(f"/menus/tree?{query}")) for query in looks} == looks
    assert names(operator_of(8).get("/menus/tree?as_user=5")) == ["Common", "Eight", "Guarded"]


def test_what_was_changed_for_a_person_and_its_roles_counts_for_it(rows: dict[str, MenuItem]) -> None:
    clerk = role_save(name="clerk", permissions=(), actor="test", now=timezone.now())
    role_assign(role=clerk, user_id=5, company_id=8, actor="test")
    overlay(rows["Common"], "role", clerk.pk, 8, name="Ours")
    overlay(rows["Common"], "user", 5, 8, pinned=True)
    api = Api()
    (mine,) = api.get("/menus/tree", headers=person(8)).json()["items"]
    assert (mine["name"], mine["pinned"]) == ("Ours", True)
    assert api.get("/menus/tree?company_id=8&as_user=5").json()["items"][0] == mine
    for look in ("?company_id=8&as_user=6", "?company_id=7&as_user=5", "?company_id=8"):
        assert "Ours" not in names(api.get(f"/menus/tree{look}"))
        assert b"pinned" not in api.get(f"/menus/tree{look}").content


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("route", ["/menus/tree", "/menus/stream"])
def test_nobody_looks_where_it_may_not(route: str) -> None:
    one = operator_of(7)
    for company in (8, 9):
        answer = one.get(f"{route}?company_id={company}")
        assert answer.status_code == 403
        assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [
            ("?company_id", "not_your_company")
        ]
    for headers in (bearer(token_for("shop", company_id=7)), bearer(token_for("hub", companies="*")), person(7, "*")):
        for query in ("company_id=7", "company_id=8") + (("as_user=5", "permissions=*") if "tree" in route else ()):
            answer = Api().get(f"{route}?{query}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "operators_only"), query
            assert b"Eight" not in answer.content


@pytest.mark.usefixtures("hub")
def test_who_may_not_read_menus_is_told_so() -> None:
    headers = bearer(token_for("shop", scopes=["registry:read"]))
    assert Api().get("/menus/tree", headers=headers).status_code == 403
    nobody = Api(logged_in(User.objects.create_user("nobody", password="x", is_staff=True)))
    assert nobody.get("/menus/tree").status_code == 403
    assert Api(Client()).get("/menus/tree", headers=bearer("a.b.c")).status_code == 401


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("locale=", ("?locale", "blank")),
        ("locale=p%6C%20", ("?locale", "invalid")),
        ("locale=pl-", ("?locale", "invalid")),
        ("locale=" + "a" * 36, ("?locale", "max_length")),
        ("company_id=0", ("?company_id", "min_value")),
        ("company_id=x", ("?company_id", "invalid")),
        ("as_user=-1", ("?as_user", "min_value")),
        ("as_user=9223372036854775808", ("?as_user", "max_value")),
        ("permissions=" + "a," * 1001, ("?permissions", "max_length")),
        ("company=7", ("?company", "unknown_parameter")),
        ("locale=pl&locale=de", ("?locale", "repeated")),
    ],
)
def test_what_is_asked_for_badly_is_refused(query: str, fault: tuple[str, str]) -> None:
    assert faults_of(Api().get(f"/menus/tree?{query}")) == {fault}


def test_a_tree_travels_packed_and_either_tag_is_known(hub: None) -> None:
    plant("Common", labels={"pl": "Bardzo długa nazwa pozycji " * 3}, badge={"endpoint": "/" + "n" * 2000})
    api = Api()
    plain = api.get("/menus/tree")
    packed = api.get("/menus/tree", headers={"Accept-Encoding": "br, gzip"})
    assert gzip.decompress(packed.content) == plain.content
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert plain.headers.get("Content-Encoding") is None
    assert plain.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["Cache-Control"] == packed.headers["Cache-Control"] == "private, no-cache"
    tags = [plain.headers["ETag"], packed.headers["ETag"]]
    assert len(set(tags)) == 2
    for coding in ("", "gzip"):
        for tag in tags:
            answer = api.get("/menus/tree", headers={"Accept-Encoding": coding, "If-None-Match": f'"x", {tag}'})
            assert (answer.status_code, answer.headers["ETag"], answer.content) == (304, tag, b"")
            assert "Content-Encoding" not in answer.headers
    assert api.get("/menus/tree", headers={"If-None-Match": '"x"'}).status_code == 200
    plant("Other")
    assert api.get("/menus/tree", headers={"If-None-Match": ", ".join(tags)}).status_code == 200


# --- Explaining -------------------------------------------------------------------------------------------------------


def test_an_item_that_is_shown_says_by_what(rows: dict[str, MenuItem]) -> None:
    overlay(rows["Guarded"], name="Renamed")
    found = Api().get(f"/menus/{rows['Guarded'].pk}/explain?permissions=order.*&company_id=7").json()
    assert found == {
        "id": rows["Guarded"].pk,
        "key": "/guarded",
        "name": "Guarded",
        "service_name": "orders",
        "revision": 5,
        "company_id": 7,
        "shown": True,
        "reasons": [],
        "requirement": {"mode": "all", "permissions": [{"permission": "order.view", "granted_by": "order.*"}]},
        "overlays": [{"scope": "global", "scope_id": 0, "fields": {"name": "Renamed"}, "actor": "operator:ann"}],
    }


def test_an_item_that_is_not_shown_says_why(rows: dict[str, MenuItem]) -> None:
    overlay(rows["Common"], "company", 7, 7, hidden=True)
    below = plant("Below", parent=rows["Common"], required_permissions=["x.y"])
    api = Api()
    found = api.get(f"/menus/{below.pk}/explain?company_id=7&permissions=z").json()
    assert found["shown"] is False
    missing, above = found["reasons"]
    assert (missing["code"], missing["permissions"]) == ("permission_missing", ["x.y"])
    assert (above["code"], above["item_id"]) == ("ancestor", rows["Common"].pk)
    assert above["reasons"][0] == {
        "code": "hidden",
        "message": "An operator hid it for company 7.",
        "scope": "company",
        "scope_id": 7,
        "actor": "operator:ann",
    }
    # Who hid it is for operators to know.
    told = api.get(f"/menus/{rows['Common'].pk}/explain", headers=bearer(token_for("shop", company_id=7))).json()
    assert (told["shown"], told["reasons"][0]["scope"]) == (False, "company")
    assert b"ann" not in orjson.dumps(told)


def test_what_was_taken_back_says_so(rows: dict[str, MenuItem]) -> None:
    MenuItem.objects.filter(pk=rows["Common"].pk).update(archived_at=timezone.now())
    found = Api().get(f"/menus/{rows['Common'].pk}/explain").json()
    assert [reason["code"] for reason in found["reasons"]] == ["archived"]


def test_another_companys_item_is_not_there(rows: dict[str, MenuItem]) -> None:
    eight, nothing = rows["Eight"].pk, 999_999_999
    asked: list[tuple[Api, str, Mapping[str, str]]] = [
        (Api(), "", bearer(token_for("shop", company_id=7))),
        (Api(), "", bearer(token_for("shop"))),
        (operator_of(7), "", {}),
        (Api(superuser()), "", {}),
        (Api(), "?company_id=7", {}),
    ]
    for api, query, headers in asked:
        answer, missing = (api.get(f"/menus/{number}/explain{query}", headers=headers) for number in (eight, nothing))
        assert (answer.status_code, missing.status_code) == (404, 404)
        assert answer.json()["detail"] == missing.json()["detail"]
    assert Api().get(f"/menus/{eight}/explain?company_id=8").status_code == 200
