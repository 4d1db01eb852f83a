"""When a manifest is sent, and what is said of it in the log. Pure: the time and randomness are passed in.

It is sent after every registration, since a hub that did not know the service may not know its manifest; the same
content again changes nothing there. What the hub cannot take now is sent again with growing pauses, what it will not
take only after the next registration, or when it has become another one.
"""

from collections.abc import Iterator

from xerpium_sdk._backoff import Backoff, Random
from xerpium_sdk.errors import Conflict, HubError, HubUnavailable, NotAllowed, NotAuthenticated, Refused
from xerpium_sdk.ui._flows import PENDING_PARENT, Outcome, Settlement
from xerpium_sdk.wire.manifests import Manifest, ManifestResult
from xerpium_sdk.wire.problems import FieldProblem

__all__ = ["IDLE_SECONDS", "Plan", "faults_told", "refusal_told", "settlement_told", "warnings_told"]

IDLE_SECONDS = 3600.0
"""How long there is nothing to do unless somebody says otherwise."""
PRUNE_GUARD = "prune_guard"
MOST_TOLD = 20


class Plan:
    """When the manifest is sent next; ``now`` is any clock in seconds that only moves forward."""

    def __init__(self, backoff: Backoff, random: Random) -> None:
        self._backoff = backoff
        self._random = random
        self._due: float | None = None
        self._failures = 0

    def delay(self, now: float) -> float:
        """Return the seconds until there may be something to do."""
        return IDLE_SECONDS if self._due is None else max(0.0, self._due - now)

    def begin(self, now: float) -> bool:
        """Return whether it is time; then it counts as begun. Whoever asks for it meanwhile asks for another time."""
        if self._due is None or now < self._due:
            return False
        self._due = None
        return True

    def wanted(self, now: float) -> None:
        """The hub may not have it: it is to be sent at once."""
        self._failures = 0
        self._due = now

    def settled(self) -> None:
        """The hub has said what becomes of it."""
        self._failures = 0

    def missed(self, now: float, error: HubError) -> None:
        """It could not be sent, or was refused."""
        if isinstance(error, Refused) and not isinstance(error, NotAllowed | NotAuthenticated):
            return
        if self._due is not None:  # somebody asked for it meanwhile
            return
        self._failures += 1
        if isinstance(error, Refused):  # a key or a right is missing, and somebody may add it: there is no hurry
            self._due = now + self._backoff.cap * (1 + self._random()) / 2
        else:
            retry_after = error.retry_after if isinstance(error, HubUnavailable) else 0.0
            self._due = now + self._backoff.delay(self._failures, self._random, retry_after=retry_after)


def settlement_told(service_name: str, manifest: Manifest, settlement: Settlement) -> tuple[bool, str]:
    """Return whether somebody should look at what became of a manifest, and what to say of it."""
    result, stored = settlement.result, settlement.stored
    subject = f"The manifest of {service_name}"
    if result is not None:
        text = f"{subject} {_deed(result)}"
        if settlement.outcome is Outcome.APPLIED or stored is None:
            return False, f"{text}."
        text = f"{text}, as generation {result.generation}"
        if stored.version == manifest.version:
            return True, f"{text}: version {stored.version} said something else before. A release has its own version."
        return False, f"{text}, since version {stored.version} had generation {stored.generation}."
    there = f"version {stored.version}, generation {stored.generation}" if stored is not None else "nothing"
    if settlement.outcome is Outcome.ROLLED_BACK:
        who = settlement.actor or "an operator"
        return True, (
            f"{subject} is left as it is ({there}): {who} put an earlier state back. The next release, or a greater"
            " generation, replaces it."
        )
    return True, f"{subject} is left as it is ({there}): a newer release said so."


def refusal_told(service_name: str, manifest: Manifest, error: HubError) -> str:
    """Return why a manifest is not applied, and what to do about it."""
    if not isinstance(error, Refused):
        return f"The manifest of {service_name} is not applied yet: {error}"
    problem = error.problem
    reason = f"{problem.status} {problem.detail or problem.title}".strip()
    faults = "".join(f" [{fault}]" for fault in faults_told(manifest, problem.errors))
    text = f"The manifest of {service_name} is refused, nothing of it is applied: {reason}{faults}"
    if isinstance(error, Conflict) and problem.code == PRUNE_GUARD:
        return (
            f"{text} If that is meant, say so once: ManifestClient(hub, {service_name!r}).put(manifest,"
            " confirm_prune=True). If not, see why the manifest is so short."
        )
    if isinstance(error, NotAllowed | NotAuthenticated):
        return f"{text} It is tried again now and then."
    return f"{text} It is not sent again before it is another one, or the service registers anew."


def faults_told(manifest: Manifest, faults: tuple[FieldProblem, ...]) -> Iterator[str]:
    """Yield each fault with its pointer and the name of the item that it points into."""
    for fault in faults[:MOST_TOLD]:
        name = _name_at(manifest, fault.pointer)
        yield f"{fault.pointer}{f' ({name})' if name else ''}: {fault.message}"
    if len(faults) > MOST_TOLD:
        yield f"and {len(faults) - MOST_TOLD} more"


def warnings_told(service_name: str, manifest: Manifest, result: ManifestResult) -> tuple[bool, str]:
    """Return whether somebody should look at what the hub took and wonders about, and what to say; "" for nothing."""
    told = list(faults_told(manifest, result.warnings))
    should_look = any(warning.code != PENDING_PARENT for warning in result.warnings)
    return should_look, f"Of the manifest of {service_name} the hub says: {' '.join(told)}" if told else ""


def _deed(result: ManifestResult) -> str:
    if not result.changed:
        return f"is what the hub has (revision {result.revision})"
    counts = {"created": result.created, "updated": result.updated, "removed": result.removed}
    told = ", ".join(f"{len(entries)} {word}" for word, entries in counts.items() if entries)
    kept = f"; operators' changes stand in {len(result.kept_by_overlay)}" if result.kept_by_overlay else ""
    return f"is applied as revision {result.revision} ({told or 'same items'}{kept})"


def _name_at(manifest: Manifest, pointer: str) -> str:
    """Return the name of the item that a pointer such as ``/menus/3/path`` leads into; empty when it leads nowhere."""
    parts = pointer.split("/")
    items = getattr(manifest, parts[1], ()) if len(parts) > 2 and parts[1] in ("menus", "components", "widgets") else ()
    index = int(parts[2]) if items and parts[2].isdecimal() else -1
    return str(items[index].name) if 0 <= index < len(items) else ""
