"""What anybody may know of the hub's tokens: the keys that verify them, and where its endpoints are (RFC 8414)."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.scopes import SCOPES
from apps.core.views import PublicView
from apps.serviceauth import services
from apps.serviceauth.oauth import CLIENT_CREDENTIALS, TOKEN_EXCHANGE
from apps.serviceauth.signing import ALGORITHMS

__all__ = ["JwksView", "MetadataView"]

AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


class JwksView(PublicView):
    """``GET /.well-known/jwks.json``: the keys that tokens are, were lately and will soon be signed with (RFC 7517)."""

    def get(self, request: Request) -> Response:
        """List the public keys."""
        keys = services.published_keys(now=timezone.now())
        headers = {"Cache-Control": f"public, max-age={services.JWKS_MAX_AGE}"}
        return Response({"keys": keys}, headers=headers, content_type="application/jwk-set+json")


class MetadataView(PublicView):
    """``GET /.well-known/oauth-authorization-server`` (RFC 8414)."""

    def get(self, request: Request) -> Response:
        """Say where what is, and what it takes."""
        headers = {"Cache-Control": f"public, max-age={services.JWKS_MAX_AGE}"}
        return Response(metadata(settings.HUB_PUBLIC_URL), headers=headers)


def metadata(issuer: str) -> dict[str, Any]:
    """Return what RFC 8414 (2) wants to know of the hub. There is nothing to log in at: no page, no response types."""
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "service_documentation": f"{issuer}/api/docs/",
        "grant_types_supported": [CLIENT_CREDENTIALS, TOKEN_EXCHANGE],
        "response_types_supported": [],
        "scopes_supported": sorted(SCOPES),
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "introspection_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "access_token_signing_alg_values_supported": list(ALGORITHMS),
    }
