"""Many writers at once: they wait for each other in one line, and none of them makes a duplicate or waits for ever."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from apps.core.tenancy import system, use
from apps.menus.models import Conflict, MenuItem, MenuRevision
from apps.menus.services import PathTaken
from apps.menus.services.items import item_archive, item_declare
from apps.menus.services.overlays import overlay_set
from tests.menus.conftest import reconciled

pytestmark = pytest.mark.usefixtures("transactional_db")

WRITERS = 8


def at_once(write: Callable[[int], Any]) -> list[Any]:
    """Let ``write`` run in threads, each with its number; return what they returned, or the refusals they met."""

    def run(number: int) -> Any:
        try:
            with use(system("tests")):
                return write(number)
        except PathTaken as refused:
            return refused
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS) as threads:
        return list(threads.map(run, range(WRITERS)))


def declare(service: str, name: str, **more: Any) -> int:
    number, _ = item_declare(
        service_name=service,
        declared_in=None,
        values={"name": name, "path": f"/{name.lower()}", **more},
        companies="*",
        actor=f"service:{service}",
        now=timezone.now(),
    )
    return number


def test_the_same_item_at_once_is_one_item() -> None:
    assert len(set(at_once(lambda number: declare("shop", "Products", order_number=number)))) == 1
    assert MenuItem.objects.count() == 1
    assert MenuRevision.objects.get().value <= WRITERS


def test_one_of_many_services_has_a_path() -> None:
    done = at_once(lambda number: declare(f"s{number}", "Products"))
    assert sum(isinstance(one, int) for one in done) == 1
    owner = MenuItem.objects.get().service_name
    assert {row.owner for row in Conflict.objects.all()} == {owner}
    assert Conflict.objects.count() == WRITERS - 1


def test_whole_menus_that_hang_together_at_once() -> None:
    def write(number: int) -> None:
        # Each hangs below the next one's, whoever comes first.
        items = [{"name": f"Top {number}", "path": f"/{number}"}]
        items += [
            {"name": f"{number}-{n}", "path": f"/{number}/{n}", "parent_name": f"Top {(number + n) % WRITERS}"}
            for n in range(WRITERS)
        ]
        for _ in range(2):
            with transaction.atomic():
                reconciled(*items, service=f"s{number}")

    at_once(write)
    assert MenuItem.objects.filter(archived_at=None).count() == WRITERS * (WRITERS + 1)
    assert not MenuItem.objects.filter(parent=None, parent_ref__isnull=False).exists()


def test_operators_and_services_at_once() -> None:
    numbers = [declare("shop", name) for name in ("A", "B")]

    def write(number: int) -> None:
        values = {"order_number": float(number), "name": f"N{number}"}
        if number % 2:
            overlay_set(
                item_id=numbers[0], scope="global", scope_id=0, company_id=None, values=values,
                actor="operator:ann", now=timezone.now(),
            )  # fmt: skip
        elif number % 4:
            item_archive(id=declare(f"s{number}", f"C{number}"), companies="*", actor="x", now=timezone.now())
        else:
            declare("shop", "A", icon="box", parent_name="B")

    at_once(write)
    item = MenuItem.objects.get(pk=numbers[0])
    assert (item.parent_id, item.overlays.count()) == (numbers[1], 1)
