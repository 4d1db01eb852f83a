"""Dependencies of FastAPI: who calls, for which company, and whether that caller may.

```python
protect(app, TokenVerifier())  # or nothing: the environment says where the hub is


@app.get("/products")
def products(company: Annotated[CompanyContext, Depends(get_company_context)]) -> list[Product]:
    return store.of_company(company.company_id)


@app.delete("/products/{product_id}", dependencies=[require_permission("product.delete")])
def delete(product_id: int) -> None: ...
```
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from xerpium_sdk.auth.context import CallContext
from xerpium_sdk.auth.gate import Denied, aadmit, require
from xerpium_sdk.auth.verifier import TokenVerifier
from xerpium_sdk.passing import note_company

if TYPE_CHECKING:
    from xerpium_sdk.service import XerpiumService

__all__ = [
    "CompanyContext",
    "get_company_context",
    "protect",
    "require_permission",
    "require_scope",
    "verify_service_auth",
]

CompanyContext = CallContext
"""The context of a call that is in a company: its ``company_id`` is a number."""
Verifier = TypeVar("Verifier", bound=TokenVerifier)

_documented = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A token of the XERPIUM hub.")


def protect(app: FastAPI, verifier: Verifier) -> Verifier:
    """Let the dependencies of ``app`` judge tokens by ``verifier``."""
    app.state.xerpium_verifier = verifier
    return verifier


async def verify_service_auth(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_documented)] = None
) -> CallContext:
    """Return who calls; also as ``request.state.call_context``.

    Raises:
        HTTPException: 401 without a good token, 503 when nobody can tell.
    """
    headers = request.headers.getlist("authorization")
    try:
        context = await aadmit(_verifier_of(request.app), headers[0] if len(headers) == 1 else None)
    except Denied as denied:
        raise _exception(denied) from denied
    request.state.call_context = context
    note_company(context.company_id)
    return context


async def get_company_context(
    request: Request, context: Annotated[CallContext, Depends(verify_service_auth)]
) -> CompanyContext:
    """Return who calls, for a call that is in a company; also as ``request.state.company_context``.

    Raises:
        HTTPException: as `verify_service_auth` does, and 400 when the token is in no company.
    """
    _require(context, company=True)
    request.state.company_context = context
    return context


def require_scope(*scopes: str) -> Any:
    """Return a dependency that lets in tokens that are good for all of ``scopes``, and gives the `CallContext`.

    Others are answered with 403.
    """

    async def check(context: Annotated[CallContext, Depends(verify_service_auth)]) -> CallContext:
        _require(context, scopes=scopes)
        return context

    return Depends(check)


def require_permission(*permissions: str) -> Any:
    """Return a dependency that lets in people who have all of ``permissions``, and gives the `CallContext`.

    Others, and services that call for nobody in particular, are answered with 403.
    """

    async def check(context: Annotated[CallContext, Depends(verify_service_auth)]) -> CallContext:
        _require(context, permissions=permissions)
        return context

    return Depends(check)


def _require(context: CallContext, **needed: Any) -> None:
    try:
        require(context, **needed)
    except Denied as denied:
        raise _exception(denied) from denied


def _exception(denied: Denied) -> HTTPException:
    return HTTPException(denied.status, denied.problem.detail, denied.headers)


def _verifier_of(app: Any) -> TokenVerifier:
    given: TokenVerifier | None = getattr(app.state, "xerpium_verifier", None)
    service: XerpiumService | None = getattr(app.state, "xerpium_service", None)
    if given is not None:
        return given
    return service.verifier if service is not None else _from_environment()


@lru_cache(maxsize=1)
def _from_environment() -> TokenVerifier:
    return TokenVerifier()
