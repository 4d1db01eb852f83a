"""What the library that counts wrong passwords (django-axes) asks the console, and what the console asks it."""

import datetime as dt
from ipaddress import ip_network
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Max, Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from apps.core.limits import source_of
from apps.core.sources import NOBODY, neighbourhood

__all__ = ["address_of", "is_known", "known_username", "locked_until", "unlock"]

_UNKNOWN = "nobody:"


def address_of(request: HttpRequest) -> str | None:
    """Return the address by which wrong passwords are counted: of IPv6 the first of the /64. None if there is none."""
    source = neighbourhood(source_of(request))
    return None if source == NOBODY else str(ip_network(source).network_address)


def known_username(request: HttpRequest | None, credentials: dict[str, Any] | None) -> str | None:
    """Return the name by which wrong passwords are counted: a digest instead of a name that nobody has.

    People type their password into the wrong field; what they typed must not be kept.
    """
    name = str((credentials or {}).get("username") or (request.POST.get("username", "") if request else ""))
    if not name or is_known(name):
        return name or None
    return _UNKNOWN + salted_hmac("xerpium.console.lockout", name, algorithm="sha256").hexdigest()[:20]


def is_known(username: str) -> bool:
    """Whether somebody has this name."""
    return "\0" not in username and User.objects.filter(username=username[:150]).exists()


def locked_until(username: str | None, address: str | None) -> dt.datetime | None:
    """Return until when this name is refused at this address; None when it is not."""
    if username is None:
        return None
    attempts = AccessAttempt.objects.filter(username=username, ip_address=address)
    known = attempts.aggregate(failures=Sum("failures_since_start"), last=Max("attempt_time"))
    if (known["failures"] or 0) < settings.LOGIN_FAILURE_LIMIT:
        return None
    until: dt.datetime = known["last"] + dt.timedelta(seconds=settings.LOGIN_LOCKOUT_SECONDS)
    return until if until > timezone.now() else None


def unlock(attempts: "list[AccessAttempt]") -> int:
    """Forget these failures and return how many attempts there were; who failed may try again at once."""
    return sum(attempt.delete()[0] for attempt in attempts)
