"""What a manifest would change, in lines that people read before they say yes. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from xerpium_sdk.cli._ink import Inked, Piece
from xerpium_sdk.ui._flows import PENDING_PARENT, Outcome, Settlement
from xerpium_sdk.wire.manifests import Manifest, ManifestEntry, ManifestResult

__all__ = ["plan", "standing", "summary"]

_LISTS = {"menu": "menus", "component": "components", "widget": "widgets"}
_LONGEST = 40


def plan(result: ManifestResult, before: Manifest | None, after: Manifest) -> Iterator[list[Piece]]:
    """Yield a line for each item that would be added (+), changed (~) or removed (-), and for what else is to be known.

    Args:
        result: what the hub says of a dry run.
        before: what the service has declared; None: nothing.
        after: the manifest.
    """
    old, new = _items(before), _items(after)
    for entry in result.created:
        yield [Inked("  + ", "green"), _named(entry), *_where(new.get(_mark(entry)))]
    for entry in result.updated:
        yield [Inked("  ~ ", "yellow"), _named(entry)]
        for name in entry.fields:
            was, will = (_short(items.get(_mark(entry), {}).get(name)) for items in (old, new))
            yield [f"      {name}: {was} → {will}" if was != will else f"      {name}"]
    for entry in result.removed:
        yield [Inked("  - ", "red"), _named(entry), *_where(old.get(_mark(entry)))]
    for entry in result.kept_by_overlay:
        fields = f" ({', '.join(entry.fields)})" if entry.fields else ""
        yield [Inked("  = ", "blue"), f"{_named(entry)}{fields}: operators changed it, and that stays"]
    for entry in result.pending:
        yield [Inked("  … ", "cyan"), f"{_named(entry)}: waits for its parent, and is not shown before"]
    for warning in result.warnings:
        if warning.code != PENDING_PARENT:
            yield [Inked("  ! ", "yellow"), f"{warning.pointer}: {warning.message}"]


def summary(result: ManifestResult) -> str:
    """Return what would change, in numbers."""
    counts = {"to add": result.created, "to change": result.updated, "to remove": result.removed}
    told = ", ".join(f"{len(entries)} {word}" for word, entries in counts.items() if entries)
    if told:
        return f"{told}."
    return "The same items, with another version or order." if result.changed else "Nothing would change."


def standing(settlement: Settlement) -> str:
    """Return why a manifest would not be applied; empty where it would."""
    there = settlement.stored
    what = f"version {there.version}, generation {there.generation}" if there is not None else "nothing"
    if settlement.outcome is Outcome.NEWER:
        return f"A newer release has said something else ({what}), and that stands."
    if settlement.outcome is Outcome.ROLLED_BACK:
        who = settlement.actor or "an operator"
        return f"{who} put an earlier state back ({what}), and that stands until a release with a greater version."
    return ""


def _items(manifest: Manifest | None) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return the items of a manifest by kind and key, as they go over the wire."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for kind, part in _LISTS.items():
        for item in getattr(manifest, part, ()):
            found[kind, str(getattr(item, "effective_key", item.name))] = item.to_json()
    return found


def _mark(entry: ManifestEntry) -> tuple[str, str]:
    return entry.kind, entry.key


def _named(entry: ManifestEntry) -> str:
    return f"{entry.kind:<9}  {entry.key}"


def _where(item: Mapping[str, Any] | None) -> list[Piece]:
    """Return what tells an item beside its key."""
    known = item or {}
    shown = [known[name] for name in ("name", "path", "route_path", "widget_type") if known.get(name)]
    return [Inked(f"  {', '.join(map(str, shown))}", "dim")] if shown else []


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
