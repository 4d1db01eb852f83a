"""What a verifier needs of the hub: its public keys, the name that it signs under, and what it revoked."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from xerpium_sdk._answers import Answer, NoAnswer, check, read
from xerpium_sdk.auth._line import Line
from xerpium_sdk.auth._source import TokenSource, Want
from xerpium_sdk.errors import NotFound
from xerpium_sdk.wire.credentials import Revocations

if TYPE_CHECKING:
    from jwt import PyJWK

__all__ = ["Bearer", "Documents", "Keys"]

KEYS_PATH = "/.well-known/jwks.json"
METADATA_PATH = "/.well-known/oauth-authorization-server"
REVOCATIONS_PATH = "/api/v1/service-auth/revocations"


class Bearer(Protocol):
    """A client of service authentication, of either kind."""

    company_id: int | None
    scope: str | None
    source: TokenSource


@dataclass(frozen=True, slots=True)
class Keys:
    """The hub's keys, and the name that it signs under; ``raw`` is what they were read from."""

    issuer: str = ""
    by_id: "Mapping[str, PyJWK]" = field(default_factory=dict)
    raw: bytes = b""


class Documents:
    """Fetches them.

    Args:
        line: the way to the hub.
        tokens: the module `xerpium_sdk.tokens`.
        issuer: the name that the hub signs under; empty: as the hub says of itself. Who answers at its address gives
            the keys too, so believing the name from there gives away nothing.
        bearer: gets the token with which revocations are asked for; None: asks without, as an open hub allows.
    """

    def __init__(self, line: Line, tokens: ModuleType, issuer: str, bearer: Bearer | None) -> None:
        self._line, self._tokens = line, tokens
        self._issuer, self._bearer = issuer, bearer
        self._etag = ""

    def keys(self, known: Keys) -> Keys:
        """Return the hub's keys; ``known`` itself when they are the same.

        Raises:
            HubError: the hub does not answer, or not with keys.
        """
        answer = self._line.ask("GET", KEYS_PATH)
        by_id = read(answer, self._tokens.keys_of)
        raw = check(answer).body
        return known if raw == known.raw else Keys(self._issuer or self._told_issuer(), by_id, raw)

    def revocations(self, known: Revocations) -> Revocations:
        """Return what is revoked; ``known`` itself when that is the same.

        Raises:
            HubError: the hub does not answer, or not with revocations.
        """
        answer = self._asked(self._token())
        if isinstance(answer, Answer) and answer.status == 304:
            return known
        found = read(answer, Revocations.from_json)
        self._etag = check(answer).headers.get("etag", "")
        return found

    def _asked(self, token: str | None) -> Answer | NoAnswer:
        answer = self._line.ask("GET", REVOCATIONS_PATH, headers=self._headers(token))
        if isinstance(answer, Answer) and answer.status == 401 and token is not None and self._bearer is not None:
            other = _done(self._bearer.source.renew(self._want(self._bearer), token))
            if other is not None:
                return self._line.ask("GET", REVOCATIONS_PATH, headers=self._headers(other))
        return answer

    def _token(self) -> str | None:
        return None if self._bearer is None else _done(self._bearer.source.get(self._want(self._bearer)))

    def _headers(self, token: str | None) -> dict[str, str]:
        headers = {"If-None-Match": self._etag} if self._etag else {}
        return headers if token is None else headers | {"Authorization": f"Bearer {token}"}

    def _told_issuer(self) -> str:
        """Return what the hub calls itself (RFC 8414); its address where it does not say."""
        try:
            told: Any = read(self._line.ask("GET", METADATA_PATH), lambda document: document["issuer"])
        except NotFound:
            return self._line.hub_url
        return told if isinstance(told, str) else self._line.hub_url

    @staticmethod
    def _want(bearer: Bearer) -> Want:
        return Want(bearer.company_id, bearer.scope)


def _done(token: "str | Future[str] | None") -> str | None:
    return token.result() if isinstance(token, Future) else token
