"""``xerpium manifest``: what would change, and changing it."""

import importlib
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xerpium_sdk.auth._environment import NAME, value
from xerpium_sdk.cli._codes import ASKED_WRONGLY, NOT_DONE, Wrong
from xerpium_sdk.cli._hub import client_of, document_of, file_text
from xerpium_sdk.cli._ink import Inked
from xerpium_sdk.cli._plan import plan, standing, summary
from xerpium_sdk.cli._screen import Screen
from xerpium_sdk.errors import Conflict, NotFound
from xerpium_sdk.registry import HubClient
from xerpium_sdk.ui import InvalidManifest, Manifest
from xerpium_sdk.ui._applying import PRUNE_GUARD, settlement_told
from xerpium_sdk.ui._flows import Settlement, Whose, get_manifest, settle
from xerpium_sdk.wire.errors import DecodeError

__all__ = ["Tried", "apply", "diff", "manifest_of", "tried"]

GUARDED = "More than half of what is there would go"


@dataclass(frozen=True, slots=True)
class Tried:
    """What the hub would make of a manifest; ``is_guarded``: it wants to be told that so much is meant to go."""

    settlement: Settlement
    before: Manifest | None
    is_guarded: bool

    @property
    def changes(self) -> bool:
        """Whether anything would be different."""
        return self.settlement.result is not None and self.settlement.result.changed

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        result = self.settlement.result
        return {
            "outcome": str(self.settlement.outcome),
            "prune_guard": self.is_guarded,
            "plan": None if result is None else result.to_json(),
        }


def diff(asked: Namespace, screen: Screen) -> int:
    """Show what would change."""
    whose, manifest = manifest_of(asked)
    with client_of(asked) as hub:
        found = tried(hub, whose, manifest)
    if screen.as_json:
        screen.document(found.to_json())
    else:
        _show(screen, whose, manifest, found)
        if found.is_guarded:
            screen.note(Inked("! ", "yellow"), f"{GUARDED}: apply wants --confirm-prune.")
    return NOT_DONE if asked.exit_code and found.changes else 0


def apply(asked: Namespace, screen: Screen) -> int:
    """Show what would change, ask, and do it."""
    whose, manifest = manifest_of(asked)
    with client_of(asked) as hub:
        found = tried(hub, whose, manifest)
        if not screen.as_json:
            _show(screen, whose, manifest, found)
        if not found.changes:
            return _told(screen, found, None, NOT_DONE if standing(found.settlement) else 0)
        if found.is_guarded and not asked.confirm_prune:
            screen.note(f"{GUARDED}. If that is meant, say --confirm-prune; if not, see why the manifest is so short.")
            return _told(screen, found, None, NOT_DONE)
        if not asked.yes:
            if not screen.can_ask:
                screen.note("Nobody is there to be asked: say --yes.")
                return _told(screen, found, None, ASKED_WRONGLY)
            if not screen.asked("Apply it?"):
                screen.note("Nothing was changed.")
                return _told(screen, found, None, NOT_DONE)
        done = hub.run(settle(whose, manifest, confirm_prune=asked.confirm_prune))
    if not screen.as_json:
        _, text = settlement_told(whose.service_name, manifest, done)
        screen.line(*([Inked("✓ ", "green")] if done.result is not None else []), text)
    return _told(screen, found, done, 0 if done.result is not None else NOT_DONE)


def manifest_of(asked: Namespace) -> tuple[Whose, Manifest]:
    """Return whose manifest is meant, and the manifest as it is sent.

    Raises:
        Wrong: it cannot be read, contradicts itself, or nobody says whose it is.
    """
    manifest, service_name, version = _read(asked.file)
    name = asked.service or service_name or value(NAME)
    if not name:
        raise Wrong(f"Whose manifest is it? Pass --service, or set {NAME}.")
    try:
        return Whose(name, asked.company), manifest.of(name, asked.release or version)
    except InvalidManifest as error:
        hint = " Pass --release." if any(fault.pointer == "/version" for fault in error.errors) else ""
        raise Wrong(f"{asked.file}: {error}{hint}") from None


def tried(hub: HubClient, whose: Whose, manifest: Manifest) -> Tried:
    """Return what the hub would make of a manifest; nothing is changed.

    Raises:
        HubError: it would refuse it.
    """
    before = _stored(hub, whose)
    try:
        return Tried(hub.run(settle(whose, manifest, dry_run=True)), before, False)
    except Conflict as conflict:
        if conflict.problem.code != PRUNE_GUARD:
            raise
    return Tried(hub.run(settle(whose, manifest, dry_run=True, confirm_prune=True)), before, True)


def _stored(hub: HubClient, whose: Whose) -> Manifest | None:
    try:
        return hub.run(get_manifest(whose))
    except NotFound:
        return None


def _show(screen: Screen, whose: Whose, manifest: Manifest, found: Tried) -> None:
    result = found.settlement.result
    there = found.before
    stored = f"the hub has {there.version}, generation {there.generation}" if there is not None else "the hub has none"
    screen.line(Inked(f"{whose.service_name} {manifest.version}", "bold"), f": {stored}")
    if result is None:
        screen.note(standing(found.settlement))
        return
    for line in plan(result, there, manifest):
        screen.line(*line)
    screen.line(summary(result))


def _told(screen: Screen, found: Tried, done: Settlement | None, code: int) -> int:
    if screen.as_json:
        result = None if done is None or done.result is None else done.result.to_json()
        screen.document({**found.to_json(), "applied": result is not None, "result": result})
    return code


def _read(argument: str) -> tuple[Manifest, str | None, str | None]:
    """Return a manifest, and the name and version of the service that it was found with."""
    module, colon, name = argument.partition(":")
    if colon and not Path(argument).exists() and name.isidentifier():
        return _imported(module, name)
    text = sys.stdin.read() if argument == "-" else file_text(argument, "The manifest")
    document = document_of(text, f"What {argument} holds")
    try:
        return Manifest.from_json(document), document.get("service_name"), None
    except DecodeError as error:
        raise Wrong(f"{argument}: {error}") from None


def _imported(module: str, name: str) -> tuple[Manifest, str | None, str | None]:
    """Return the manifest that a module has: as itself, or within a service."""
    try:
        with _here():
            found = getattr(importlib.import_module(module), name)
    except Exception as error:  # foreign code
        raise Wrong(f"{module}:{name} cannot be imported: {type(error).__name__}: {error}") from error
    if isinstance(found, Manifest):
        return found, None, None
    manifest = getattr(found, "manifest", None)
    if not isinstance(manifest, Manifest):
        raise Wrong(f"{module}:{name} is neither a Manifest nor a service that has declared anything.")
    return manifest, getattr(found, "name", None), getattr(found, "version", None)


@contextmanager
def _here() -> Iterator[None]:
    """Find modules in the current directory, as ``python -m`` does."""
    sys.path.insert(0, "")
    try:
        yield
    finally:
        sys.path.remove("")
