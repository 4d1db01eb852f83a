"""The command ``xerpium``: look at a hub, call services, send events, try manifests, find out what is wrong.

Everything else of the package may be used here; nothing else uses this.
"""

from xerpium_sdk.cli._running import main

__all__ = ["main"]
