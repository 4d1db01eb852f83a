"""For tests of services: a hub in memory, the bus without Redis, and tokens without a hub.

- `TestHub`, `Asked`: a hub on a real socket that does as the test tells it
- `TestBroker`, `DeadLetter`: run a consumer's handlers on a bus in memory; needs the extra ``redis``
- `TestIssuer`: makes tokens, and stands in for the hub that verifies them; needs the extra ``auth``
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xerpium_sdk.testing.bus import DeadLetter, TestBroker
    from xerpium_sdk.testing.hub import Asked, TestHub
    from xerpium_sdk.testing.issuer import TestIssuer

__all__ = ["Asked", "DeadLetter", "TestBroker", "TestHub", "TestIssuer"]

_HOMES = {"Asked": "hub", "DeadLetter": "bus", "TestBroker": "bus", "TestHub": "hub", "TestIssuer": "issuer"}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: a service may have one of the extras only (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
