"""`python -m tests.isolation.walls`: take each wall away in turn, and see that tests turn red.

Tests that stay green without what they test prove nothing. Run as a plugin of pytest (`-p tests.isolation.walls`, with
the wall's name in REMOVED_WALL) this takes one wall away; run as a program it does so for each.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

NAME = "REMOVED_WALL"
MATRIX = "tests/isolation/test_matrix.py"
TENANCY = ("tests/core/test_walls.py", "tests/core/test_tenancy.py")
TREES = ("tests/menus/test_live_trees.py", "tests/menus/test_tree_views.py", "tests/menus/test_menus_edge.py")


@dataclass(frozen=True)
class Wall:
    """Something that keeps people from what is not theirs.

    Attributes:
        name: what it is called.
        without: does in a test run what takes it away.
        tests: those that must notice.
    """

    name: str
    without: Callable[[], None]
    tests: Sequence[str]


def becomes(function: Any, other: Any) -> None:
    """Let ``function`` do what ``other`` does, wherever it was imported already; neither may have free variables."""
    function = getattr(function, "__func__", function)
    function.__code__ = other.__code__
    function.__defaults__, function.__kwdefaults__ = other.__defaults__, other.__kwdefaults__


def _signatures() -> None:
    import jwt

    original = jwt.PyJWT.decode_complete

    def decode_complete(self: Any, token: Any, key: Any = "", *args: Any, **options: Any) -> Any:
        options["options"] = {**(options.get("options") or {}), "verify_signature": False}
        return original(self, token, key, *args, **options)

    jwt.PyJWT.decode_complete = decode_complete  # type: ignore[method-assign]


def _ends() -> None:
    from xerpium_sdk.wire.credentials import Claims

    original = Claims.of.__func__  # type: ignore[attr-defined]

    def of(cls: Any, said: Any) -> Any:
        return original(cls, {**said, "exp": 2**40})

    Claims.of = classmethod(of)  # type: ignore[assignment, method-assign]


def _revocations() -> None:
    from apps.serviceauth.trust import Trust

    becomes(Trust.is_void, lambda self, claims: False)


def _scopes() -> None:
    from apps.core.authority import MayUse

    becomes(MayUse.has_permission, lambda self, request, view: request.user is not None)


def _own_name() -> None:
    from apps.core import ownership

    becomes(ownership.require_own, lambda caller, named: None)
    becomes(ownership.require_change, lambda caller, *, service, company_id: None)
    becomes(ownership.may_change, lambda caller, *, service, company_id: True)


def _own_company() -> None:
    from apps.core import ownership

    becomes(ownership.require_company, lambda caller, named: None)


def _sight() -> None:
    from apps.core import ownership

    becomes(ownership.sight, lambda caller: "*")


def _managers() -> None:
    from apps.core.tenancy.models import CompanyScoped, ScopedQuerySet

    becomes(ScopedQuerySet.readable, lambda self, scope: self)
    becomes(ScopedQuerySet.writable, lambda self: self)
    becomes(CompanyScoped.require_writable, lambda self: None)


def _unset_is_nothing() -> None:
    from apps.core.tenancy import models
    from apps.core.tenancy.context import system

    models.required_scope = lambda model: models.current() or system("removed")  # type: ignore[assignment]


def _row_level_security() -> None:
    from apps.core.postgres import scoped

    scoped.announcement = lambda scope: "SET LOCAL xerpium.scope = 'everything'; "  # type: ignore[assignment]


def _streams() -> None:
    from apps.registry import feed

    becomes(feed.visible, lambda company_id, companies: True)


def _operators() -> None:
    from apps.core.tenancy import operators

    becomes(operators.companies_of, lambda user_id: "*")


def _groups() -> None:
    from apps.events import groups

    becomes(groups.is_in_sight, lambda group: True)
    becomes(groups.q_in_sight, lambda: Q())  # noqa: F821 - as that module knows it


def _of_events() -> None:
    from apps.events import consuming

    consuming.company = lambda company_id: consuming.global_rows()


def _company_of_trees() -> None:
    from apps.menus.live import Compiled

    becomes(Compiled.key, lambda self, view, locale: view.grants)


def _rights_of_trees() -> None:
    from apps.menus.rules import Rules

    becomes(Rules.fingerprint, lambda grants: "everybody")


def _limits() -> None:
    from apps.core import limits

    becomes(limits.admit, lambda caller: None)


WALLS = (
    Wall("a token's signature", _signatures, ["tests/serviceauth/tokens"]),
    Wall("a token's end", _ends, ["tests/serviceauth/tokens", MATRIX]),
    Wall("revocations", _revocations, ["tests/serviceauth/tokens"]),
    Wall("scopes and the default to deny", _scopes, ["tests/core/test_scopes.py"]),
    Wall("one's own name", _own_name, [MATRIX]),
    Wall("one's own company, in what is written", _own_company, ["tests/registry/test_api_tokens.py"]),
    Wall("one's own company, in what is read", _sight, [MATRIX]),
    Wall("the managers of models", _managers, [*TENANCY]),
    Wall("nothing without a context", _unset_is_nothing, [*TENANCY]),
    Wall("row-level security", _row_level_security, [*TENANCY, "tests/core/test_rls.py"]),
    Wall("the streams' companies", _streams, ["tests/registry/test_edge_tokens.py", "tests/isolation/test_storm.py"]),
    Wall("an operator's companies", _operators, [MATRIX, "tests/isolation/test_admin.py"]),
    Wall("what groups are told of", _groups, ["tests/isolation/test_console.py", "tests/events/test_api_tokens.py"]),
    Wall("the company of events, for their handlers", _of_events, ["tests/isolation/test_elsewhere.py"]),
    Wall("the company in the key of kept trees", _company_of_trees, TREES),
    Wall("the rights in the key of kept trees", _rights_of_trees, TREES),
    Wall("limits of callers", _limits, ["tests/core/test_limits.py"]),
)


def pytest_configure(config: Any) -> None:
    """Take the wall away that the environment names."""
    for wall in WALLS:
        if wall.name == os.environ.get(NAME):
            wall.without()


def main() -> int:
    """Run the command; return 1 when nobody noticed that a wall was gone."""
    parser = argparse.ArgumentParser(prog="python -m tests.isolation.walls", description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="only walls whose name holds these words")
    options = parser.parse_args()
    unnoticed = 0
    for wall in WALLS:
        if options.only in wall.name:
            red, green = run(wall)
            unnoticed += red == 0
            print(
                f"{'NOT NOTICED' if red == 0 else 'red':<12} without {wall.name}: {red} red, {green} green", flush=True
            )
    return int(unnoticed > 0)


def run(wall: Wall) -> tuple[int, int]:
    """Run a wall's tests without it; return how many turned red, and how many did not."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", "-p", "tests.isolation.walls", "--show-capture=no"]
    done = subprocess.run(
        [*command, *wall.tests], env={**os.environ, NAME: wall.name}, capture_output=True, text=True, check=False
    )
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (failed|error|passed)", done.stdout)}
    if not counts:
        sys.exit(f"The tests of {wall.name} did not run:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return counts.get("failed", 0), counts.get("passed", 0)


if __name__ == "__main__":
    sys.exit(main())
