"""Whom the hub asks for a widget's data, at which address, and for how long the answer or the silence holds. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from urllib.parse import urlsplit

import orjson

from apps.core.outward import OutwardRefused, Policy, parse_url
from apps.menus.paths import endpoint_fault, endpoint_names
from xerpium_sdk.wire.registry import Status

__all__ = [
    "LONGEST_PAUSE",
    "MOST_INSTANCES",
    "Question",
    "address_of",
    "bases_of",
    "is_fresh",
    "kept_for",
    "pause_after",
]

MOST_INSTANCES = 2
"""Instances that are asked, one after the other, before the service counts as silent."""
LONGEST_PAUSE = 30.0
KEPT_SECONDS = 6 * 3600
"""For how long at least the last good answer is kept, for the time in which a service is away."""
KEPT_BY_HAND_SECONDS = 7 * 24 * 3600
"""The same of answers that are only fetched when somebody asks for it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and on whose behalf; two that are equal have one answer.

    Attributes:
        kind: ``widget`` or ``badge``.
        item_id: of which.
        service_name: who knows.
        endpoint: where it is asked: a path on the service's own origin.
        company_id: the company in which somebody looks; None: what is everybody's alone.
        grants: the permissions with which somebody looks.
        authority: in whose name: how the token that goes along is made, and whom it names.
    """

    kind: str
    item_id: int
    service_name: str
    endpoint: str
    company_id: int | None
    grants: tuple[str, ...]
    authority: str

    @property
    def key(self) -> str:
        """The name of the answer; nobody can guess another's out of it, or make two that are the same."""
        said = [
            self.kind,
            self.item_id,
            self.service_name,
            self.endpoint,
            self.company_id,
            sorted(set(self.grants)),
            self.authority,
        ]
        return blake2b(orjson.dumps(said), digest_size=20, person=b"ui data").hexdigest()


def address_of(base_url: str, endpoint: str, policy: Policy) -> str:
    """Return where an endpoint is: on the origin of ``base_url``, whatever its path, and on no other.

    Raises:
        OutwardRefused: the policy does not allow the address, or the two do not make one.
    """
    base = parse_url(base_url, policy)
    if (words := endpoint_fault(endpoint)) or endpoint_names(endpoint):
        raise OutwardRefused(words or "the endpoint wants something filled in")
    found = parse_url(f"{base.scheme}://{urlsplit(base.url).netloc}{endpoint}", policy)
    if (found.scheme, found.host, found.port) != (base.scheme, base.host, base.port):
        raise OutwardRefused("the endpoint leads to another host")
    return found.url


def bases_of(record: Mapping[str, Any]) -> Sequence[str]:
    """Return the base URLs of the instances of a record that may be asked, best first; they are in that order."""
    instances = record["instances"]
    for status in (Status.HEALTHY, Status.DEGRADED):
        if found := [one["api_base_url"] for one in instances if one["status"] == status]:
            return found[:MOST_INSTANCES]
    return ()


def is_fresh(age: float, interval: int) -> bool:
    """Whether an answer of ``age`` seconds still holds; one that is fetched by hand (0) always does."""
    return interval == 0 or age < interval


def kept_for(interval: int) -> int:
    """Return for how many seconds an answer is kept at all."""
    return KEPT_BY_HAND_SECONDS if interval == 0 else max(KEPT_SECONDS, 2 * interval)


def pause_after(failures: int) -> float:
    """Return for how many seconds a service is left alone that failed so many times in a row (1 or more)."""
    return min(LONGEST_PAUSE, math.ldexp(1.0, min(failures, 10)))
