"""Settings: a mistake stops the start with its name, production is secure by default, and the README knows them all."""

import ast
import os
import re
import secrets
import subprocess
import sys

import pytest

from tests.architecture.tree import ROOT, parsed

PRODUCTION = {
    "ALLOWED_HOSTS": "hub.example",
    "SECRET_KEY": secrets.token_urlsafe(48),
    "KEY_PEPPERS": f"1:{secrets.token_urlsafe(32)}",
    "PATH": os.environ["PATH"],
}


def start(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run `manage.py` with production's settings, changed as said; an empty value takes one away."""
    environment = {name: value for name, value in (PRODUCTION | settings).items() if value}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=50)


def test_production_passes_djangos_own_checks() -> None:
    done = start("check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"HUB_OPEN": "1", "DEBUG": "0"}, "HUB_OPEN=1 lets anyone on this machine in"),
        ({"HUB_OPEN": "1"}, "HUB_OPEN=1 lets anyone on this machine in"),
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        (
            {"SECRET_KEY": "", "SECRET_KEY_FILE": "not/there"},
            "SECRET_KEY_FILE must be the path of a readable text file",
        ),
        ({"KEY_PEPPERS": ""}, "KEY_PEPPERS is not set"),
        ({"KEY_PEPPERS": "1:short"}, "KEY_PEPPERS: the secret of version 1 must have at least 32 characters"),
        ({"POLL_INTERVAL_SECONDS": "0"}, "POLL_INTERVAL_SECONDS must be a whole number from 1 to 3600"),
        ({"DATABASE_URL": "mysql://a"}, "DATABASE_URL must be a URL that begins with postgresql://"),
        ({"HUB_PUBLIC_URL": "https://a.example/hub"}, "HUB_PUBLIC_URL must be scheme, host and port only"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL must be DEBUG, INFO"),
        ({"DEBUG": "maybe"}, "DEBUG must be 1 or 0"),
    ],
)
def test_a_mistake_stops_the_start_and_is_named(settings: dict[str, str], sentence: str) -> None:
    done = start("check", **settings)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_the_readme_names_every_setting_and_no_other() -> None:
    table = (ROOT / "README.md").read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    named = {
        name for row in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert named == read_by_settings()


def read_by_settings() -> set[str]:
    """Return the names that `xerpium.settings` hands to the typed readers of the environment."""
    calls = [node for node in ast.walk(parsed(ROOT / "xerpium/settings.py")) if isinstance(node, ast.Call)]
    readers = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id.startswith("env_")]
    return {str(node.args[0].value) for node in readers if isinstance(node.args[0], ast.Constant)}
