"""What the hub needs: explained in requirements.in, pinned in requirements.txt."""

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import ROOT


def wanted() -> dict[str, tuple[Requirement, str]]:
    """Return what requirements.in asks for, with the sentence beside it, by canonical name."""
    found = {}
    for line in (ROOT / "requirements.in").read_text().splitlines():
        asked, _, words = line.partition("#")
        if asked.strip():
            requirement = Requirement(asked.strip())
            found[str(canonicalize_name(requirement.name))] = (requirement, words.strip())
    return found


def pinned() -> dict[str, tuple[str, bool]]:
    """Return version, and whether requirements.in asked for it itself, of every line of requirements.txt."""
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.strip()]
    matches = [re.fullmatch(r"([\w.-]+)==(\S+)(?: ;[^#]*)?\s+# via (.*)", line) for line in lines]
    assert None not in matches, "every line pins one version and says who needs it"
    found = [match.groups() for match in matches if match]
    return {str(canonicalize_name(name)): (version, "-r requirements.in" in via) for name, version, via in found}


@pytest.mark.parametrize("name", sorted(wanted()))
def test_each_dependency_has_a_sentence(name: str) -> None:
    assert len(wanted()[name][1].split()) >= 3


def test_the_pins_are_those_of_what_is_asked_for() -> None:
    assert {name for name, (_, asked) in pinned().items() if asked} == set(wanted())


@pytest.mark.parametrize("name", sorted(wanted()))
def test_the_pinned_version_is_one_that_is_asked_for(name: str) -> None:
    assert wanted()[name][0].specifier.contains(pinned()[name][0])
