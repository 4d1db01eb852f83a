"""A hub in memory for the tests of a service: it speaks the contract over a real socket, and does as it is told.

```python
def test_it_joins_and_shows_its_menu():
    with TestHub() as hub:
        with XerpiumService("orders", "1.0.0", hub_url=hub.url, port=8102) as service: ...
```
"""

import json
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from xerpium_sdk.testing._declarations import Declarations
from xerpium_sdk.testing._desk import Desk, issuer_of
from xerpium_sdk.testing._http import Answer, Asked, Server, problem
from xerpium_sdk.testing._routes import Routes
from xerpium_sdk.testing._services import Register
from xerpium_sdk.wire.envelope import Envelope
from xerpium_sdk.wire.manifests import Manifest
from xerpium_sdk.wire.menus import MenuItem
from xerpium_sdk.wire.registry import InstanceRecord, Registration, ServiceRecord, Status
from xerpium_sdk.wire.ui import UIComponent, UIWidget

if TYPE_CHECKING:
    from xerpium_sdk.testing.issuer import TestIssuer

__all__ = ["Asked", "TestHub"]

COMMENT_SECONDS = 1.0
"""So often a stream says that it is alive; the hub does so every 15 s, but here who has gone is noticed by it."""
PATIENCE_SECONDS = 10.0


@dataclass
class _Wish:
    """What the next requests get instead of an answer."""

    answer: Answer
    path: str
    times: int


class TestHub:
    """A hub that listens on a port of this machine while its block runs. Nothing of it is left afterwards.

    What it knows are the routes that the SDK calls: the registry with its catalogue's stream, menu items, components,
    widgets, manifests, publishing of events, and tokens. What it answers is the contract's; what it does not do is
    time and people: leases do not run out, nobody polls health, operators change nothing, and all is of one company.

    >>> with TestHub() as hub, Member(hub.url, registration):
    ...     hub.wait_for(lambda: "orders" in hub.services)

    Args:
        port: where it listens; 0: where there is room.
        keys: the good key of each service; None: every key is good. Where PyJWT is installed, the tokens for them are
            signed, and `issuer` makes others.
        is_open: whether calls without a token are answered, as a hub with ``HUB_OPEN=1`` does. A bad token is refused
            in any case.
        lease_seconds: the lease that is granted to those who report, in place of the one that they ask for; a short
            one makes members report often.
    """

    __test__ = False  # not a test case, whatever pytest makes of its name

    def __init__(
        self,
        *,
        port: int = 0,
        keys: Mapping[str, str] | None = None,
        is_open: bool = True,
        lease_seconds: float | None = None,
    ) -> None:
        self.lease_seconds = lease_seconds
        self.events: list[Envelope] = []
        """What was published over HTTP, in order; for events over Redis there is `TestBroker`."""
        self.requests: list[Asked] = []
        """All that came in, also what was refused."""
        self.details: dict[str, Mapping[str, Any]] = {}
        """The numbers that came with the last report, by service."""
        self.streams = 0
        """How many follow the catalogue."""
        self._port, self._keys, self._is_open = port, keys, is_open
        self._changed = threading.Condition(threading.RLock())
        self._register, self._declarations = Register(), Declarations()
        self._wishes: list[_Wish] = []
        self._cuts = 0
        self._server: Server | None = None
        self._desk: Desk
        self._routes: Routes

    @property
    def url(self) -> str:
        """Where it is; known as soon as its block begins."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def services(self) -> dict[str, ServiceRecord]:
        """Who is registered, by name."""
        with self._changed:
            return self._register.records()

    @property
    def menus(self) -> dict[str, tuple[MenuItem, ...]]:
        """The menu items of each service, whichever way they were declared."""
        return self._declared("menus")

    @property
    def components(self) -> dict[str, tuple[UIComponent, ...]]:
        """The pages, forms and modals of each service."""
        return self._declared("components")

    @property
    def widgets(self) -> dict[str, tuple[UIWidget, ...]]:
        """The widgets of each service."""
        return self._declared("widgets")

    @property
    def manifests(self) -> dict[str, Manifest]:
        """The manifest of each service that put one."""
        with self._changed:
            return self._declarations.manifests()

    @property
    def issuer(self) -> "TestIssuer":
        """Makes tokens that this hub and its verifiers know: people's, other companies', expired ones.

        Raises:
            RuntimeError: PyJWT is not installed (extra ``auth``), or the block has not begun.
        """
        issuer = self._desk.issuer if hasattr(self, "_desk") else None
        if issuer is None:
            raise RuntimeError("Signed tokens need the extra `auth`, and a hub whose block has begun.")
        return issuer

    def asked(self, method: str, path: str) -> list[Asked]:
        """Return the requests of one route, such as ``("PUT", "/api/v1/services/orders/manifest")``."""
        with self._changed:
            return [one for one in self.requests if (one.method, one.path) == (method, path.rstrip("/"))]

    def register(
        self, name: str, *, url: str = "http://127.0.0.1:9", status: Status | str = Status.HEALTHY, **said: Any
    ) -> ServiceRecord:
        """Let a service be there that the one under test is to find.

        Args:
            name: what it is called.
            url: where its API is; the default is an address where nobody answers.
            status: how it is.
            said: other fields of `Registration`.
        """
        host, _, port = url.partition("://")[2].partition("/")[0].partition(":")
        fields: dict[str, Any] = {"version": "1.0.0", "host": host, "port": int(port or 80), "api_base_url": url} | said
        with self._changed:
            record = self._register.register(Registration(name=name, **fields), Status(status))
            self._changed.notify_all()
        return record

    def report(self, name: str, status: Status | str) -> ServiceRecord:
        """Let a service be ``status`` from now on, as if it had said so.

        Raises:
            KeyError: there is none of that name.
        """
        with self._changed:
            if not self._register.report(name, Status(status)):
                raise KeyError(name)
            self._changed.notify_all()
            return self._register.records()[name]

    def remove(self, name: str) -> None:
        """Let a service leave.

        Raises:
            KeyError: there is none of that name.
        """
        with self._changed:
            if not self._register.remove(name):
                raise KeyError(name)
            self._changed.notify_all()

    def forget(self) -> None:
        """Know nothing any more of services, menus and pages, and cut the streams, as after its data were lost."""
        with self._changed:
            self._register, self._declarations = Register(), Declarations()
            self.details.clear()
            self._cut()

    def refuse(
        self,
        status: int,
        code: str = "refused",
        detail: str = "The test wants it so.",
        *,
        path: str = "",
        times: int = 1,
        retry_after: int | None = None,
    ) -> None:
        """Answer the next request with an error instead of doing what it asks.

        Args:
            status: such as 409; 429 and 5xx are "not now" to the SDK, which tries again.
            code: what programs read.
            detail: what people read.
            path: only requests whose path begins so, such as ``/api/v1/services/orders/manifest``.
            times: how many of them.
            retry_after: seconds after which the caller may ask again.
        """
        with self._changed:
            self._wishes.append(_Wish(problem(status, code, detail, retry_after=retry_after), path, times))

    @contextmanager
    def away(self) -> Iterator[None]:
        """Be away for the block: nobody listens, and every connection is cut. What it knew it knows afterwards."""
        self._close()
        try:
            yield
        finally:
            self._open()

    def wait_for(self, is_so: Callable[[], object], timeout: float = PATIENCE_SECONDS) -> None:
        """Return as soon as ``is_so()`` holds; it is asked after each request. From a coroutine: in a thread.

        Raises:
            TimeoutError: it does not within ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(is_so, timeout):
                raise TimeoutError(f"That did not come true within {timeout:g} s; {len(self.requests)} requests came.")

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _open(self) -> None:
        self._server = Server(self._port, self._answer)
        if self._port != self._server.port or not hasattr(self, "_desk"):
            self._port = self._server.port
            self._desk = Desk(issuer_of(self.url), self._keys, is_open=self._is_open)
            self._routes = Routes(self)

    def _close(self) -> None:
        server, self._server = self._server, None
        with self._changed:
            self._cut()
        if server is not None:
            server.stop()

    def _cut(self) -> None:
        self._cuts += 1
        self._changed.notify_all()

    def _answer(self, asked: Asked) -> Answer:
        with self._changed:
            self.requests.append(asked)
            try:
                return self._wished(asked) or self._desk.refusal(asked) or self._routes.answer(asked)
            except Exception as error:
                traceback.print_exc()
                return problem(500, "defect", f"The hub in memory cannot do that: {error!r}")
            finally:
                self._changed.notify_all()

    def _wished(self, asked: Asked) -> Answer | None:
        for wish in self._wishes:
            if asked.path.startswith(wish.path):
                wish.times -= 1
                if wish.times <= 0:
                    self._wishes.remove(wish)
                return wish.answer
        return None

    def _heard(self, name: str, instances: list[InstanceRecord], details: Mapping[str, Any]) -> None:
        self.details[name] = details

    def _declared(self, part: str) -> dict[str, tuple[Any, ...]]:
        with self._changed:
            return self._declarations.of(part)

    def _pieces(self) -> Iterator[bytes]:
        """Yield the catalogue as it is, and then every change, until the stream is cut."""
        with self._changed:
            cuts, register = self._cuts, self._register
            told, records = len(register.changes), [one.to_json() for one in register.records().values()]
            snapshot = _event("snapshot", {"revision": register.revision, "services": records}, register.revision)
            self.streams += 1
            self._changed.notify_all()
        try:
            # While the server closes, no stream may begin that would wait for an end that is over.
            yield snapshot if self._server is not None else b""
            while (news := self._news(register, cuts, told)) is not None:
                told += len(news)
                yield b"".join(_event("change", one.to_json(), one.revision) for one in news) or b": alive\n\n"
        finally:
            with self._changed:
                self.streams -= 1
                self._changed.notify_all()

    def _news(self, register: Register, cuts: int, told: int) -> list[ServiceRecord] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._cuts != cuts or len(register.changes) > told, COMMENT_SECONDS)
            return None if self._cuts != cuts or self._server is None else register.changes[told:]


def _event(name: str, document: Any, revision: int) -> bytes:
    return f"event: {name}\nid: {revision}\ndata: {json.dumps(document)}\n\n".encode()
