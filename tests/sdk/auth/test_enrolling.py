"""The first key: fetched once with an enrolment token, and stored so that nobody else can read it."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.wait import wait_until
from xerpium_sdk.auth._keys import KeyFile, NoKey
from xerpium_sdk.errors import HubUnavailable

KEY = "xrp_0123456789_" + "s" * 43


def never() -> str:
    raise AssertionError("the enrolment token was spent")


def test_the_key_is_stored_for_its_owner_alone_and_fetched_once(tmp_path: Path) -> None:
    file, calls = tmp_path / "key", []

    def enrol() -> str:
        calls.append(1)
        return KEY

    before = os.umask(0)
    try:
        assert KeyFile(file, enrol).read() == KEY
    finally:
        os.umask(before)
    assert KeyFile(file, enrol).read() == KEY
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"], "nothing else is left behind"
    assert calls == [1]


def test_an_empty_file_is_filled(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch()
    assert KeyFile(file, lambda: KEY).read() == KEY


def test_a_token_is_not_spent_where_the_key_could_not_be_stored(tmp_path: Path) -> None:
    with pytest.raises(NoKey, match=r"cannot be stored in .*missing"):
        KeyFile(tmp_path / "missing" / "key", never).read()


def test_a_hub_that_is_away_leaves_nothing_behind_and_is_asked_again(tmp_path: Path) -> None:
    def away() -> str:
        raise HubUnavailable("away")

    with pytest.raises(HubUnavailable):
        KeyFile(tmp_path / "key", away).read()
    assert list(tmp_path.iterdir()) == []
    assert KeyFile(tmp_path / "key", lambda: KEY).read() == KEY


def test_of_several_that_start_together_one_spends_the_token(tmp_path: Path) -> None:
    calls: list[int] = []

    def enrol() -> str:
        calls.append(1)
        wait_until(lambda: pool._work_queue.empty(), description="the others to have begun")
        return KEY

    # Each opens the directory for itself, so the lock keeps threads apart as it does processes.
    with ThreadPoolExecutor(6) as pool:
        keys = list(pool.map(lambda _: KeyFile(tmp_path / "key", enrol).read(), range(6)))
    assert set(keys) == {KEY}
    assert len(calls) == 1
