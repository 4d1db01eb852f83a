"""Routes about keys that need no credentials but the secret in the body: report one that leaked, fetch the first."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import limits
from apps.core.views import HubView
from apps.serviceauth import services
from apps.serviceauth.serializers.keys import (
    EnrolledSerializer,
    EnrolmentSerializer,
    LeakReportSerializer,
    LeakSerializer,
)

__all__ = ["EnrolView", "ReportLeakView"]

REPORTS_A_MINUTE = 60


class ReportLeakView(HubView):
    """Open to everybody: whoever holds a key may end it."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    secret = True

    @extend_schema(request=LeakReportSerializer, responses={200: LeakSerializer})
    def post(self, request: Request) -> Response:
        """Report a key that leaked.

        It is disabled at once with every token that it got, and operators see that it was reported. No credentials are
        needed: holding the key is enough. Whoever holds a key may also know whether it is one of this hub.
        """
        source = limits.source_of(request)
        limits.hit("leak-reports", REPORTS_A_MINUTE, limits.neighbourhood(source))
        values = LeakReportSerializer.read(request.data)
        key = services.key_report_leak(text=values["service_key"].strip(), source=source, now=timezone.now())
        return Response(
            {
                "recognised": key is not None,
                "key_id": key.key_id if key else None,
                "disabled_at": key.disabled_at if key else None,
            }
        )


class EnrolView(HubView):
    """Open to everybody: the token says who may."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    secret = True

    @extend_schema(request=EnrolmentSerializer, responses={201: EnrolledSerializer, 401: None})
    def post(self, request: Request) -> Response:
        """Fetch the first key of a service.

        The enrolment token, which an operator made for this account, is good for one key, once, and for a short time.
        Send it again after an answer that was lost, and it is refused as any other bad token: ask for a new one. An
        `Idempotency-Key` is ignored here, because the hub stores no answer that holds a key.
        """
        source = limits.source_of(request)
        values = EnrolmentSerializer.read(request.data)
        name, token = values["service_name"], values["enrolment_token"].strip()
        with limits.attempt("enrolment", name, source):
            text, key = services.enrolment_redeem(text=token, service_name=name, source=source, now=timezone.now())
        return Response({"service_key": text, "key_id": key.key_id, "expires_at": key.expires_at}, status=201)
