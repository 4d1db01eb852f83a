"""What operators do in the admin: a page that asks in numbers, the deed by a service, the entry in the history."""

import re
from typing import Any

import pytest
from django.test import Client

from apps.registry.admin.operating import MOST_AT_ONCE, operation_url
from apps.registry.admin.operations import OPERATIONS
from apps.registry.models import HistoryEntry, Instance, Service, Vitals
from apps.registry.services.operations import instance_deregister
from tests.support import operators
from tests.support.registry import NOW
from tests.support.services import run
from xerpium_sdk.wire.registry import Status

pytestmark = pytest.mark.usefixtures("hub")

H, U, DR, DE = Status.HEALTHY, Status.UNHEALTHY, Status.DRAINING, Status.DEREGISTERED


@pytest.fixture
def browser(hub: None) -> Client:
    """An operator's."""
    return operators.superuser()


def text(answer: Any) -> str:
    """Return the words of a page, without its tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))


def statuses(name: str) -> list[str]:
    return list(Instance.objects.filter(service__name=name).order_by("pk").values_list("status", flat=True))


def entries(change: str) -> list[tuple[str, str]]:
    return list(HistoryEntry.objects.filter(change=change).order_by("id").values_list("cause", "actor"))


def carry_out(browser: Client, operation: str, pks: list[int], **answers: str) -> Any:
    answer = browser.post(operation_url(operation, pks, "/admin/"), {"reason": "kernel update", **answers}, follow=True)
    assert answer.redirect_chain == [("/admin/", 302)]
    return answer


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_operation_asks_first_and_changes_nothing_by_asking(browser: Client, operation: str) -> None:
    (row,) = run("orders", [DR])
    if operation == "drain":
        (row,) = run("orders2", [H])
    before = HistoryEntry.objects.count()
    answer = browser.get(operation_url(operation, [row["id"]]))
    assert answer.status_code == 200
    assert "reason" in answer.content.decode()
    assert HistoryEntry.objects.count() == before


def test_the_page_says_in_numbers_what_will_happen_and_who_is_left(browser: Client) -> None:
    rows = run("orders", [H, H, H, U])
    told = text(browser.get(operation_url("drain", [rows[0]["id"], rows[1]["id"]])))
    assert "This takes 2 instances of orders out of rotation." in told
    assert "1 other stays in rotation" in told
    told = text(browser.get(operation_url("drain", [row["id"] for row in rows])))
    assert "This takes 4 instances of orders out of rotation." in told
    assert "no other is in rotation: nobody answers its callers" in told


def test_several_services_are_counted(browser: Client) -> None:
    rows = run("orders", [H]) + run("mail", [H])
    told = text(browser.get(operation_url("deregister", [row["id"] for row in rows])))
    assert "This removes 2 instances of 2 services from the registry." in told


def test_drain_and_resume_with_a_reason_in_the_history(browser: Client) -> None:
    first, second = run("orders", [H, H])
    answer = carry_out(browser, "drain", [first["id"], second["id"]])
    assert statuses("orders") == ["draining", "draining"]
    assert entries("drained") == [("drained: kernel update", "operator:anna")] * 2
    assert "Took 2 instances of orders out of rotation. When the work is done: Resume" in text(answer)
    undo = re.search(r'class="hub-undo" href="([^"]+)"', answer.content.decode())
    assert undo
    assert "This puts 2 instances of orders back into rotation." in text(browser.get(undo[1].replace("&amp;", "&")))
    carry_out(browser, "resume", [first["id"], second["id"]])
    assert statuses("orders") == ["healthy", "healthy"]
    assert entries("resumed") == [("resumed: kernel update", "operator:anna")] * 2


def test_check_now_makes_the_checks_due_and_says_so_in_the_history(browser: Client) -> None:
    (row,) = run("orders", [H])
    Vitals.objects.update(next_due_at=NOW.replace(year=2100))
    told = text(carry_out(browser, "check", [row["id"]]))
    assert Vitals.objects.get().next_due_at.year < 2100  # type: ignore[union-attr]  # it is set
    assert entries("checked") == [("check asked for: kernel update", "operator:anna")]
    assert "Asked for a check of 10.0.0.1:8000 of orders." in told


def test_deregister(browser: Client) -> None:
    first, _ = run("orders", [H, H])
    told = text(carry_out(browser, "deregister", [first["id"]]))
    assert statuses("orders") == ["deregistered", "healthy"]
    assert entries("deregistered") == [("deregistered: kernel update", "operator:anna")]
    assert "Removed 10.0.0.1:8000 of orders from the registry." in told


@pytest.mark.parametrize(("weight", "stored"), [("250", 250), ("0", 0), ("", None)])
def test_a_weight_is_set_and_taken_back(browser: Client, weight: str, stored: int | None) -> None:
    (row,) = run("orders", [H])
    Instance.objects.update(weight_override=7)
    carry_out(browser, "weigh", [row["id"]], weight=weight)
    assert Instance.objects.get().weight_override == stored
    assert len(entries("weight_changed")) == 1


@pytest.mark.parametrize("weight", ["-1", "10001", "much"])
def test_a_weight_that_cannot_be_is_asked_for_again(browser: Client, weight: str) -> None:
    (row,) = run("orders", [H])
    answer = browser.post(operation_url("weigh", [row["id"]]), {"weight": weight})
    assert answer.status_code == 200
    assert "errornote" in answer.content.decode() or "text-red" in answer.content.decode()
    assert Instance.objects.get().weight_override is None


def test_lists_lead_to_the_page_that_asks(browser: Client) -> None:
    first, second = run("orders", [H, H])
    run("mail", [H])
    answer = browser.post(
        "/admin/registry/instance/?zone=", {"action": "drain", "_selected_action": [first["id"], second["id"]]}
    )
    assert answer.headers["Location"] == operation_url(
        "drain", [first["id"], second["id"]], "/admin/registry/instance/?zone="
    )
    service = Service.objects.get(name="orders")
    answer = browser.post("/admin/registry/service/", {"action": "drain", "_selected_action": [service.pk]})
    assert answer.headers["Location"] == operation_url("drain", [first["id"], second["id"]], "/admin/registry/service/")


def test_nothing_to_do_and_too_much_at_once_are_said_and_change_nothing(browser: Client) -> None:
    (row,) = run("orders", [DR])
    selected = {"action": "drain", "_selected_action": [row["id"]]}
    told = text(browser.post("/admin/registry/instance/", selected, follow=True))
    assert "Drain can be done to none of what you selected" in told
    service = Service.objects.create(name="crowd")
    crowd = Instance.objects.bulk_create(
        Instance(service=service, instance_id=str(number), port=1, status=H) for number in range(MOST_AT_ONCE + 1)
    )
    Vitals.objects.bulk_create(Vitals(instance=instance) for instance in crowd)
    selected = {"action": "deregister", "_selected_action": [service.pk]}
    told = text(browser.post("/admin/registry/service/", selected, follow=True))
    assert "More than 500 instances: nothing was changed" in told
    assert statuses("crowd").count("deregistered") == 0


def test_what_has_left_meanwhile_is_said(browser: Client) -> None:
    (row,) = run("orders", [H])
    address = operation_url("drain", [row["id"]], "/admin/")
    instance_deregister(service="orders", instance_id=row["instance_id"], reason="", actor="hub", now=NOW)
    told = text(browser.post(address, {"reason": ""}, follow=True))
    assert "Nothing to do" in told
    assert statuses("orders") == ["deregistered"]


def test_nobody_operates_without_the_permission(hub: None) -> None:
    (row,) = run("orders", [H])
    onlooker = operators.staff("otto", *operators.LOOKING)
    for operation in OPERATIONS:
        assert onlooker.get(operation_url(operation, [row["id"]])).status_code == 403
        assert onlooker.post(operation_url(operation, [row["id"]]), {"reason": "x"}).status_code == 403
    assert onlooker.post("/admin/registry/service/orders/note/", {"notes": "x"}).status_code == 403
    onlooker.post("/admin/registry/instance/", {"action": "drain", "_selected_action": [row["id"]]})
    assert statuses("orders") == ["healthy"]
    assert Client().get(operation_url("drain", [row["id"]])).status_code == 302
    trusted = operators.staff("tom", *operators.LOOKING, "change_instance")
    assert trusted.get(operation_url("drain", [row["id"]])).status_code == 200


def test_the_way_back_never_leads_to_another_host(browser: Client) -> None:
    (row,) = run("orders", [H])
    for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        answer = browser.post(operation_url("check", [row["id"]], elsewhere), {"reason": ""})
        assert answer.headers["Location"] == "/admin/registry/instance/"


def test_an_unknown_operation_and_nonsense_for_instances_are_harmless(browser: Client) -> None:
    run("orders", [H])
    assert browser.get("/admin/registry/instance/operate/explode/?instances=1").status_code == 404
    answer = browser.get(operation_url("drain", []) + "x,-1,99999999999999999999")
    assert answer.status_code == 302


@pytest.mark.parametrize("model", ["service", "instance", "historyentry"])
def test_no_row_is_added_or_deleted_by_hand(browser: Client, model: str) -> None:
    (row,) = run("orders", [H])
    key = {"service": "orders", "instance": row["id"], "historyentry": HistoryEntry.objects.first().pk}[model]  # type: ignore[union-attr]
    assert browser.get(f"/admin/registry/{model}/add/").status_code == 403
    assert browser.post(f"/admin/registry/{model}/{key}/delete/", {"post": "yes"}).status_code == 403
    assert browser.post(f"/admin/registry/{model}/{key}/change/", {"name": "x", "instance_id": "x"}).status_code in (
        200,
        403,
    )
    assert Service.objects.get().name == "orders"
    assert Instance.objects.get().instance_id == row["instance_id"]


def test_a_service_that_has_left_can_be_forgotten(browser: Client) -> None:
    run("orders", [DE, DE])
    assert "Delete orders" in text(browser.get("/admin/registry/service/orders/change/"))
    assert browser.get("/admin/registry/service/orders/delete/").status_code == 200
    assert browser.post("/admin/registry/service/orders/delete/", {"post": "yes"}).status_code == 302
    assert not Service.objects.exists()
    run("orders", [H])
    assert statuses("orders") == ["healthy"]


def test_notes_are_stored_with_an_entry_in_the_history(browser: Client) -> None:
    run("orders", [H])
    answer = browser.post("/admin/registry/service/orders/note/", {"notes": " Call Ada <b>first</b>. "}, follow=True)
    assert Service.objects.get().notes == "Call Ada <b>first</b>."
    assert "Call Ada &lt;b&gt;first" in answer.content.decode()
    assert entries("noted") == [("notes changed", "operator:anna")]
    answer = browser.post("/admin/registry/service/orders/note/", {"notes": "x" * 10_001}, follow=True)
    assert "nothing was stored" in text(answer)
    assert browser.get("/admin/registry/service/orders/note/").status_code == 405
