"""The small hub with menus, components, widgets and manifests, as far as the SDK needs them to be true to life."""

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.sdk.hub import JSON, Handler, Hub, not_found, problem

COLLECTIONS = ("menu-items", "components", "widgets")


@dataclass
class UIHub(Hub):
    """Keeps single items by collection and id, and one manifest a service with its revisions, the newest first."""

    items: dict[str, dict[int, JSON]] = field(default_factory=dict)
    manifests: dict[str, JSON] = field(default_factory=dict)
    revisions: list[JSON] = field(default_factory=list)
    extras: JSON = field(default_factory=dict)
    """What goes into answers to declarations and manifests, over what would stand there."""
    refuses: Callable[[], Response] | None = None
    """What every manifest gets instead of an answer."""

    def reset(self) -> None:
        """Know nothing of menus either."""
        super().reset()
        self.items = {name: {} for name in COLLECTIONS}
        self.manifests, self.revisions, self.extras, self.refuses = {}, [], {}, None

    def puts(self, service: str = "product-service") -> list[JSON]:
        """Return the manifests that came in."""
        return [call.body for call in self.requests("PUT", f"services/{service}/manifest")]

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Return those of the small hub and of menus and UI."""
        found = super().handlers()
        for name in COLLECTIONS:
            found["POST", f"/{name}/"] = self._declare
            found["DELETE", f"/{name}/{{id:int}}"] = self._withdraw
        manifest = "/services/{name}/manifest"
        return found | {
            ("GET", manifest): self._get_manifest,
            ("PUT", manifest): self._put_manifest,
            ("DELETE", manifest): self._remove_manifest,
            ("GET", f"{manifest}/revisions"): self._revisions,
            ("POST", f"{manifest}/revisions/{{number:int}}/restore"): self._restore,
        }

    def _declare(self, request: Request, body: JSON) -> Response:
        collection = request.url.path.split("/")[3]
        known, mark = self.items[collection], body.get("key") or body.get("path") or body["name"]
        same = [number for number, item in known.items() if item["mark"] == mark]
        number = same[0] if same else sum(len(each) for each in self.items.values()) + 1
        known[number] = body | {"mark": mark}
        return JSONResponse(body | {"id": number, "pending_parent": False, "warnings": []} | self.extras, 201)

    def _withdraw(self, request: Request, body: JSON) -> Response:
        collection, number = request.url.path.split("/")[3], request.path_params["id"]
        return not_found() if self.items[collection].pop(number, None) is None else Response(status_code=204)

    def _get_manifest(self, request: Request, body: JSON) -> Response:
        stored = self.manifests.get(request.path_params["name"])
        return not_found() if stored is None else JSONResponse(stored)

    def _put_manifest(self, request: Request, body: JSON) -> Response:
        if self.refuses is not None:
            return self.refuses()
        name = request.path_params["name"]
        stored = self.manifests.get(name)
        changed = stored is None or stored | {"generation": 0} != body | {"generation": 0}
        if changed and stored is not None and body["generation"] <= stored["generation"]:
            return problem(409, code="older_generation", detail="Other content needs a greater one.", errors=[])
        if changed and "dry_run" not in request.query_params:
            self.keep(name, body, "put")
        answer = {"revision": len(self.revisions), "generation": body["generation"], "changed": changed}
        return JSONResponse(answer | self.extras)

    def _remove_manifest(self, request: Request, body: JSON) -> Response:
        gone = self.manifests.pop(request.path_params["name"], None)
        return not_found() if gone is None else Response(status_code=204)

    def _revisions(self, request: Request, body: JSON) -> Response:
        limit = int(request.query_params["limit"])
        told = [{name: one[name] for name in one if name != "body"} for one in self.revisions]
        return JSONResponse({"results": told[:limit], "next": None})

    def _restore(self, request: Request, body: JSON) -> Response:
        name, number = request.path_params["name"], request.path_params["number"]
        (earlier,) = [one["body"] for one in self.revisions if one["number"] == number]
        self.keep(name, earlier | {"generation": self.manifests[name]["generation"]}, f"restored from {number}")
        return JSONResponse({"revision": 9, "generation": self.manifests[name]["generation"], "changed": True})

    def keep(self, name: str, body: JSON, cause: str) -> None:
        """Make ``body`` the manifest of a service."""
        self.manifests[name] = body
        head = {"number": len(self.revisions) + 1, "cause": cause, "actor": "operator ada", "digest": "0"}
        versions = {"version": body["version"], "generation": body["generation"], "created_at": None}
        self.revisions.insert(0, head | versions | {"body": body})
