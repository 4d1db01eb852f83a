"""Settings from the environment: read once, typed, and refused by name when they cannot be used."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from xerpium.env import env_bool, env_int, env_list, env_origin, env_path, env_str, env_url, read_env_file

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XT", "XT_FILE"):
        monkeypatch.delenv(name, raising=False)


class TestText:
    def test_value_default_and_empty(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert env_str("XT", "default") == "default"
        monkeypatch.setenv("XT", "value")
        assert env_str("XT", "default") == "value"
        monkeypatch.setenv("XT", "")
        assert env_str("XT", "default") == "default"

    def test_without_a_default_it_must_be_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for value in (None, ""):
            if value is not None:
                monkeypatch.setenv("XT", value)
            with pytest.raises(ImproperlyConfigured, match="XT is not set: set XT, or XT_FILE"):
                env_str("XT")

    def test_a_secret_may_be_in_a_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(" s3cret \n")
        monkeypatch.setenv("XT_FILE", str(tmp_path / "secret"))
        assert env_str("XT") == "s3cret"

    def test_a_file_that_cannot_be_read_stops_the_start(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        for path in (tmp_path / "missing", tmp_path, tmp_path / "binary"):
            monkeypatch.setenv("XT_FILE", str(path))
            with pytest.raises(ImproperlyConfigured, match="XT_FILE must be the path of a readable text file"):
                env_str("XT", "default")

    def test_both_are_one_too_many(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("XT", "a")
        monkeypatch.setenv("XT_FILE", str(tmp_path))
        with pytest.raises(ImproperlyConfigured, match="both set"):
            env_str("XT")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", True),
        ("TRUE", True),
        ("Yes", True),
        ("on", True),
        ("0", False),
        ("false", False),
        ("no", False),
        ("OFF", False),
    ],
)
def test_truth(monkeypatch: pytest.MonkeyPatch, text: str, value: bool) -> None:
    monkeypatch.setenv("XT", text)
    assert env_bool("XT", default=not value) is value


@pytest.mark.parametrize("text", ["2", "ja", "tru", "-"])
def test_what_is_no_truth_stops_the_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("XT", text)
    with pytest.raises(ImproperlyConfigured, match="XT must be 1 or 0"):
        env_bool("XT", default=True)


@pytest.mark.parametrize("text", ["1", "10"])
def test_numbers_include_both_ends(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("XT", text)
    assert env_int("XT", 5, minimum=1, maximum=10) == int(text)


@pytest.mark.parametrize("text", ["0", "11", "-1", "1.5", "ten", "1e1", "9" * 5000])
def test_a_number_out_of_range_stops_the_start(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("XT", text)
    with pytest.raises(ImproperlyConfigured, match="XT must be a whole number from 1 to 10"):
        env_int("XT", 5, minimum=1, maximum=10)


@pytest.mark.parametrize(("text", "value"), [("", ["x"]), ("a", ["a"]), (" a , b,,c ,", ["a", "b", "c"]), (",", [])])
def test_lists(monkeypatch: pytest.MonkeyPatch, text: str, value: list[str]) -> None:
    monkeypatch.setenv("XT", text)
    assert env_list("XT", ("x",)) == value


def test_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XT", "redis://:pw@host/0")
    assert env_url("XT", "", schemes=("redis", "rediss")) == "redis://:pw@host/0"


@pytest.mark.parametrize(
    "text", ["http://:s3cret@host", "s3cret", "redis:/s3cret", "//:s3cret@host", "redis://[s3cret", "redis://"]
)
def test_a_url_that_cannot_be_used_stops_the_start_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("XT", text)
    with pytest.raises(ImproperlyConfigured, match="XT must be a URL that begins with redis:// or unix://") as caught:
        env_url("XT", "", schemes=("redis", "unix"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("https://hub.example/", "https://hub.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_origin_has_no_slash_at_its_end(monkeypatch: pytest.MonkeyPatch, text: str, value: str) -> None:
    monkeypatch.setenv("XT", text)
    assert env_origin("XT", "") == value


@pytest.mark.parametrize(
    "rest", ["h.example/hub", "h.example//", "h.example?a", "h.example#a", "a:b@h.example", "", "h h", "h:port", "/x"]
)
def test_what_is_more_than_an_origin_stops_the_start(monkeypatch: pytest.MonkeyPatch, rest: str) -> None:
    monkeypatch.setenv("XT", f"https://{rest}")
    with pytest.raises(ImproperlyConfigured, match="XT must be "):
        env_origin("XT", "")


def test_paths_are_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env_path("XT", Path("data")) == Path.cwd() / "data"
    monkeypatch.setenv("XT", "~/hub")
    assert env_path("XT", Path("data")) == Path.home() / "hub"


def test_a_file_of_settings(tmp_path: Path) -> None:
    file = tmp_path / "hub.env"
    file.write_text("# made by runhub\nHUB_URL=http://127.0.0.1:8000\n\nDATABASE_URL = postgresql://a?x=y \nnothing\n")
    assert read_env_file(file) == {"HUB_URL": "http://127.0.0.1:8000", "DATABASE_URL": "postgresql://a?x=y"}
    assert read_env_file(tmp_path / "missing") == {}


def start(**environment: str) -> "subprocess.CompletedProcess[str]":
    """Load the settings in a process with this environment only."""
    return subprocess.run(
        [sys.executable, "-c", "import xerpium.settings as s; print(s.HUB_OPEN, s.DEVELOPMENT, s.LOG_LEVEL)"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HUB_DATA_DIR": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "x", "HUB_OPEN": "1"}, "HUB_OPEN=1 lets anyone on this machine in"),
        ({"DEBUG": "1", "LOG_LEVEL": "LOUD"}, "LOG_LEVEL must be DEBUG, INFO"),
        ({"DEBUG": "1", "REDIS_URL": "http://cache"}, "REDIS_URL must be a URL that begins with redis://"),
        ({"DEBUG": "perhaps"}, "DEBUG must be 1 or 0"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_its_name(environment: dict[str, str], complaint: str) -> None:
    ended = start(**environment)
    assert ended.returncode != 0
    assert complaint in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("environment", "printed"),
    [
        ({"SECRET_KEY": "x", "KEY_PEPPERS": f"1:{'x' * 32}"}, "False False INFO"),
        ({"DEBUG": "1"}, "False True INFO"),
        ({"DEBUG": "1", "HUB_OPEN": "1", "LOG_LEVEL": "debug"}, "True True DEBUG"),
    ],
)
def test_the_profiles(environment: dict[str, str], printed: Any) -> None:
    assert start(**environment).stdout.strip() == printed
