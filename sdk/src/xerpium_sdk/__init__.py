"""What a service needs to live with a XERPIUM hub.

Importing this package costs nothing: take what you need from its parts.

- ``xerpium_sdk.registry``: join the hub, find other services, choose an instance
- ``xerpium_sdk.auth``: this service's tokens, and who brings which
- ``xerpium_sdk.events``: publish and handle events
- ``xerpium_sdk.ui``: the menus, pages and widgets of a service
- ``xerpium_sdk.fastapi``: the same in one line for a FastAPI application
- ``xerpium_sdk.wire``: the contract as frozen dataclasses, standard library only
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
