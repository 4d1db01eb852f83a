"""The second factor of operators: an authenticator app, and recovery codes for when it is lost.

The library django-otp checks codes (each once, within 30 s of the clock) and makes guessing slow: after each failure
twice as long. Recovery codes have 80 bits and only their digests are kept.
"""

import base64
import datetime as dt
import hashlib
import os
from dataclasses import dataclass
from math import ceil
from typing import cast

import segno
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django_otp import verify_token
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.core.audit import Actor, record

__all__ = [
    "Checked",
    "Setup",
    "codes_left",
    "codes_renew",
    "factor_check",
    "factor_of",
    "factor_remove",
    "setup_begin",
    "setup_cancel",
    "setup_confirm",
    "setup_of",
]

RECOVERY_CODES = 10
SETUP_TIME = dt.timedelta(minutes=15)
"""How long a new secret waits to be confirmed; it is not shown any longer."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What an authenticator app needs to know: as a picture, and as text for whoever cannot scan it."""

    picture: str
    secret: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a code: the device that it is of, or for how many seconds no code is looked at."""

    device: Device | None = None
    wait: int = 0


def factor_of(user: User) -> TOTPDevice | None:
    """Return the authenticator app of ``user``, None without."""
    return cast("TOTPDevice | None", TOTPDevice.objects.filter(user=user, confirmed=True).order_by("pk").first())


def codes_left(user: User) -> int:
    """Return how many recovery codes ``user`` has not used yet."""
    return int(StaticToken.objects.filter(device__user=user).count())


def setup_begin(user: User) -> None:
    """Make a new secret for ``user``, which counts for nothing before it is confirmed."""
    with transaction.atomic():
        setup_cancel(user)
        TOTPDevice.objects.create(user=user, name="authenticator app", confirmed=False)


def setup_cancel(user: User) -> None:
    """Forget a secret that was not confirmed."""
    TOTPDevice.objects.filter(user=user, confirmed=False).delete()


def setup_of(user: User) -> Setup | None:
    """Return the secret that ``user`` has yet to confirm; None when there is none, or it has waited for too long."""
    device = _unconfirmed(user)
    if device is None:
        return None
    secret = base64.b32encode(device.bin_key).decode()
    return Setup(_picture(device.config_url), " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)))


@sensitive_variables("code", "codes")
def setup_confirm(user: User, code: str) -> tuple[list[str], Device] | None:
    """Take the secret into use if ``code`` is of it, and return new recovery codes, which nobody can look up later."""
    with transaction.atomic():
        device = _unconfirmed(user, lock=True)
        if device is None or not device.verify_token(_digits(code)):
            return None
        TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
        device.confirmed = True
        device.save()
        codes = _new_codes(user)
        _note("second_factor_set_up", user, user)
    return codes, device


@sensitive_variables("text", "token")
def factor_check(user: User, text: str) -> Checked:
    """Look at a code of the app, or at a recovery code, which is then used up."""
    is_of_app = len(_digits(text)) <= 8 and _digits(text).isdecimal()
    token = _digits(text) if is_of_app else _kept(text)
    model: type[TOTPDevice | StaticDevice] = TOTPDevice if is_of_app else StaticDevice
    device = model.objects.filter(user=user, confirmed=True).order_by("pk").first()
    if device is None:
        return Checked()
    wait = _wait_of(device)
    if wait:
        return Checked(wait=wait)
    found = verify_token(user, device.persistent_id, token)
    if found is not None and not is_of_app:
        with transaction.atomic():
            _note("recovery_code_used", user, user)
        return Checked(factor_of(user))
    return Checked(found)


@sensitive_variables("codes")
def codes_renew(user: User) -> list[str]:
    """Return new recovery codes; the old ones are good for nothing from then on."""
    with transaction.atomic():
        codes = _new_codes(user)
        _note("recovery_codes_renewed", user, user)
    return codes


def factor_remove(user: User, *, by: User) -> bool:
    """Take the second factor of ``user`` away, with the recovery codes; return whether there was one."""
    with transaction.atomic():
        StaticDevice.objects.filter(user=user).delete()
        deleted, _ = TOTPDevice.objects.filter(user=user).delete()
        if deleted:
            _note("second_factor_removed", user, by)
    return bool(deleted)


def _unconfirmed(user: User, *, lock: bool = False) -> TOTPDevice | None:
    begun = timezone.now() - SETUP_TIME
    devices = TOTPDevice.objects.filter(user=user, confirmed=False, created_at__gte=begun).order_by("-pk")
    return cast("TOTPDevice | None", (devices.select_for_update() if lock else devices).first())


def _new_codes(user: User) -> list[str]:
    StaticDevice.objects.filter(user=user).delete()
    device = StaticDevice.objects.create(user=user, name="recovery codes", confirmed=True)
    codes = [base64.b32encode(os.urandom(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create([StaticToken(device=device, token=_kept(code)) for code in codes])
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in codes]


def _kept(code: str) -> str:
    """Return what is kept of a recovery code: 80 bits of its digest, as the field has room for 16 characters."""
    plain = "".join(code.split()).replace("-", "").lower()
    return base64.b32encode(hashlib.sha256(plain.encode()).digest()[:10]).decode().lower()


def _digits(text: str) -> str:
    return "".join(text.split()).replace("-", "")


def _wait_of(device: TOTPDevice | StaticDevice) -> int:
    allowed, why = device.verify_is_allowed()
    if allowed:
        return 0
    until: dt.datetime = why["locked_until"]
    return max(1, ceil((until - timezone.now()).total_seconds()))


def _picture(text: str) -> str:
    """Return a QR code as SVG, black on white in both themes, as scanners want it."""
    code = segno.make(text, error="m", micro=False)
    return code.svg_inline(border=3, dark="#000", light="#fff", omitsize=True)


def _note(action: str, user: User, by: User) -> None:
    record(action, "operator", user.get_username(), by=Actor("operator", by.get_username()))
