"""What operators see of signing keys and revocations, and what they do to them: in the console and from a shell."""

import datetime as dt
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from apps.core.models import AuditEntry
from apps.serviceauth import selectors
from apps.serviceauth.models import Operator, Revocation, SigningKey
from apps.serviceauth.services.signing import signer, signing_keys_rotate
from apps.serviceauth.trust import trust
from apps.serviceauth.verifying import InvalidToken, verify
from tests.support.operators import logged_in, staff, superuser
from tests.support.tokens import issued_for, token_for

pytestmark = pytest.mark.django_db

KEYS, REVOCATIONS = "/admin/serviceauth/signingkey/", "/admin/serviceauth/revocation/"
REVOKE = f"{REVOCATIONS}add/"


def is_void(token: str) -> bool:
    """Whether the hub refuses a token."""
    try:
        verify(token)
    except InvalidToken:
        return True
    return False


def run(*arguments: str) -> str:
    """Return what the command says."""
    out = StringIO()
    call_command("rotate_signing_keys", *arguments, stdout=out)
    return out.getvalue()


def test_the_page_draws_the_keys_and_says_what_comes_next() -> None:
    browser = superuser()
    assert "There is no key yet" in browser.get(KEYS).content.decode()
    now = timezone.now()
    present = signer(now).kid
    (waiting,) = signing_keys_rotate(now=now, at_once=True)
    page = browser.get(KEYS).content.decode()
    assert page.index(waiting) < page.index(present)
    assert page.count('<svg class="access-bar"') == 2
    assert {"access-published", "access-signs", "access-verifies"} <= set(page.replace('"', " ").split())
    assert f"{waiting} takes over" in page
    row = SigningKey.objects.get(kid=present)
    assert bytes(row.private).decode() not in page + browser.get(f"{KEYS}{present}/change/").content.decode()


def test_an_operator_makes_the_next_key_and_withdraws_one() -> None:
    browser = superuser()
    token = token_for("orders")
    present = signer(timezone.now()).kid
    assert browser.get(f"{KEYS}rotate/").status_code == 404
    assert "signs in ten minutes" in browser.post(f"{KEYS}rotate/", follow=True).content.decode()
    assert "waits to take over already" in browser.post(f"{KEYS}rotate/", follow=True).content.decode()
    assert SigningKey.objects.count() == 2
    asked = browser.get(f"{KEYS}{present}/withdraw/").content.decode()
    assert "is void at once" in asked
    assert not is_void(token)
    done = browser.post(f"{KEYS}{present}/withdraw/", {"reason": "a disk was sold"}, follow=True).content.decode()
    assert f"Withdrew the key {present}" in done
    assert is_void(token)
    assert browser.get(f"{KEYS}{present}/withdraw/").status_code == 404
    entry = AuditEntry.objects.get(action="signing_key_withdrawn")
    assert (entry.actor, entry.object_id, entry.after) == ("anna", present, {"reason": "a disk was sold"})


def test_who_may_only_look_changes_nothing_and_who_is_of_a_company_does_not_look() -> None:
    kid = signer(timezone.now()).kid
    looker = staff("lea", "view_signingkey", "view_revocation", app="serviceauth")
    page = looker.get(KEYS)
    assert page.status_code == 200
    assert "Withdraw" not in page.content.decode()
    assert looker.post(f"{KEYS}rotate/").status_code == 403
    assert looker.post(f"{KEYS}{kid}/withdraw/").status_code == 403
    assert looker.get(REVOKE).status_code == 403
    user = User.objects.create_superuser("olga")
    Operator.objects.create(user=user, companies=[3])
    narrow = logged_in(user)
    answers = [narrow.get(KEYS), narrow.get(REVOCATIONS), narrow.get(REVOKE), narrow.post(f"{KEYS}rotate/")]
    assert [answer.status_code for answer in answers] == [403] * 4


@pytest.mark.parametrize("kind", ["account", "key", "user", "token"])
def test_an_operator_revokes(kind: str) -> None:
    browser = superuser()
    issued = issued_for("orders")
    token = token_for("shop", company_id=3, user_id=7) if kind == "user" else issued.access_token
    subject = {"account": "orders", "key": f"xrp_{issued.claims.key_id}_x_y", "user": " 7 ", "token": f"Bearer {token}"}
    assert not is_void(token)
    page = browser.post(REVOKE, {"kind": kind, "subject": subject[kind], "reason": "test"}, follow=True)
    assert page.redirect_chain[-1][0] == REVOCATIONS
    assert is_void(token)
    entry = AuditEntry.objects.filter(action=f"{kind}_revoked").latest("id")
    assert (entry.actor, entry.after) == ("anna", {"reason": "test"})
    shown = browser.get(REVOCATIONS).content.decode()
    row = Revocation.objects.get()
    assert row.subject in shown
    assert row.created_by == "operator:anna"
    assert token.rpartition(".")[2] not in shown


@pytest.mark.parametrize(
    ("kind", "subject"), [("account", "nobody"), ("key", "xrp_nobody_s3cret"), ("user", "-1"), ("token", "s3cret.a.b")]
)
def test_what_cannot_be_revoked_is_told_without_repeating_it(kind: str, subject: str) -> None:
    page = superuser().post(REVOKE, {"kind": kind, "subject": subject})
    assert page.status_code == 200
    assert not Revocation.objects.exists()
    told = " ".join(page.context["form"].errors["subject"])
    assert told
    assert subject not in told


def test_the_console_tells_when_nothing_can_be_signed(settings: Any) -> None:
    browser: Client = superuser()
    signer(timezone.now())
    assert "No token can be signed" not in browser.get("/admin/").content.decode()
    version = next(iter(settings.KEY_PEPPERS))
    settings.KEY_PEPPERS = {version: "wrong " * 10}
    trust.forget()
    home = browser.get("/admin/").content.decode()
    assert "No token can be signed" in home
    assert KEYS in home
    assert "sealed" in browser.get(KEYS).content.decode()


def test_a_shell_shows_rotates_and_withdraws() -> None:
    first = run()
    (kid,) = SigningKey.objects.values_list("kid", flat=True)
    assert f"Made the key {kid}." in first
    assert "signs" in first
    assert "Next: in 6 d, the next key is made and published. A key signs for 7 d (SIGNING_KEY_DAYS)." in first
    second = run("--now")
    assert second.count("Made the key") == 1
    assert "takes over." in second
    assert "Another key waits to take over already." in run("--now")
    assert f"Withdrew the key {kid}" in run(f"--withdraw={kid}", "--reason", "lost")
    with pytest.raises(CommandError, match="There is no key"):
        run(f"--withdraw={kid}")
    private = [bytes(row.private).decode() for row in SigningKey.objects.all()]
    assert not any(one in second for one in private)
    assert AuditEntry.objects.filter(action="signing_key_withdrawn", after={"reason": "lost"}).count() == 1


def test_beat_makes_the_next_key_and_forgets_what_has_ended() -> None:
    from apps.serviceauth.tasks import prune_revocations, rotate_signing_keys

    (kid,) = rotate_signing_keys()
    assert rotate_signing_keys() == []
    assert selectors.signing_state(now=timezone.now()).keys[0].kid == kid
    past = timezone.now() - dt.timedelta(seconds=1)
    Revocation.objects.create(kind="user", subject="7", issued_before=past, created_by="test", expires_at=past)
    assert (prune_revocations(), Revocation.objects.count()) == (1, 0)
