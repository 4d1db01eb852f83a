"""The files of the project, as git knows them."""

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@cache
def tracked() -> tuple[Path, ...]:
    """Return every file under version control that is there; skips the test outside of a clone."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no clone: git cannot say which files are the project's")
    return tuple(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())


def python_files(*folders: str) -> list[Path]:
    """Return the modules below ``folders``, migrations left out; of the whole project without any."""
    found = [path for path in tracked() if path.suffix == ".py" and "migrations" not in path.parts]
    return [path for path in found if not folders or name_of(path).startswith(folders)]


def texts() -> dict[str, str]:
    """Return the content of every text file, by name."""
    found = {}
    for path in tracked():
        try:
            found[name_of(path)] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
    return found


def name_of(path: Path) -> str:
    """Return a file's name from the root of the project."""
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))
