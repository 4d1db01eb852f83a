"""Times trees in a process of the hub's own: ``python -m benchmarks.menus.inside ROUNDS``.

Prints one JSON object: the milliseconds of one call in each round, by what was called.
"""

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import django

FEW = 10
MANY = 200


def main() -> int:
    """Time everything and print it."""
    django.setup()
    rounds = int(sys.argv[1])
    from benchmarks.menus.rows import fill

    fill()
    calls = _calls()
    found: dict[str, list[float]] = {name: [] for name in calls}
    for call, _ in calls.values():
        call()
    for number in range(rounds):
        for name, (call, count) in calls.items():
            if count > 1 or number < 3:
                found[name].append(_milliseconds(call, count))
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def _milliseconds(call: Callable[[], object], count: int) -> float:
    gc.collect()
    began = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - began) / count * 1e3


def _calls() -> dict[str, tuple[Callable[[], object], int]]:
    from apps.core.tenancy import system, use
    from apps.menus.kept import Rendered
    from apps.menus.live import View, live
    from apps.menus.rows import read_part
    from apps.menus.tree import compile
    from benchmarks.menus.rows import TYPICAL
    from benchmarks.plain.menus import naive_tree, one_query_tree

    everything = View(None, ("*",))
    typical = View(None, TYPICAL)
    live.answer(everything, packed=True)
    forest = live.forest(everything).forest
    part = read_part(None)
    asked = _asked()

    def naive() -> object:
        with use(system("benchmarks")):
            return naive_tree(("*",))

    return {
        "hit": (asked["hit"], MANY),
        "hit, packed": (asked["hit, packed"], MANY),
        "304": (asked["304"], MANY),
        "hit, through Django": (asked["hit, through Django"], MANY),
        "304, through Django": (asked["304, through Django"], MANY),
        "cold, everything": (lambda: Rendered.of(forest.render(everything.grants)), FEW),
        "cold, typical": (lambda: Rendered.of(forest.render(typical.grants)), FEW),
        "packing everything": (lambda: Rendered.of(forest.render(everything.grants)).with_packed(), FEW),
        "reading the rows": (lambda: read_part(None), 3),
        "compiling": (lambda: compile(part.items, [], {}), 3),
        "one query, dict, orjson": (lambda: one_query_tree(("*",)), 3),
        "one query, dict, orjson, typical": (lambda: one_query_tree(TYPICAL), 3),
        "naive recursive serializer": (naive, 1),
    }


def _asked() -> dict[str, Callable[[], object]]:
    """Return requests with a token for a finished tree: on the event loop, and through Django."""
    from django.test import Client

    from apps.menus.edge import TREE, MenusEdge
    from benchmarks.menus.rows import token
    from xerpium.wsgi import application as _loaded  # noqa: F401  Django as it serves

    authorization = f"Bearer {token(('*',))}"
    client = Client(headers={"Authorization": authorization})
    client.defaults["HTTP_HOST"] = "127.0.0.1"
    answer = client.get(TREE)
    client.get(TREE, headers={"Accept-Encoding": "gzip"})
    if answer.status_code != 200:
        raise RuntimeError(f"the tree was not answered: {answer.content[:500]!r}")
    edge, loop = MenusEdge(), asyncio.new_event_loop()

    async def opened() -> None:
        edge.open()

    loop.run_until_complete(opened())
    statuses: list[int] = []

    def fast(*headers: tuple[bytes, bytes], expected: int = 200) -> Callable[[], object]:
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": TREE,
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1"), (b"authorization", authorization.encode()), *headers],
            "client": ("127.0.0.1", 40_000),
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def left(*_: Any) -> None:
            raise RuntimeError("it was left to Django")

        def call() -> object:
            # No loop in between: nothing on this way waits.
            step = edge(scope, receive, send, left)
            with contextlib.suppress(StopIteration):
                step.send(None)
            if statuses.pop() != expected:
                raise RuntimeError("another status")
            return None

        return call

    etag = answer.headers["ETag"]
    time.sleep(1)  # until it follows
    return {
        "hit": fast(),
        "hit, packed": fast((b"accept-encoding", b"gzip")),
        "304": fast((b"if-none-match", etag.encode()), expected=304),
        "hit, through Django": lambda: client.get(TREE),
        "304, through Django": lambda: client.get(TREE, headers={"If-None-Match": etag}),
    }


if __name__ == "__main__":
    sys.exit(main())
