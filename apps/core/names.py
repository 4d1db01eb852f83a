"""What services and their versions may be called (contract, "Registry"). Pure: one rule wherever they are named."""

import re

__all__ = ["SEMVER_PATTERN", "SERVICE_PATTERN", "is_service_name"]

SERVICE_PATTERN = r"^[a-z0-9]([a-z0-9._-]{0,98}[a-z0-9])?$"
"""For documents and the database's own check."""
SEMVER_PATTERN = (
    r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$"
)
"""For documents, in the regular expressions of ECMA-262."""
# Without its anchors: `$` would let a newline at the end through.
_SERVICE = re.compile(SERVICE_PATTERN.removeprefix("^").removesuffix("$"), re.ASCII)


def is_service_name(text: str) -> bool:
    """Return whether ``text`` may name a service."""
    return _SERVICE.fullmatch(text) is not None
