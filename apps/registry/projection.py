"""The registry's projection in Redis: one hash that holds every instance, kept by the relay beside the change stream.

It can be thrown away at any time; the relay builds it again from PostgreSQL.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from django.db import connection

from apps.core.redis import Pipeline, Redis, ResponseError
from apps.registry import documents, rows
from apps.registry.changes import current_revision
from xerpium_sdk.wire.keys import REGISTRY_CATALOG, REGISTRY_CHANGES

META = "meta"
SERVICE = "service:"
PAGE = 1000


@dataclass(frozen=True, slots=True)
class State:
    """The registry at one moment.

    Attributes:
        revision: the catalogue's revision.
        epoch: of the database; revisions of two epochs cannot be compared.
        instances: the instance documents.
        service_revisions: the revision of each service's own last change, by name.
    """

    revision: int
    epoch: str
    instances: list[dict[str, Any]]
    service_revisions: dict[str, int]

    @property
    def meta(self) -> str:
        """What the hash says about itself."""
        return _meta(self.revision, self.epoch)


class CatalogProjection:
    """Keeps `REGISTRY_CATALOG` in step with the entries that the relay appends to `REGISTRY_CHANGES`.

    An entry that a rebuild has already seen in PostgreSQL is passed over: writing it would set newer rows back.
    """

    def __init__(self) -> None:
        self._built: State | None = None
        self._projected = 0

    def project(self, pipeline: Pipeline, entries: Sequence[Mapping[str, str]]) -> None:
        """Add the commands that bring the hash up to ``entries``, the fields of stream entries in order."""
        for entry in entries:
            change = orjson.loads(entry["change"])
            revision = change["revision"]
            if self._built is None or revision <= self._built.revision:
                continue
            for row in change["instances"]:
                if row["status"] == "deregistered":
                    pipeline.hdel(REGISTRY_CATALOG, str(row["id"]))
                else:
                    pipeline.hset(REGISTRY_CATALOG, str(row["id"]), orjson.dumps(row).decode())
            self._projected = max(self._projected, revision)
            pipeline.hset(REGISTRY_CATALOG, SERVICE + change["service"]["name"], str(revision))
            pipeline.hset(REGISTRY_CATALOG, META, _meta(revision, self._built.epoch))

    def is_missing(self, client: Redis) -> bool:
        """Whether the hash is not to be trusted.

        That is when this process never built it, when Redis lost some or all of it, and when PostgreSQL went back: a
        replica that took over may lack the last changes, whose revisions others will have.
        """
        meta = read_meta(client)
        if meta is None or self._built is None or meta[1] != self._built.epoch:
            return True
        return not self._projected <= meta[0] <= current_revision()

    def rebuild(self, client: Redis) -> None:
        """Replace the whole hash by what PostgreSQL says, in one transaction of Redis.

        Where Redis is ahead of PostgreSQL, the database went back (it was restored, or is a new one). Then the stream
        begins again too, and a new epoch tells the followers to forget what they have.
        """
        state = read_all()
        meta = read_meta(client)
        went_back = _last_in_stream(client) > state.revision or (meta is not None and meta[0] > state.revision)
        if went_back or not state.epoch:
            _begin_epoch()
            state = read_all()
        with client.pipeline(transaction=True) as pipe:
            if went_back:
                pipe.delete(REGISTRY_CHANGES)
            pipe.delete(REGISTRY_CATALOG)
            for start in range(0, len(state.instances), PAGE):
                page = state.instances[start : start + PAGE]
                pipe.hset(REGISTRY_CATALOG, mapping={str(row["id"]): orjson.dumps(row).decode() for row in page})
            for name, revision in state.service_revisions.items():
                pipe.hset(REGISTRY_CATALOG, SERVICE + name, str(revision))
            pipe.hset(REGISTRY_CATALOG, META, state.meta)
            pipe.execute()
        self._built, self._projected = state, state.revision


def _meta(revision: int, epoch: str) -> str:
    return orjson.dumps({"revision": revision, "epoch": epoch}).decode()


def _begin_epoch() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO registry_catalogrevision (id, value) VALUES (1, 0)"
            " ON CONFLICT (id) DO UPDATE SET epoch = gen_random_uuid()"
        )


def _last_in_stream(client: Redis) -> int:
    try:
        last = client.xinfo_stream(REGISTRY_CHANGES)["last-generated-id"]
    except ResponseError:
        return 0
    return int(str(last).partition("-")[0])


def read_all() -> State:
    """Return all of the registry but the deregistered instances, as of one moment in PostgreSQL."""
    return _read("i.status <> 'deregistered'", [])


def read_since(revision: int) -> State:
    """Return the instances that changed after ``revision``, the deregistered included, as of one moment."""
    return _read("i.revision > %s", [revision])


def read_service(name: str) -> State:
    """Return the instances of a service and of those it depends on, as the running transaction sees them."""
    return _read(
        "i.status <> 'deregistered' AND (s.name = %s OR s.name IN ("
        "SELECT unnest(own.dependencies) FROM registry_instance own JOIN registry_service o ON o.id = own.service_id"
        " WHERE o.name = %s AND own.status <> 'deregistered'))",
        [name, name],
    )


def _read(where: str, params: Sequence[Any]) -> State:
    # One statement sees one moment: with two, a row could be newer than the revision that it is said to be part of.
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT c.value AS catalog_revision, c.epoch::text, x.* FROM (SELECT 1) one"
            f" LEFT JOIN registry_catalogrevision c ON c.id = 1"
            f" LEFT JOIN ({documents.INSTANCE_SELECT} WHERE {where}) x ON true ORDER BY x.id",
            params,
        )
        found = rows.fetch_rows(cursor)
    present = [row for row in found if row["id"] is not None]
    return State(
        revision=found[0]["catalog_revision"] or 0,
        epoch=found[0]["epoch"] or "",
        instances=[documents.document(row) for row in present],
        service_revisions={row["service"]: row["service_revision"] for row in present},
    )


def read_meta(client: Redis) -> tuple[int, str] | None:
    """Return revision and epoch of the projection, or None when there is none.

    Raises:
        redis.RedisError: Redis is away.
    """
    text = client.hget(REGISTRY_CATALOG, META)
    if text is None:
        return None
    meta = orjson.loads(text)
    return meta["revision"], meta.get("epoch", "")


def epoch_of(meta: str) -> str:
    """Return the epoch that the projection's own entry names."""
    return str(orjson.loads(meta).get("epoch", ""))


def read_projection(client: Redis) -> State | None:
    """Return the projection, or None when there is none.

    Raises:
        redis.RedisError: Redis is away.
    """
    stored = cast(dict[str, str], client.hgetall(REGISTRY_CATALOG))
    text = stored.pop(META, None)
    if text is None:
        return None
    meta = orjson.loads(text)
    services = {name.removeprefix(SERVICE): int(value) for name, value in stored.items() if name.startswith(SERVICE)}
    instances = [orjson.loads(value) for name, value in stored.items() if not name.startswith(SERVICE)]
    return State(meta["revision"], meta.get("epoch", ""), instances, services)
