"""Access tokens: what a verifier has to check, and who brings one. No database, no clock.

What stands in a token, and what of it is good, says `xerpium_sdk.wire.credentials`, and `xerpium_sdk.tokens` checks the
signature: services that verify tokens by themselves go by the same code. The algorithm is the key's, never the
header's.
"""

from dataclasses import dataclass
from typing import Any

from jwt import PyJWK

from apps.core.access import Principal
from xerpium_sdk.tokens import header_of, payload_of
from xerpium_sdk.wire import credentials
from xerpium_sdk.wire.credentials import (
    AUDIENCE,
    LONGEST_TOKEN,
    MOST_ACTORS,
    SKEW_SECONDS,
    TYPE,
    USER_PREFIX,
    TokenFault,
    check_claims,
)

__all__ = [
    "AUDIENCE",
    "LONGEST_TOKEN",
    "MOST_ACTORS",
    "SKEW_SECONDS",
    "TYPE",
    "USER_PREFIX",
    "Claims",
    "TokenFault",
    "decoded",
    "header_of",
]


@dataclass(frozen=True, slots=True)
class Claims(credentials.Claims):
    """What a token says."""

    def told(self) -> dict[str, Any]:
        """Return what whoever asks about it is told: all but what revocations go by, which is the hub's business."""
        return {name: value for name, value in self.to_json().items() if name not in ("account", "rests_on")}

    def principal(self) -> Principal:
        """Return who brings this token."""
        is_person = self.user_id is not None and self.subject.startswith(USER_PREFIX)
        return Principal(
            kind="user" if is_person else "service",
            name=self.subject,
            companies="*" if self.companies == "*" else frozenset(self.companies),
            company_id=self.company_id,
            scopes=frozenset(self.scopes),
            permissions=self.permissions,
            user_id=self.user_id,
            actors=self.actors,
            key_id=self.key_id,
            token_id=self.token_id,
            expires_at=self.expires_at,
        )


def decoded(token: str, key: PyJWK, *, issuer: str, now: float) -> Claims:
    """Return the claims of a token that ``key`` signed, that ``issuer`` issued, and that is good at ``now`` (epoch, s).

    Raises:
        TokenFault: it is not. Its audience is left to the caller.
    """
    claims = Claims.of(payload_of(token, key))
    check_claims(claims, issuer=issuer, now=now)
    return claims
