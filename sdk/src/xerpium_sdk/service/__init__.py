"""One object for all that a service needs of a hub: `XerpiumService`."""

from xerpium_sdk.service._settings import About
from xerpium_sdk.service._state import ServiceState
from xerpium_sdk.service.service import XerpiumService

__all__ = ["About", "ServiceState", "XerpiumService"]
