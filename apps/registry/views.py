"""The registry's REST routes (contract, "Registry"). Reads are answered from the catalogue in memory."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from queue import Empty, SimpleQueue

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import sse
from apps.core.access import caller_of
from apps.core.errors import FieldError, InvalidInput, NotAuthenticated, NotFound, Unavailable
from apps.core.ownership import (
    actor_of,
    company_for,
    is_service_itself,
    require_change,
    require_company,
    require_own,
    sight,
)
from apps.core.pagination import paginate
from apps.core.sources import source_of
from apps.core.views import HubView
from apps.registry import answers, feed, selectors
from apps.registry.catalog import Rendered, Update
from apps.registry.documents import Row
from apps.registry.live import live
from apps.registry.serializers import (
    BlockingQuery,
    HistoryQuery,
    ReasonSerializer,
    RegistrationSerializer,
    ReportSerializer,
    ServiceListQuery,
)
from apps.registry.services import operations, registration, reports
from apps.serviceauth.viewers import Viewer, viewer_of
from xerpium_sdk.wire.registry import Status
from xerpium_sdk.wire.versions import VersionRangeError

_STALE = OpenApiParameter(
    "X-Catalog-Stale",
    int,
    OpenApiParameter.HEADER,
    response=[200, 204, 304],
    description="For how many seconds nobody could confirm this, because engines are away; absent while all is well.",
)

# A blocking read or a stream holds a thread of Django's; the event loop, which serves them normally, has no such limit.
_blocking_slots = threading.BoundedSemaphore(4)
STREAM_SECONDS = 60


@contextmanager
def _slot() -> Iterator[None]:
    """Hold one of the few places for answers that take their time.

    Raises:
        Unavailable: all are taken.
    """
    if not _blocking_slots.acquire(blocking=False):
        raise Unavailable("Too many blocking queries and streams are open on this process.", retry_after=5)
    try:
        yield
    finally:
        _blocking_slots.release()


@contextmanager
def _updates() -> "Iterator[SimpleQueue[Update]]":
    """Collect the catalogue's updates for as long as the block runs."""
    updates: SimpleQueue[Update] = SimpleQueue()
    unsubscribe = selectors.catalogue().subscribe(updates.put)
    try:
        yield updates
    finally:
        unsubscribe()


def _wait_for_update(updates: "SimpleQueue[Update]", name: str, seconds: float) -> None:
    """Return when the service ``name`` changed, or after ``seconds``."""
    deadline = time.monotonic() + seconds
    with suppress(Empty):
        while updates.get(timeout=max(0.0, deadline - time.monotonic())).name != name:
            pass


def own_service(request: Request, name: str) -> None:
    """Let a caller through who may change what is registered under ``name``.

    Raises:
        NotFound: no such service was ever registered, or another company's.
        NotAllowed: it is another service's, or everybody's and the caller is in a company.
    """
    caller = caller_of(request)
    service = selectors.service_known(name, companies=sight(caller))
    require_change(caller, service=name, company_id=service.company_id)


def leaving_reason(request: Request, name: str) -> str:
    """Return why something is deregistered: a service says goodbye, anyone else asked for it."""
    return "it left" if is_service_itself(caller_of(request), name) else "asked for over the API"


def stale_headers() -> dict[str, str]:
    """Return the header that marks an answer which nobody could confirm lately; none while the catalogue is current."""
    stale = selectors.catalogue_staleness()
    return {} if stale is None else {"X-Catalog-Stale": str(int(stale))}


def rendered(record: Rendered, status: int = 200) -> HttpResponse:
    """Return a record as an answer, with the ETag that it already has."""
    headers = {"ETag": record.etag, **stale_headers()}
    return HttpResponse(record.body, status=status, content_type="application/json", headers=headers)


def _live(response: HttpResponse) -> HttpResponse:
    """Return an answer that is never a 304, with what all answers say about being kept."""
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def record_of(request: Request, name: str) -> Rendered:
    """Return the record of a service that the caller may see.

    Raises:
        NotFound: there is none.
    """
    record = selectors.catalogue().record(name, companies=sight(caller_of(request)))
    if record is None:
        raise NotFound(f"No service is named {name!r}.")
    return record


class RegisterView(HubView):
    """An instance of a service announces where it is."""

    scopes = {"post": "registry:write"}

    @extend_schema(request=RegistrationSerializer, responses={201: answers.ServiceOut})
    def post(self, request: Request) -> HttpResponseBase:
        """Register an instance, or renew what is known of it; a restart is no error and loses no operator setting.

        Answers 201 with the record of the instance's service, also when it was known already.
        """
        declared, caller = RegistrationSerializer.read(request.data), caller_of(request)
        require_own(caller, [("/name", declared["name"])])
        require_company(caller, [("/company_id", declared["company_id"])])
        declared["company_id"] = company_for(caller, declared["company_id"])
        # First of all the catalogue, for the answer: without one nothing is stored.
        live.ready()
        registration.instance_register(declared=declared, actor=actor_of(caller, declared["name"]), now=timezone.now())
        record = live.record_as_written(declared["name"])
        if record is None:
            raise Unavailable("The registration is stored, but somebody took it back at once.")
        return rendered(record, status=201)


class ReportView(HubView):
    """A service says how it is."""

    scopes = {"post": "registry:write"}

    @extend_schema(
        request=ReportSerializer,
        responses={200: answers.ReportOut, 404: OpenApiResponse(description="Nobody of that name: register again.")},
    )
    def post(self, request: Request) -> HttpResponseBase:
        """Store a report, which counts at once, and renew the lease.

        Without `instance_id` it means the instances of that name at the caller's address or, if none is there, all of
        that name. Answers 404 when there is none: register again.
        """
        report, caller = ReportSerializer.read(request.data), caller_of(request)
        name = report["service_name"]
        found = selectors.catalogue().instance_for_report(
            name, report.get("instance_id"), source_of(request), companies=sight(caller)
        )
        if found:
            require_change(caller, service=name, company_id=found[0].company_id)
        else:
            _own_as_stored(request, name)
        # One that this process has not heard of yet may stand in the database already.
        named = [row.document["instance_id"] for row in found] or [report.get("instance_id") or ""]
        done = reports.instances_report(
            service=name,
            instance_ids=named,
            status=Status(report["status"]),
            details=report["details"],
            actor=actor_of(caller, name),
            now=timezone.now(),
        )
        return Response({"status": done.status, "lease_seconds": done.lease_seconds, "revision": done.revision})


def _own_as_stored(request: Request, name: str) -> None:
    try:
        own_service(request, name)
    except NotFound as error:
        raise reports.NobodyReports(name) from error


class ServiceListView(HubView):
    """All services."""

    scopes = {"get": "registry:read"}
    queries = {"get": ServiceListQuery}

    @extend_schema(parameters=[_STALE], responses={200: answers.ServicePage})
    def get(self, request: Request) -> HttpResponseBase:
        """List services by name, each with its instances; filters are all optional and all must hold."""
        filters = {name: value for name, value in self.query.items() if name not in ("limit", "cursor")}
        catalog, companies = selectors.catalogue(), sight(caller_of(request))
        page = paginate(catalog.services(**filters, companies=companies), request, key=lambda name: (name,))
        return Response(
            answers.page_of_records(catalog.list_items(page.items, companies), page.next), headers=stale_headers()
        )


class ServiceView(HubView):
    """One service."""

    scopes = {"get": "registry:read", "delete": "registry:write"}
    queries = {"get": BlockingQuery}

    @property
    def live(self) -> bool:  # type: ignore[override]  # only a blocking query is
        """Whether this is a blocking query."""
        return "wait" in getattr(self, "query", ())

    @extend_schema(parameters=[_STALE], responses={200: answers.ServiceOut, 204: None})
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """Return a service's record: the fields of its preferred instance, its status, and all its instances.

        `version` is an npm-style range that instances must satisfy, `zone` a preference. With `wait` (seconds, at most
        60) and `revision` it is a blocking query: 200 as soon as the record is newer than `revision`, else 204.
        """
        if "wait" in self.query:
            return self._wait_for(request, name)
        return rendered(self._record(request, name))

    def _record(self, request: Request, name: str) -> Rendered:
        wanted = {key: self.query[key] for key in ("version", "zone") if key in self.query}
        if not wanted:
            return record_of(request, name)
        try:
            record = selectors.catalogue().record(name, **wanted, companies=sight(caller_of(request)))
        except VersionRangeError as error:
            raise InvalidInput(errors=[FieldError("?version", "version_range", str(error))]) from error
        if record is None:
            record_of(request, name)
            raise NotFound(f"No instance of {name!r} has a version in {wanted['version']!r}.", code="no_such_version")
        return record

    def _wait_for(self, request: Request, name: str) -> HttpResponseBase:
        record = self._newer(request, name) or self._wait_until_newer(request, name, self.query["wait"])
        if record is not None:
            return _live(rendered(record))
        self._record(request, name)
        return HttpResponse(status=204, headers=stale_headers())

    def _wait_until_newer(self, request: Request, name: str, seconds: int) -> Rendered | None:
        if not seconds:
            return None
        deadline, viewer = time.monotonic() + seconds, viewer_of(request)
        with _slot(), _updates() as updates:
            # Once more, now that no change can be missed.
            record = self._newer(request, name)
            while record is None and (remaining := deadline - time.monotonic()) > 0:
                _wait_for_update(updates, name, min(remaining, viewer.seconds_left(), sse.KEEP_ALIVE_SECONDS))
                if not viewer.seconds_left():
                    raise NotAuthenticated("The token has ended, or was revoked, while this query waited.")
                record = self._newer(request, name)
        return record

    def _newer(self, request: Request, name: str) -> Rendered | None:
        try:
            record = self._record(request, name)
        except NotFound:
            return None
        return record if record.revision > self.query.get("revision", 0) else None

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str) -> HttpResponseBase:
        """Deregister all instances of a service. Repeated: 404."""
        own_service(request, name)
        operations.service_deregister(
            service=name,
            reason=leaving_reason(request, name),
            actor=actor_of(caller_of(request), name),
            now=timezone.now(),
        )
        return HttpResponse(status=204)


class InstanceView(HubView):
    """One instance of a service."""

    scopes = {"delete": "registry:write"}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, name: str, instance_id: str) -> HttpResponseBase:
        """Deregister an instance: the clean way to leave. Repeated: 404."""
        own_service(request, name)
        operations.instance_deregister(
            service=name,
            instance_id=instance_id,
            reason=leaving_reason(request, name),
            actor=actor_of(caller_of(request), name),
            now=timezone.now(),
        )
        return HttpResponse(status=204)


def rotated(operation: Callable[..., Row], request: Request, name: str, instance_id: str) -> Response:
    """Take an instance out of rotation or put it back, and return it as the answer.

    Raises:
        NotFound: there is no such instance that the caller may see.
    """
    own_service(request, name)
    row = operation(
        service=name,
        instance_id=instance_id,
        reason=ReasonSerializer.read(request.data)["reason"],
        actor=actor_of(caller_of(request), name),
        now=timezone.now(),
    )
    return Response(answers.instance(row))


class DrainView(HubView):
    """Taking an instance out of rotation."""

    scopes = {"post": "registry:write"}
    body_required = False

    @extend_schema(request=ReasonSerializer, responses={200: answers.InstanceOut})
    def post(self, request: Request, name: str, instance_id: str) -> HttpResponseBase:
        """Drain an instance: it stays listed and polled, and nobody is sent there until it is resumed."""
        return rotated(operations.instance_drain, request, name, instance_id)


class ResumeView(HubView):
    """Putting an instance back into rotation."""

    scopes = {"post": "registry:write"}
    body_required = False

    @extend_schema(request=ReasonSerializer, responses={200: answers.InstanceOut})
    def post(self, request: Request, name: str, instance_id: str) -> HttpResponseBase:
        """Resume an instance; nothing else lifts a drain.

        A service may resume what it drained itself; what an operator drained, an operator resumes.
        """
        own_only = caller_of(request).speaks_for is not None
        return rotated(partial(operations.instance_resume, own_only=own_only), request, name, instance_id)


class HistoryView(HubView):
    """What happened to a service."""

    scopes = {"get": "registry:read"}
    area = "history"
    queries = {"get": HistoryQuery}

    @extend_schema(responses={200: answers.HistoryPage})
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """List the changes of a service, newest first: when, what, why and by whom."""
        history = selectors.service_history(name, companies=sight(caller_of(request)))
        if "instance_id" in self.query:
            history = history.filter(instance_id=self.query["instance_id"])
        return Response(paginate(history, request, key=("-id",)).as_json(answers.history_entry))


class GraphView(HubView):
    """Who depends on whom."""

    scopes = {"get": "registry:read"}

    @extend_schema(parameters=[_STALE], responses={200: answers.GraphOut})
    def get(self, request: Request) -> HttpResponseBase:
        """Return the dependency graph: nodes with their impact, edges, missing dependencies, cycles."""
        graph = selectors.catalogue().graph(sight(caller_of(request)))
        return Response(answers.graph(graph), headers=stale_headers())


class CatalogStreamView(HubView):
    """Everything that changes, as it changes."""

    scopes = {"get": "registry:read"}
    live = True

    @extend_schema(responses={(200, "text/event-stream"): str})
    def get(self, request: Request) -> HttpResponseBase:
        """Stream the catalogue as server-sent events.

        First `snapshot` (or, with `Last-Event-ID`, the `change`s since, when they are still known), then a `change` for
        every service that changes, with its record; `id` is the revision. A comment every 15 s shows that it is alive.
        """
        since = sse.last_event_id(request.META.get("HTTP_LAST_EVENT_ID"))
        frames = _frames(since, viewer_of(request))
        # The first frame now: an error before it can still be an answer of its own.
        return StreamingHttpResponse(chain([next(frames)], frames), headers=sse.HEADERS)

    def head(self, request: Request) -> HttpResponseBase:
        """Return the headers of the stream, and end there."""
        return StreamingHttpResponse((), headers=sse.HEADERS)


def _frames(since: int | None, viewer: Viewer) -> Iterator[bytes]:
    """Yield the stream's frames for `STREAM_SECONDS`, or until the viewer's token ends.

    Behind a WSGI server nobody says that the client is gone, and a thread must not be lost to each that is: the stream
    ends, and clients come back with the id of what they saw last.
    """
    end = time.monotonic() + STREAM_SECONDS
    with _slot(), _updates() as updates:
        sent, frames = feed.opening(selectors.catalogue(), since, viewer.companies)
        yield from frames
        due = time.monotonic() + sse.KEEP_ALIVE_SECONDS
        while (left := min(end - time.monotonic(), viewer.seconds_left())) > 0:
            told = sse.KEEP_ALIVE if time.monotonic() >= due else b""
            with suppress(Empty):
                update = updates.get(timeout=max(0.0, min(left, due - time.monotonic())))
                if feed.is_news(update, sent, viewer.companies):
                    told = sse.frame("change", update.revision, update.body)
            if told and viewer.seconds_left() > 0:
                yield told
                due = time.monotonic() + sse.KEEP_ALIVE_SECONDS
