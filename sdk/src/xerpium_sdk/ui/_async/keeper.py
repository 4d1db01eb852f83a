"""Keeps the hub in possession of a service's manifest, in the background."""

import logging
from random import random
from time import monotonic

from xerpium_sdk._backoff import Backoff
from xerpium_sdk.errors import HubError, Refused
from xerpium_sdk.registry._async.client import AsyncHubClient
from xerpium_sdk.registry._flows import Retry
from xerpium_sdk.registry._tasks import Worker
from xerpium_sdk.ui import _applying, _flows
from xerpium_sdk.ui._flows import Outcome, Settlement, Whose
from xerpium_sdk.wire.manifests import Manifest
from xerpium_sdk.wire.registry import Registration

__all__ = ["AsyncManifestKeeper"]

ONCE = Retry(attempts=1)
log = logging.getLogger("xerpium_sdk.ui")


class AsyncManifestKeeper:
    """Sends the manifest whenever the hub may not have it; a member of the hub makes and drives it.

    Attributes:
        settlement: what became of it the last time that the hub said so; None: nothing yet.
        trouble: why it could not be sent or was refused since then; None: nothing is wrong.
    """

    def __init__(self, registration: Registration, manifest: Manifest, backoff: Backoff) -> None:
        self.settlement: Settlement | None = None
        self.trouble: HubError | None = None
        self._name, self._version = registration.name, registration.version
        self._whose = Whose(registration.name, registration.company_id)
        self._manifest = manifest.of(self._name, self._version)
        self._plan = _applying.Plan(backoff, random)
        self._worker = Worker(f"manifest of {registration.name}")
        self._client: AsyncHubClient
        self._last_said = ""

    @property
    def applied(self) -> bool:
        """Whether the hub has it, as far as that can be known here."""
        outcome = self.settlement.outcome if self.settlement is not None else None
        return self.trouble is None and outcome in (Outcome.APPLIED, Outcome.RAISED)

    def change(self, manifest: Manifest) -> None:
        """Send another manifest from now on; may be called from any thread.

        Raises:
            InvalidManifest: it is not sent, and the one before stays.
        """
        self._manifest = manifest.of(self._name, self._version)
        self.send_soon()

    def send_soon(self) -> None:
        """Send it in the background, since the hub may not have it; may be called from any thread."""
        self._plan.wanted(monotonic())
        self._worker.wake()

    def start(self, client: AsyncHubClient) -> None:
        """Begin to send it when it is time, with ``client``."""
        self._client = client
        self._worker.start(self._run)

    async def stop(self) -> None:
        """End all sending; what the hub has stays there."""
        await self._worker.stop()

    async def _run(self) -> None:
        while True:
            await self._worker.sleep(self._plan.delay(monotonic()))
            if self._plan.begin(monotonic()):
                await self._send(self._manifest)

    async def _send(self, manifest: Manifest) -> None:
        try:
            settlement = await self._client.run(_flows.settle(self._whose, manifest), ONCE)
        except HubError as error:
            quieter = logging.WARNING if self.trouble is None else logging.INFO
            self.trouble = error
            self._plan.missed(monotonic(), error)
            level = logging.ERROR if isinstance(error, Refused) else quieter
            self._say(level, _applying.refusal_told(self._name, manifest, error))
            return
        self.settlement, self.trouble = settlement, None
        self._plan.settled()
        should_look, text = _applying.settlement_told(self._name, manifest, settlement)
        if settlement.result is not None:
            wonders, wondering = _applying.warnings_told(self._name, manifest, settlement.result)
            should_look, text = should_look or wonders, f"{text} {wondering}".rstrip()
        self._say(logging.WARNING if should_look else logging.INFO, text)

    def _say(self, level: int, text: str) -> None:
        """Log something once, however often it turns out again."""
        if text != self._last_said:
            log.log(level, "%s", text)
        self._last_said = text
