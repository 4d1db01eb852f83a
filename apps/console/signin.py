"""Signing in to the console: a password, and the code of an authenticator app from whoever has one.

A session that lacks its code is nobody's: `SecondFactorMiddleware` shows it to everything else as a stranger's, pages
and API alike. Only the pages here know whom it waits for (`waiting`).
"""

import datetime as dt
from collections.abc import Callable
from math import ceil
from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME, logout
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.views import LoginView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, resolve_url
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.models import Device
from unfold.forms import AuthenticationForm

from apps.console.lockout import address_of, is_known, known_username, locked_until
from apps.console.second_factor import factor_check, factor_of
from apps.console.trail import VISITOR
from apps.core import limits
from apps.core.audit import Actor, record
from apps.core.errors import TooManyRequests
from apps.core.look import exactly

__all__ = [
    "SecondFactorMiddleware",
    "SignIn",
    "code",
    "complete",
    "locked_out",
    "next_of",
    "sign_out",
    "spoken",
    "waiting",
]

SIGN_INS = 60
"""Passwords a minute from one source, right ones included: checking one costs a fifth of a second."""
CODES = 60
UNFINISHED_SECONDS = 15 * 60
"""How long a session waits for its code, or for the second factor to be set up."""
LOCKED = "Too many wrong passwords for this name from this address. You can try again {when}, or from another address."


class SecondFactorMiddleware:
    """Hides the person of a session that lacks its second factor from everything that runs after it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer ``request``, in which ``user`` is nobody as long as a code is missing."""
        user = request.user
        request.user = cast("User | AnonymousUser", SimpleLazyObject(lambda: _complete_user(request, user)))
        return self.get_response(request)


def _complete_user(request: HttpRequest, user: Any) -> User | AnonymousUser:
    if not user.is_authenticated or user.is_verified():
        return cast(User, user)
    if settings.OPERATORS_NEED_SECOND_FACTOR or factor_of(user) is not None:
        request.waiting_for = user  # type: ignore[attr-defined]  # read by `waiting`
        return AnonymousUser()
    return cast(User, user)


def waiting(request: HttpRequest) -> User | None:
    """Return who has said the right password in this session and still owes the second factor; None otherwise."""
    return None if request.user.is_authenticated else getattr(request, "waiting_for", None)


@method_decorator([never_cache, csrf_protect, sensitive_post_parameters("password")], name="dispatch")
class SignIn(LoginView):
    """The page that asks for name and password."""

    template_name = "admin/login.html"
    authentication_form = AuthenticationForm
    next_page = "admin:index"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Send on who is signed in, or has only the second step to do."""
        if request.method == "GET":
            if waiting(request):
                return _second_step(request, self.get_success_url())
            if admin.site.has_permission(request):
                return redirect(self.get_success_url())
        return super().dispatch(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check the password, unless far too many were sent from here."""
        try:
            limits.hit("sign-in", SIGN_INS, limits.neighbourhood(limits.source_of(request)))
        except TooManyRequests as error:
            return _refused(request, "Too many sign-ins from this address; try again in a minute.", error.retry_after)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Begin the session, and ask for the code if this person has one."""
        user = cast(User, form.get_user())
        super().form_valid(form)
        if settings.OPERATORS_NEED_SECOND_FACTOR or factor_of(user):
            self.request.session.set_expiry(UNFINISHED_SECONDS)
            return _second_step(self.request, self.get_success_url(), user)
        _note_sign_in(user, "password")
        return redirect(self.get_success_url())

    def form_invalid(self, form: Any) -> HttpResponse:
        """Say that name or password is wrong, and count it for the console's home page."""
        name = str(form.cleaned_data.get("username", "")) if hasattr(form, "cleaned_data") else ""
        if form.non_field_errors():
            known = name if is_known(name) else ""
            limits.failed("password", known, limits.source_of(self.request))
            if not getattr(self.request, "axes_locked_out", False):
                # People type their password into the wrong field: a name that nobody has is not kept.
                record("sign_in_failed", "operator", known or "a name that nobody has", by=VISITOR)
        return super().form_invalid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the page shows."""
        return super().get_context_data(**kwargs) | _page_context(self.request, "Log in")


def locked_out(request: HttpRequest, _answer: HttpResponseBase, credentials: dict[str, Any] | None) -> HttpResponse:
    """Say that this name is locked out at this address, and until when (django-axes calls it)."""
    name = known_username(request, credentials)
    until = locked_until(name, address_of(request))
    seconds = max(1, ceil((until - timezone.now()).total_seconds())) if until else settings.LOGIN_LOCKOUT_SECONDS
    when = until or timezone.now() + dt.timedelta(seconds=seconds)
    return _refused(request, LOCKED.format(when=f"in {spoken(seconds)} ({exactly(when)})"), seconds)


def _refused(request: HttpRequest, message: str, seconds: float) -> HttpResponse:
    """Return the sign-in page with nothing but the reason why no password is looked at now."""
    form = AuthenticationForm(request)
    form.fields["username"].initial = request.POST.get("username", "")[:150]
    context = _page_context(request, "Log in") | {"form": form, "refusal": message, "next": next_of(request)}
    headers = {"Retry-After": str(max(1, ceil(seconds)))}
    return TemplateResponse(request, "admin/login.html", context, status=429, headers=headers).render()


@never_cache
@csrf_protect
@sensitive_post_parameters("code")
@sensitive_variables("text")
def code(request: HttpRequest) -> HttpResponseBase:
    """Ask for a code of the authenticator app, or for a recovery code."""
    user, target = waiting(request), next_of(request)
    if user is None:
        return redirect(target if request.user.is_authenticated else reverse("admin:login"))
    if factor_of(user) is None:
        return _second_step(request, target, user)
    context, status = _page_context(request, "Second step") | {"name": user.get_username(), "next": target}, 200
    if request.method == "POST":
        text = request.POST.get("code", "")[:64]
        complaint, wait = _checked(request, user, text)
        if not complaint:
            return redirect(target)
        context, status = context | {"complaint": complaint}, 429 if wait else 200
    return TemplateResponse(request, "console/code.html", context, status=status)


@sensitive_variables("text")
def _checked(request: HttpRequest, user: User, text: str) -> tuple[str, int]:
    """Complete the session if ``text`` is good; otherwise return why not, and how many seconds to wait."""
    source = limits.source_of(request)
    try:
        limits.hit("sign-in-code", CODES, limits.neighbourhood(source))
    except TooManyRequests as error:
        return "Too many codes from this address; try again in a minute.", ceil(error.retry_after)
    checked = factor_check(user, text)
    if checked.device is not None:
        complete(request, user, checked.device)
        return "", 0
    if checked.wait:
        return f"Too many wrong codes. Wait {spoken(checked.wait)}, then try again with a new code.", checked.wait
    limits.failed("code", user.get_username(), source)
    record("second_factor_failed", "operator", user.get_username(), by=VISITOR)
    return "This code is not right, or has been used already. The app shows a new one every 30 seconds.", 0


def complete(request: HttpRequest, user: User, device: Device) -> None:
    """Note in the session that the second factor of ``user`` was there; the session gets a new key."""
    request.session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    request.session.set_expiry(None)
    request.session.cycle_key()
    _note_sign_in(user, "password and code")


@require_POST
@csrf_protect
def sign_out(request: HttpRequest) -> HttpResponseRedirect:
    """Forget a session that waits for its second step."""
    logout(request)
    return HttpResponseRedirect(reverse("admin:login"))


def _second_step(request: HttpRequest, target: str, user: User | None = None) -> HttpResponseRedirect:
    """Lead to the code, or to setting up what makes codes."""
    user = user or waiting(request)
    page = "console:code" if user is not None and factor_of(user) else "console:second-factor"
    return redirect(f"{reverse(page)}?{urlencode({REDIRECT_FIELD_NAME: target})}")


def next_of(request: HttpRequest) -> str:
    """Return where to go afterwards: a page of this hub."""
    asked = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or ""
    safe = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if safe and asked != reverse("admin:login") else resolve_url(settings.LOGIN_REDIRECT_URL)


def _page_context(request: HttpRequest, title: str) -> dict[str, Any]:
    return admin.site.each_context(request) | {"title": title, "app_path": request.get_full_path()}


def _note_sign_in(user: User, means: str) -> None:
    with transaction.atomic():
        who = Actor("operator", user.get_username())
        record("signed_in", "operator", user.get_username(), after={"means": means}, by=who)


def spoken(seconds: int) -> str:
    """Return a time to wait in words: ``40 seconds``, ``15 minutes``."""
    if seconds < 90:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{ceil(seconds / 60)} minutes"
