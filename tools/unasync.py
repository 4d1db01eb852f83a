"""Write the sync twins of async code: `python tools/unasync.py`, or `--check` to fail when they are not current.

Async is the source; the sync side is generated, formatted, and committed. A substitution that no line needed fails the
run, so the table below cannot gather dust.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SDK = ROOT / "sdk/src/xerpium_sdk"
DIRECTORIES = [
    (SDK / "registry/_async", SDK / "registry/_sync"),
    (SDK / "events/_async", SDK / "events/_sync"),
    (SDK / "auth/_async", SDK / "auth/_sync"),
    (SDK / "calls/_async", SDK / "calls/_sync"),
    (SDK / "ui/_async", SDK / "ui/_sync"),
    (ROOT / "tests/sdk/_async", ROOT / "tests/sdk/_sync"),
    (ROOT / "tests/sdk/ui/_async", ROOT / "tests/sdk/ui/_sync"),
]
HEADER = "# Generated from {source} by tools/unasync.py; change that file, not this one.\n"
SUBSTITUTIONS = [
    (r'"""The asyncio clients: the source from which `_sync` is generated\."""', '"""The clients for threads."""'),
    (r'"""Publishing with asyncio: the source from which `_sync` is generated\."""', '"""Publishing with threads."""'),
    (r'"""Service authentication with asyncio: the source from which `_sync` is generated\."""', '"""With threads."""'),
    (r'"""Menus and UI with asyncio: the source from which `_sync` is generated\."""', '"""With threads."""'),
    (r'"""Calling services with asyncio: the source from which `_sync` is generated\."""', '"""With threads."""'),
    (r" on several event loops too\.", " in several threads."),
    (r" before others on the event loop have their turn\.", " before another thread has its turn."),
    (r"\bredis\.asyncio\b", "redis"),
    (r"pytestmark = pytest\.mark\.anyio\n", ""),
    (r"\basync (?=def|with|for)", ""),
    (r"await ", ""),
    (r"__a(enter|exit)__", r"__\1__"),
    (r"\ba(close|read|iter_bytes)\b", r"\1"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\b_tasks\b", "_threads"),
    (r"\b_async\b", "_sync"),
]


def main(arguments: list[str]) -> int:
    """Write or check every file; returns the exit status."""
    unused = set(range(len(SUBSTITUTIONS)))
    stale = []
    for source, target in pairs():
        text = converted(source, unused)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            stale.append(target)
            if "--check" not in arguments:
                target.parent.mkdir(exist_ok=True)
                target.write_text(text, encoding="utf-8")
    for index in unused:
        print(f"This substitution was not used by any file: {SUBSTITUTIONS[index]}", file=sys.stderr)
    if "--check" in arguments:
        for target in stale:
            print(f"{target.relative_to(ROOT)} is not current: run python tools/unasync.py", file=sys.stderr)
    return 1 if unused or (stale and "--check" in arguments) else 0


def pairs() -> list[tuple[Path, Path]]:
    """Return every source with the file that it becomes; a sync file without a source is named with its missing one."""
    found = [
        (source, target / source.name) for directory, target in DIRECTORIES for source in sorted(directory.glob("*.py"))
    ]
    known = {target for _, target in found}
    orphans = [path for _, target in DIRECTORIES for path in target.glob("*.py") if path not in known]
    if orphans:
        sys.exit(f"No async source any more, delete: {', '.join(str(path.relative_to(ROOT)) for path in orphans)}")
    return found


def converted(source: Path, unused: set[int]) -> str:
    """Return the sync text of ``source`` and strike the substitutions that it needed from ``unused``."""
    text = source.read_text(encoding="utf-8")
    for index, (pattern, replacement) in enumerate(SUBSTITUTIONS):
        text, count = re.subn(pattern, replacement, text)
        if count:
            unused.discard(index)
    return HEADER.format(source=source.relative_to(ROOT).as_posix()) + formatted(text, source)


def formatted(text: str, source: Path) -> str:
    """Return ``text`` with imports in order and lines laid out as ruff does it."""
    ruff = [sys.executable, "-m", "ruff"]
    name = ["--stdin-filename", str(source), "-"]
    for command in (
        [*ruff, "check", "--select", "I,F401", "--fix", "--quiet", *name],
        [*ruff, "format", "--quiet", *name],
    ):
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
