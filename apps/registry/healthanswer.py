"""What the answer to a health poll says about a service. Pure."""

from typing import Final, Literal, NamedTuple

import orjson

Word = Literal["healthy", "degraded", "unhealthy"]

EXCERPT_LENGTH: Final = 256


class Finding(NamedTuple):
    """What an answer, or its absence (no status code), says about a service."""

    ok: bool
    word: Word
    status_code: int | None
    reason: str
    excerpt: str = ""


def no_answer(reason: str) -> Finding:
    """Return the finding for a poll that brought nothing to judge."""
    return Finding(False, "unhealthy", None, reason)


def judge_answer(status_code: int, body: bytes | None) -> Finding:
    """Return the finding for an HTTP answer; ``body`` is None if it was too long or compressed and so is not read.

    2xx is good, unless a JSON object says otherwise in its ``status``; 429 means alive but busy, as in Consul.
    """
    excerpt = _excerpt(body or b"")
    if status_code == 429:
        return Finding(True, "degraded", status_code, "HTTP 429", excerpt)
    if 300 <= status_code < 400:
        return Finding(False, "unhealthy", status_code, f"HTTP {status_code}: redirects are not followed", excerpt)
    if not 200 <= status_code < 300:
        return Finding(False, "unhealthy", status_code, f"HTTP {status_code}", excerpt)
    said = _said_status(body or b"")
    if said in ("unhealthy", "down"):
        return Finding(False, "unhealthy", status_code, f"reports itself {said}", excerpt)
    if said == "degraded":
        return Finding(True, "degraded", status_code, "reports itself degraded", excerpt)
    return Finding(True, "healthy", status_code, f"HTTP {status_code}", excerpt)


def _said_status(body: bytes) -> str:
    if not body.lstrip().startswith(b"{"):
        return ""
    try:
        status = orjson.loads(body).get("status")
    except orjson.JSONDecodeError:
        return ""
    return status.strip().lower() if isinstance(status, str) else ""


def _excerpt(body: bytes) -> str:
    text = body[: 2 * EXCERPT_LENGTH].decode(errors="replace")
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split())[:EXCERPT_LENGTH]
