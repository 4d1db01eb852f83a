"""What the environment says about a service and its hub. Arguments win over it."""

import os
from collections.abc import Mapping

__all__ = ["ENROLMENT_TOKEN", "HUB_URL", "ISSUER", "KEY", "KEY_FILE", "NAME", "has_key", "required", "value"]

HUB_URL = "XERPIUM_HUB_URL"
NAME = "XERPIUM_SERVICE_NAME"
KEY = "XERPIUM_SERVICE_KEY"
KEY_FILE = "XERPIUM_SERVICE_KEY_FILE"
ENROLMENT_TOKEN = "XERPIUM_ENROLMENT_TOKEN"  # noqa: S105 - the name of a variable
ISSUER = "XERPIUM_ISSUER"


def value(name: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a variable without the space around it; empty where it is not set."""
    return (os.environ if environment is None else environment).get(name, "").strip()


def required(given: str | None, name: str, what: str) -> str:
    """Return ``given``, or what the environment says.

    Raises:
        ValueError: neither says anything.
    """
    found = given or value(name)
    if not found:
        raise ValueError(f"{what} is not known: set {name}, or pass it.")
    return found


def has_key() -> bool:
    """Return whether the environment says which key this service has: whether it takes part in authentication."""
    return bool(value(KEY) or value(KEY_FILE))
