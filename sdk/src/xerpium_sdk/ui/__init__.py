"""Menus, pages and widgets of a service. Sync and async twins of everything that waits.

- `Manifest`: all of them in one object, which `xerpium_sdk.fastapi.join`, `Member` and `AsyncMember` take
- `ManifestClient`: puts, tries, reads and restores manifests, for what runs at a release
- `MenuRegistrationClient`, `UIRegistryClient`: one item at a time, as the first clients did
"""

from xerpium_sdk.ui._async.clients import AsyncMenuRegistrationClient, AsyncUIRegistryClient
from xerpium_sdk.ui._async.keeper import AsyncManifestKeeper
from xerpium_sdk.ui._async.manifests import AsyncManifestClient
from xerpium_sdk.ui._flows import Declared, Outcome, Settlement
from xerpium_sdk.ui._sync.clients import MenuRegistrationClient, UIRegistryClient
from xerpium_sdk.ui._sync.keeper import ManifestKeeper
from xerpium_sdk.ui._sync.manifests import ManifestClient
from xerpium_sdk.wire.manifests import InvalidManifest, Manifest, ManifestEntry, ManifestResult, ManifestRevision
from xerpium_sdk.wire.menus import Badge, MenuItem
from xerpium_sdk.wire.ui import UIComponent, UIWidget

__all__ = [
    "AsyncManifestClient",
    "AsyncManifestKeeper",
    "AsyncMenuRegistrationClient",
    "AsyncUIRegistryClient",
    "Badge",
    "Declared",
    "InvalidManifest",
    "Manifest",
    "ManifestClient",
    "ManifestEntry",
    "ManifestKeeper",
    "ManifestResult",
    "ManifestRevision",
    "MenuItem",
    "MenuRegistrationClient",
    "Outcome",
    "Settlement",
    "UIComponent",
    "UIRegistryClient",
    "UIWidget",
]
