"""Migrations: one line for each app, named by hand, and none is missing."""

import re
from collections import Counter

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader

OURS = sorted(config.label for config in apps.get_app_configs() if config.name.startswith("apps."))


def migrations_of(app: str) -> dict[str, list[str]]:
    """Return the names of an app's migrations, each with those of the same app that it follows."""
    found = MigrationLoader(None).disk_migrations
    return {
        name: [before for label, before in found[app, name].dependencies if label == app]
        for label, name in found
        if label == app
    }


@pytest.mark.django_db
def test_every_change_of_a_model_has_its_migration() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.mark.parametrize("app", OURS)
def test_they_stand_in_one_line(app: str) -> None:
    names = migrations_of(app)
    followed = Counter(before for befores in names.values() for before in befores)
    assert sorted(names) == sorted(names, key=lambda name: int(name[:4]))
    assert [name[:4] for name in sorted(names)] == [f"{number:04}" for number in range(1, len(names) + 1)]
    assert all(count == 1 for count in followed.values())
    assert sum(not befores for befores in names.values()) == bool(names)


@pytest.mark.parametrize("app", OURS)
def test_each_is_named_for_what_it_does(app: str) -> None:
    assert [
        name for name in migrations_of(app) if re.search(r"_(initial|auto|alter)\b|_auto_\d|_and_more$", name)
    ] == []
