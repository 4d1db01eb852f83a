"""What the doctor makes of what it found: right, doubtful or wrong, and what to do about it. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from xerpium_sdk.cli._rows import age
from xerpium_sdk.wire.credentials import SKEW_SECONDS, Claims
from xerpium_sdk.wire.manifests import Manifest, ManifestResult
from xerpium_sdk.wire.registry import InstanceRecord, ServiceRecord, Status

__all__ = [
    "Finding",
    "KeySettings",
    "Probe",
    "Verdict",
    "clock",
    "companies",
    "extras",
    "health_url",
    "hub_health",
    "issuer",
    "key",
    "leases",
    "manifest_there",
    "manifest_tried",
    "open_or_closed",
    "redis_away",
    "redis_server",
    "scopes",
]

MUST_HAVE = ("registry:read", "registry:write")
MAY_NEED = ("events:publish", "menus:write", "ui:write")
LITTLE_SKEW = 2.0
"""The hub's ``Date`` has whole seconds, and an answer takes its time."""
VERIFIERS_LEEWAY = 5.0
REVISIONS_APART = 100
ISSUE = "manage.py issue_key {} --companies … on the hub"


class Verdict(StrEnum):
    """What a finding is."""

    RIGHT = "right"
    DOUBTFUL = "doubtful"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: ``says`` is what is, ``todo`` what to do about it."""

    check: str
    verdict: Verdict
    says: str
    todo: str = ""


@dataclass(frozen=True, slots=True)
class KeySettings:
    """What the environment says of the service's key; ``file_mode``: None where there is no file."""

    name: str
    has_text: bool
    file: str
    file_mode: int | None
    file_fault: str
    enrols: bool

    @property
    def is_there(self) -> bool:
        """Whether there is a key to ask for tokens with."""
        return self.has_text or (bool(self.file) and self.file_mode is not None and not self.file_fault)


@dataclass(frozen=True, slots=True)
class Probe:
    """What answered at an address: ``status`` None and a ``fault`` where nobody did."""

    url: str
    status: int | None
    document: Any = None
    fault: str = ""


def hub_health(probe: Probe, sdk_version: str) -> Finding:
    """Judge what the hub says at ``/health``."""
    if probe.status is None:
        return _wrong("hub", f"{probe.url} does not answer: {probe.fault}.", _who_is_away(probe))
    told = probe.document if isinstance(probe.document, Mapping) else {}
    if "status" not in told or "checks" not in told:
        said = f"What answers at {probe.url} ({probe.status}) is no hub."
        if 300 <= probe.status < 400:
            return _wrong(
                "hub", said, "It leads elsewhere: set XERPIUM_HUB_URL to the hub's own address, with https:// perhaps."
            )
        return _wrong("hub", said, "Set XERPIUM_HUB_URL to the hub itself, without /api/v1 behind it.")
    version = f"version {told.get('version') or 'unknown'}"
    bad = [name for name, check in told["checks"].items() if check.get("status") != "healthy"]
    named = f" ({', '.join(bad)})" if bad else ""
    said = f"{told['status']}{named}, {version}; this SDK is {sdk_version}."
    if told["status"] == "unhealthy":
        return _wrong("hub", said, "It serves what it has in memory; its operators have to mend it.")
    protection = told.get("protection") or {}
    if protection.get("active"):
        said = f"{said} It takes its own network for faulty ({protection.get('reason') or 'no reason given'})."
        return _doubtful("hub", said, "Statuses may be old: ask the hub's operators.")
    if told["status"] != "healthy":
        return _doubtful("hub", said, "It works; its operators should look at the checks that fail.")
    return _right("hub", said)


def clock(seconds: float | None) -> Finding:
    """Judge by how much the hub's clock is ahead of this one; None: it does not say what time it is."""
    if seconds is None:
        return _skipped("clock", "What answers does not say what time it is there.")
    said = f"This machine's clock is {abs(seconds):.0f} s {'behind' if seconds > 0 else 'ahead of'} the hub's."
    todo = "Synchronise this machine's clock (NTP)."
    if seconds > SKEW_SECONDS:
        return _wrong("clock", f"{said} Tokens look as if they came from the future, and are refused here.", todo)
    if -seconds > VERIFIERS_LEEWAY:
        return _doubtful("clock", f"{said} Tokens end early here.", todo)
    if abs(seconds) > LITTLE_SKEW:
        return _doubtful("clock", said, todo)
    return _right("clock", "This machine's clock and the hub's agree.")


def open_or_closed(status: int | None, *, has_key: bool) -> Finding:
    """Judge how the hub answers a question without a token."""
    if status == 200:
        more = "" if has_key else " Elsewhere it will not be: services need keys there."
        return _right("access", f"The hub is open to this machine: it asks nobody who he is.{more}")
    if status == 401:
        return _right("access", "The hub is closed: who calls needs a key.")
    return _doubtful("access", f"A question without a token is answered with {status}.", "Look at what is between.")


def key(settings: KeySettings, *, is_open: bool) -> Finding:
    """Judge what the environment says of the key."""
    if settings.has_text or settings.file:
        return _key_given(settings)
    if is_open:
        return _right("key", "There is none, and an open hub needs none.")
    name = settings.name or "NAME"
    todo = f"Set XERPIUM_SERVICE_NAME and XERPIUM_SERVICE_KEY(_FILE); a key comes from {ISSUE.format(name)}."
    return _wrong("key", "There is none, and the hub is closed.", todo)


def _key_given(settings: KeySettings) -> Finding:
    if not settings.name:
        return _wrong("key", "There is one, and not whose it is.", "Set XERPIUM_SERVICE_NAME.")
    if settings.has_text and settings.file:
        said = "Both XERPIUM_SERVICE_KEY and XERPIUM_SERVICE_KEY_FILE are set: the first is used."
        return _doubtful("key", said, "Unset one of them; a file can be replaced while the service runs.")
    if settings.has_text:
        return _right("key", f"XERPIUM_SERVICE_KEY is that of {settings.name}.")
    if settings.file_mode is None and settings.enrols:
        said = f"{settings.file} is not there yet: the service fetches the key when it starts."
        return _doubtful("key", said, "Start the service once; XERPIUM_ENROLMENT_TOKEN is good for one key.")
    if settings.file_mode is None or settings.file_fault:
        reason = settings.file_fault or "there is no such file"
        todo = "Put the key there, readable for who runs the service, or set XERPIUM_ENROLMENT_TOKEN."
        return _wrong("key", f"XERPIUM_SERVICE_KEY_FILE is {settings.file}: {reason}.", todo)
    if settings.file_mode & 0o077:
        said = f"Others on this machine may read {settings.file} (mode {settings.file_mode & 0o777:o})."
        return _doubtful("key", said, f"chmod 600 {settings.file}")
    return _right("key", f"{settings.file} holds that of {settings.name}.")


def scopes(granted: Collection[str], *, service_name: str) -> Finding:
    """Judge what a token is good for."""
    has = f"The token is good for {', '.join(sorted(granted)) or 'nothing'}."
    account = f"Grant them to the account of {service_name} in the hub's console (Service accounts)."
    if missing := [scope for scope in MUST_HAVE if scope not in granted]:
        return _wrong("scopes", f"{has} To join, a service needs {', '.join(missing)}.", account)
    if missing := [scope for scope in MAY_NEED if scope not in granted]:
        return _doubtful(
            "scopes", f"{has} It has not {', '.join(missing)}.", f"Enough, if it does not need them. {account}"
        )
    return _right("scopes", has)


def companies(claims: Claims) -> Finding:
    """Judge for which companies a token is."""
    inside = "" if claims.company_id is None else f", and this token is in company {claims.company_id}"
    if claims.companies == "*":
        return _right("companies", f"The service acts for all companies{inside}.")
    if not claims.companies:
        todo = f"Name them when a key is issued: {ISSUE.format(claims.client_id)}."
        return _doubtful("companies", "The service acts for no company: it sees only what is of all companies.", todo)
    return _right("companies", f"The service acts for {', '.join(map(str, claims.companies))}{inside}.")


def issuer(told: str, wanted: str, keys: int, hub_url: str) -> Finding:
    """Judge what the hub signs tokens as, and with how many published keys; ``wanted`` is XERPIUM_ISSUER."""
    if not keys:
        return _wrong("issuer", f"{told} publishes no keys.", "The hub's operators have to look at its signing keys.")
    if wanted and wanted != told:
        todo = f"Unset XERPIUM_ISSUER, or set it to {told}."
        return _wrong(
            "issuer", f"XERPIUM_ISSUER is {wanted}, and the hub signs as {told}: no token is good here.", todo
        )
    said = f"The hub signs as {told}, with {keys} published key{'' if keys == 1 else 's'}."
    if not wanted and told != hub_url and told.rstrip("/") != hub_url:
        return _right("issuer", f"{said} It is reached here as {hub_url}, which is all right.")
    return _right("issuer", said)


def leases(record: ServiceRecord, now: datetime) -> Iterator[Finding]:
    """Judge the instances of a service that is registered."""
    if not record.instances:
        yield _wrong("lease", f"{record.name} has no instance.", "Start the service: it registers when it does.")
    for one in record.instances:
        heard = "never" if one.last_seen is None else f"{age(now, one.last_seen)} ago"
        said = f"{one.instance_id} {one.version} is {one.status}, last heard of {heard}, lease {one.lease_seconds} s."
        if one.status is Status.STALE:
            todo = "Is it running, and can it reach the hub? Its own log says why it does not report."
            yield _wrong("lease", f"{said} It has run out.", todo)
        elif one.draining:
            yield _doubtful("lease", said, "An operator drains it: it gets no new work until it is resumed.")
        elif one.status is Status.UNHEALTHY:
            yield _wrong("lease", said, _why_unhealthy(one))
        elif one.status is Status.DEGRADED:
            yield _doubtful("lease", said, _why_unhealthy(one))
        else:
            yield _right("lease", said)


def health_url(one: InstanceRecord, here: Probe, hub_url: str) -> Finding:
    """Judge an instance's health address: as it answers here, and as the hub found it."""
    polled = "has not polled it yet" if one.polled_status is None else f"finds it {one.polled_status}"
    answers = here.status is not None and here.status < 400
    seen = f"answers {here.status} here" if here.status is not None else f"does not answer here ({here.fault})"
    said = f"{one.health_check_url} {seen}; the hub {polled}."
    is_well = one.polled_status in (Status.HEALTHY, Status.DEGRADED, Status.STARTING)
    if is_well and answers:
        return _right("health", said)
    if is_well:
        return _doubtful("health", said, "All is well if the service runs elsewhere: what counts is what the hub sees.")
    if one.polled_status is None and answers:
        return _doubtful("health", said, "Look again in half a minute.")
    if not answers:
        todo = "Does the service listen there, and answer below 400? health_check_url says where the hub looks."
        return _wrong("health", said, todo)
    if _is_loopback(one.health_check_url) and not _is_loopback(hub_url):
        todo = "To the hub that address is the hub's own machine: set XERPIUM_HOST to one by which others reach this."
        return _wrong("health", said, todo)
    todo = "The hub cannot reach it as this machine can: look at firewalls, and at the hub's HEALTH_ALLOW_CIDRS."
    return _wrong("health", said, todo)


def redis_server(place: str, found: int | None, hub: int | None, *, knows_service: bool) -> Finding:
    """Judge whether a Redis that answers is the hub's.

    Args:
        place: where it is.
        found: the catalogue's revision there; None: it has no catalogue.
        hub: the revision that the hub tells; None: it does not.
        knows_service: whether the catalogue there has the service, if the hub has.
    """
    todo = "Set XERPIUM_REDIS_URL (or REDIS_URL) to the hub's own; make run writes it into .hub/hub.env."
    if found is None:
        return _wrong("redis", f"{place} answers, and holds no catalogue of a hub: it is another Redis.", todo)
    if hub is None:
        said = f"{place} answers, and has the catalogue of a hub; whether of this one, nobody can tell now."
        return _doubtful("redis", said, "Look again when the hub answers.")
    if abs(found - hub) > REVISIONS_APART or not knows_service:
        said = f"{place} holds the catalogue of another hub (revision {found} there, {hub} here)."
        return _wrong("redis", said, todo)
    return _right("redis", f"{place} answers, and is the hub's.")


def redis_away(place: str, fault: str, *, is_denied: bool, is_set: bool) -> Finding:
    """Judge a Redis that does not answer, or lets nobody look; ``is_set``: the environment names it."""
    if is_denied:
        said = f"{place} answers, and does not let us look whose it is ({fault})."
        return _doubtful(
            "redis", said, "Name user and password in XERPIUM_REDIS_URL: redis://user:password@host:6379/0."
        )
    if not is_set:
        said = f"No address is set, and none answers at {place}."
        return _doubtful("redis", said, "Set XERPIUM_REDIS_URL (or REDIS_URL), if the service has to do with events.")
    todo = "Does it run there, and may this machine reach it? XERPIUM_REDIS_URL (or REDIS_URL) says where it is."
    return _wrong("redis", f"{place} does not answer: {fault.rstrip('.')}.", todo)


def manifest_there(stored: Manifest | None, versions: Sequence[str]) -> Finding:
    """Judge what the hub has of a service's manifest beside the versions of it that run."""
    if stored is None:
        return _skipped("manifest", "The service has declared no menus, pages or widgets.")
    said = f"The hub has that of version {stored.version}, generation {stored.generation}: {_items(stored)}."
    if versions and stored.version not in versions:
        todo = "The newer release's may have been refused: see the service's log, or try it with --manifest."
        return _doubtful("manifest", f"{said} What runs is {', '.join(versions)}.", todo)
    return _right("manifest", said)


def manifest_tried(result: ManifestResult | None, standing: str, *, is_guarded: bool) -> Finding:
    """Judge what the hub said of a manifest that it tried."""
    if result is None:
        return _doubtful("manifest", standing, "xerpium manifest diff shows more.")
    if is_guarded:
        said = "The hub would take it only if more than half of what is there may go."
        return _doubtful(
            "manifest", said, "See xerpium manifest diff; if it is meant, xerpium manifest apply --confirm-prune."
        )
    if result.warnings:
        said = "; ".join(f"{warning.pointer}: {warning.message}" for warning in result.warnings[:3])
        return _doubtful("manifest", f"The hub would take it, and wonders: {said}", "See xerpium manifest diff.")
    return _right("manifest", f"The hub {'would take it' if result.changed else 'has it as it is'}.")


def extras(installed: Mapping[str, bool], *, verifies: bool) -> Finding:
    """Judge which extras of the SDK are installed; ``verifies``: others bring tokens to this service."""
    has = ", ".join(name for name, there in installed.items() if there) or "none"
    if verifies and not installed.get("auth"):
        said = f"Installed: {has}. Without auth this service cannot verify who calls it."
        return _doubtful("extras", said, "pip install 'xerpium-sdk[auth]'")
    return _right("extras", f"Installed: {has}.")


def _why_unhealthy(one: InstanceRecord) -> str:
    if one.reported_status is not None and one.reported_status is not Status.HEALTHY:
        return f"It says so itself ({one.reported_status}): its health address tells which check fails."
    return "Its health address did not answer the hub as it should: see below."


def _who_is_away(probe: Probe) -> str:
    if _is_loopback(probe.url):
        return "Start the hub (make run), or set XERPIUM_HUB_URL to where it runs: in a container, 127.0.0.1 is itself."
    return "Is XERPIUM_HUB_URL right, does the hub run, and may this machine reach it (DNS, firewall)?"


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _items(manifest: Manifest) -> str:
    counts = {"menu item": manifest.menus, "page or form": manifest.components, "widget": manifest.widgets}
    plurals = {"page or form": "pages and forms"}
    told = [
        f"{len(items)} {word if len(items) == 1 else plurals.get(word, f'{word}s')}"
        for word, items in counts.items()
        if items
    ]
    return ", ".join(told) or "nothing"


def _right(check: str, says: str) -> Finding:
    return Finding(check, Verdict.RIGHT, says)


def _doubtful(check: str, says: str, todo: str) -> Finding:
    return Finding(check, Verdict.DOUBTFUL, says, todo)


def _wrong(check: str, says: str, todo: str) -> Finding:
    return Finding(check, Verdict.WRONG, says, todo)


def _skipped(check: str, says: str) -> Finding:
    return Finding(check, Verdict.SKIPPED, says)
