"""What a hub in memory answers to which request. The state is that of its parts; here it is only asked and told."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from xerpium_sdk.testing._declarations import COLLECTIONS, Refusal
from xerpium_sdk.testing._http import Answer, Asked, problem
from xerpium_sdk.testing._services import faults_of
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.problems import FieldProblem
from xerpium_sdk.wire.registry import Registration, ServiceRecord, Status
from xerpium_sdk.wire.versions import VersionRangeError, satisfies

if TYPE_CHECKING:
    from xerpium_sdk.testing.hub import TestHub

__all__ = ["Routes"]

JSON = dict[str, Any]
Parts = dict[str, str]
Route = Callable[[Asked, Parts], Answer]
API = "/api/v1"
PAGE = 500


class Routes:
    """The table of routes of one hub."""

    def __init__(self, hub: "TestHub") -> None:
        self._hub = hub
        self._table = [(verb, _pattern(path), route) for (verb, path), route in self._named().items()]

    def answer(self, asked: Asked) -> Answer:
        """Return the answer to a request that may come in."""
        others = False
        for verb, pattern, route in self._table:
            if (found := pattern.fullmatch(asked.path)) is None:
                continue
            if verb == asked.method:
                try:
                    return route(asked, {name: unquote(text) for name, text in found.groupdict().items()})
                except Refusal as refusal:
                    return problem(refusal.status, refusal.code, refusal.detail, refusal.errors)
            others = True
        if others:
            return problem(405, "method_not_allowed", f"{asked.method} is not for {asked.path}.")
        return problem(404, "not_found", f"A hub in memory has nothing at {asked.path}.")

    def _named(self) -> Mapping[tuple[str, str], Route]:
        desk, instance = self._hub._desk, f"{API}/services/{{name}}/instances/{{instance_id}}"
        manifest = f"{API}/services/{{name}}/manifest"
        table: dict[tuple[str, str], Route] = {
            ("GET", "/health"): lambda *_: Answer(200, {"service": "xerpium-hub", "status": "healthy"}),
            ("GET", "/.well-known/jwks.json"): lambda asked, _: desk.jwks(asked),
            ("GET", "/.well-known/oauth-authorization-server"): lambda *_: Answer(200, {"issuer": self._hub.url}),
            ("POST", f"{API}/service-auth/token"): lambda asked, _: desk.token(asked),
            ("POST", f"{API}/service-auth/validate"): lambda asked, _: desk.validate(asked),
            ("GET", f"{API}/service-auth/revocations"): lambda asked, _: desk.revocations(asked),
            ("POST", f"{API}/services/register"): self._register,
            ("POST", f"{API}/services/health"): self._report,
            ("GET", f"{API}/services"): self._list,
            ("GET", f"{API}/services/{{name}}"): self._get,
            ("DELETE", f"{API}/services/{{name}}"): self._leave,
            ("DELETE", instance): self._leave,
            ("POST", f"{instance}/drain"): lambda _, parts: self._drain(parts, draining=True),
            ("POST", f"{instance}/resume"): lambda _, parts: self._drain(parts, draining=False),
            ("GET", f"{API}/catalog/stream"): lambda *_: Answer(pieces=self._hub._pieces()),
            ("GET", manifest): self._manifest,
            ("PUT", manifest): self._put_manifest,
            ("DELETE", manifest): self._remove_manifest,
            ("GET", f"{manifest}/revisions"): self._revisions,
            ("POST", f"{manifest}/revisions/{{number}}/restore"): self._restore,
            ("POST", f"{API}/events"): self._publish,
        }
        for collection in COLLECTIONS:
            table["GET", f"{API}/{collection}"] = self._items(collection)
            table["POST", f"{API}/{collection}"] = self._declare(collection)
            table["DELETE", f"{API}/{collection}/{{id}}"] = self._withdraw(collection)
        return table

    def _register(self, asked: Asked, parts: Parts) -> Answer:
        if faults := faults_of(asked.body):
            raise Refusal(422, "invalid_input", "The registration is not as it should be.", tuple(faults))
        record = self._hub._register.register(Registration.from_json(asked.body))
        return Answer(201, record.to_json())

    def _report(self, asked: Asked, parts: Parts) -> Answer:
        body = asked.body if isinstance(asked.body, dict) else {}
        word = body.get("status")
        if word not in {status.value for status in Status.reportable()}:
            fault = FieldProblem("/status", "invalid", f"One of {', '.join(sorted(Status.reportable()))} is needed.")
            raise Refusal(422, "invalid_input", "The report is not as it should be.", (fault,))
        register, name = self._hub._register, str(body.get("service_name"))
        found = register.report(name, Status(word), body.get("instance_id"))
        if not found:
            return _nobody(name)
        self._hub._heard(name, found, body.get("details") or {})
        worst = Status.worst(*(one.status for one in found))
        lease = self._hub.lease_seconds or found[0].lease_seconds
        return Answer(200, {"status": worst.value, "lease_seconds": lease, "revision": register.revision})

    def _list(self, asked: Asked, parts: Parts) -> Answer:
        records = [one for one in self._hub._register.records().values() if _fits(one, asked.query)]
        start, limit = int(asked.query.get("cursor", 0)), min(int(asked.query.get("limit", 50)), PAGE)
        after = str(start + limit) if start + limit < len(records) else None
        page = [one.to_json() for one in records[start : start + limit]]
        return Answer(200, {"results": page, "next": after})

    def _get(self, asked: Asked, parts: Parts) -> Answer:
        record = self._hub._register.get(parts["name"])
        if record is None:
            return _nobody(parts["name"])
        if not _has(record, asked.query.get("version")):
            return problem(404, "no_such_version", f"No instance of {parts['name']} has such a version.")
        return Answer(200, record.to_json())

    def _leave(self, asked: Asked, parts: Parts) -> Answer:
        gone = self._hub._register.remove(parts["name"], parts.get("instance_id"))
        return Answer(204) if gone else _nobody(parts["name"])

    def _drain(self, parts: Parts, *, draining: bool) -> Answer:
        found = self._hub._register.drain(parts["name"], parts["instance_id"], draining=draining)
        return _nobody(parts["name"]) if found is None else Answer(200, found.to_json())

    def _manifest(self, asked: Asked, parts: Parts) -> Answer:
        stored = self._hub._declarations.manifest(parts["name"])
        return _nobody(parts["name"]) if stored is None else Answer(200, stored)

    def _put_manifest(self, asked: Asked, parts: Parts) -> Answer:
        wishes = {name: asked.query.get(name) == "true" for name in ("dry_run", "confirm_prune")}
        return Answer(200, self._hub._declarations.put(parts["name"], asked.body, **wishes))

    def _remove_manifest(self, asked: Asked, parts: Parts) -> Answer:
        return Answer(204) if self._hub._declarations.remove(parts["name"]) else _nobody(parts["name"])

    def _revisions(self, asked: Asked, parts: Parts) -> Answer:
        states = self._hub._declarations.revisions.get(parts["name"], [])[: int(asked.query.get("limit", 50))]
        told = [{name: value for name, value in state.items() if name != "body"} for state in states]
        return Answer(200, {"results": told, "next": None})

    def _restore(self, asked: Asked, parts: Parts) -> Answer:
        answer = self._hub._declarations.restore(parts["name"], int(parts["number"]))
        return _nobody(parts["name"]) if answer is None else Answer(200, answer)

    def _items(self, collection: str) -> Route:
        def items(asked: Asked, parts: Parts) -> Answer:
            rows = [row for row in self._hub._declarations.rows.values() if row.part == COLLECTIONS[collection]]
            wanted = asked.query.get("service_name")
            found = [row.document() for row in rows if wanted in (None, row.service_name)]
            return Answer(200, {"results": found, "next": None})

        return items

    def _declare(self, collection: str) -> Route:
        return lambda asked, _: Answer(201, self._hub._declarations.declare(COLLECTIONS[collection], asked.body))

    def _withdraw(self, collection: str) -> Route:
        def withdraw(asked: Asked, parts: Parts) -> Answer:
            number = int(parts["id"]) if parts["id"].isdecimal() else 0
            gone = self._hub._declarations.withdraw(COLLECTIONS[collection], number)
            return Answer(204) if gone else problem(404, "not_found", "There is no such item.")

        return withdraw

    def _publish(self, asked: Asked, parts: Parts) -> Answer:
        several = isinstance(asked.body, list)
        events = [
            _event(one, f"/{index}" if several else "")
            for index, one in enumerate(asked.body if several else [asked.body])
        ]
        results = []
        for event in events:
            self._hub.events.append(event)
            results.append({"event_id": event.event_id, "stream_id": f"{len(self._hub.events)}-0"})
        return Answer(201, {"results": results} if several else results[0])


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))


def _nobody(name: str) -> Answer:
    return problem(404, "not_found", f"{name} is not known here.")


def _fits(record: ServiceRecord, wanted: Mapping[str, str]) -> bool:
    one = record.preferred
    checks = {
        "tag": one is not None and wanted.get("tag") in one.tags,
        "capability": one is not None and wanted.get("capability") in one.capabilities,
        "dependency": one is not None and wanted.get("dependency") in one.dependencies,
        "status": record.status.value == wanted.get("status"),
        "q": wanted.get("q", "") in record.name,
    }
    return all(holds for name, holds in checks.items() if name in wanted)


def _has(record: ServiceRecord, version: str | None) -> bool:
    if version is None:
        return True
    try:
        return any(satisfies(one.version, version) for one in record.instances)
    except VersionRangeError as error:
        fault = FieldProblem("?version", "invalid", str(error))
        raise Refusal(422, "invalid_input", "That is no range of versions.", (fault,)) from error


def _event(document: Any, pointer: str) -> Envelope:
    said = document if isinstance(document, dict) else {}
    missing = [name for name in ("event_type", "service_name", "entity_type") if not said.get(name)]
    if missing:
        faults = tuple(FieldProblem(f"{pointer}/{name}", "required", "It is needed.") for name in missing)
        raise Refusal(422, "invalid_input", "Not an event.", faults)
    known = {name: value for name, value in said.items() if name in Envelope.__dataclass_fields__ and name != "version"}
    try:
        return Envelope.create(**known)
    except (TypeError, ValueError) as error:
        raise Refusal(422, "invalid_input", str(error)) from error
