"""A service's membership in the hub."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from random import random
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

from xerpium_sdk._backoff import Backoff
from xerpium_sdk.auth._async.client import AsyncServiceAuthClient
from xerpium_sdk.errors import HubError
from xerpium_sdk.registry import _flows
from xerpium_sdk.registry._async.client import AsyncHubClient
from xerpium_sdk.registry._flows import Retry
from xerpium_sdk.registry._lease import Lease, Step, member_backoff
from xerpium_sdk.registry._tasks import Supplier, Worker, call
from xerpium_sdk.registry._trouble import Trouble
from xerpium_sdk.wire.envelope import dump_data
from xerpium_sdk.wire.registry import Registration, Status

if TYPE_CHECKING:
    from xerpium_sdk.ui._async.keeper import AsyncManifestKeeper
    from xerpium_sdk.wire.manifests import Manifest

__all__ = ["AsyncMember"]

ONCE = Retry(attempts=1)
log = logging.getLogger("xerpium_sdk.registry")


class AsyncMember:
    """Keeps one instance registered for as long as its ``async with`` block lasts.

    >>> async with AsyncMember("http://127.0.0.1:8000", Registration(name="product-service", …)):
    ...     await serve()

    It registers, reports every third of the lease, registers again when the hub forgot it, and leaves at the end. While
    the hub is away it keeps trying in the background, with growing and random pauses; the service runs on meanwhile.

    Args:
        hub: the hub's address, or a client, which then stays open at the end. With the address alone, it brings tokens
            of the service that is registered if the environment has its key (see `AsyncHubClient`).
        registration: what the service says of itself.
        status: says how the service is at each report; default: healthy. One that raises is reported as unhealthy.
        details: gives more to show to operators at each report.
        wait: register before the block begins, and raise `HubError` when that fails, instead of in the background.
        backoff: the pauses after failures; see `member_backoff` for the default.
        manifest: its menus, components and widgets, which the hub is given in the background whenever the service has
            registered. A hub that refuses them does not keep the service from being a member; the log says why.

    Attributes:
        manifest: what became of the manifest, and the way to change it; None: there is none.

    Raises:
        InvalidManifest: the manifest contradicts itself.
    """

    def __init__(
        self,
        hub: AsyncHubClient | str,
        registration: Registration,
        *,
        status: Supplier[Status | str] | None = None,
        details: Supplier[Mapping[str, Any]] | None = None,
        wait: bool = False,
        backoff: Backoff | None = None,
        manifest: "Manifest | None" = None,
    ) -> None:
        self.registration = replace(registration, instance_id=registration.effective_instance_id)
        self._hub = hub
        self._client: AsyncHubClient
        self._status = status
        self._details = details
        self._wait = wait
        self._backoff = backoff or member_backoff(registration.lease_seconds)
        self._worker = Worker(f"member {registration.name}")
        self._lease = self._new_lease()
        self._asked = False
        self._trouble = Trouble(registration.name)
        self.manifest = self._new_keeper(manifest)

    @property
    def joined(self) -> bool:
        """Whether the hub counts this instance as alive, as far as that can be known here."""
        return self._lease.is_held(monotonic())

    @property
    def trouble(self) -> str:
        """Why the hub does not hear of this instance at the moment; empty: nothing is wrong."""
        return self._trouble.message

    def report_now(self) -> None:
        """Report at once instead of at the next turn, for a status that changed; may be called from any thread.

        While the hub is away this does nothing: the next try reports what is true then.
        """
        if self._lease.calm:
            self._worker.wake()

    async def __aenter__(self) -> Self:
        self._client = self._own_client(self._hub) if isinstance(self._hub, str) else self._hub
        self._lease = self._new_lease()
        if self._wait:
            try:
                await self._register(self._client.retry)
            except BaseException:  # cancelled, interrupted or refused: nothing stays open
                await self._close()
                raise
        self._worker.start(self._run)
        if self.manifest is not None:
            self.manifest.start(self._client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._worker.stop()
        if self.manifest is not None:
            await self.manifest.stop()
        if self._asked:
            await self._leave()
        await self._close()

    def _own_client(self, hub_url: str) -> AsyncHubClient:
        """Return a client that asks for tokens, if there is a key, as the service and company that register."""
        name, company_id = self.registration.name, self.registration.company_id
        auth = AsyncServiceAuthClient.from_environment(hub_url, name, company_id=company_id)
        return AsyncHubClient(hub_url, auth=auth)

    def _new_lease(self) -> Lease:
        return Lease(self.registration.lease_seconds, self._backoff, random)

    def _new_keeper(self, manifest: "Manifest | None") -> "AsyncManifestKeeper | None":
        if manifest is None:
            return None
        from xerpium_sdk.ui._async.keeper import AsyncManifestKeeper  # not everybody has menus

        return AsyncManifestKeeper(self.registration, manifest, self._backoff)

    async def _run(self) -> None:
        while True:
            await self._worker.sleep(self._lease.delay(monotonic()))
            await self._take_step()

    async def _take_step(self) -> None:
        try:
            if self._lease.step is Step.REGISTER:
                await self._register(ONCE)
            else:
                await self._report()
        except HubError as error:
            self._lease.missed(monotonic(), error)
            self._trouble.note(str(error))
        else:
            self._trouble.over()

    async def _register(self, retry: Retry) -> None:
        self._asked = True
        await self._client.run(_flows.register(self.registration), retry)
        self._lease.registered(monotonic())
        log.info("%s is registered as %s.", self.registration.name, self.registration.instance_id)
        if self.manifest is not None:
            self.manifest.send_soon()

    async def _report(self) -> None:
        status, details = await self._current_status(), await self._current_details()
        report = _flows.report(self.registration.name, status, details, self.registration.instance_id)
        renewal = await self._client.run(report, ONCE)
        self._lease.renewed(monotonic(), renewal.lease_seconds)

    async def _leave(self) -> None:
        name, instance_id = self.registration.name, self.registration.effective_instance_id
        try:
            await self._client.run(_flows.deregister_instance(name, instance_id, uuid4().hex), ONCE)
        except HubError as error:
            log.info("%s could not say goodbye, its lease runs out by itself: %s", name, error)

    async def _close(self) -> None:
        if isinstance(self._hub, str):
            await self._client.aclose()

    async def _current_status(self) -> Status:
        try:
            return Status(await call(self._status)) if self._status else Status.HEALTHY
        except Exception:  # foreign code: who cannot say how they are, are not well
            log.exception("The status function of %s failed.", self.registration.name)
            return Status.UNHEALTHY

    async def _current_details(self) -> dict[str, Any] | None:
        if self._details is None:
            return None
        try:
            details = dict(await call(self._details))
            dump_data(details)
        except Exception as error:  # foreign code: without details the report is still worth sending
            log.exception("The details function of %s failed.", self.registration.name)
            return {"details_error": repr(error)}
        return details
