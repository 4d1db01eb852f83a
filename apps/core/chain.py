"""The audit's hash chain, format 1 (docs/decisions/0021). Pure: whoever has the rows can recompute it.

Seal 1 follows 32 zero bytes; each further seal follows the hash of the one before::

    hash = SHA-256("xerpium-audit-1\\n" + previous + document)

The document is the canonical JSON (RFC 8785) of an object with the seal's number and all columns of its entry. Its
members are texts, integers and null only, so canonical means: sorted names, no spaces, UTF-8, the shortest escapes.
Times are ``YYYY-MM-DDTHH:MM:SS.ffffffZ``; ``before`` and ``after`` are texts, as PostgreSQL writes a ``jsonb``.
"""

import json
from hashlib import sha256
from typing import NamedTuple

__all__ = ["ENTRY_SQL", "FORMAT", "GENESIS", "Entry", "link"]

FORMAT = b"xerpium-audit-1\n"
GENESIS = bytes(32)
"""What the first seal follows."""


class Entry(NamedTuple):
    """A row of the audit, as the chain sees it."""

    id: int
    at: str
    actor_kind: str
    actor: str
    on_behalf_of: int | None
    action: str
    object_type: str
    object_id: str
    company_id: int | None
    source: str
    request_id: str
    before: str | None
    after: str | None


_COLUMNS = {
    "at": """to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    "before": "e.before::text",
    "after": "e.after::text",
}
ENTRY_SQL = ", ".join(_COLUMNS.get(name, f"e.{name}") for name in Entry._fields)
"""The columns of core_auditentry ``e`` that make an `Entry`."""


def link(previous: bytes, seal: int, entry: Entry) -> bytes:
    """Return the hash of ``entry`` as number ``seal`` of the chain, after ``previous``."""
    document = json.dumps({"seal": seal, **entry._asdict()}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(FORMAT + previous + document.encode()).digest()
