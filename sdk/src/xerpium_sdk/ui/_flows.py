"""Every call about menus, UI and manifests as a generator (see `xerpium_sdk.registry._flows`). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from xerpium_sdk._answers import Answer, check, read
from xerpium_sdk.errors import Conflict, Refused
from xerpium_sdk.registry._flows import Call, Request
from xerpium_sdk.wire.manifests import Manifest, ManifestResult, ManifestRevision
from xerpium_sdk.wire.menus import MenuItem
from xerpium_sdk.wire.problems import FieldProblem
from xerpium_sdk.wire.ui import UIComponent, UIWidget
from xerpium_sdk.wire.versions import VersionError, parse_version

__all__ = ["Declared", "Outcome", "Settlement", "Whose"]

OLDER_GENERATION = "older_generation"
PENDING_PARENT = "pending_parent"
"""The warning that an item waits for its parent: nothing to worry about, for services start in any order."""
SINGLE_ITEMS = "items"
LOOKED_BACK = 20
"""States that are looked through for the last one that was made as a whole."""
MENU_ITEMS, COMPONENTS, WIDGETS = "menu-items", "components", "widgets"


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose menus and UI are meant: a service's, within a company or (None) as its token says."""

    service_name: str
    company_id: int | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """The hub's record of an item that was declared on its own; ``document`` is all that it said.

    ``pending_parent``: its parent is not there yet, so it is not shown yet.
    """

    id: int
    pending_parent: bool
    warnings: tuple[FieldProblem, ...]
    document: Mapping[str, Any]


class Outcome(StrEnum):
    """What became of a manifest."""

    APPLIED = "applied"
    RAISED = "raised"
    """It is applied, with a generation above the stored one, which was not below ours."""
    NEWER = "newer"
    """A newer release of the service has said something else, and that stands."""
    ROLLED_BACK = "rolled back"
    """An operator put an earlier state back, and that stands."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a manifest: ``result`` when it is applied, ``stored`` what stands instead of it."""

    outcome: Outcome
    result: ManifestResult | None = None
    stored: Manifest | None = None
    actor: str = ""


def declare(collection: str, document: Mapping[str, Any]) -> Call[Declared]:
    """``POST menu-items/``, ``components/`` or ``widgets/``: again and again the same item."""
    answer = yield Request("POST", f"{collection}/", body=document)
    return read(answer, _declared)


def withdraw(collection: str, item_id: int, key: str) -> Call[None]:
    """``DELETE {collection}/{id}``."""
    answer = yield Request("DELETE", f"{collection}/{item_id}", headers=_once(key))
    check(answer)


def menu_document(item: MenuItem, whose: Whose) -> dict[str, Any]:
    """Return the body for an item."""
    return _company(whose) | item.to_json() | {"service_name": whose.service_name}


def ui_document(item: UIComponent | UIWidget, whose: Whose) -> dict[str, Any]:
    """Return the body for a component or widget, which may say that it is another service's."""
    return _company(whose) | item.to_json() | {"service_name": item.service_name or whose.service_name}


def get_manifest(whose: Whose) -> Call[Manifest]:
    """``GET services/{name}/manifest``."""
    answer = yield Request("GET", _manifest(whose), _company(whose))
    return read(answer, Manifest.from_json)


def put_manifest(
    whose: Whose, manifest: Manifest, *, dry_run: bool = False, confirm_prune: bool = False
) -> Call[ManifestResult]:
    """``PUT services/{name}/manifest``."""
    asked = {"dry_run": dry_run, "confirm_prune": confirm_prune}
    params = _company(whose) | {name: "true" for name, wanted in asked.items() if wanted}
    answer = yield Request("PUT", _manifest(whose), params, manifest.to_json())
    return read(answer, ManifestResult.from_json)


def remove_manifest(whose: Whose, key: str) -> Call[None]:
    """``DELETE services/{name}/manifest``."""
    answer = yield Request("DELETE", _manifest(whose), _company(whose), headers=_once(key))
    check(answer)


def revisions(whose: Whose, limit: int) -> Call[list[ManifestRevision]]:
    """``GET services/{name}/manifest/revisions``, the newest ones."""
    answer = yield Request("GET", f"{_manifest(whose)}/revisions", _company(whose) | {"limit": limit})
    return read(answer, lambda document: [ManifestRevision.from_json(item) for item in document["results"]])


def restore(whose: Whose, number: int, key: str) -> Call[ManifestResult]:
    """``POST services/{name}/manifest/revisions/{n}/restore``."""
    path = f"{_manifest(whose)}/revisions/{number}/restore"
    answer = yield Request("POST", path, _company(whose), headers=_once(key))
    return read(answer, ManifestResult.from_json)


def settle(whose: Whose, manifest: Manifest, *, dry_run: bool = False, confirm_prune: bool = False) -> Call[Settlement]:
    """Put a manifest, and see what to do when the hub has one of a generation that is not below it.

    Raises `Conflict` for any other conflict.
    """
    try:
        result = yield from put_manifest(whose, manifest, dry_run=dry_run, confirm_prune=confirm_prune)
        return Settlement(Outcome.APPLIED, result)
    except Conflict as conflict:
        if conflict.problem.code != OLDER_GENERATION:
            raise
    stored = yield from _stored(whose)
    put_back, before = yield from _rollback(whose)
    if put_back is not None and not _is_newer(manifest.version, before):
        return Settlement(Outcome.ROLLED_BACK, stored=stored, actor=put_back.actor)
    if stored is None or stored.generation is None or not _may_follow(manifest.version, stored.version):
        return Settlement(Outcome.NEWER, stored=stored)
    raised = replace(manifest, generation=stored.generation + 1)
    result = yield from put_manifest(whose, raised, dry_run=dry_run, confirm_prune=confirm_prune)
    return Settlement(Outcome.RAISED, result, stored)


def _stored(whose: Whose) -> Call[Manifest | None]:
    answer = yield Request("GET", _manifest(whose), _company(whose))
    if isinstance(answer, Answer) and answer.status == 404:
        return None
    return read(answer, Manifest.from_json)


def _rollback(whose: Whose) -> Call[tuple[ManifestRevision | None, str | None]]:
    """Return the rollback that stands, if one does, and the version that had been declared before it.

    Items that were changed singly since do not undo it.
    """
    try:
        found = yield from revisions(whose, LOOKED_BACK)
    except Refused:  # then the versions decide alone
        return None, None
    wholes = [revision for revision in found if revision.cause != SINGLE_ITEMS]
    if not wholes or not wholes[0].is_rollback:
        return None, None
    return wholes[0], next((revision.version for revision in wholes if not revision.is_rollback), None)


def _may_follow(ours: str | None, stored: str | None) -> bool:
    """Whether content of version ``ours`` may follow what is stored: the same version, or an older one.

    The same version with other content is a developer at work. An older one with a generation that is not below ours
    comes of that (each change took the next number), or of prereleases, which share the generation of their release.
    """
    return ours == stored or _is_newer(ours, stored)


def _is_newer(version: str | None, than: str | None) -> bool:
    try:
        return parse_version(version or "") > parse_version(than or "")
    except VersionError:
        return False


def _declared(document: Mapping[str, Any]) -> Declared:
    warnings = tuple(
        FieldProblem(*(str(item.get(name) or "") for name in ("pointer", "code", "message")))
        for item in document.get("warnings") or ()
    )
    return Declared(int(document["id"]), bool(document.get("pending_parent")), warnings, document)


def _manifest(whose: Whose) -> str:
    return f"services/{quote(whose.service_name, safe='')}/manifest"


def _company(whose: Whose) -> dict[str, Any]:
    return {} if whose.company_id is None else {"company_id": whose.company_id}


def _once(key: str) -> dict[str, str]:
    """A repeat of this request gets the answer of the first one, not a 404 for what the first one removed."""
    return {"Idempotency-Key": key}
