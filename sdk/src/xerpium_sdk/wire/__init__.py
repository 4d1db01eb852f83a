"""The contract between the hub and its services as frozen dataclasses; needs the standard library only.

Readers are tolerant: a field that this version does not know is ignored, so a newer hub can add some.
"""

from xerpium_sdk.wire.envelope import Envelope, EventPayload, EventType, stream_of
from xerpium_sdk.wire.errors import DecodeError
from xerpium_sdk.wire.problems import FieldProblem, Problem
from xerpium_sdk.wire.registry import InstanceRecord, Registration, ServiceRecord, Status

__all__ = [
    "DecodeError",
    "Envelope",
    "EventPayload",
    "EventType",
    "FieldProblem",
    "InstanceRecord",
    "Problem",
    "Registration",
    "ServiceRecord",
    "Status",
    "stream_of",
]
