"""The errors that the hub answers with. Whoever raises one decides the answer; ``problems`` writes it down.

HubError                     500
├── MalformedBody            400   not JSON, or not JSON as the hub reads it
├── NotAuthenticated         401   no credentials, or bad ones
├── NotAllowed               403   known, but not allowed
│   └── InsufficientScope    403   its token is not good for this, with the scope that is
├── NotFound                 404   not there, or another company's
├── MethodNotAllowed         405
├── Conflict                 409   owned by someone else, an older generation, or still running
├── TooLarge                 413
├── UnsupportedMediaType     415
├── InvalidInput             422   well-formed, but invalid: every fault at once
├── TooManyRequests          429   with Retry-After
└── Unavailable              503   a part that the hub needs is away, with Retry-After

Titles are the phrases of the HTTP statuses, as RFC 9457 asks of problems whose ``type`` is ``about:blank``;
programs tell problems apart by ``code``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of a request.

    ``pointer`` says where: an RFC 6901 pointer into the body (``/menus/3/path``; ``""`` is the whole body), a query
    parameter as ``?limit``, or the name of a header. ``code`` is for programs, ``message`` for people.
    """

    pointer: str
    code: str
    message: str


class HubError(Exception):
    """Base of all errors that become a problem document.

    ``detail`` is one sentence for people, ``errors`` the faults one by one; ``code`` replaces the class's own code
    where callers must tell two causes of one status apart. ``afterwards`` is what is to be done about it once whatever
    led to it has been undone: who answers the request does that.
    """

    status = 500
    code = "server_error"
    title = "Internal Server Error"
    detail = ""

    def __init__(self, detail: str = "", *, errors: Iterable[FieldError] = (), code: str | None = None) -> None:
        self.detail = detail or self.detail
        self.errors = tuple(errors)
        self.code = code or self.code
        self.afterwards: list[Callable[[], None]] = []
        super().__init__(self.detail)

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that the answer must carry."""
        return {}


class MalformedBody(HubError):
    """Raised when a body cannot be read as JSON."""

    status = 400
    code = "malformed_body"
    title = "Bad Request"
    detail = "The request cannot be read."


class NotAuthenticated(HubError):
    """Raised when a caller brings no credentials, or bad ones."""

    status = 401
    code = "not_authenticated"
    title = "Unauthorized"
    detail = "This address needs a token or an operator's session."

    @property
    def headers(self) -> Mapping[str, str]:
        """The challenge that RFC 9110 (15.5.2) demands of every 401."""
        return {"WWW-Authenticate": "Bearer"}


class NotAllowed(HubError):
    """Raised when the caller is known and may not do this."""

    status = 403
    code = "not_allowed"
    title = "Forbidden"
    detail = "The caller is not allowed to do this."


class InsufficientScope(NotAllowed):
    """Raised when a token is good, but not for this; ``scope`` is what it lacks (RFC 6750, 3.1)."""

    code = "insufficient_scope"

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"This needs a token with the scope {scope}.")

    @property
    def headers(self) -> Mapping[str, str]:
        """The challenge, which names the scope."""
        return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{self.scope}"'}


class NotFound(HubError):
    """Raised when something is not there, or belongs to another company, which must look the same."""

    status = 404
    code = "not_found"
    title = "Not Found"
    detail = "There is nothing at this address."


class MethodNotAllowed(HubError):
    """Raised when a route does not know the verb; ``allowed`` are the verbs that it knows."""

    status = 405
    code = "method_not_allowed"
    title = "Method Not Allowed"

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.allow = ", ".join(allowed)
        super().__init__(f"This address does not know {method[:20]!r}, only {self.allow}.")

    @property
    def headers(self) -> Mapping[str, str]:
        """The verbs that work here (RFC 9110, 15.5.6)."""
        return {"Allow": self.allow}


class Conflict(HubError):
    """Raised when something is owned by someone else, newer than what was sent, or still running."""

    status = 409
    code = "conflict"
    title = "Conflict"
    detail = "The request conflicts with what is stored."


class TooLarge(HubError):
    """Raised when a body is larger than its route takes; ``limit`` is in bytes."""

    status = 413
    code = "too_large"
    title = "Content Too Large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body may have at most {limit} bytes.")


class UnsupportedMediaType(HubError):
    """Raised when a body is not declared as JSON."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported Media Type"
    detail = "Send JSON, with the header Content-Type: application/json."


class InvalidInput(HubError):
    """Raised when a request is well-formed but invalid; ``errors`` names every fault."""

    status = 422
    code = "invalid_input"
    title = "Unprocessable Content"

    def __init__(self, detail: str = "", *, errors: Iterable[FieldError] = (), code: str | None = None) -> None:
        errors = tuple(errors)
        super().__init__(detail or _count_faults(errors), errors=errors, code=code)


class _TryLater(HubError):
    """An error that goes away by itself; ``retry_after`` says in how many seconds, roughly."""

    retry_after = 1.0

    def __init__(self, detail: str = "", *, retry_after: float | None = None, code: str | None = None) -> None:
        self.retry_after = self.retry_after if retry_after is None else retry_after
        super().__init__(detail, code=code)

    @property
    def headers(self) -> Mapping[str, str]:
        """When to come back, in whole seconds, at least one."""
        return {"Retry-After": str(max(1, ceil(self.retry_after)))}


class TooManyRequests(_TryLater):
    """Raised when a caller is over a limit: ``policy`` is its name, how many it allows, and in how many seconds."""

    status = 429
    code = "too_many_requests"
    title = "Too Many Requests"
    detail = "Too many requests."

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after: float | None = None,
        code: str | None = None,
        policy: tuple[str, int, int] | None = None,
    ) -> None:
        self.policy = policy
        super().__init__(detail, retry_after=retry_after, code=code)

    @property
    def headers(self) -> Mapping[str, str]:
        """When to come back, and the limit as draft-ietf-httpapi-ratelimit-headers-11 (3 and 4) writes it."""
        headers = dict(super().headers)
        if self.policy is not None:
            name, amount, seconds = self.policy
            headers["RateLimit-Policy"] = f'"{name}";q={amount};w={seconds}'
            headers["RateLimit"] = f'"{name}";r=0;t={headers["Retry-After"]}'
        return headers


class Unavailable(_TryLater):
    """Raised when a part that the hub needs is away."""

    status = 503
    code = "unavailable"
    title = "Service Unavailable"
    detail = "A part that the hub needs is away for the moment."
    retry_after = 2.0


def _count_faults(errors: tuple[FieldError, ...]) -> str:
    """Return the summary of a refusal whose faults are listed one by one."""
    if len(errors) == 1:
        return f"The request is refused: {errors[0].message}"
    return f"The request is refused: it has {len(errors)} faults, listed under “errors”."
