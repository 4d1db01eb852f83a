"""Where the tokens of one service come from: one cache, and one request at a time, for all threads and event loops."""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from random import random
from typing import NamedTuple, Protocol

from xerpium_sdk._answers import read
from xerpium_sdk._backoff import Random
from xerpium_sdk.auth._background import begin
from xerpium_sdk.auth._life import Life, Pauses
from xerpium_sdk.auth._line import Line
from xerpium_sdk.errors import HubError, NotAuthenticated
from xerpium_sdk.wire.credentials import TokenAnswer

__all__ = ["Clock", "KeyHolder", "TokenSource", "Want"]

Clock = Callable[[], float]

MOST_LIVES = 128
"""Companies and scopes for which tokens are kept; those that were not asked for longest are forgotten first."""
LOOK_SECONDS = 2.0
"""How often a look is taken whether the file with the key is another one."""
log = logging.getLogger("xerpium_sdk.auth")


class Want(NamedTuple):
    """For which company a token is to be, and with which scope; None: what the hub gives by itself."""

    company_id: int | None = None
    scope: str | None = None


class KeyHolder(Protocol):
    """Knows the service's key."""

    def read(self) -> str:
        """Return it."""

    def changed(self) -> bool:
        """Return whether it is another one than was read last."""


class TokenSource:
    """Fetches tokens ahead of their end, and keeps them.

    A token is replaced in the background once two thirds of its life are over, when somebody asks for it: who asks gets
    the present one at once. While the hub is away that one serves until it ends.

    A process that was forked goes on with the tokens that it inherits, and with locks of its own.
    """

    def __init__(
        self,
        line: Line,
        service_name: str,
        key: KeyHolder,
        *,
        pauses: Pauses | None = None,
        jitter: Random = random,
        now: Clock = time.monotonic,
        wall: Clock = time.time,
    ) -> None:
        self.service_name = service_name
        self._line, self._key = line, key
        self._pauses, self._jitter = pauses or Pauses(), jitter
        self._now, self._wall = now, wall
        self._lives: OrderedDict[Want, Life] = OrderedDict()
        self._in_trouble = False
        self._looked_at = now()
        self._begin()

    def __repr__(self) -> str:
        """Return whose tokens these are, and nothing of them."""
        return f"TokenSource({self.service_name!r}, hub={self._line.hub_url!r})"

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._fetching: dict[Want, Future[str]] = {}

    def get(self, want: Want) -> "str | Future[str]":
        """Return a good token, or the future of the one that is being fetched.

        Raises:
            HubError: there is none, and it is too early to ask for one again.
        """
        self._look_at_key()
        with self._guard():
            life = self._life(want)
            now = self._now()
            token = life.token(now)
            if life.is_due(now, self._wall()):
                fetching = self._fetch(want, life)
                return token or fetching
            if token is not None:
                return token
            if (running := self._fetching.get(want)) is not None:
                return running
            raise life.error(now)

    def renew(self, want: Want, token: str) -> "str | Future[str] | None":
        """Return another token in place of one that was refused, or the future of it; None: it is not worth a try.

        However many find out at once that a token is refused, it is replaced once.
        """
        self._look_at_key()
        with self._guard():
            life = self._life(want)
            now = self._now()
            present = life.token(now)
            if present is not None and present != token:
                return present
            if (running := self._fetching.get(want)) is not None:
                return running
            may = life.is_due(now, self._wall()) if present is None else life.may_renew(token, now)
            return self._fetch(want, life) if may else None

    def close(self) -> None:
        """Close the connections to the hub."""
        self._line.close()

    def _guard(self) -> threading.Lock:
        if self._process != os.getpid():
            self._begin()  # a fork: the parent's threads are not here, and one of them may have held the lock
        return self._lock

    def _life(self, want: Want) -> Life:
        life = self._lives.get(want)
        if life is None:
            life = self._lives[want] = Life(self._pauses, self._jitter)
            while len(self._lives) > MOST_LIVES:
                self._lives.popitem(last=False)
        self._lives.move_to_end(want)
        return life

    def _look_at_key(self) -> None:
        """Fetch new tokens soon when the file with the key was replaced: the old key should fall out of use."""
        now = self._now()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        if self._key.changed():
            with self._guard():
                for life in self._lives.values():
                    life.expire()

    def _fetch(self, want: Want, life: Life) -> "Future[str]":
        """Begin to fetch a token unless somebody does; the lock is held."""
        running = self._fetching.get(want)
        if running is None:
            fetching = self._fetching

            def done() -> None:
                fetching.pop(want, None)

            name = f"token of {self.service_name}"
            running = self._fetching[want] = begin(name, lambda: self._fetched(want, life), done)
        return running

    def _fetched(self, want: Want, life: Life) -> str:
        asked_at, asked_wall = self._now(), self._wall()
        try:
            answer = self._ask(want)
        except Exception as error:  # whatever it is, the pauses have to be kept
            known = error if isinstance(error, HubError) else HubError(f"No token: {type(error).__name__}")
            with self._lock:
                life.failed(self._now(), known)
            self._note(known)
            raise
        with self._lock:
            life.got(answer, asked_at, asked_wall)
        self._note(None)
        return answer.access_token

    def _ask(self, want: Want) -> TokenAnswer:
        """Ask for a token, and once more when the key was replaced between reading and using it."""
        try:
            return self._asked(want)
        except NotAuthenticated:
            if not self._key.changed():
                raise
        return self._asked(want)

    def _asked(self, want: Want) -> TokenAnswer:
        body = {"service_name": self.service_name, "service_key": self._key.read()}
        wanted = {name: value for name, value in want._asdict().items() if value is not None}
        return read(self._line.ask("POST", "/api/v1/service-auth/token", body | wanted), TokenAnswer.from_json)

    def _note(self, error: HubError | None) -> None:
        """Write one line when trouble begins and one when it is over, however many tries lie between."""
        if error is not None and not self._in_trouble:
            log.warning("%s gets no token from the hub: %s", self.service_name, error)
        elif error is None and self._in_trouble:
            log.info("%s gets tokens from the hub again.", self.service_name)
        self._in_trouble = error is not None
