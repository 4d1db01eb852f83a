"""Tokens of the hub in a Django service: a middleware that verifies them, and a decorator for views that need one.

```python
MIDDLEWARE = [..., "xerpium_sdk.django.auth.ServiceAuthMiddleware"]


@service_auth_required(permissions=["product.read"], company=True)
def products(request):
    return JsonResponse(store.of_company(request.call_context.company_id))
```

Settings: ``XERPIUM_HUB_URL``, ``XERPIUM_SERVICE_NAME`` and ``XERPIUM_ISSUER``; default: the environment's variables of
these names. Needs the extra ``auth``.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache, wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.decorators import sync_and_async_middleware

from xerpium_sdk.auth.context import CallContext
from xerpium_sdk.auth.gate import Denied, aadmit, admit, bearer_of, require
from xerpium_sdk.auth.verifier import TokenVerifier
from xerpium_sdk.passing import note_company

__all__ = ["ServiceAuthMiddleware", "call_context", "service_auth_required", "verifier"]

View = TypeVar("View", bound=Callable[..., Any])
Next = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


@lru_cache(maxsize=1)
def verifier() -> TokenVerifier:
    """Return what judges the tokens of this service."""
    named = {name: getattr(settings, f"XERPIUM_{name}", None) for name in ("HUB_URL", "SERVICE_NAME", "ISSUER")}
    return TokenVerifier(named["HUB_URL"], named["SERVICE_NAME"], issuer=named["ISSUER"])


@sync_and_async_middleware
def ServiceAuthMiddleware(get_response: Next) -> Any:  # noqa: N802 - middleware is named like a class
    """Put the `CallContext` of a good token on each request as ``call_context``; None where there is no token.

    A token that is not good is answered with 401, whatever the view: who sends one wants to be somebody.
    """
    if iscoroutinefunction(get_response):

        async def amiddleware(request: HttpRequest) -> HttpResponseBase:
            try:
                header = _header(request)
                _known(request, await aadmit(verifier(), header) if header else None)
            except Denied as denied:
                return _answer(denied)
            return await cast("Awaitable[HttpResponseBase]", get_response(request))

        return amiddleware

    def middleware(request: HttpRequest) -> HttpResponseBase:
        try:
            header = _header(request)
            _known(request, admit(verifier(), header) if header else None)
        except Denied as denied:
            return _answer(denied)
        return cast(HttpResponseBase, get_response(request))

    return middleware


def call_context(request: HttpRequest) -> CallContext | None:
    """Return who calls, as the middleware found; None: nobody in particular.

    Raises:
        RuntimeError: the middleware is not there. A view that needs it must not run without.
    """
    if not hasattr(request, "call_context"):
        raise RuntimeError("xerpium_sdk.django.auth.ServiceAuthMiddleware is not in MIDDLEWARE.")
    return cast("CallContext | None", request.call_context)


def service_auth_required(
    *, scopes: Iterable[str] = (), permissions: Iterable[str] = (), company: bool = False
) -> Callable[[View], View]:
    """Let a view be called with a good token only: with all of ``scopes`` and ``permissions``, in a company if asked.

    Others are answered with 401 (no token), 403, or 400 (no company).
    """
    needed: dict[str, Any] = {"scopes": tuple(scopes), "permissions": tuple(permissions), "company": company}

    def refusal(request: HttpRequest) -> HttpResponse | None:
        try:
            context = call_context(request)
            if context is None:
                bearer_of(None)
            else:
                require(context, **needed)
        except Denied as denied:
            return _answer(denied)
        return None

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def aguarded(request: HttpRequest, *args: Any, **options: Any) -> Any:
                return refusal(request) or await view(request, *args, **options)

            return cast(View, aguarded)

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **options: Any) -> Any:
            return refusal(request) or view(request, *args, **options)

        return cast(View, guarded)

    return decorate


def _known(request: HttpRequest, context: CallContext | None) -> None:
    request.call_context = context  # type: ignore[attr-defined]
    if context is not None:
        note_company(context.company_id)


def _header(request: HttpRequest) -> str | None:
    return request.META.get("HTTP_AUTHORIZATION") or None


def _answer(denied: Denied) -> HttpResponse:
    return JsonResponse(
        denied.problem.to_json(),
        status=denied.status,
        headers=denied.headers,
        content_type="application/problem+json",
    )


def _forget(*, setting: str, **_: Any) -> None:
    if setting.startswith("XERPIUM_"):
        verifier.cache_clear()


setting_changed.connect(_forget, dispatch_uid="xerpium_sdk.django.auth")
