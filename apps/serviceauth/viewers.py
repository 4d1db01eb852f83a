"""Who looks, on the hot routes: whose rows it sees, what it may do, and until when.

The hot routes answer thousands of requests a second that carry one and the same token. What a token is worth is kept
here, and is asked for again when it ends, or when anything at all was revoked.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from rest_framework.request import Request

from apps.core.access import Principal, caller_of
from apps.core.asgi import bearer_token
from apps.core.ownership import may_change, sight
from apps.core.tenancy import Companies
from apps.serviceauth import verifying

__all__ = ["EVERYBODY", "Viewer", "Viewers", "viewer_of"]

MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who asks, for as long as its token is good.

    Attributes:
        companies: whose rows it sees, besides everybody's.
        principal: who it is; None is a caller of an open hub.
        is_still_known: whether its credentials are still good; not asked where nothing ends them.
    """

    companies: Companies = "*"
    principal: Principal | None = None
    is_still_known: Callable[[], bool] | None = field(default=None, compare=False)

    def may(self, scope: str) -> bool:
        """Return whether it may do what ``scope`` is for."""
        return self.principal is None or self.principal.may(scope)

    def may_change(self, service: str, company_id: int | None) -> bool:
        """Return whether it may change a row of ``service`` that is of ``company_id`` (None: everybody's)."""
        return self.principal is None or may_change(self.principal, service=service, company_id=company_id)

    def seconds_left(self) -> float:
        """Return for how long it may go on: 0 when its token has ended or was revoked."""
        if self.is_still_known is None:
            return inf
        if not self.is_still_known():
            return 0.0
        expires_at = self.principal.expires_at if self.principal else None
        return inf if expires_at is None else max(0.0, expires_at - time.time())


EVERYBODY = Viewer()
"""A caller of an open hub."""


class Viewers:
    """The viewers that tokens stand for, for one event loop."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, float, Viewer]] = {}

    def find(self, token: bytes) -> Viewer | None:
        """Return who ``token`` stands for; None when that is for Django to find out, or to refuse."""
        return self._present(token) or self._look(token)

    def _present(self, token: bytes) -> Viewer | None:
        known = self._known.get(token)
        if known is not None and known[0] == verifying.generation() and time.time() < known[1]:
            return known[2]
        return None

    def _is_still_good(self, token: bytes) -> bool:
        return self._present(token) is not None or verifying.is_good(token)

    def _look(self, token: bytes) -> Viewer | None:
        # The number first: what is revoked meanwhile makes it another one.
        generation = verifying.generation()
        principal = verifying.verify_cached(token)
        if principal is None or principal.expires_at is None:
            self._known.pop(token, None)
            return None
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        viewer = Viewer(sight(principal), principal, lambda: self._is_still_good(token))
        self._known[token] = (generation, principal.expires_at, viewer)
        return viewer


def viewer_of(request: Request) -> Viewer:
    """Return who sent ``request`` to a view, which has let it in."""
    caller = caller_of(request)
    token = bearer_token(request.META.get("HTTP_AUTHORIZATION", "").encode("latin-1"))
    known = None if token is None else lambda: verifying.is_good(token)
    return Viewer(sight(caller), caller, known)
