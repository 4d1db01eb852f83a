"""How the bus is doing, for tools: ``events/groups`` and ``events/streams``. Live, so without tags."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.pagination import paginate
from apps.core.views import HubView
from apps.events import answers, selectors
from apps.events.serializers import GroupQuery
from apps.events.views.callers import filters_of

__all__ = ["GroupListView", "StreamListView"]


class GroupListView(HubView):
    """Who reads the streams."""

    scopes = {"get": "events:read"}
    area = "groups"
    queries = {"get": GroupQuery}
    live = True

    @extend_schema(responses={200: answers.GroupPage})
    def get(self, request: Request) -> Response:
        """List the consumer groups with their lag and their consumers, by stream and name.

        From Redis, now; while it is away `live` is off, the numbers are those of the last look, and there are no
        consumers. Who does not act for all companies sees the hub's groups and its own.
        """
        wanted = filters_of(self.query)
        found = [view for view in selectors.groups() if all(getattr(view, name) == wanted[name] for name in wanted)]
        page = paginate(found, request, key=lambda view: (view.stream, view.group))
        return Response(
            page.as_json(lambda view: answers.group(view, selectors.group_consumers(view.stream, view.group)))
        )


class StreamListView(HubView):
    """The streams of the bus."""

    scopes = {"get": "events:read"}
    area = "streams"
    live = True

    @extend_schema(responses={200: answers.StreamPage})
    def get(self, request: Request) -> Response:
        """List the streams with their length, what they may grow to, and what keeps them from being trimmed.

        Of the groups that do, those are named that the caller may see (`events/groups`).
        """
        return Response({"results": [answers.stream(view) for view in selectors.streams()], "next": None})
