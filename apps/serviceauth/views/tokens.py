"""Tokens over REST, as the first clients of the hub ask for them, and the list of what was revoked.

`/oauth/*` (`apps.serviceauth.views.oauth`) has the same by the standards.
"""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import limits
from apps.core.access import caller_of
from apps.core.errors import NotAllowed
from apps.core.scopes import ANY_CALLER
from apps.core.views import HubView
from apps.serviceauth import selectors, services, verifying
from apps.serviceauth.serializers.tokens import (
    RevocationsSerializer,
    TokenRequestSerializer,
    TokenSaysSerializer,
    TokenSerializer,
    UserTokenRequestSerializer,
    ValidationSerializer,
)
from apps.serviceauth.services.issuing import Issued
from apps.serviceauth.tokens import AUDIENCE, Claims

__all__ = ["RevocationsView", "TokenView", "UserTokenView", "ValidateView"]

VALIDATIONS = 6000
"""Tokens a minute that one source may ask about; what this process has found good already does not count."""


class TokenView(HubView):
    """Open to everybody: the key says who it is."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    secret = True

    @extend_schema(request=TokenRequestSerializer, responses={200: TokenSerializer, 401: None, 403: None})
    def post(self, request: Request) -> Response:
        """Get a token for a service.

        The answer is the same 401 whatever is wrong with the name or the key. Ask again some time before `expires_in`
        is over; there may be any number of tokens at a time.
        """
        values = TokenRequestSerializer.read(request.data)
        name, key = values["service_name"], values["service_key"].strip()
        source, now = limits.source_of(request), timezone.now()
        with limits.attempt("key", name, source, secret=key):
            service = services.authenticate_key(service_name=name, service_key=key, source=source, now=now)
        issued = services.token_issue(
            service=service, now=now, company_id=values.get("company_id"), scope=values.get("scope")
        )
        return Response(_told(issued))


class ValidateView(HubView):
    """Open to everybody: whoever has the token can read it anyway. It costs a guesser nothing, and tells nothing."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    secret = True

    @extend_schema(request=ValidationSerializer, responses={200: TokenSaysSerializer, 401: None})
    def post(self, request: Request) -> Response:
        """Ask whether a token is good now, and what it says.

        The answer is the same 401 for every token that is not: one that ended, was revoked, is not of this hub, or is
        meant for somebody else. `/oauth/introspect` is the standard's way (RFC 7662), and who verifies tokens by itself
        needs neither.
        """
        values = ValidationSerializer.read(request.data)
        token, source = values["token"].strip(), limits.source_of(request)
        if not verifying.is_known(token):
            limits.hit("validations", VALIDATIONS, limits.neighbourhood(source))
        try:
            claims = verifying.claims_of(token)
            if not {AUDIENCE, values.get("audience")}.intersection(claims.audience):
                raise verifying.InvalidToken
        except verifying.InvalidToken:
            limits.refused(source)
            raise
        return Response(_said(claims))


class UserTokenView(HubView):
    """For operators: a person's own token, which no service has a part in."""

    scopes = {"post": ANY_CALLER}
    secret = True

    @extend_schema(request=UserTokenRequestSerializer, responses={200: TokenSerializer})
    def post(self, request: Request) -> Response:
        """Get a token for the person that an operator is, in a company of his.

        Needs an operator's session. What the person may do there (`permissions`) comes from his roles. A service that
        may act for people exchanges it (RFC 8693, at `/oauth/token`) for one of its own.
        """
        caller = caller_of(request)
        if caller.kind != "operator":
            raise NotAllowed("Only an operator who is signed in gets a token for himself.", code="operators_only")
        values = UserTokenRequestSerializer.read(request.data)
        issued = services.user_token_issue(
            operator=caller, company_id=values["company_id"], scope=values.get("scope"), now=timezone.now()
        )
        return Response(_told(issued))


class RevocationsView(HubView):
    """What verifiers that do not ask the hub about each token have to know."""

    scopes = {"get": ANY_CALLER}

    @extend_schema(responses={200: RevocationsSerializer})
    def get(self, request: Request) -> Response:
        """List what was revoked before its time.

        For services that verify tokens by themselves: ask every `max_age` seconds, with the last `ETag`. In the hub a
        revocation counts within a second, for you after `max_age` seconds more, and no token outlives its `exp`. What
        is revoked is told by its mark: who has the token can tell, nobody else can read the list.
        """
        return Response(selectors.revocation_list())


def _told(issued: Issued) -> dict[str, Any]:
    return {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": issued.scope,
    }


def _said(claims: Claims) -> dict[str, Any]:
    """Return what a token says."""
    return {"active": True, "token_type": "Bearer", **claims.told()}
