"""Who is let in: what a request's header must bring, and how it is refused; for any framework.

`admit` takes the ``Authorization`` header and a verifier; `require` what the call needs. Both raise `Denied`, which has
the status, the challenge of RFC 6750 and the problem document of the answer.
"""

from xerpium_sdk.auth.context import CallContext
from xerpium_sdk.auth.verifier import CannotVerify, InvalidToken, TokenVerifier
from xerpium_sdk.wire.problems import Problem

__all__ = ["Denied", "aadmit", "admit", "bearer_of", "require"]

RETRY_SECONDS = 5


class Denied(Exception):
    """Raised when a request is not let in.

    Attributes:
        problem: what the answer says.
        headers: what goes with it: the challenge, or when to try again.
    """

    def __init__(self, status: int, code: str, title: str, detail: str, headers: dict[str, str]) -> None:
        super().__init__(detail)
        self.problem = Problem(status=status, code=code, title=title, detail=detail)
        self.headers = headers

    @property
    def status(self) -> int:
        """The answer's status."""
        return self.problem.status


def bearer_of(header: str | None) -> str:
    """Return the token of an ``Authorization`` header.

    Raises:
        Denied: there is none.
    """
    scheme, _, token = (header or "").strip().partition(" ")
    if not scheme:
        raise _unauthenticated("not_authenticated", "Send a token of the hub: Authorization: Bearer …", "Bearer")
    if scheme.lower() != "bearer":
        raise _unauthenticated("not_authenticated", "Only tokens of the hub are taken here.", "Bearer")
    token = token.strip()
    if not token or " " in token:
        raise _invalid()
    return token


def admit(verifier: TokenVerifier, header: str | None) -> CallContext:
    """Return who calls, by the request's ``Authorization`` header.

    Raises:
        Denied: nobody, or somebody with a token that is not good.
    """
    token = bearer_of(header)
    try:
        return verifier.verify(token)
    except InvalidToken as error:
        raise _invalid() from error
    except CannotVerify as error:
        raise _not_now() from error


async def aadmit(verifier: TokenVerifier, header: str | None) -> CallContext:
    """Do as `admit` does, without holding up the event loop."""
    token = bearer_of(header)
    try:
        return await verifier.averify(token)
    except InvalidToken as error:
        raise _invalid() from error
    except CannotVerify as error:
        raise _not_now() from error


def require(
    context: CallContext,
    *,
    scopes: tuple[str, ...] = (),
    permissions: tuple[str, ...] = (),
    company: bool = False,
) -> None:
    """Check that a call may do what it wants: it needs all of ``scopes`` and ``permissions``, and a company if asked.

    Raises:
        Denied: something is missing: 403, or 400 for a call that is in no company.
    """
    if company and context.company_id is None:
        detail = "This call has to be in a company: get a token with a company_id."
        raise Denied(400, "company_required", "No company", detail, {})
    missing = [scope for scope in scopes if not context.has_scope(scope)]
    if missing:
        challenge = f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"'
        detail = f"The token is not good for {', '.join(missing)}."
        raise Denied(403, "insufficient_scope", "Not allowed", detail, {"WWW-Authenticate": challenge})
    lacking = [permission for permission in permissions if not context.may(permission)]
    if lacking:
        detail = f"This needs the permission {' and '.join(lacking)}."
        raise Denied(403, "permission_missing", "Not allowed", detail, {})


def _invalid() -> Denied:
    return _unauthenticated("invalid_token", "The token is not good.", 'Bearer error="invalid_token"')


def _unauthenticated(code: str, detail: str, challenge: str) -> Denied:
    return Denied(401, code, "Not authenticated", detail, {"WWW-Authenticate": challenge})


def _not_now() -> Denied:
    detail = "Tokens cannot be verified at the moment."
    return Denied(503, "cannot_verify", "Not now", detail, {"Retry-After": str(RETRY_SECONDS)})
