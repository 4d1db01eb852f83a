# Generated from sdk/src/xerpium_sdk/auth/_async/client.py by tools/unasync.py; change that file, not this one.
"""The client of the hub's service authentication."""

import json
import logging
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from xerpium_sdk.auth import _environment
from xerpium_sdk.auth._bearer import ServiceAuth
from xerpium_sdk.auth._line import common_headers
from xerpium_sdk.auth._making import Credentials, source_of
from xerpium_sdk.auth._source import TokenSource, Want
from xerpium_sdk.auth._threads import waited
from xerpium_sdk.errors import HubError

__all__ = ["ServiceAuthClient"]

log = logging.getLogger("xerpium_sdk.auth")


class ServiceAuthClient:
    """Proves to the hub who this service is, and has its token at hand.

    >>> auth = ServiceAuthClient("http://127.0.0.1:8000", "order-service", key)
    >>> http.get(url, headers=auth.get_auth_headers())

    A token is fetched when it is first needed, and replaced in the background before it ends: one request to the hub
    however many ask, in threads and on event loops alike; clients with the same credentials share their tokens. While
    the hub is away, the last token serves until it ends. Making a client sends nothing, so the hub may be away then.

    Args:
        auth_service_url: where the hub is; default ``XERPIUM_HUB_URL``.
        service_name: who this is; default ``XERPIUM_SERVICE_NAME``.
        service_key: its key; default ``XERPIUM_SERVICE_KEY``, or what the file holds.
        key_file: a file with the key, read again when it changed, so that keys are replaced without a restart; default
            ``XERPIUM_SERVICE_KEY_FILE``. If it is not there and ``XERPIUM_ENROLMENT_TOKEN`` is set, the first key is
            fetched with that and stored there, once.
        company_id: the company that tokens are for unless a call names another; None: none in particular.
        scope: what they are good for; None: all that the account is granted.
        timeout: seconds for each step of a request.
        transport: another way to the hub for fetching tokens, for tests (``httpx2.MockTransport``).

    Raises:
        ValueError: the hub's address or the service's name is not known.
        NoKey: no key was given, and the environment names none.
    """

    def __init__(
        self,
        auth_service_url: str | None = None,
        service_name: str | None = None,
        service_key: str | None = None,
        *,
        key_file: str | Path | None = None,
        company_id: int | None = None,
        scope: str | None = None,
        timeout: float = 10.0,
        transport: httpx2.MockTransport | None = None,
    ) -> None:
        credentials = Credentials.collect(auth_service_url, service_name, service_key, key_file, timeout)
        self.auth_service_url, self.service_name = credentials.hub_url, credentials.service_name
        self.company_id, self.scope = company_id, scope
        self.source: TokenSource = source_of(credentials, transport)
        self._timeout, self._transport = timeout, transport
        self._http: httpx2.Client | None = None

    @classmethod
    def from_environment(
        cls, hub_url: str | None = None, service_name: str | None = None, *, company_id: int | None = None
    ) -> Self | None:
        """Return a client if the environment says which key this service has; None: it has none, the hub is open.

        Raises:
            ValueError: there is a key, and the hub's address or the service's name is not known.
        """
        return cls(hub_url, service_name, company_id=company_id) if _environment.has_key() else None

    def __repr__(self) -> str:
        """Return who asks whom, and nothing secret."""
        return f"{type(self).__name__}({self.service_name!r}, hub={self.auth_service_url!r})"

    def get_service_token(self, *, company_id: int | None = None, scope: str | None = None) -> str | None:
        """Return a token; None when there is none to be had (the log says why). `token` raises instead."""
        try:
            return self.token(company_id=company_id, scope=scope)
        except HubError:
            return None

    def get_auth_headers(self, *, company_id: int | None = None, scope: str | None = None) -> dict[str, str]:
        """Return the header that proves to others who this is; nothing when there is no token to be had."""
        token = self.get_service_token(company_id=company_id, scope=scope)
        return {} if token is None else {"Authorization": f"Bearer {token}"}

    def validate_service_request(self, token: str) -> dict[str, Any] | None:
        """Ask the hub about a token that somebody brought; None when it is not good, or nobody can tell.

        Whoever gets many requests has a `TokenVerifier` instead, which does not ask for each.
        """
        try:
            asked = {"token": token, "audience": self.service_name}
            answer = self._line().post("/api/v1/service-auth/validate", json=asked)
            document = json.loads(answer.content) if answer.status_code == 200 else None
        except (httpx2.HTTPError, ValueError) as error:
            log.warning("The hub at %s could not be asked about a token: %s", self.auth_service_url, error)
            return None
        if document is None and answer.status_code != 401:
            log.warning("The hub at %s says nothing about a token: %s", self.auth_service_url, answer.status_code)
        return document if isinstance(document, dict) and document.get("active", True) is True else None

    def token(self, *, company_id: int | None = None, scope: str | None = None) -> str:
        """Return a token.

        Raises:
            HubUnavailable: the hub is away, and there is no token that is still good.
            Refused: the hub refuses; the key is wrong, or the company not one of the account's.
            NoKey: the file with the key cannot be read.
        """
        found = self.source.get(self._want(company_id, scope))
        return waited(found) if isinstance(found, Future) else found

    def renewed(self, token: str, *, company_id: int | None = None, scope: str | None = None) -> str | None:
        """Return another token in place of one that was answered with 401; None when there is none to be had.

        Call it once for a request, and send that again with what it returns. HTTP clients with `auth` do so themselves.
        """
        try:
            found = self.source.renew(self._want(company_id, scope), token)
            if not isinstance(found, Future):
                return found
            other: str = waited(found)
        except HubError:
            return None
        return other

    def auth(self, *, company_id: int | None = None, scope: str | None = None) -> ServiceAuth:
        """Return what an HTTP client, of either kind, takes as ``auth`` to send tokens by itself."""
        return ServiceAuth(self.source, self._want(company_id, scope))

    def close(self) -> None:
        """Close the connections. The tokens are kept: others may have them from the same place."""
        http, self._http = self._http, None
        if http is not None:
            http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _line(self) -> httpx2.Client:
        """Return the HTTP client for questions; most services never ask one, and making it takes its time."""
        if self._http is None:
            self._http = httpx2.Client(
                base_url=self.auth_service_url,
                headers=common_headers(),
                timeout=self._timeout,
                transport=self._transport,
            )
        return self._http

    def _want(self, company_id: int | None, scope: str | None) -> Want:
        return Want(self.company_id if company_id is None else company_id, self.scope if scope is None else scope)
