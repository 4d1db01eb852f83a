"""What the home page says of the hub itself: which of its own parts is away, what that means, and what to do."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from apps.core.times import spell
from apps.serviceauth.keyring import SigningTrouble
from xerpium_sdk.wire.registry import Status

__all__ = ["HubFacts", "HubTrouble", "hub_troubles"]

IDLE_TOO_LONG = dt.timedelta(seconds=20)
"""Polls and sweeps run every second; whoever polls may be busy with one round for some seconds."""
BACKLOG_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class HubTrouble:
    """A part of the hub that is away or behind; ``view`` names the page that shows more, if there is one."""

    status: Status
    part: str
    text: str
    mend: str
    view: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFacts:
    """What is known of the hub's own parts.

    Attributes:
        failed: the failed checks of ``GET /health`` by name, with what they say.
        relay_away: nobody carries changes from the outbox to Redis.
        backlog_seconds: how long the oldest entry of the outbox has waited.
        parked: entries of the outbox that cannot be sent.
        stale_seconds: for how long nobody could confirm the catalogue; None while it is current.
        group_lag: by group of the hub, how long the oldest entry has waited for it (seconds).
        stream_alarms: by stream, what threatens to be lost.
        dead_letters: messages that were given up and wait for somebody's decision.
        duties: when somebody last polled (``poll``) and swept (``sweep``).
        audit_fault: what was found wrong with the audit's chain; empty when nothing was.
        signing: what is wrong with the keys that sign tokens.
        paths_wanted: paths of menus and pages that two services want.
        drifted: changes of operators of which services say something else by now.
    """

    failed: Mapping[str, str]
    relay_away: bool
    backlog_seconds: float
    parked: int
    stale_seconds: float | None
    group_lag: Mapping[str, float]
    stream_alarms: Mapping[str, str]
    dead_letters: int
    duties: Mapping[str, dt.datetime]
    audit_fault: str = ""
    signing: SigningTrouble | None = None
    paths_wanted: int = 0
    drifted: int = 0


_OUTBOX = "admin:events_outboxentry_changelist"
_CHECKS = {
    "redis": (
        "Redis is away. Discovery is served from memory; heartbeats are not counted and nothing expires meanwhile.",
        "Start Redis, or look at REDIS_URL. Leases are restored by themselves.",
    ),
    "database": (
        "PostgreSQL is away. Discovery is served from memory; nothing can register or change.",
        "Start PostgreSQL, or look at DATABASE_URL.",
    ),
    "disk_space": ("The disk is nearly full.", "Make room before PostgreSQL and Redis can write no more."),
    "memory": ("The machine is short of memory.", "See which process grew, before the system ends one by itself."),
}
_DUTIES = {
    "poll": ("health checks", "No service has been checked {since}: failures go unnoticed."),
    "sweep": ("expiry", "Nobody has looked for silent services {since}: they stay listed as they were."),
}


def hub_troubles(facts: HubFacts, now: dt.datetime) -> list[HubTrouble]:
    """Return what is wrong with the hub itself, worst first; empty when all its parts do their work."""
    found = [_failed_check(name, told) for name, told in facts.failed.items()]
    if facts.relay_away and "redis" not in facts.failed:
        text = "Nobody carries changes to Redis. This page is current; other processes ask PostgreSQL meanwhile."
        found.append(HubTrouble(Status.DEGRADED, "relay", text, "Start the relay: manage.py relay_events."))
    if facts.audit_fault:
        text = f"The audit is not as it was written: somebody changed it behind the hub's back. {facts.audit_fault}"
        mend = "Leave the database as it is, and run manage.py verify_audit: it says what to do."
        found.append(HubTrouble(Status.UNHEALTHY, "audit", text, mend, "admin:core_auditentry_changelist"))
    found += _idle_duties(facts, now)
    if facts.backlog_seconds > BACKLOG_SECONDS and not facts.relay_away:
        text = f"Changes wait for {facts.backlog_seconds:.0f} s to be sent."
        found.append(
            HubTrouble(Status.DEGRADED, "outbox", text, "Look into the relay's log; nothing is lost.", _OUTBOX)
        )
    found += _of_the_bus(facts)
    if facts.parked:
        text = f"{facts.parked:,} events could not be sent and were set aside."
        found.append(
            HubTrouble(Status.DEGRADED, "outbox", text, "See the reasons in the outbox, then send them again.", _OUTBOX)
        )
    if facts.signing:
        told = facts.signing
        found.append(HubTrouble(told.status, "tokens", told.text, told.mend, "admin:serviceauth_signingkey_changelist"))
    found += _of_menus(facts)
    if facts.stale_seconds is not None:
        text = f"The catalogue has not been confirmed for {facts.stale_seconds:.0f} s: it may be out of date."
        found.append(HubTrouble(Status.DEGRADED, "catalogue", text, "It catches up as soon as an engine answers."))
    return sorted(found, key=lambda trouble: -trouble.status.severity)


def _of_the_bus(facts: HubFacts) -> list[HubTrouble]:
    found = []
    behind = {group: seconds for group, seconds in facts.group_lag.items() if seconds > BACKLOG_SECONDS}
    if behind:
        worst = max(behind.values())
        text = f"Events have waited for {worst:.0f} s to be handled by {', '.join(sorted(behind))}; none is lost."
        mend = "Start the consumer (manage.py consume_events), or look into its log."
        found.append(HubTrouble(Status.DEGRADED, "consumer", text, mend, "bus:groups"))
    for stream, alarm in sorted(facts.stream_alarms.items()):
        mend = "Start the consumers of the group that is behind; a service's group that nobody needs any more can go."
        found.append(HubTrouble(Status.UNHEALTHY, "streams", f"{stream}: {alarm}", mend, "bus:overview"))
    if facts.dead_letters:
        text = f"{facts.dead_letters:,} events could not be handled and were given up."
        mend = "See the reasons in the dead letters, then send them again or discard them."
        found.append(HubTrouble(Status.DEGRADED, "dead letters", text, mend, "admin:events_deadletter_changelist"))
    return found


def _of_menus(facts: HubFacts) -> list[HubTrouble]:
    found = []
    if facts.paths_wanted:
        want = "path is" if facts.paths_wanted == 1 else "paths are"
        text = f"{facts.paths_wanted:,} {want} wanted by two services; whoever came second is refused."
        mend = "Hand it over or dismiss it, in the inbox."
        found.append(HubTrouble(Status.DEGRADED, "menus", text, mend, "menus:inbox"))
    if facts.drifted:
        change = "change" if facts.drifted == 1 else "changes"
        text = f"Services say something else by now than {facts.drifted:,} {change} that operators made; those hold."
        mend = "Keep them, or take what the services say, in the inbox."
        found.append(HubTrouble(Status.DEGRADED, "menus", text, mend, "menus:inbox"))
    return found


def _failed_check(name: str, told: str) -> HubTrouble:
    text, mend = _CHECKS.get(name, (f"The check {name} fails.", "See /health."))
    return HubTrouble(Status.UNHEALTHY, name.replace("_", " "), f"{text} ({told})" if told else text, mend)


def _idle_duties(facts: HubFacts, now: dt.datetime) -> list[HubTrouble]:
    mend = "Start a Celery worker and Celery beat, or look into their logs."
    found = []
    for duty, (part, text) in _DUTIES.items():
        done = facts.duties.get(duty)
        if done is None or now - done > IDLE_TOO_LONG:
            since = f"for {spell(now - done)}" if done else "since the hub was set up"
            found.append(HubTrouble(Status.UNHEALTHY, part, text.format(since=since), mend))
    return found
