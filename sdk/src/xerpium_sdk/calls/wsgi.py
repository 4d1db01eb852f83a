"""Requests of a WSGI application: their id and trace go on to whatever is called for them, and into the answer."""

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from typing import Any

from xerpium_sdk.passing import Passing, passing_on

__all__ = ["PassOnMiddleware"]

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
_END = object()


class PassOnMiddleware:
    """Takes over the id and the trace of each request, or begins them, and answers with them.

    >>> application = PassOnMiddleware(application)

    Calls by `ServiceClient` that are made for the request, also while its answer is being sent, carry both, and the
    company of its token once a door of `xerpium_sdk.auth` has verified that. Nothing of it is left in the thread.
    """

    def __init__(self, app: WsgiApp) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        given = {"x-request-id": "HTTP_X_REQUEST_ID", "traceparent": "HTTP_TRACEPARENT"}
        passing = Passing.begin({name: environ.get(variable, "") for name, variable in given.items()})

        def answer(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            known = {name.lower() for name, _ in headers}
            own = [header for header in passing.answered().items() if header[0] not in known]
            return start_response(status, [*headers, *own], *more)

        def begin() -> tuple[Iterable[bytes], Context]:
            with passing_on(passing):
                return self._app(environ, answer), copy_context()

        body, context = copy_context().run(begin)
        # A body that was made already needs no wrapping, and servers know how long it is.
        return body if isinstance(body, list | tuple) else _Body(body, context)


class _Body:
    """An answer that is made while it is sent, in the request's own context."""

    def __init__(self, body: Iterable[bytes], context: Context) -> None:
        self._context, self._body = context, body
        self._pieces = context.run(iter, body)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = self._context.run(next, self._pieces, _END)
        if piece is _END:
            raise StopIteration
        return piece  # type: ignore[return-value]

    def close(self) -> None:
        """Close the application's own iterable, as WSGI asks for."""
        close = getattr(self._body, "close", None)
        if close is not None:
            self._context.run(close)
