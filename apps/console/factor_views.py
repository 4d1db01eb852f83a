"""The page on which an operator sets up, renews or removes the second factor."""

from collections.abc import Callable
from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from apps.console import second_factor as factor
from apps.console import signin
from apps.core import limits
from apps.core.errors import TooManyRequests

__all__ = ["page"]

WRONG = "This code is not right, or has been used already. The app shows a new one every 30 seconds."


@never_cache
@csrf_protect
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponseBase:
    """Show the second factor of whoever is signed in, or has to set one up before anything else is shown."""
    user = _person(request)
    if user is None:
        return redirect(f"{reverse('admin:login')}?next={reverse('console:second-factor')}")
    if request.method != "POST":
        return _shown(request, user)
    deed = _DEEDS.get(request.POST.get("do", ""))
    return deed(request, user) if deed else _shown(request, user)


def _person(request: HttpRequest) -> User | None:
    """Return whose second factor this is about; whoever has one must have shown it."""
    if admin.site.has_permission(request):
        return cast(User, request.user)
    user = signin.waiting(request)
    return user if user is not None and user.is_staff and factor.factor_of(user) is None else None


def _shown(request: HttpRequest, user: User, *, status: int = 200, **more: Any) -> HttpResponseBase:
    device = factor.factor_of(user)
    forced = not request.user.is_authenticated
    context = admin.site.each_context(request) | {
        "title": "Second factor",
        "layout": "unfold/layouts/unauthenticated.html" if forced and "codes" not in more else "admin/base_site.html",
        "forced": forced,
        "needed": settings.OPERATORS_NEED_SECOND_FACTOR,
        "name": user.get_username(),
        "device": device,
        "codes_left": factor.codes_left(user),
        "setup": None if device else factor.setup_of(user),
        "next": signin.next_of(request),
        **more,
    }
    return TemplateResponse(request, "console/second_factor.html", context, status=status)


def _begin(request: HttpRequest, user: User) -> HttpResponseBase:
    if factor.factor_of(user) is None:
        factor.setup_begin(user)
    return _again(request)


def _cancel(request: HttpRequest, user: User) -> HttpResponseBase:
    factor.setup_cancel(user)
    return _again(request)


@sensitive_variables("done", "codes")
def _confirm(request: HttpRequest, user: User) -> HttpResponseBase:
    done = factor.setup_confirm(user, request.POST.get("code", "")[:64])
    if done is None:
        return _shown(request, user, complaint=WRONG)
    codes, device = done
    signin.complete(request, user, device)
    # Who had to set it up was nobody until now; the page with the codes is that of somebody who is signed in.
    request.user = user
    return _shown(request, user, codes=codes, fresh=True)


@sensitive_variables("codes")
def _renew(request: HttpRequest, user: User) -> HttpResponseBase:
    complaint = _complaint(request, user)
    if complaint:
        return _shown(request, user, complaint=complaint)
    return _shown(request, user, codes=factor.codes_renew(user))


def _remove(request: HttpRequest, user: User) -> HttpResponseBase:
    if settings.OPERATORS_NEED_SECOND_FACTOR:
        return _shown(request, user, complaint="Everybody needs a second factor on this hub.", status=403)
    complaint = _complaint(request, user)
    if complaint:
        return _shown(request, user, complaint=complaint)
    factor.factor_remove(user, by=user)
    messages.success(request, "The second factor is removed: your password alone signs you in.")
    return _again(request)


def _complaint(request: HttpRequest, user: User) -> str:
    """Return why the code that came along is not good, empty when it is: whoever finds an open session has none."""
    try:
        limits.hit("sign-in-code", signin.CODES, limits.neighbourhood(limits.source_of(request)))
    except TooManyRequests:
        return "Too many codes from this address; try again in a minute."
    checked = factor.factor_check(user, request.POST.get("code", "")[:64])
    if checked.device is not None:
        return ""
    return f"Too many wrong codes. Wait {signin.spoken(checked.wait)}, then try again." if checked.wait else WRONG


def _again(request: HttpRequest) -> HttpResponseBase:
    return redirect(request.get_full_path())


_DEEDS: dict[str, Callable[[HttpRequest, User], HttpResponseBase]] = {
    "begin": _begin,
    "cancel": _cancel,
    "confirm": _confirm,
    "renew": _renew,
    "remove": _remove,
}
