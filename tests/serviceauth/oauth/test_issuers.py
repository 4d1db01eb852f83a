"""Operators trust issuers: what may be written down, who may, what is remembered, and the page."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from apps.core.errors import Conflict, InvalidInput, NotFound
from apps.core.models import AuditEntry
from apps.core.tenancy import Scope, use
from apps.serviceauth.models import TrustedIssuer
from apps.serviceauth.services.issuers import issuer_delete, issuer_save
from tests.serviceauth.oauth.idp import AUDIENCE, ISSUER, Signer, providing, trust_issuer
from tests.support.operators import staff, superuser

pytestmark = pytest.mark.django_db

ES = Signer()
LIST, ADD = "/admin/serviceauth/trustedissuer/", "/admin/serviceauth/trustedissuer/add/"
OF_TWO = Scope(frozenset({2}), writes_global=False, reason="operator of company 2")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": "http://login.example"}, "issuer"),
        ({"issuer": "https://login.example/a b"}, "issuer"),
        ({"issuer": "https://login.example/?a=1"}, "issuer"),
        ({"issuer": "http://127.0.0.1:8000"}, "issuer"),
        ({"audience": ""}, "audience"),
        ({"algorithms": []}, "algorithms"),
        ({"algorithms": ["ES256", "HS256"]}, "algorithms"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"jwks": None}, "jwks_url"),
        ({"jwks_url": "https://login.example/keys"}, "jwks_url"),
        ({"jwks": None, "jwks_url": "http://login.example/keys"}, "jwks_url"),
        ({"jwks": None, "jwks_url": "https://user@login.example/keys"}, "jwks_url"),
        ({"jwks": None, "jwks_url": "https://login.example:5432/keys"}, "jwks_url"),
        ({"jwks": {"keys": []}}, "jwks"),
        ({"jwks": {"keys": [{**ES.jwk, "d": "AA"}]}}, "jwks"),
        ({"algorithms": ["RS256"]}, "jwks"),
        ({"user_claim": ""}, "user_claim"),
        ({"company_claim": "a b"}, "company_claim"),
        ({"companies": []}, "companies"),
        ({"companies": [0]}, "companies"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        trust_issuer(ES, **values)
    assert {fault.pointer for fault in caught.value.errors} == {f"/{field}"}


def test_in_production_nothing_is_fetched_without_tls(settings: Settings) -> None:
    trust_issuer(jwks_url="http://127.0.0.1:8080/keys")
    settings.DEVELOPMENT = False
    with pytest.raises(InvalidInput):
        trust_issuer(issuer="https://two.example", jwks_url="http://127.0.0.1:8080/keys")
    trust_issuer(issuer="https://two.example", jwks_url="https://two.example/keys?policy=a")


def test_changes_are_written_down() -> None:
    issuer = trust_issuer(ES)
    with pytest.raises(Conflict):
        trust_issuer(ES)
    changed = issuer_save(row=issuer, actor="anna", companies=[8, 7, 8])
    issuer_save(row=issuer, actor="anna", companies=[7, 8])
    issuer_delete(issuer=changed)
    with pytest.raises(NotFound):
        issuer_save(row=changed, actor="anna", companies=[9])
    entries = AuditEntry.objects.filter(object_type="trusted_issuer").order_by("id")
    assert [(entry.action, entry.object_id) for entry in entries] == [
        ("issuer_trusted", ISSUER),
        ("issuer_changed", ISSUER),
        ("issuer_forgotten", ISSUER),
    ]
    assert (entries[1].before, entries[1].after) == ({"companies": [7]}, {"companies": [7, 8]})
    assert entries[0].after["jwks"] == [ES.kid]


def test_operators_of_some_companies_trust_nobody() -> None:
    mine = {"companies": [2], "jwks": {"keys": [ES.jwk]}, "algorithms": ["ES256"]}
    with pytest.raises(InvalidInput) as caught, use(OF_TWO):
        issuer_save(row=TrustedIssuer.objects.create(issuer=ISSUER, audience=AUDIENCE), actor="two", **mine)
    assert {fault.code for fault in caught.value.errors} == {"not_yours"}


def filled_in(**changes: Any) -> dict[str, Any]:
    form = {
        "issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["ES256"], "jwks_url": "", "jwks": "",
        "user_claim": "sub", "company_claim": "company", "for_companies": "7, 8", "is_active": "on",
    }  # fmt: skip
    return form | changes


def test_an_operator_trusts_an_issuer_and_looks_at_its_keys() -> None:
    browser = superuser()
    with providing(ES) as provider:
        answer = browser.post(ADD, filled_in(jwks_url=provider.url), follow=True)
        assert answer.status_code == 200
        issuer = TrustedIssuer.objects.get()
        assert (issuer.companies, issuer.created_by) == ([7, 8], "operator:anna")
        assert looked(browser, issuer) == [f"{ISSUER}: keys {ES.kid} (ES256)."]
        provider.status = 404
        assert looked(browser, issuer) == [f"{ISSUER}: the answer is 404, not 200"]
    page = browser.get(f"{LIST}{issuer.pk}/change/").content.decode()
    assert 'value="7, 8"' in page
    browser.post(f"{LIST}{issuer.pk}/change/", filled_in(jwks_url=issuer.jwks_url, for_companies="*"))
    issuer.refresh_from_db()
    assert issuer.all_companies
    browser.post(f"{LIST}{issuer.pk}/delete/", {"post": "yes"})
    assert not TrustedIssuer.objects.exists()
    actions = AuditEntry.objects.filter(object_type="trusted_issuer").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["issuer_trusted", "issuer_changed", "issuer_forgotten"]


def looked(browser: Client, issuer: TrustedIssuer) -> list[str]:
    form = {"action": "look_now", "_selected_action": [issuer.pk]}
    return [str(message) for message in browser.post(LIST, form, follow=True).context["messages"]]


def test_what_is_wrong_stands_beside_the_field() -> None:
    page = superuser().post(ADD, filled_in(jwks_url="http://login.example/keys", for_companies="seven"))
    assert page.context["adminform"].form.errors.keys() == {"for_companies"}
    page = superuser("bert").post(ADD, filled_in(jwks_url="http://login.example/keys"))
    assert page.context["adminform"].form.errors == {"jwks_url": ["Keys are fetched over https only."]}
    assert not TrustedIssuer.objects.exists()


def test_who_may_not_has_no_page() -> None:
    assert staff("carl").get(LIST).status_code == 403
    may_look = staff("dora", "view_trustedissuer", app="serviceauth")
    assert may_look.get(LIST).status_code == 200
    assert may_look.get(ADD).status_code == 403
