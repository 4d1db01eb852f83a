"""The errors under the name that they had first; `xerpium_sdk.errors` has them."""

from xerpium_sdk.errors import (
    Conflict,
    HubError,
    HubUnavailable,
    Invalid,
    NoInstance,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Refused,
    UnreadableAnswer,
    refusal,
)

__all__ = [
    "Conflict",
    "HubError",
    "HubUnavailable",
    "Invalid",
    "NoInstance",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Refused",
    "UnreadableAnswer",
    "refusal",
]
