"""Every route says who may use it: the scope of a token, the permission of an operator; what says nothing is closed."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.access import Principal
from apps.core.authority import scope_needed
from apps.core.scopes import ANY_CALLER, OPERATOR_PERMISSIONS, SCOPES, operator_permissions
from apps.core.views import HubView

VERBS = ("get", "post", "put", "patch", "delete")
THINGS = "/api/v1/things"


def routes(patterns: list[Any], prefix: str = "/") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, path)
        else:
            yield path, pattern


def operations() -> list[tuple[str, str, Any]]:
    """Return every route of the API with each of its verbs and its view."""
    return [
        (path, verb, view)
        for path, pattern in routes(get_resolver("xerpium.urls").url_patterns)
        if path.startswith("/api/v1/")
        for view in [pattern.callback.view_class]  # type: ignore[attr-defined]  # set by as_view()
        for verb in VERBS
        if hasattr(view, verb)
    ]


def is_public(view: Any) -> bool:
    return AllowAny in view.permission_classes


def test_every_route_and_verb_names_a_scope_that_there_is() -> None:
    found = operations()
    assert len(found) > 20
    for path, verb, view in found:
        if is_public(view):
            assert not view.authentication_classes, path
            continue
        scope = scope_needed(view, verb.upper())
        assert scope in {*SCOPES, ANY_CALLER}, f"{verb} {path} says {scope!r}"
        assert set(view.scopes) <= set(VERBS), path
        if scope != ANY_CALLER:
            needed = operator_permissions(scope, view.area)
            assert needed, f"{verb} {path}: nobody but superusers"
            assert verb == "get" or not scope.endswith(":read"), f"{verb} {path} asks for {scope}"


def test_reading_asks_for_no_scope_that_writes() -> None:
    for path, verb, view in operations():
        scope = scope_needed(view, verb.upper())
        if verb == "get" and not is_public(view) and scope != ANY_CALLER:
            assert str(scope).endswith((":read", ":introspect")), path


@pytest.mark.django_db
def test_every_permission_of_operators_is_one_of_djangos() -> None:
    named = {name for areas in OPERATOR_PERMISSIONS.values() for needed in areas.values() for name in needed}
    known = {f"{found.content_type.app_label}.{found.codename}" for found in Permission.objects.all()}
    assert named <= known
    assert set(OPERATOR_PERMISSIONS) <= set(SCOPES)
    assert all("" in areas for areas in OPERATOR_PERMISSIONS.values())


# --- Tokens -----------------------------------------------------------------------------------------------------------


class Forced(BaseAuthentication):
    """Whoever the test says is asking."""

    caller: ClassVar[Principal | None] = None

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        return None if self.caller is None else (self.caller, None)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class Undeclared(HubView):
    """Says nothing."""

    def get(self, request: Request) -> Response:
        raise AssertionError("nobody may get here")

    post = get


class Declared(HubView):
    """Says what its verbs need."""

    scopes: ClassVar = {"get": "registry:read", "post": ANY_CALLER}

    def get(self, request: Request) -> Response:
        return Response({})

    def post(self, request: Request) -> Response:
        return Response({}, status=201)

    def put(self, request: Request) -> Response:
        raise AssertionError("nobody may get here")


def ask(view: type[HubView], verb: str, caller: Principal | None) -> Any:
    forced = type("ForcedHere", (Forced,), {"caller": caller})
    closed = type("Closed", (view,), {"authentication_classes": (forced,)})
    request = RequestFactory().generic(verb, "/", b"{}", "application/json")
    return closed.as_view()(request)


def service(*scopes: str) -> Principal:
    return Principal("service", "orders", frozenset(), scopes=frozenset(scopes))


CALLERS = [
    service(*SCOPES),
    Principal("user", "user:5", frozenset({7}), company_id=7, scopes=frozenset(SCOPES), actors=("orders",)),
    Principal("service", "orders"),
    Principal("open", "open"),
]


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.kind)
@pytest.mark.parametrize(("view", "verb"), [(Undeclared, "GET"), (Undeclared, "POST"), (Declared, "PUT")])
def test_what_declares_nothing_is_closed_to_everybody(caller: Principal, view: type[HubView], verb: str) -> None:
    answer = ask(view, verb, caller)
    assert answer.status_code == 403
    assert b'"closed"' in answer.content


@pytest.mark.parametrize("verb", ["GET", "HEAD"])
def test_a_token_needs_the_scope(verb: str) -> None:
    assert ask(Declared, verb, service("registry:read")).status_code == 200
    for scopes in ((), ("registry:write", "events:read")):
        refused = ask(Declared, verb, service(*scopes))
        assert refused.status_code == 403
        assert refused.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="registry:read"'
        if verb == "GET":
            assert b'"insufficient_scope"' in refused.content


def test_where_any_token_will_do_a_token_is_needed_all_the_same() -> None:
    assert ask(Declared, "POST", service()).status_code == 201
    assert ask(Declared, "POST", None).status_code == 401


@pytest.mark.parametrize("caller", [None, service(), service("registry:read")])
@pytest.mark.parametrize(("verb", "status"), [("OPTIONS", 204), ("PATCH", 405), ("TRACE", 405), ("BREW", 405)])
def test_what_does_nothing_needs_no_scope_but_a_caller(caller: Principal | None, verb: str, status: int) -> None:
    answer = ask(Declared, verb, caller)
    assert answer.status_code == (status if caller else 401)


# --- Operators --------------------------------------------------------------------------------------------------------


def browser_of(user: User) -> Client:
    browser = Client(headers={"Content-Type": "application/json"})
    browser.force_login(user)
    return browser


@pytest.mark.django_db
@pytest.mark.parametrize("scope", ["registry:read", "events:read", "events:decide"])
def test_an_operator_needs_the_permission_that_the_console_asks_for(scope: str, settings: Settings) -> None:
    settings.HUB_OPEN = False
    routes_of = {
        "registry:read": ("GET", "/services"),
        "events:read": ("GET", "/events/dead-letters"),
        "events:decide": ("POST", "/events/dead-letters/discard"),
    }
    verb, path = routes_of[scope]
    needed = operator_permissions(scope, {"events:read": "dead-letters"}.get(scope, ""))
    assert needed
    ann = User.objects.create_user("ann", is_staff=True)

    def status(sent: bytes = b"{}") -> Any:
        return browser_of(ann).generic(verb, f"/api/v1{path}", sent, "application/json")

    refused = status()
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")
    assert all(name in refused.json()["detail"] for name in needed)
    assert "WWW-Authenticate" not in refused.headers
    ann.user_permissions.set(Permission.objects.filter(codename__in=[name.partition(".")[2] for name in needed]))
    assert status().status_code in (200, 422, 503)


@pytest.mark.django_db
@pytest.mark.urls("tests.core.urls")
def test_a_superuser_may_do_everything(settings: Settings) -> None:
    settings.HUB_OPEN = False
    assert browser_of(User.objects.create_superuser("eve")).get(THINGS).status_code == 200
    assert browser_of(User.objects.create_user("bob", is_staff=True)).get(THINGS).status_code == 403
