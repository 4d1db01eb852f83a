"""The client of manifests, for what runs at a release instead of within the service."""

from uuid import uuid4

from xerpium_sdk.registry._async.client import AsyncHubClient
from xerpium_sdk.ui import _flows
from xerpium_sdk.ui._async.line import AsyncServiceLine
from xerpium_sdk.ui._flows import Settlement
from xerpium_sdk.wire.manifests import Manifest, ManifestResult, ManifestRevision

__all__ = ["AsyncManifestClient"]


class AsyncManifestClient(AsyncServiceLine):
    """Puts and reads the manifest of one service.

    >>> async with AsyncManifestClient("http://127.0.0.1:8000", "product-service", version="1.4.2") as manifests:
    ...     print(await manifests.dry_run(manifest))

    Args:
        hub: the hub's address, or a client, which then stays open.
        service_name: whose manifest it is.
        version: of manifests that do not say theirs.
        company_id: the company that it speaks for; None: the one of its tokens, or none in particular.

    Every call raises `HubError`; those that send a manifest `InvalidManifest` too, before anything is sent.
    """

    def __init__(
        self,
        hub: AsyncHubClient | str,
        service_name: str,
        *,
        version: str | None = None,
        company_id: int | None = None,
    ) -> None:
        super().__init__(hub, service_name, company_id=company_id)
        self.version = version

    async def get(self) -> Manifest:
        """Return all that the service has declared, items that were posted singly included.

        Raises:
            NotFound: it has declared nothing.
        """
        return await self.run(_flows.get_manifest(self.whose))

    async def put(self, manifest: Manifest, *, confirm_prune: bool = False) -> ManifestResult:
        """Make what the service has declared be ``manifest``: all of it, or nothing.

        Args:
            confirm_prune: it is meant when more than half of all that exists goes.

        Raises:
            Conflict: another service has a path or route (``path_taken``), other content has a generation that is not
                below this one's (``older_generation``), or too much would go (``prune_guard``): see ``problem.code``.
            Invalid: something in it is not as it should be; ``problem.errors`` names each fault.
        """
        sent = manifest.of(self.service_name, self.version)
        return await self.run(_flows.put_manifest(self.whose, sent, confirm_prune=confirm_prune))

    async def dry_run(self, manifest: Manifest, *, confirm_prune: bool = False) -> ManifestResult:
        """Return what `put` would, and raise what it would; nothing is changed."""
        sent = manifest.of(self.service_name, self.version)
        call = _flows.put_manifest(self.whose, sent, dry_run=True, confirm_prune=confirm_prune)
        return await self.run(call)

    async def apply(self, manifest: Manifest, *, confirm_prune: bool = False) -> Settlement:
        """Put a manifest as a service does that joins.

        It follows content of the same version or an older one with the next generation, unless an operator put that
        back; a newer release is left alone. ``outcome`` of what is returned tells which.
        """
        sent = manifest.of(self.service_name, self.version)
        return await self.run(_flows.settle(self.whose, sent, confirm_prune=confirm_prune))

    async def revisions(self, *, limit: int = 50) -> list[ManifestRevision]:
        """Return the states that there were, the newest first, at most ``limit`` of them."""
        return await self.run(_flows.revisions(self.whose, limit))

    async def restore(self, number: int) -> ManifestResult:
        """Put the state of a revision back."""
        return await self.run(_flows.restore(self.whose, number, uuid4().hex))

    async def remove(self) -> None:
        """Take back everything that the service has declared."""
        await self.run(_flows.remove_manifest(self.whose, uuid4().hex))
