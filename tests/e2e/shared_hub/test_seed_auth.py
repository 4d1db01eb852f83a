"""The authentication of the first services works against this hub with nothing but imports and its address changed.

The first tests run the code of the document in which it is described, where that lies beside this checkout (or where
SEED_DOCUMENT says); their only help are imports that it lacks, and the hub's address in place of the one written there.
The last ones use the SDK in its place.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials

from tests.support.running_hub import ROOT, RunningHub
from tests.support.seed_code import DOCUMENT, code_of
from tests.support.wait import wait_until
from xerpium_sdk.auth import InvalidToken, ServiceAuthClient, TokenVerifier
from xerpium_sdk.auth.fastapi import CompanyContext, get_company_context, protect
from xerpium_sdk.registry import HubClient, NotAuthenticated, Registration

ADDRESS = "http://user-auth-service:8001"
"""The hub's address as the document has it."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning"),  # the document's clients are of before 3.12
]


@pytest.fixture(scope="module")
def manage(running_hub: RunningHub) -> Any:
    """Run a command of the hub's, and return what it prints."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        environment = running_hub.environment(DEBUG="1")
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


ACCOUNT = """
from apps.core.tenancy import system, use
from apps.serviceauth.services import account_create
with use(system("test")):
    account_create(name="product-service", companies=frozenset({7}), writes_global=False, actor="test")
"""


@pytest.fixture(scope="module")
def key(manage: Any) -> str:
    """A key of ``product-service``, which acts for company 7 and for nothing else: its tokens are in that company."""
    manage("shell", "--no-imports", "-c", ACCOUNT)
    return str(manage("issue_key", "product-service", "--print"))


@pytest.fixture
def seed(running_hub: RunningHub, key: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The document's two modules, ``service_auth`` and ``company_context``, as they are imported there."""
    if not DOCUMENT.is_file():
        pytest.skip("the document with the clients of before is not beside this checkout (SEED_DOCUMENT names it)")
    monkeypatch.setenv("TZ", "UTC")  # it compares local times with those of UTC
    time.tzset()
    config = ModuleType("app.core.config")
    config.settings = SimpleNamespace(SERVICE_NAME="product-service", SERVICE_KEY=key)  # type: ignore[attr-defined]
    names = ("app", "app.core", "seed", "seed.auth")
    for name, module in {**{name: ModuleType(name) for name in names}, "app.core.config": config}.items():
        monkeypatch.setitem(sys.modules, name, module)
    router = APIRouter()
    lacking = {"Depends": Depends, "router": router, "ProductService": Products, "get_product_service": Products}
    auth = loaded("auth/service_auth.py", lacking, {ADDRESS: running_hub.url}, monkeypatch)
    company = loaded("middleware/company_context.py", lacking, {"from .auth": "from seed.auth"}, monkeypatch)
    yield SimpleNamespace(auth=auth, company=company, router=router)
    monkeypatch.undo()
    time.tzset()


class Products:
    """What the document's endpoint asks for its products."""

    def get_products(self, company_id: int) -> dict[str, int]:
        """Return whose products were asked for."""
        return {"of_company": company_id}


def loaded(title: str, lacking: dict[str, Any], changes: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module of the document, with what it lacks and with ``changes`` made to its text."""
    text = code_of(DOCUMENT, title)
    for old, new in changes.items():
        assert old in text, f"{title} says {old} no more"
        text = text.replace(old, new)
    folder, name = title.removesuffix(".py").split("/")
    module = ModuleType(f"seed.{folder}.{name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    vars(module).update(lacking)
    exec(compile(text, title, "exec"), vars(module))
    return module


def test_the_documents_client_gets_a_token_and_keeps_it(seed: SimpleNamespace, running_hub: RunningHub) -> None:
    client = seed.auth.service_auth
    token = client.get_service_token()
    assert token is not None
    assert client.get_service_token() == token
    assert client.get_auth_headers() == {"Authorization": f"Bearer {token}"}
    assert running_hub.call("GET", "/api/v1/services/", token=token) == 200
    said = client.validate_service_request(token)
    assert (said["service_name"], said["company_id"], said["user_id"]) == ("product-service", 7, None)
    assert said["permissions"] == []


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"], ids=["empty", "word", "three words"])
def test_the_documents_client_is_told_what_is_no_token(token: str, seed: SimpleNamespace) -> None:
    assert seed.auth.service_auth.validate_service_request(token) is None


def test_the_documents_client_is_told_that_its_key_is_wrong(seed: SimpleNamespace, running_hub: RunningHub) -> None:
    stranger = seed.auth.ServiceAuthClient(running_hub.url + "/", "product-service", "wrong")
    assert stranger.get_service_token() is None
    assert stranger.get_auth_headers() == {}


def test_the_documents_endpoints_know_service_and_company(seed: SimpleNamespace) -> None:
    app = FastAPI()
    app.include_router(seed.router)
    headers = seed.auth.service_auth.get_auth_headers()
    good, bad = asyncio.run(asked(app, headers, {"Authorization": "Bearer x.y.z"}))
    assert (good.status_code, good.json()) == (200, {"of_company": 7})
    assert bad.status_code == 401
    credentials = HTTPAuthorizationCredentials(scheme="Bearer", credentials=headers["Authorization"].split()[1])
    assert asyncio.run(seed.auth.verify_service_auth(credentials))["service_name"] == "product-service"


async def asked(app: FastAPI, *headers: dict[str, str]) -> list[httpx2.Response]:
    """Return the answers of ``/products/`` to requests with these headers."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://service") as http:
        return [await http.get("/products/", headers=each) for each in headers]


# --- the same with the SDK --------------------------------------------------------------------------------------------


def test_the_sdk_does_the_same_and_asks_the_hub_for_no_call(running_hub: RunningHub, key: str) -> None:
    with ServiceAuthClient(running_hub.url, "product-service", key) as client:
        said = client.validate_service_request(client.token())
        verifier = TokenVerifier(running_hub.url, "stock-service", auth=client)
        context = verifier.verify(client.token())
        assert said is not None
        assert (context.service_name, context.company_id) == (said["service_name"], said["company_id"])
        assert context.has_scope("registry:write")
        app = FastAPI()
        protect(app, verifier)

        @app.get("/products/")
        async def products(company: CompanyContext = Depends(get_company_context)) -> dict[str, int | None]:  # noqa: B008
            return {"of_company": company.company_id}

        good, bad = asyncio.run(asked(app, client.get_auth_headers(), {"Authorization": "Bearer x.y.z"}))
        assert (good.status_code, good.json()) == (200, {"of_company": 7})
        assert bad.status_code == 401


def test_a_service_enrols_itself_and_is_shut_out_when_its_key_is_disabled(
    running_hub: RunningHub, manage: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manage("issue_key", "shop", "--companies", "7", "--print")
    told = manage("issue_enrolment", "shop", "--print")
    monkeypatch.setenv("XERPIUM_ENROLMENT_TOKEN", told)
    file = tmp_path / "key"
    with (
        ServiceAuthClient(running_hub.url, "shop", key_file=file) as client,
        HubClient(running_hub.url, auth=client) as hub,
    ):
        verifier = TokenVerifier(running_hub.url, "stock-service", auth=client)
        hub.register(Registration(name="shop", version="1.0.0", host="127.0.0.1", port=21_009))
        assert hub.get_service("shop").name == "shop"
        assert verifier.verify(client.token()).service_name == "shop"
        token = client.token()
        key_id = file.read_text().split("_")[1]
        manage("disable_key", key_id)
        wait_until(lambda: is_shut_out(hub), 3, "the revocation, which counts within a second")
        with pytest.raises(InvalidToken, match="revoked"):
            verifier_of_later(running_hub).verify(token)


def is_shut_out(hub: HubClient) -> bool:
    """Return whether the hub lets the service in no more."""
    try:
        hub.get_service("shop")
    except NotAuthenticated:
        return True
    return False


def verifier_of_later(running_hub: RunningHub) -> TokenVerifier:
    """Return a verifier that starts now, and asks for revocations without a token, as an open hub allows."""
    return TokenVerifier(running_hub.url, "stock-service")
