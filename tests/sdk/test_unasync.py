"""The generator of the sync side."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def unasync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool, at work in a directory of its own with one substitution."""
    specification = importlib.util.spec_from_file_location("unasync", ROOT / "tools/unasync.py")
    assert specification is not None
    assert specification.loader is not None
    tool = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(tool)
    source = tmp_path / "_async"
    source.mkdir()
    (source / "thing.py").write_text("async def get() -> int:\n    return 1\n")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "DIRECTORIES", [(source, tmp_path / "_sync")])
    monkeypatch.setattr(tool, "SUBSTITUTIONS", [(r"\basync (?=def)", "")])
    return tool


def test_it_writes_and_is_then_content(unasync: ModuleType, tmp_path: Path) -> None:
    assert unasync.main(["--check"]) == 1
    assert not (tmp_path / "_sync").exists()
    assert unasync.main([]) == 0
    assert (tmp_path / "_sync/thing.py").read_text() == (
        "# Generated from _async/thing.py by tools/unasync.py; change that file, not this one.\n"
        "def get() -> int:\n    return 1\n"
    )
    assert unasync.main(["--check"]) == 0


def test_it_notices_a_file_that_was_changed_by_hand(
    unasync: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unasync.main([])
    with (tmp_path / "_sync/thing.py").open("a") as file:
        file.write("# better\n")
    assert unasync.main(["--check"]) == 1
    assert "_sync/thing.py is not current" in capsys.readouterr().err


def test_it_notices_a_substitution_that_nothing_needs(
    unasync: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(unasync, "SUBSTITUTIONS", [*unasync.SUBSTITUTIONS, ("never", "")])
    assert unasync.main([]) == 1
    assert "not used by any file: ('never', '')" in capsys.readouterr().err


def test_it_notices_a_sync_file_without_a_source(unasync: ModuleType, tmp_path: Path) -> None:
    unasync.main([])
    (tmp_path / "_async/thing.py").unlink()
    with pytest.raises(SystemExit, match=r"No async source any more, delete: _sync/thing\.py"):
        unasync.main([])
