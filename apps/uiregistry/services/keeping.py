"""Answers of services as all processes share them: the last good one, why there is no newer one, who is asking now.

When Redis is away nothing is kept, and every viewer's question goes to the service.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from django.core.cache import caches

from apps.uiregistry.asking import pause_after

__all__ = [
    "ASKING_SECONDS",
    "Failure",
    "Kept",
    "Pause",
    "answer",
    "answer_forget",
    "answer_keep",
    "asking",
    "failure",
    "failure_keep",
    "is_asked",
    "pause",
    "pause_end",
    "pause_start",
]

ASKING_SECONDS = 5
"""A question is somebody's for so long at most: whoever dies while asking holds others up no longer."""
FAILURE_SECONDS = 5
"""For how long a refusal of one question stands before it is asked again."""
MEMORY_SECONDS = 120
"""For how long after a pause the failures before it still count."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A good answer: its JSON, when it came as text, and when in seconds since the epoch."""

    body: str
    fetched_at: str
    at: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a question has no newer answer: words for people, when, and whether the viewer is not allowed to know."""

    error: str
    at: float
    is_forbidden: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """A service that failed is left alone until a moment (epoch, s); ``failures`` in a row led to it."""

    error: str
    until: float
    failures: int

    @property
    def left(self) -> float:
        """Seconds until it may be asked again; 0 when it may."""
        return max(0.0, self.until - time.time())


def answer(key: str) -> Kept | None:
    """Return the last good answer to a question."""
    found = _get(f"data:{key}")
    return Kept(**found) if found else None


def answer_keep(key: str, kept: Kept, *, seconds: int) -> None:
    """Keep a good answer; what was in its way is forgotten."""
    _shared().set(f"ui:data:{key}", asdict(kept), timeout=seconds)
    _shared().delete(f"ui:failure:{key}")


def answer_forget(key: str) -> None:
    """Forget an answer that its viewers may not see any more."""
    _shared().delete(f"ui:data:{key}")


def failure(key: str) -> Failure | None:
    """Return why a question had no answer a moment ago; None when it may be asked."""
    found = _get(f"failure:{key}")
    return Failure(**found) if found else None


def failure_keep(key: str, failed: Failure) -> None:
    """Let a question rest for a moment."""
    _shared().set(f"ui:failure:{key}", asdict(failed), timeout=FAILURE_SECONDS)


def pause(service_name: str) -> Pause | None:
    """Return what a service's failures have led to; None when nobody remembers any."""
    found = _get(f"pause:{service_name}")
    return Pause(**found) if found else None


def pause_start(service_name: str, error: str) -> Pause:
    """Leave a service alone, for longer with each failure in a row."""
    before = pause(service_name)
    if before is not None and before.left:
        return before  # what was asked at the same time fails for the same reason
    failures = before.failures + 1 if before else 1
    seconds = pause_after(failures)
    paused = Pause(error, time.time() + seconds, failures)
    _shared().set(f"ui:pause:{service_name}", asdict(paused), timeout=int(seconds) + MEMORY_SECONDS)
    return paused


def pause_end(service_name: str) -> None:
    """Forget a service's failures: it has answered."""
    _shared().delete(f"ui:pause:{service_name}")


@contextmanager
def asking(name: str) -> Iterator[bool]:
    """Yield whether the running code is the one that asks now; it is until the block ends, in all processes."""
    key, own = f"ui:asking:{name}", uuid.uuid4().hex
    has = bool(_shared().add(key, own, timeout=ASKING_SECONDS))
    try:
        yield has
    finally:
        if has and _shared().get(key) == own:
            _shared().delete(key)


def is_asked(name: str) -> bool:
    """Whether somebody is asking now."""
    return _shared().get(f"ui:asking:{name}") is not None


def _get(key: str) -> dict[str, Any] | None:
    found = _shared().get(f"ui:{key}")
    return found if isinstance(found, dict) else None


def _shared() -> Any:
    return caches["shared"]
