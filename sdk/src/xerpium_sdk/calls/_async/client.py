"""The client that calls other services."""

import logging
from collections.abc import Collection, Mapping
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx2

from xerpium_sdk.auth._async.client import AsyncServiceAuthClient
from xerpium_sdk.auth._line import common_headers
from xerpium_sdk.calls._attempts import Failed, Wanted, address_of, problem_with
from xerpium_sdk.calls._lines import Line, Lines
from xerpium_sdk.calls._sharing import sharing
from xerpium_sdk.calls._tasks import Deadline, call_again, end_of
from xerpium_sdk.calls.endpoint import ServiceEndpoint
from xerpium_sdk.calls.errors import CallError, CircuitOpen, NoAnswer, NoInstanceToCall, TookTooLong, TooManyCalls
from xerpium_sdk.calls.policy import CallPolicy
from xerpium_sdk.errors import HubError, NoInstance
from xerpium_sdk.passing import current
from xerpium_sdk.registry._async.catalog import AsyncCatalog
from xerpium_sdk.registry._choice import Endpoint
from xerpium_sdk.resilience.errors import BulkheadFullError, CircuitOpenError
from xerpium_sdk.wire.envelope import dump_data

if TYPE_CHECKING:
    from xerpium_sdk.resilience.shared import SharedBreakers

__all__ = ["AsyncServiceClient"]

log = logging.getLogger("xerpium_sdk.calls")
MOST_CONNECTIONS = 200
SHORTEST_ATTEMPT = 0.05
TOO_SLOW = TimeoutError, httpx2.ReadTimeout, httpx2.WriteTimeout, httpx2.PoolTimeout


class AsyncServiceClient:
    """Calls other services by their names, through whatever instances of them work.

    >>> async with AsyncServiceClient("http://127.0.0.1:8000") as services:
    ...     product = await services.get("product-service", "products/42")

    Each call goes through the same gates, from the outside in: a limit to how many run at once, a total time, retries
    within a budget and only of what may be repeated, a circuit breaker for each service, and a time for each attempt.
    Each attempt goes to an instance of the live catalogue; one that fails is put aside here at once. The trace, the id
    of the request in hand and the company go with the call, and a token for that company where this service has a key.

    Args:
        catalog: the live catalogue, which then stays open at the end; or the hub's address.
        auth: gets tokens; default: by the key of the environment, as `AsyncHubClient` does.
        policy: the limits around each call.
        policies: other limits for some services, by name.
        zone: where this service runs; instances of the same zone are preferred.
        shared_breakers: lets the breakers be one for all processes that have it; True: in the Redis of ``REDIS_URL``,
            for the processes of this service (``XERPIUM_SERVICE_NAME``), from the first call until the end.
        transport: another way to the services, for tests.
    """

    def __init__(
        self,
        catalog: AsyncCatalog | str,
        *,
        auth: AsyncServiceAuthClient | None = None,
        policy: CallPolicy | None = None,
        policies: Mapping[str, CallPolicy] | None = None,
        zone: str | None = None,
        shared_breakers: "SharedBreakers | bool" = False,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._own_catalog = isinstance(catalog, str)
        self.catalog = AsyncCatalog(catalog, zone=zone) if isinstance(catalog, str) else catalog
        if auth is None and isinstance(catalog, str):
            auth = AsyncServiceAuthClient.from_environment(catalog)
        self._auth = auth
        self._own_shared, shared = sharing(shared_breakers)
        self._lines = Lines(policy or CallPolicy(), policies or {}, shared, starts=self._own_shared is not None)
        self._transport = transport
        self._http = self._connections()

    async def get(self, service: str, path: str, **options: Any) -> Any:
        """Return the JSON of a GET; ``options`` are those of `request`."""
        return _json_of(await self.request(service, "GET", path, **options))

    async def post(self, service: str, path: str, json: Any = None, **options: Any) -> Any:
        """Return the JSON of a POST; it is repeated only if ``idempotent=True`` or with an ``Idempotency-Key``."""
        return _json_of(await self.request(service, "POST", path, json=json, **options))

    async def put(self, service: str, path: str, json: Any = None, **options: Any) -> Any:
        """Return the JSON of a PUT."""
        return _json_of(await self.request(service, "PUT", path, json=json, **options))

    async def patch(self, service: str, path: str, json: Any = None, **options: Any) -> Any:
        """Return the JSON of a PATCH; see `post`."""
        return _json_of(await self.request(service, "PATCH", path, json=json, **options))

    async def delete(self, service: str, path: str, **options: Any) -> Any:
        """Return the JSON of a DELETE, None when it has no body."""
        return _json_of(await self.request(service, "DELETE", path, **options))

    async def request(
        self,
        service: str,
        method: str,
        path: str,
        *,
        json: Any = None,
        content: bytes | None = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        version: str | None = None,
        company_id: int | None = None,
        idempotent: bool | None = None,
        timeout: float | None = None,
    ) -> httpx2.Response:
        """Return a good answer (below 400) of a service.

        Args:
            service: its name.
            method: of HTTP.
            path: below its ``api_base_url``.
            json: the body, with times, decimals and UUIDs as events have them.
            content: the body as bytes, instead of ``json``; its type goes into ``headers``.
            params: the query; None is left out.
            headers: besides those that go with every call.
            version: an npm-style range that the instance's version must be in.
            company_id: the company of the call; default: that of the request in hand.
            idempotent: whether it may be repeated; default: by its method, and by an ``Idempotency-Key``.
            timeout: the total time in seconds; default: the policy's.

        Raises:
            CallError: one of its kinds, see `errors`.
            ValueError: ``path`` names another host.
        """
        passing = current()
        wanted = Wanted.of(service, method, path, headers, idempotent=idempotent, passing=passing)
        address_of("", path)
        line = self._lines.get(service)
        body = content if json is None else dump_data(json).encode()
        company = company_id if company_id is not None else passing.company_id
        query = {name: value for name, value in (params or {}).items() if value is not None}
        call = _Call(self, line, wanted, body, query, version, company)
        try:
            with line.bulkhead.place():
                return await call.run(line.policy.total_seconds if timeout is None else timeout)
        except BulkheadFullError as error:
            raise TooManyCalls(service, str(error)) from None

    async def call_service(
        self,
        service_name: str,
        endpoint: str,
        method: str = "GET",
        data: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the JSON of a call, or None when it failed; the log says why. `request` raises instead."""
        try:
            return _json_of(await self.request(service_name, method, endpoint, json=data, headers=headers))
        except (CallError, ValueError) as error:
            log.error("%s", error)
            return None

    async def get_service(self, service_name: str) -> ServiceEndpoint | None:
        """Return the instance of a service that would be called now; None when there is none."""
        try:
            endpoint = self.catalog.choose(service_name, without=self._lines.get(service_name).aside.now(monotonic()))
        except NoInstance as error:
            log.warning("%s", error)
            return None
        with endpoint:
            return ServiceEndpoint.of(service_name, endpoint.instance)

    async def check_service_capability(
        self,
        service_name: str,
        capability: str,
    ) -> bool:
        """Return whether some instance of a service that can take work has a capability."""
        record = self.catalog.get(service_name)
        return record is not None and any(
            capability in instance.capabilities and instance.status.is_choosable for instance in record.instances
        )

    @property
    def lines(self) -> Mapping[str, Line]:
        """What is kept for each service that was called: ``breaker``, ``bulkhead``, ``budget``, ``aside``."""
        return self._lines.known

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Return the numbers of each service that was called, as plain values; `prometheus` makes series of them."""
        now = monotonic()
        return {service: line.metrics(now) for service, line in self._lines.known.items()}

    async def __aenter__(self) -> Self:
        if self._own_catalog:
            await self.catalog.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections, and the catalogue if it is this client's own; the next call opens new ones."""
        if self._own_catalog:
            await self.catalog.__aexit__(None, None, None)
        if self._own_shared is not None:
            await end_of(self._own_shared)
        http, self._http = self._http, self._connections()
        await http.aclose()

    def _connections(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            headers=common_headers(),
            limits=httpx2.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_CONNECTIONS),
            follow_redirects=False,
            trust_env=False,
            transport=self._transport,
        )

    async def _send(
        self, wanted: Wanted, url: str, body: bytes | None, query: Mapping[str, Any], company: int | None, limit: float
    ) -> httpx2.Response:
        auth = None if self._auth is None else self._auth.auth(company_id=company)
        return await self._http.request(
            wanted.method, url, content=body, params=query or None, headers=wanted.headers, auth=auth, timeout=limit
        )


class _Call:
    """One call with its attempts."""

    def __init__(
        self, client: AsyncServiceClient, line: Line, wanted: Wanted, body: bytes | None, query: Mapping[str, Any],
        version: str | None, company: int | None,
    ) -> None:  # fmt: skip
        self._client, self._line, self._wanted = client, line, wanted
        self._body, self._query, self._version, self._company = body, query, version, company
        self._tried: set[str] = set()
        self._attempts = 0

    async def run(self, seconds: float) -> httpx2.Response:
        """Return a good answer within ``seconds``, or raise what became of the last attempt."""
        line, again = self._line, self._line.policy.retry
        deadline = Deadline(seconds)
        try:
            async with deadline:
                self._deadline = deadline
                return await call_again(self._attempt, again, self._worth_it, budget=line.budget, total=seconds)
        except TimeoutError:
            if not deadline.is_over:
                raise
            error: CallError = self._too_long(seconds)
        except Failed as failed:
            error = self._too_long(seconds) if deadline.left <= SHORTEST_ATTEMPT else failed.error
        except CircuitOpenError as refused:
            error = CircuitOpen(line.service, str(refused), retry_after=refused.retry_after)
        except CallError as found:
            error = found
        error.attempts = self._attempts
        raise error

    async def _attempt(self) -> httpx2.Response:
        """Make one attempt: at an instance, and where it is gone, at once at the next that nobody found silent."""
        while True:
            try:
                return await self._at_one()
            except Failed as failed:
                if not failed.goes_on:
                    raise

    async def _at_one(self) -> httpx2.Response:
        line = self._line
        with line.breaker.attempt() as attempt, self._chosen() as endpoint:
            self._attempts += 1
            began = monotonic()
            instance_id = endpoint.instance.instance_id
            self._tried.add(instance_id)
            line.aside.asked(instance_id, began)
            try:
                answer = await self._answer(address_of(endpoint.url, self._wanted.path))
            except Failed as failed:
                # One instance that dies breaks many calls at once; to the service it is one failure, and none at all
                # while there are others.
                is_news = not failed.is_silence or line.aside.failed(instance_id, began, monotonic())
                failed.goes_on = self._goes_on(failed)
                if failed.goes_on or not is_news:
                    attempt.ignore()
                raise
            line.aside.worked(instance_id)
            problem = problem_with(answer, self._wanted)
            if isinstance(problem, Failed):
                raise problem
        # What is refused is no failure of the service: its breaker has seen a good call.
        if problem is not None:
            raise problem
        return answer

    def _goes_on(self, failed: Failed) -> bool:
        """Say whether a call goes on to another instance; it is no retry, since the service is in no trouble.

        It ends: each instance that is gone is found so once, and then none is left to go on to.
        """
        may = failed.again and failed.is_gone and self._line.policy.retry.attempts > 1
        return may and self._deadline.left > SHORTEST_ATTEMPT and self._has_another()

    def _worth_it(self, error: Exception) -> bool | float:
        """Say whether another attempt makes sense; none does that would be cut off at once."""
        return self._deadline.left > SHORTEST_ATTEMPT and self._line.worth_it(error)

    def _has_another(self) -> bool:
        return self._client.catalog.can_choose(self._line.service, self._version, without=self._out())

    def _out(self) -> frozenset[str]:
        return self._line.aside.suspected() | self._tried

    def _too_long(self, seconds: float) -> TookTooLong:
        return TookTooLong(self._line.service, f"{self._line.service} did not answer within {seconds:g} s.")

    def _chosen(self) -> Endpoint:
        # A first attempt may find out whether an instance is back; a call that failed once has better things to do.
        if not self._tried:
            without: Collection[str] = self._line.aside.now(monotonic())
        else:
            without = self._out() if self._has_another() else self._tried
        try:
            return self._client.catalog.choose(self._line.service, self._version, without=without)
        except NoInstance as error:
            raise NoInstanceToCall(self._line.service, str(error)) from None

    async def _answer(self, url: str) -> httpx2.Response:
        # A little less than what is left: that it took so long is to be known before nobody waits any more.
        limit = min(self._line.policy.attempt_seconds, max(0.001, self._deadline.left - 0.01))
        wanted = self._wanted
        try:
            async with Deadline(limit):
                return await self._client._send(wanted, url, self._body, self._query, self._company, limit)
        except (httpx2.TransportError, TimeoutError) as error:
            # Where no connection came about, nothing can have happened.
            again = wanted.repeatable or isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            reason = f"{type(error).__name__} {error}".strip()
            message = f"{wanted.service} at {url} did not answer {wanted.method}: {reason}"
            raise Failed(
                NoAnswer(wanted.service, message), again=again, is_silence=True, is_gone=not isinstance(error, TOO_SLOW)
            ) from error
        except HubError as error:  # from our own `auth`: it is not the service's fault that there is no token
            raise NoAnswer(wanted.service, f"No token for {wanted.service}: {error}") from error


def _json_of(answer: httpx2.Response) -> Any:
    """Return an answer's JSON; None without a body.

    Raises:
        CallError: it is not JSON.
    """
    if not answer.content:
        return None
    try:
        return answer.json()
    except ValueError as error:
        raise CallError(str(answer.url.host), f"{answer.url} did not answer with JSON: {error}") from error
