"""Requests of a Django service: their id and trace go on to whatever is called for them, and into the answer.

```python
MIDDLEWARE = ["xerpium_sdk.django.passing.PassOnMiddleware", ...]
```

It stands before ``ServiceAuthMiddleware``, which notes the company of the token.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from inspect import iscoroutinefunction
from typing import Any, cast

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.decorators import sync_and_async_middleware

from xerpium_sdk.passing import Passing, current, passing_on

__all__ = ["PassOnMiddleware"]

Next = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


@sync_and_async_middleware
def PassOnMiddleware(get_response: Next) -> Any:  # noqa: N802 - middleware is named like a class
    """Take over the id and the trace of each request, or begin them, and answer with them.

    Calls by `ServiceClient` that are made for the request carry both, and the company of its token. Nothing of it is
    left in the thread when the request is over.
    """
    if iscoroutinefunction(get_response):

        async def amiddleware(request: HttpRequest) -> HttpResponseBase:
            with passing_on(_passing(request)):
                response = await cast("Awaitable[HttpResponseBase]", get_response(request))
                return _answered(response)

        return amiddleware

    def middleware(request: HttpRequest) -> HttpResponseBase:
        with passing_on(_passing(request)):
            return _answered(cast(HttpResponseBase, get_response(request)))

    return middleware


def _passing(request: HttpRequest) -> Passing:
    given = {"x-request-id": "HTTP_X_REQUEST_ID", "traceparent": "HTTP_TRACEPARENT"}
    return Passing.begin({name: request.META.get(variable, "") for name, variable in given.items()})


def _answered(response: HttpResponseBase) -> HttpResponseBase:
    passing = current()
    for name, value in passing.answered().items():
        response.headers.setdefault(name, value)
    if isinstance(response, StreamingHttpResponse):
        # It is made after the middleware has returned.
        pieces = response.streaming_content
        if response.is_async:
            response.streaming_content = _alater(passing, aiter(cast("AsyncIterator[bytes]", pieces)))
        else:
            response.streaming_content = _later(passing, iter(cast("Iterator[bytes]", pieces)))
    return response


def _later(passing: Passing, pieces: Iterator[bytes]) -> Iterator[bytes]:
    while True:
        with passing_on(passing):
            try:
                piece = next(pieces)
            except StopIteration:
                return
        yield piece


async def _alater(passing: Passing, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        with passing_on(passing):
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                return
        yield piece
