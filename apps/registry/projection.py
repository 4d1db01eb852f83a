"""The registry's projection in Redis: one hash that holds every instance, kept by the relay beside the change stream.

It can be thrown away at any time; the relay builds it again from PostgreSQL.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
import redis
from django.db import connection

from apps.registry import documents, rows
from xerpium_sdk.wire.keys import REGISTRY_CATALOG

META = "meta"
PAGE = 1000


class CatalogProjection:
    """Keeps `REGISTRY_CATALOG` in step with the entries that the relay appends to `REGISTRY_CHANGES`.

    An entry that a rebuild has already seen in PostgreSQL is passed over: writing it would set newer rows back.
    """

    def __init__(self) -> None:
        self._as_of: int | None = None
        self._projected = 0

    def project(self, pipeline: "redis.client.Pipeline", entries: Iterable[Mapping[str, str]]) -> None:
        """Add the commands that bring the hash up to ``entries``, the fields of stream entries in order."""
        for entry in entries:
            change = orjson.loads(entry["change"])
            if self._as_of is not None and change["revision"] <= self._as_of:
                continue
            for row in change["instances"]:
                if row["status"] == "deregistered":
                    pipeline.hdel(REGISTRY_CATALOG, str(row["id"]))
                else:
                    pipeline.hset(REGISTRY_CATALOG, str(row["id"]), orjson.dumps(row).decode())
            self._projected = max(self._projected, change["revision"])
            pipeline.hset(REGISTRY_CATALOG, META, orjson.dumps({"revision": change["revision"]}).decode())

    def is_missing(self, client: "redis.Redis") -> bool:
        """Whether the hash is not to be trusted: this process never built it, or Redis lost some or all of it."""
        meta = client.hget(REGISTRY_CATALOG, META)
        return meta is None or self._as_of is None or int(orjson.loads(meta)["revision"]) < self._projected

    def rebuild(self, client: "redis.Redis") -> None:
        """Replace the whole hash by what PostgreSQL says, in one transaction of Redis."""
        revision, found = read_all()
        with client.pipeline(transaction=True) as pipe:
            pipe.delete(REGISTRY_CATALOG)
            for start in range(0, len(found), PAGE):
                page = {str(row["id"]): orjson.dumps(row).decode() for row in found[start : start + PAGE]}
                pipe.hset(REGISTRY_CATALOG, mapping=page)
            pipe.hset(REGISTRY_CATALOG, META, orjson.dumps({"revision": revision}).decode())
            pipe.execute()
        self._as_of = self._projected = revision


def read_all() -> tuple[int, list[dict[str, Any]]]:
    """Return the revision and all instance documents but the deregistered, as of one moment in PostgreSQL."""
    return _read("i.status <> 'deregistered'", [])


def read_since(revision: int) -> tuple[int, list[dict[str, Any]]]:
    """Return the revision and the instance documents that changed after ``revision``, the deregistered included."""
    return _read("i.revision > %s", [revision])


def _read(where: str, params: Sequence[Any]) -> tuple[int, list[dict[str, Any]]]:
    # One statement sees one moment: with two, a row could be newer than the revision that it is said to be part of.
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COALESCE((SELECT value FROM registry_catalogrevision), 0) AS catalog_revision, x.*"
            f" FROM (SELECT 1) one LEFT JOIN ({documents.INSTANCE_SELECT} WHERE {where}) x ON true ORDER BY x.id",
            params,
        )
        found = rows.fetch_rows(cursor)
    return found[0]["catalog_revision"], [documents.document(row) for row in found if row["id"] is not None]


def read_projection(client: "redis.Redis") -> tuple[int, list[dict[str, Any]]] | None:
    """Return the revision and all instance documents of the projection, or None when there is none.

    Raises:
        redis.RedisError: Redis is away.
    """
    stored = client.hgetall(REGISTRY_CATALOG)
    meta = stored.pop(META, None)
    if meta is None:
        return None
    return int(orjson.loads(meta)["revision"]), [orjson.loads(text) for text in stored.values()]
