"""``menus/conflicts`` and ``menus/handovers``: who wants which path, and whom operators gave it."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.access import Principal, caller_of
from apps.core.errors import NotAllowed
from apps.core.ownership import actor_of, company_for, require_company
from apps.core.pagination import paginate
from apps.core.tenancy import scope_of
from apps.core.views import HubView
from apps.menus import answers
from apps.menus.selectors import decisions
from apps.menus.serializers import ClaimQuery, HandoverSerializer
from apps.menus.services.handing import conflict_dismiss, path_hand_over, path_take_back
from apps.menus.views.callers import filters_of, require_operator

__all__ = ["ConflictListView", "ConflictView", "HandoverListView", "HandoverView"]

_EXAMPLE = {"kind": "menu", "path": "/reports", "service_name": "reporting"}


class ConflictListView(HubView):
    """Who wanted what somebody else has."""

    scopes = {"get": "menus:read"}
    queries = {"get": ClaimQuery}

    @extend_schema(responses={200: answers.ConflictPage})
    def get(self, request: Request) -> Response:
        """List the services that were refused a path because another one has it, oldest first. For operators."""
        require_operator(caller_of(request))
        found = decisions.conflicts(**filters_of(self.query))
        return Response(paginate(found, request, key=("id",)).as_json(answers.conflict))


class ConflictView(HubView):
    """One conflict."""

    scopes = {"get": "menus:read", "delete": "menus:write"}

    @extend_schema(responses={200: answers.ConflictOut})
    def get(self, request: Request, id: int) -> Response:
        """Return a conflict. For operators."""
        require_operator(caller_of(request))
        return Response(answers.conflict(decisions.conflict(id)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: int) -> Response:
        """Dismiss a conflict; should the service ask again, it is back. Repeated: 404. For operators."""
        caller = caller_of(request)
        require_operator(caller)
        _require_writable(caller, decisions.conflict(id).company_id)
        conflict_dismiss(id=id)
        return Response(status=204)


class HandoverListView(HubView):
    """Which paths operators gave to whom."""

    scopes = {"get": "menus:read", "post": "menus:write"}
    queries = {"get": ClaimQuery}

    @extend_schema(responses={200: answers.HandoverPage})
    def get(self, request: Request) -> Response:
        """List the paths that operators gave to a service, oldest first. For operators."""
        require_operator(caller_of(request))
        found = decisions.handovers(**filters_of(self.query))
        return Response(paginate(found, request, key=("id",)).as_json(answers.handover))

    @extend_schema(
        request=HandoverSerializer,
        responses={201: answers.HandoverOut},
        examples=[OpenApiExample("A path of everybody's", value=_EXAMPLE, request_only=True)],
    )
    def post(self, request: Request) -> Response:
        """Give a path to a service, whoever declares it. For operators.

        What others declare there is kept and not shown, with a warning (`handed_over`) whenever they declare it again.
        """
        caller = caller_of(request)
        require_operator(caller)
        told = HandoverSerializer.read(request.data)
        require_company(caller, [("/company_id", told.get("company_id"))])
        told["company_id"] = company_for(caller, told.get("company_id"))
        row = path_hand_over(**told, actor=actor_of(caller), now=timezone.now())
        return Response(answers.handover(row), status=201)


class HandoverView(HubView):
    """One path that was handed over."""

    scopes = {"get": "menus:read", "delete": "menus:write"}

    @extend_schema(responses={200: answers.HandoverOut})
    def get(self, request: Request, id: int) -> Response:
        """Return a path that was given to a service. For operators."""
        require_operator(caller_of(request))
        return Response(answers.handover(decisions.handover(id)))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, id: int) -> Response:
        """Take it back: who declared the path first has it again. Repeated: 404. For operators."""
        caller = caller_of(request)
        require_operator(caller)
        _require_writable(caller, decisions.handover(id).company_id)
        path_take_back(id=id, actor=actor_of(caller), now=timezone.now())
        return Response(status=204)


def _require_writable(caller: Principal, company_id: int | None) -> None:
    """Let through who decides for a company, or (None) for all of them.

    Raises:
        NotAllowed: it is everybody's, and the caller acts for some companies.
    """
    if not scope_of(caller).writes(company_id):
        raise NotAllowed("This belongs to all companies: you change only what is yours.", code="not_your_company")
