"""``/oauth/token``, ``/oauth/introspect`` and ``/oauth/revoke``, as RFC 6749, 8693, 7662 and 7009 say.

They stand outside of ``/api/v1/`` and of the OpenAPI document: what they take and answer is for libraries that know
these RFCs, which find them by ``/.well-known/oauth-authorization-server``. The ground rules of the API (problem
documents, unknown fields refused, ``Idempotency-Key``) are not theirs; docs/auth.md says what this hub adds.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import structlog
from django.db import transaction
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import limits
from apps.core.access import Principal
from apps.core.errors import HubError, InsufficientScope, NotAuthenticated, UnsupportedMediaType
from apps.core.renderers import dumps
from apps.core.tenancy import acting
from apps.core.views import HubRequest, HubView
from apps.serviceauth.authentication import bearer_of
from apps.serviceauth.oauth import (
    CLIENT_CREDENTIALS,
    TOKEN_EXCHANGE,
    OAuthFault,
    company_number,
    credentials_of,
    description_of,
    error_of,
    read_form,
    the_only,
)
from apps.serviceauth.services.authenticating import Authenticated, authenticate_key
from apps.serviceauth.services.exchanging import ACCESS_TOKEN, JWT, SUBJECT_TYPES, token_exchange
from apps.serviceauth.services.issuing import Issued, token_issue
from apps.serviceauth.services.revoking import revoke_token
from apps.serviceauth.tokens import AUDIENCE, Claims
from apps.serviceauth.verifying import InvalidToken, claims_of, verify

__all__ = ["IntrospectView", "OAuthView", "RevokeView", "TokenView"]

FORM = "application/x-www-form-urlencoded"
CHALLENGE = 'Basic realm="xerpium", charset="UTF-8"'
INTROSPECT = "auth:introspect"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# What may not stand in an address, which ends up in logs (RFC 6749, 2.3.1; RFC 6750, 2.3).
_BODY_ONLY = frozenset({"client_id", "client_secret", "grant_type", "subject_token", "actor_token", "token"})

_log = structlog.get_logger(__name__)

Form = Mapping[str, str]


class OAuthView(HubView):
    """Base of the OAuth endpoints: POST only, a form in, JSON out, errors as RFC 6749 (5.2) has them."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None
    secret = True
    body_limit: ClassVar[int | None] = 64 * 1024

    def refusal(self, error: HubError) -> HttpResponse:
        """Return an error of OAuth; of what is not OAuth's business (405, 413, 415, 429) the status stays."""
        status, code = error_of(error)
        headers = {**error.headers, **_NO_STORE}
        if code == "invalid_client":
            headers["WWW-Authenticate"] = CHALLENGE
        body = dumps({"error": code, "error_description": description_of(error)})
        return HttpResponse(body, status=status, content_type="application/json", headers=headers)

    def read_query(self, request: Request) -> dict[str, Any]:
        """Ignore the query, but for what must not stand in an address.

        Raises:
            OAuthFault: something of the body stands there.
        """
        if not _BODY_ONLY.isdisjoint(request.query_params):
            raise OAuthFault("invalid_request", "Parameters go into the body: addresses end up in logs.")
        return {}

    def form(self, request: Request) -> dict[str, str]:
        """Return the parameters of the body.

        Raises:
            OAuthFault: it is no form; see `read_form`.
            TooLarge: it is too long.
            UnsupportedMediaType: it is declared as something else.
        """
        assert isinstance(request, HubRequest)  # noqa: S101  by `HubView.initialize_request`
        body = request.body_bytes()
        media_type, _, options = (request.content_type or "").lower().partition(";")
        charset = options.partition("charset=")[2].strip(' "') or "utf-8"
        if (body or media_type) and (media_type.strip() != FORM or charset != "utf-8"):
            raise UnsupportedMediaType(f"Send a form: Content-Type {FORM}, in UTF-8.")
        return read_form(body)

    def client(self, request: Request, form: Form, *, every_call: bool) -> Authenticated:
        """Return the client, after it proved who it is.

        Args:
            request: what it sent.
            form: its parameters.
            every_call: whether it authenticates with its key for every call of this kind; see `limits.attempt`.

        Raises:
            NotAuthenticated: it did not.
            OAuthFault: it tried in two ways.
            TooManyRequests: too many failed before it.
        """
        source = limits.source_of(request)
        try:
            said = credentials_of(request.META.get("HTTP_AUTHORIZATION"), form)
            if said is None:
                raise NotAuthenticated("The client must authenticate: HTTP Basic, or client_id and client_secret.")
        except NotAuthenticated:
            limits.refused(source)
            raise
        with limits.attempt("key", said.name, source, secret=said.secret, every_call=every_call):
            return authenticate_key(service_name=said.name, service_key=said.secret, source=source, now=timezone.now())


class TokenView(OAuthView):
    """``POST /oauth/token``: a token for a service itself, or to act for a person."""

    def post(self, request: Request) -> Response:
        """Get a token."""
        # Before what the client may do is looked up: a revocation between then and now has to be later than the token.
        form, now = self.form(request), timezone.now()
        grants: dict[str, Callable[[Authenticated, Form, dt.datetime], Response]] = {
            CLIENT_CREDENTIALS: self._client_credentials,
            TOKEN_EXCHANGE: self._exchange,
        }
        name = form.get("grant_type", "")
        client = self.client(request, form, every_call=name == TOKEN_EXCHANGE)
        if not name:
            raise OAuthFault("invalid_request", "The parameter grant_type is missing.")
        if name not in grants:
            raise OAuthFault("unsupported_grant_type", f"There are {' and '.join(grants)}.")
        return grants[name](client, form, now)

    def _client_credentials(self, client: Authenticated, form: Form, now: dt.datetime) -> Response:
        issued = token_issue(
            service=client,
            now=now,
            company_id=company_number(form),
            scope=form.get("scope"),
            resource=form.get("resource"),
        )
        return _answer(issued)

    def _exchange(self, client: Authenticated, form: Form, now: dt.datetime) -> Response:
        kind, wanted = form.get("subject_token_type"), form.get("requested_token_type", ACCESS_TOKEN)
        if "subject_token" not in form or kind is None:
            raise OAuthFault("invalid_request", "subject_token and subject_token_type are both needed.")
        if kind not in SUBJECT_TYPES:
            raise OAuthFault("invalid_request", f"subject_token_type is one of {', '.join(sorted(SUBJECT_TYPES))}.")
        if wanted not in (ACCESS_TOKEN, JWT):
            raise OAuthFault("invalid_request", f"requested_token_type is {ACCESS_TOKEN} or {JWT}.")
        if "actor_token" in form or "actor_token_type" in form:
            raise OAuthFault("invalid_request", "The actor is the client that authenticates: leave actor_token out.")
        issued = token_exchange(
            service=client,
            subject_token=form["subject_token"],
            subject_type=kind,
            now=now,
            company_id=company_number(form),
            scope=form.get("scope"),
            resource=the_only(form, "resource", "audience"),
        )
        return _answer(issued, issued_token_type=wanted)


class IntrospectView(OAuthView):
    """``POST /oauth/introspect`` (RFC 7662): what a token says, if it is good now. Never without a caller."""

    def post(self, request: Request) -> Response:
        """Say whether a token is good, and what it says."""
        form = self.form(request)
        caller = self._caller(request, form)
        claims = _good(_token_of(form))
        if claims is None or not (AUDIENCE in claims.audience or caller in (claims.client_id, *claims.audience)):
            return Response({"active": False}, headers=_NO_STORE)
        person = None if claims.user_id is None else claims.subject
        said = {"active": True, "token_type": "Bearer", "username": person, **claims.told()}
        return Response(said, headers=_NO_STORE)

    def _caller(self, request: Request, form: Form) -> str:
        """Return who asks, which is a service with its key, or whoever has a token with the scope.

        Raises:
            InsufficientScope: its account, or its token, is not good for this.
            InvalidToken: the token that it comes with is not good.
            NotAuthenticated: it did not say who it is.
        """
        authorization = request.META.get("HTTP_AUTHORIZATION", "")
        if not authorization.strip().lower().startswith("bearer"):
            client = self.client(request, form, every_call=True)
            if INTROSPECT not in client.scopes:
                raise InsufficientScope(INTROSPECT)
            return client.service_name
        if "client_secret" in form:
            raise OAuthFault("invalid_request", "The client authenticates in two ways at once; use one.")
        principal = self._bearer(request, authorization)
        limits.admit(principal)
        if not principal.may(INTROSPECT):
            raise InsufficientScope(INTROSPECT)
        return principal.speaks_for or principal.name

    def _bearer(self, request: Request, authorization: str) -> Principal:
        try:
            return verify(bearer_of(authorization) or "")
        except NotAuthenticated:
            limits.refused(limits.source_of(request))
            raise


class RevokeView(OAuthView):
    """``POST /oauth/revoke`` (RFC 7009): a client ends a token that it got."""

    def post(self, request: Request) -> Response:
        """End a token. One that is not good any more is none to be refused for."""
        form = self.form(request)
        client = self.client(request, form, every_call=True)
        claims = _good(_token_of(form))
        if claims is not None:
            self._revoke(claims, client)
        return Response(status=200, headers=_NO_STORE)

    def _revoke(self, claims: Claims, client: Authenticated) -> None:
        if claims.client_id != client.service_name:
            _log.warning("revocation_refused", service_name=client.service_name, client_id=claims.client_id)
            raise OAuthFault("unauthorized_client", "The token was issued to another client.")
        who = Principal(
            "service",
            client.service_name,
            companies=client.companies,
            scopes=client.scopes,
            key_id=client.key.key_id,
        )
        with acting(who), transaction.atomic():
            revoke_token(claims, reason="by its client", actor=who.scope, now=timezone.now())


def _answer(issued: Issued, **more: str) -> Response:
    said = {
        "access_token": issued.access_token,
        **more,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": issued.scope,
    }
    return Response(said, headers=_NO_STORE)


def _token_of(form: Form) -> str:
    if "token" not in form:
        raise OAuthFault("invalid_request", "The parameter token is missing.")
    return form["token"]


def _good(token: str) -> Claims | None:
    try:
        return claims_of(token)
    except InvalidToken:
        return None
