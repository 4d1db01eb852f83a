"""Times one statement under each wall: ``python -m benchmarks.auth.statements ROUNDS``, in a process of the hub's own.

Prints one JSON object: the microseconds of one statement in each round, by what stood in its way.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import django

COUNT = 1000
NAME = "service-0"
COMPANY = 7


def main() -> int:
    """Time everything and print it."""
    django.setup()
    from apps.core.tenancy import company, system, use

    scopes: dict[str, tuple[Callable[[], AbstractContextManager[None]], bool]] = {
        "as everybody, nothing told": (lambda: use(system("benchmarks")), False),
        "as everybody": (lambda: use(system("benchmarks")), True),
        "as a company": (lambda: use(company(COMPANY)), True),
    }
    found: dict[str, list[float]] = {name: [] for name in scopes}
    for _ in range(int(sys.argv[1])):
        for name, (scope, is_told) in scopes.items():
            with scope(), nullcontext() if is_told else _untold():
                found[name].append(_microseconds())
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def _microseconds() -> float:
    from apps.registry.models import Service

    began = time.perf_counter()
    for _ in range(COUNT):
        Service.objects.filter(name=NAME).values_list("id", flat=True).first()
    return (time.perf_counter() - began) / COUNT * 1e6


@contextmanager
def _untold() -> Iterator[None]:
    """Tell PostgreSQL nothing; what the session was told at its start holds."""
    from django.db import connection

    from apps.core.postgres.scoped import ScopedCursor

    telling = ScopedCursor._missing
    with connection.cursor() as cursor:
        cursor.execute("SET xerpium.scope = 'everything'")
    ScopedCursor._missing = lambda cursor, query: ""  # type: ignore[method-assign]
    try:
        yield
    finally:
        ScopedCursor._missing = telling  # type: ignore[method-assign]
        with connection.cursor() as cursor:
            cursor.execute("RESET xerpium.scope")


if __name__ == "__main__":
    sys.exit(main())
