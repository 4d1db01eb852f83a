"""Signing in to the console: passwords, who is locked out and who is not, the second factor, recovery codes, CSRF."""

import datetime
import pickle
import re
import time
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.console import signin
from apps.core.models import AuditEntry

LOGIN, CODE, FACTOR = "/admin/login/", "/admin/login/code/", "/admin/second-factor/"
HERE, ELSEWHERE = "192.0.2.9", "198.51.100.1"
RIGHT = "a-long-password"


@pytest.fixture(autouse=True)
def people(transactional_db: None) -> None:
    """Two operators with the same password."""
    for name in ("anna", "berta"):
        User.objects.create_superuser(name, password=RIGHT)


def sign_in(
    name: str = "anna", password: str = RIGHT, *, at: str = HERE, browser: Client | None = None, **more: str
) -> Any:
    """Send the form of the sign-in page from an address."""
    fields = {"username": name, "password": password, **more}
    return (browser or Client()).post(LOGIN, fields, REMOTE_ADDR=at)


def is_in(answer: HttpResponse) -> bool:
    return answer.status_code == 302 and answer["Location"] == "/admin/"


def app_code(name: str = "anna", *, steps: int = 0, confirmed: bool = True) -> str:
    """Return what the authenticator app of somebody shows, so many half minutes from now."""
    device = TOTPDevice.objects.get(user__username=name, confirmed=confirmed)
    app = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    app.time = time.time() + steps * device.step
    return f"{app.token():06d}"


def set_up(browser: Client) -> list[str]:
    """Set the second factor up in a browser that is signed in; return the recovery codes."""
    browser.post(FACTOR, {"do": "begin"})
    page = browser.post(FACTOR, {"do": "confirm", "code": app_code(confirmed=False)}).content.decode()
    return re.findall(r"\b[a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}-[a-z2-7]{4}\b", page)


def signed_in_browser() -> Client:
    browser = Client()
    assert is_in(sign_in(browser=browser))
    return browser


def forget_throttling() -> None:
    """Let the time pass for which no further code is looked at after a wrong one."""
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)


# --- Passwords --------------------------------------------------------------------------------------------------------


def test_who_guesses_is_locked_out_at_his_address_and_nobody_else_is() -> None:
    for _ in range(settings.LOGIN_FAILURE_LIMIT - 1):
        assert sign_in(password="a guess").status_code == 200
    for password in ("a guess", RIGHT):
        refused = sign_in(password=password)
        assert refused.status_code == 429
        assert 0 < int(refused["Retry-After"]) <= settings.LOGIN_LOCKOUT_SECONDS
        assert "You can try again in 15 minutes" in refused.content.decode()
    assert is_in(sign_in(at=ELSEWHERE))
    assert is_in(sign_in("berta"))
    assert sign_in().status_code == 429


def test_a_header_of_a_stranger_is_no_other_address() -> None:
    for number in range(settings.LOGIN_FAILURE_LIMIT):
        Client(headers={"X-Forwarded-For": f"203.0.113.{number}"}).post(
            LOGIN, {"username": "anna", "password": "a guess"}, REMOTE_ADDR=HERE
        )
    browser = Client(headers={"X-Forwarded-For": "203.0.113.99"})
    assert sign_in(browser=browser).status_code == 429


def test_a_lockout_ends_and_a_good_password_forgets_the_wrong_ones(settings: Any) -> None:
    settings.LOGIN_FAILURE_LIMIT = settings.AXES_FAILURE_LIMIT = 2
    sign_in(password="a guess")
    assert is_in(sign_in())
    sign_in(password="a guess")
    assert is_in(sign_in())
    for _ in range(2):
        sign_in(password="a guess")
    assert sign_in().status_code == 429
    long_ago = AccessAttempt.objects.get().attempt_time - settings.AXES_COOLOFF_TIME
    AccessAttempt.objects.update(attempt_time=long_ago)
    assert is_in(sign_in())


def test_an_address_may_send_so_many_passwords_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signin, "SIGN_INS", 3)
    answers = [sign_in(f"nobody-{number}").status_code for number in range(4)]
    assert answers == [200, 200, 200, 429]
    assert is_in(sign_in(at=ELSEWHERE))


def test_a_name_that_nobody_has_is_kept_nowhere() -> None:
    """People type their password into the wrong field."""
    answer = sign_in("hunter2-hunter2", "x")
    assert "Please enter the correct username and password" in answer.content.decode()
    kept = [*AccessAttempt.objects.values(), *AuditEntry.objects.filter(action="sign_in_failed").values()]
    assert len(kept) == 2
    assert "hunter2" not in repr(kept)


def test_the_audit_knows_who_signed_in_and_who_failed() -> None:
    sign_in(password="a guess")
    sign_in()
    found = AuditEntry.objects.order_by("id").filter(action__contains="sign").values_list("action", "object_id")
    assert list(found) == [("sign_in_failed", "anna"), ("signed_in", "anna")]
    assert not AuditEntry.objects.filter(after__icontains="guess").exists()


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_nobody_is_led_away(target: str) -> None:
    assert is_in(sign_in(next=target))


def test_the_forms_take_the_token_of_their_page() -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.get(username="anna"))
    for path, fields in ((LOGIN, {"username": "anna", "password": RIGHT}), (CODE, {"code": "1"}), (FACTOR, {})):
        assert browser.post(path, fields).status_code == 403, path
    assert browser.post("/admin/login/out/").status_code == 403
    token = browser.get(FACTOR).context["csrf_token"]
    begun = browser.post(FACTOR, {"do": "begin", "csrfmiddlewaretoken": str(token)})
    assert begun.status_code == 302
    assert TOTPDevice.objects.count() == 1


# --- The second factor ------------------------------------------------------------------------------------------------


def test_an_app_is_set_up_and_asked_for_from_then_on() -> None:
    codes = set_up(signed_in_browser())
    assert len(set(codes)) == 10
    browser = Client()
    answer = sign_in(browser=browser)
    assert answer["Location"] == f"{CODE}?next=%2Fadmin%2F"
    # The password alone is nobody: no page, no API.
    assert browser.get("/admin/")["Location"].startswith(LOGIN)
    assert browser.get("/api/v1/services", REMOTE_ADDR=HERE).status_code == 401
    before = browser.session.session_key
    wrong = browser.post(CODE, {"code": "000000"})
    assert "This code is not right" in wrong.content.decode()
    forget_throttling()
    # The code that set it up was used by that.
    assert browser.post(CODE, {"code": app_code()}).status_code == 200
    forget_throttling()
    assert is_in(browser.post(CODE, {"code": app_code(steps=1)}))
    assert browser.session.session_key != before
    assert browser.get("/admin/").status_code == 200
    assert browser.get("/api/v1/services", REMOTE_ADDR=HERE).status_code == 200


def test_a_wrong_code_makes_the_next_one_wait() -> None:
    set_up(signed_in_browser())
    browser = Client()
    sign_in(browser=browser)
    for _ in range(2):
        browser.post(CODE, {"code": "000000"})
    refused = browser.post(CODE, {"code": app_code(steps=1)})
    assert (refused.status_code, "Too many wrong codes" in refused.content.decode()) == (429, True)
    assert browser.get("/admin/").status_code == 302


def test_a_recovery_code_is_good_once() -> None:
    codes = set_up(signed_in_browser())
    browser = Client()
    sign_in(browser=browser)
    assert is_in(browser.post(CODE, {"code": codes[0].upper().replace("-", " ")}))
    again = Client()
    sign_in(browser=again)
    assert again.post(CODE, {"code": codes[0]}).status_code == 200
    assert again.get("/admin/").status_code == 302
    assert "recovery_code_used" in AuditEntry.objects.values_list("action", flat=True)
    # New codes take a code, and end the old ones.
    forget_throttling()
    assert "This code is not right" in browser.post(FACTOR, {"do": "renew", "code": "000000"}).content.decode()
    forget_throttling()
    assert len(re.findall(r"[a-z2-7]{4}(?:-[a-z2-7]{4}){3}", browser.post(
        FACTOR, {"do": "renew", "code": app_code(steps=1)}
    ).content.decode())) == 10  # fmt: skip
    last = Client()
    sign_in(browser=last)
    assert last.post(CODE, {"code": codes[1]}).status_code == 200
    assert last.get("/admin/").status_code == 302


def test_where_everybody_needs_one_nothing_is_shown_before(settings: Any) -> None:
    settings.OPERATORS_NEED_SECOND_FACTOR = True
    browser = Client()
    assert sign_in(browser=browser)["Location"].startswith(FACTOR)
    assert browser.get("/admin/").status_code == 302
    assert browser.get("/api/v1/services", REMOTE_ADDR=HERE).status_code == 401
    assert len(set_up(browser)) == 10
    assert browser.get("/admin/").status_code == 200
    assert browser.post(FACTOR, {"do": "remove", "code": app_code(steps=1)}).status_code == 403


def test_a_secret_that_nobody_confirmed_counts_for_nothing() -> None:
    signed_in_browser().post(FACTOR, {"do": "begin"})
    assert is_in(sign_in())


def test_sessions_and_secrets_are_not_in_the_audit() -> None:
    codes = set_up(signed_in_browser())
    secret = TOTPDevice.objects.get().key
    said = repr(list(AuditEntry.objects.values()))
    assert "second_factor_set_up" in said
    assert not any(word in said for word in (secret, RIGHT, *codes))


# --- What services could do, who share Redis with the hub -------------------------------------------------------------


def test_neither_sessions_nor_what_would_run_here_are_in_redis(redis_server: Any) -> None:
    browser = signed_in_browser()
    assert browser.get("/admin/").status_code == 200
    browser.get("/admin/search/", {"s": "orders", "extended": "1"})
    key = browser.cookies["sessionid"].value
    names = list(redis_server.scan_iter())
    assert not [name for name in names if key in name or ":cache" in name]


def test_what_is_read_from_redis_is_data_and_no_program(redis_server: Any) -> None:
    shared = caches["shared"]
    redis_server.set(shared.make_key("planted"), pickle.dumps(datetime.UTC, protocol=0), ex=60)
    with pytest.raises(ValueError, match="Expecting value"):
        shared.get("planted")
    backends = {name: one["BACKEND"].rpartition(".")[2] for name, one in settings.CACHES.items()}
    assert backends == {"default": "LocMemCache", "shared": "RedisCache"}
