"""What may import what, what has to be explained, and how long a file may grow."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import ROOT, name_of, parsed, python_files, tracked

MOST_LINES = 500
OURS = ("apps/", "xerpium/", "sdk/src/", "tools/", "examples/", "benchmarks/")
# Their names say all there is to say, and Django or Python calls them.
NEED_NO_WORDS = ("apps.py", "__init__.py")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def test_every_import_goes_in_an_allowed_direction() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"DEBUG": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_no_file_is_too_long_to_read() -> None:
    sizes = {name_of(path): len(path.read_bytes().splitlines()) for path in tracked() if is_written_by_hand(path)}
    assert {name: lines for name, lines in sizes.items() if lines > MOST_LINES} == {}


def is_written_by_hand(path: Path) -> bool:
    """Whether somebody has to read it: not a picture, a list of pins, a page of somebody else's or one that is made."""
    is_made = name_of(path).startswith("docs/reference/")
    return not is_made and path.suffix in {".py", ".md", ".html", ".js", ".css", ".in", ".toml", ""}


def test_every_module_says_what_it_is_for() -> None:
    modules = [path for path in python_files(*OURS) if path.name not in NEED_NO_WORDS]
    assert len(modules) > 100
    assert [name_of(path) for path in modules if not ast.get_docstring(parsed(path))] == []


def test_everything_public_has_a_docstring() -> None:
    silent = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in python_files(*OURS)
        if path.name not in NEED_NO_WORDS
        for node in public(parsed(path))
        if not ast.get_docstring(node)
    ]
    assert silent == []


def public(module: ast.Module) -> Iterator[Definition]:
    """Yield the classes and functions that others may use, and the methods of those classes."""
    for node in definitions(module.body):
        yield node
        if isinstance(node, ast.ClassDef):
            yield from (inner for inner in definitions(node.body) if not isinstance(inner, ast.ClassDef))


def definitions(body: list[ast.stmt]) -> list[Definition]:
    """Return what has a public name; the further forms of an overloaded function need no second explanation."""
    found = [node for node in body if isinstance(node, Definition) and not node.name.startswith("_")]
    return [node for node in found if not any("overload" in ast.unparse(one) for one in node.decorator_list)]
