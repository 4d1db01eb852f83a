"""Routes that answer with and without a trailing slash, for every verb, without a redirect."""

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.urls.resolvers import RoutePattern
from django.views import View

_INT64_MAX = 2**63 - 1

ViewFunction = Callable[..., HttpResponseBase]


class OptionalSlash(RoutePattern):
    """A route that takes its address with one trailing slash as well."""

    def match(self, path: str) -> Any:
        """Match ``path`` as if its trailing slash were not there.

        Nothing has a name with U+0000 in it, or a number that PostgreSQL cannot store.
        """
        found = None if "\0" in path else super().match(path.removesuffix("/"))
        if found and any(isinstance(value, int) and value > _INT64_MAX for value in found[2].values()):
            return None
        return found


def api_path(route: str, view: type[View] | ViewFunction, name: str | None = None) -> URLPattern:
    """Return the one URL pattern of ``route`` (written without trailing slash) for a view class or function.

    One pattern and not two: reversing, the schema and the metrics see each route once.
    """
    function = view.as_view() if isinstance(view, type) and issubclass(view, View) else view
    return URLPattern(OptionalSlash(route, name=name, is_endpoint=True), function, None, name)
