"""`manage.py apply_manifest`: files become menus, and what is printed says what happened and what to do next."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.core.models import AuditEntry
from apps.core.tenancy import use
from apps.menus.models import MenuItem
from apps.serviceauth.management.words import person
from apps.uiregistry.management.commands.apply_manifest import Command
from apps.uiregistry.models import Manifest, ManifestRevision
from tests.support.api import Api
from tests.uiregistry.manifests import BODY, PATH, manifest, menu

pytestmark = pytest.mark.django_db


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """A function that writes a manifest to a file and returns its path."""

    def to_file(name: str = "orders.json", **changes: Any) -> str:
        path = tmp_path / name
        path.write_text(json.dumps(manifest(**changes)))
        return str(path)

    return to_file


def run(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    # A shell has no context of its own: the command says for whom it runs.
    with use(None):
        call_command("apply_manifest", *arguments, stdout=out, **options)
    return out.getvalue()


def refused(*arguments: str) -> str:
    with pytest.raises(CommandError) as error:
        run(*arguments)
    assert error.value.returncode == 1
    return str(error.value)


def test_a_file_becomes_menus_and_says_so(write: Any) -> None:
    printed = run(write())
    assert printed.startswith("orders 1.4.2 for all companies, from ")
    lines = printed.splitlines()
    assert lines[1:6] == [
        "  + menu /orders",
        "  + menu /orders/open",
        "  + menu handbook",
        "  + component Order form",
        "  + widget Order count",
    ]
    assert lines[-1].startswith("Done: 5 created, 0 updated, 0 removed. Revision ")
    assert Api().get(PATH).json() == BODY
    assert ManifestRevision.objects.get().actor == f"{person()} with manage.py"
    entry = AuditEntry.objects.get(object_type="manifest")
    assert "with manage.py apply_manifest" in entry.actor
    assert run(write()).splitlines()[-1].startswith("Nothing changes: the hub has this already (revision ")


def test_the_whole_plan(write: Any) -> None:
    run(write())
    item = MenuItem.objects.get(key="/orders")
    Api().send("PUT", f"/menus/overlays/global/0/{item.pk}", {"name": "Sales"})
    menus = [BODY["menus"][0] | {"name": "All orders"}, menu(1, parent_name="Elsewhere", icon="no-such-icon")]
    path = write(generation=42, menus=menus, widgets=[])
    plan = run(path, "--dry-run").splitlines()
    assert plan[1:-2] == [
        "  + menu /items/1",
        "  ~ menu /orders: name",
        "  - menu /orders/open",
        "  - menu handbook",
        "  - widget Order count",
        "  = menu /orders: name (global)",
        "  … menu /items/1: its parent is not there yet",
        plan[8],
    ]
    assert plan[8].startswith("  ! /menus/1/icon: ")
    assert plan[-2:] == [
        "Would be done: 1 created, 1 updated, 3 removed. Nothing was changed.",
        "Next: the same command without --dry-run.",
    ]
    assert Manifest.objects.get().generation == 41
    done = run(path).splitlines()
    assert done[1:-3] == plan[1:-2]
    assert [line.partition(":")[0] for line in done[-2:]] == ["Next", "Next"]


def test_whose_it_is(write: Any) -> None:
    run(write("billing.manifest.json", service_name="shop", menus=[], components=[], widgets=[]))
    run(write("crm.manifest.json", menus=[], components=[], widgets=[]))
    run(write(), "--service", "sales", "--company", "7")
    found = Manifest.objects.order_by("service_name").values_list("service_name", "company_id")
    assert list(found) == [("crm", None), ("sales", 7), ("shop", None)]


def test_several_files_and_the_standard_input(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    second = write("shop.json", menus=[menu(1)], components=[], widgets=[])
    assert run(write(), second).count("Done: ") == 2

    class Piped:
        buffer = io.BytesIO(json.dumps(manifest(service_name="piped", menus=[menu(2)], components=[])).encode())

    monkeypatch.setattr("sys.stdin", Piped)
    run("-")
    assert Manifest.objects.filter(service_name="piped").exists()
    assert "one file" in refused(write(), second, "--service", "x")


def test_refusals_have_pointers_into_the_file(write: Any) -> None:
    text = refused(write(version="1", menus=[{"name": "A"}, {"name": "B", "path": "/b", "colour": 1}], oops=1))
    for pointer in ("/version", "/menus/0/path", "/menus/1/colour", "/oops"):
        assert f"\n  {pointer}: " in text
    assert "orders.json" in text
    assert not Manifest.objects.exists()


def test_what_is_older_or_takes_too_much_away_says_what_to_do(write: Any) -> None:
    run(write(menus=[menu(number) for number in range(9)]))
    assert "generation" in refused(write(menus=[]))
    fewer = write(menus=[menu(1)], generation=42)
    assert refused(fewer).endswith("If that is meant, say --confirm-prune.")
    assert "8 removed" in run(fewer, "--confirm-prune")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[]", "a JSON object"),
        ('{"a": 1, "a": 2}', "stands twice"),
        (" " * (2**21 + 1), "at most 2097152 bytes"),
        ('{"service_name": "Not A Name"}', "/service_name"),
        ('{"service_name": ["x"]}', "/service_name"),
    ],
    ids=["broken", "list", "twice", "large", "name", "number"],
)
def test_files_that_are_no_manifests(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    path.write_text(content)
    assert words in refused(str(path))
    assert "No such file" in refused(str(tmp_path / "none.json"))


def test_two_names_that_contradict_each_other(write: Any) -> None:
    assert "'orders'" in refused(write(service_name="orders"), "--service", "shop")


def test_help_explains_the_signs() -> None:
    text = Command().create_parser("manage.py", "apply_manifest").format_help()
    for part in ("+ created", "~ updated", "--confirm-prune", "--company", "service_name", "exit"):
        assert part in text
