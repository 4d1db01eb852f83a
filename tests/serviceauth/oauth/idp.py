"""An identity provider on a real socket: publishes keys, signs tokens about people. For tests."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from apps.core.tenancy import system, use
from apps.serviceauth.models import TrustedIssuer
from apps.serviceauth.services.issuers import issuer_save
from apps.serviceauth.signing import public_jwk

ISSUER, AUDIENCE = "https://login.example", "erp"


@dataclass(frozen=True)
class Later:
    """A time so many seconds after the token is signed."""

    seconds: int


class Signer:
    """One key of the provider."""

    def __init__(self, algorithm: str = "ES256", *, bits: int = 2048) -> None:
        self.algorithm = algorithm
        is_rsa = algorithm.startswith(("RS", "PS"))
        self.key: Any = rsa.generate_private_key(65537, bits) if is_rsa else ec.generate_private_key(ec.SECP256R1())
        self.jwk: dict[str, Any] = public_jwk(self.key, algorithm)
        self.kid = self.jwk["kid"]

    def token(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Sign a token about person 5 in company 7, sensible or not; a claim of None is left out."""
        now = int(time.time())
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "5", "company": 7, "iat": now, "exp": now + 3600} | claims
        told = {
            name: now + value.seconds if isinstance(value, Later) else value
            for name, value in said.items()
            if value is not None
        }
        head = {"alg": self.algorithm, "typ": "JWT", "kid": self.kid} | (header or {})
        text = f"{_part(head)}.{_part(told)}"
        signature = jwt.get_algorithm_by_name(self.algorithm).sign(text.encode(), self.key)
        return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


class Provider(ThreadingHTTPServer):
    """Answers every GET with ``body``, and counts them."""

    daemon_threads = True

    def __init__(self, *signers: Signer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked = 0
        self.status, self.headers = 200, dict[str, str]()
        self.publish(*signers)

    @property
    def url(self) -> str:
        """Where its keys are."""
        return f"http://127.0.0.1:{self.server_address[1]}/keys"

    def publish(self, *signers: Signer) -> None:
        """Have these keys and no others."""
        self.body = json.dumps({"keys": [signer.jwk for signer in signers]}).encode()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        provider = self.server
        assert isinstance(provider, Provider)
        provider.asked += 1
        self.send_response(provider.status)
        for name, value in provider.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(provider.body)))
        self.end_headers()
        self.wfile.write(provider.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def providing(*signers: Signer) -> Iterator[Provider]:
    """Run a provider that has these keys."""
    with Provider(*signers) as provider:
        thread = threading.Thread(target=provider.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield provider
        finally:
            provider.shutdown()
            thread.join()


def trust_issuer(*signers: Signer, **values: Any) -> TrustedIssuer:
    """Trust the provider for company 7, by its written keys unless a test says otherwise."""
    defaults = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": ["ES256"],
        "jwks": {"keys": [signer.jwk for signer in signers]} if signers else None,
        "company_claim": "company",
        "companies": [7],
    }
    with use(system("tests")):
        return issuer_save(row=None, actor="tests", **(defaults | values))


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
