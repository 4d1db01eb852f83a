"""``Authorization: Bearer``: how services, and people through them, come in (RFC 6750, 2.1)."""

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from apps.core.access import CHALLENGE, Principal
from apps.core.errors import NotAuthenticated
from apps.serviceauth.verifying import InvalidToken, verify

__all__ = ["BearerToken", "bearer_of"]


class BearerToken(BaseAuthentication):
    """A token in the header, and nowhere else: addresses end up in logs, and bodies are what is being said."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """Return who brings the token; ``None`` without the header.

        Raises:
            InvalidToken: the token is not good. No other way in is tried then, not even an open hub.
            NotAuthenticated: the header is of another scheme.
        """
        token = bearer_of(request.META.get("HTTP_AUTHORIZATION"))
        return None if token is None else (verify(token), None)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return CHALLENGE


def bearer_of(header: str | None) -> str | None:
    """Return the token of an ``Authorization`` header; ``None`` when there is no header.

    Raises:
        InvalidToken: the scheme is Bearer, and what follows is no token.
        NotAuthenticated: the scheme is another one.
    """
    if header is None:
        return None
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise NotAuthenticated
    token = token.strip()
    if not token or " " in token:
        raise InvalidToken
    return token
