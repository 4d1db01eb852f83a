"""Who calls, for which company, and what that caller may do. Pure."""

from dataclasses import dataclass, fields
from typing import Any, Self

from xerpium_sdk.wire.credentials import AllCompanies, Claims, covers

__all__ = ["CallContext"]


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a good token says about a call. Frozen: nothing adds rights to it on the way.

    Attributes:
        service_name: the service that calls; None for a person's own token.
        company_id: the company that the call is in; None: none in particular.
        user_id: the person on whose behalf; None: nobody in particular.
        permissions: patterns of permissions of that person, such as ``product.*``.
        scopes: what the token is good for at the hub, such as ``events:publish``.
        actors: the services that act for the person, the nearest first (RFC 8693, 4.1).
        companies: those for which the caller may act; ``"*"`` is all of them, empty is none: global rows only.
        subject: the service's name, or ``user:<id>``.
        token_id: the token's ``jti``, for logs.
        expires_at: when the token ends, in seconds since the epoch.
    """

    service_name: str | None
    company_id: int | None = None
    user_id: int | None = None
    permissions: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    actors: tuple[str, ...] = ()
    companies: frozenset[int] | AllCompanies = frozenset()
    subject: str = ""
    token_id: str = ""
    expires_at: int = 0

    @classmethod
    def of(cls, claims: Claims) -> Self:
        """Return the context of a token."""
        return cls(
            service_name=claims.service_name,
            company_id=claims.company_id,
            user_id=claims.user_id,
            permissions=claims.permissions,
            scopes=frozenset(claims.scopes),
            actors=claims.actors,
            companies="*" if claims.companies == "*" else frozenset(claims.companies),
            subject=claims.subject,
            token_id=claims.token_id,
            expires_at=claims.expires_at,
        )

    def may(self, permission: str) -> bool:
        """Whether the person may do what ``permission`` names, such as ``product.read``.

        A service that calls for nobody in particular has no permissions; judge it by its name, or by `has_scope`.
        """
        return any(covers(pattern, permission) for pattern in self.permissions)

    def has_scope(self, scope: str) -> bool:
        """Whether the token is good for ``scope``."""
        return scope in self.scopes

    def acts_for(self, company_id: int) -> bool:
        """Whether the caller may act for a company."""
        return self.companies == "*" or company_id in self.companies

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute as if this were the answer of ``service-auth/validate``, for code that expects that."""
        return getattr(self, name) if name in _NAMES else default

    def __getitem__(self, name: str) -> Any:
        """Return an attribute, see `get`."""
        if name not in _NAMES:
            raise KeyError(name)
        return getattr(self, name)


_NAMES = frozenset(field.name for field in fields(CallContext))
