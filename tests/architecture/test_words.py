"""What must not stand in any file."""

import re

import pytest

from tests.architecture.tree import ROOT, texts
from tests.support.seed_code import DOCUMENT

# Put together, so that this file does not hold them.
UNWANTED = {
    "a package registry": "|".join(
        ["py" + r"pi\.(org|python)", "python" + r"hosted\.org", "registry.npm" + r"js\.org"]
    ),
    "a path of one machine": r"(?<![\w.])/" + r"(work|root)/|(?<![\w.])/" + "home/[a-z]",
    "work that was put off": "|".join(rf"\b{word}\b" for word in ("TO" + "DO", "FIX" + "ME", "X" + "XX")),
}
LONG_ENOUGH = 60
"""Shorter lines are anybody's: an import, a closing bracket, a word of JSON."""


@pytest.mark.parametrize("what", UNWANTED)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(UNWANTED[what])
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


def test_nothing_is_copied_from_the_document_with_the_first_clients() -> None:
    if not DOCUMENT.is_file():
        pytest.skip(f"{DOCUMENT.name} is not beside this checkout (SEED_DOCUMENT names it)")
    theirs = {line.strip() for line in DOCUMENT.read_text().splitlines() if len(line.strip()) >= LONG_ENOUGH}
    assert len(theirs) > 100
    assert not DOCUMENT.is_relative_to(ROOT)
    copied = [
        f"{name}: {line.strip()}"
        for name, text in texts().items()
        for line in text.splitlines()
        if line.strip() in theirs
    ]
    assert copied == []
