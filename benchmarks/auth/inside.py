"""Times making and judging tokens, in a process of the hub's own: ``python -m benchmarks.auth.inside HUB ROUNDS``.

Prints one JSON object: the microseconds of one call in each round, by what was called. The signatures of all are ES256
by the same library, so the ratios say what the hub and the SDK add to it.
"""

import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import django

COUNT = 200
WARM_UP = 10
SERVICE = "bench-tokens"


def main() -> int:
    """Time everything and print it."""
    django.setup()
    hub, rounds = sys.argv[1], int(sys.argv[2])
    from apps.core.tenancy import system, use

    with use(system("benchmarks")):
        calls = _calls(hub, rounds)
        found: dict[str, list[float]] = {name: [] for name in calls}
        for call in calls.values():
            _microseconds(call, WARM_UP)
        for _ in range(rounds):
            for name, call in calls.items():
                found[name].append(_microseconds(call, COUNT))
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def _microseconds(call: Callable[[], object], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - began) / count * 1e6


def _calls(hub: str, rounds: int) -> dict[str, Callable[[], object]]:
    import jwt
    from django.utils import timezone

    from apps.core.scopes import DEFAULT_SCOPES
    from apps.serviceauth import verifying
    from apps.serviceauth.services import account_create, authenticate_key, key_issue
    from apps.serviceauth.services.issuing import sign, token_issue
    from apps.serviceauth.services.signing import signer
    from apps.serviceauth.trust import trust
    from xerpium_sdk.auth import TokenVerifier

    now = timezone.now()
    account = account_create(name=SERVICE, companies=frozenset({1}), scopes=DEFAULT_SCOPES, actor="benchmarks")
    key = key_issue(account=account, actor="benchmarks", now=now)

    def proved() -> object:
        return authenticate_key(service_name=SERVICE, service_key=key, source="127.0.0.1", now=timezone.now())

    service = authenticate_key(service_name=SERVICE, service_key=key, source="127.0.0.1", now=now)
    issued = token_issue(service=service, now=now, company_id=1)
    token, claims = issued.access_token, issued.claims
    private = signer(now)
    public = trust.fresh().keys[private.kid]
    said, headers = claims.to_json(), {"typ": "at+jwt", "kid": private.kid}
    new = 2 * (rounds * COUNT + WARM_UP)
    others = iter([sign(replace(claims, token_id=secrets.token_urlsafe(16)), now).access_token for _ in range(new)])
    os.environ["XERPIUM_SERVICE_KEY"] = key
    verifier = TokenVerifier(hub, SERVICE)
    verifier.verify(token)

    def another() -> str:
        return next(others)

    return {
        "sign, PyJWT": lambda: jwt.encode(said, private.key, algorithm="ES256", headers=headers),
        "issue a token": lambda: token_issue(service=service, now=now, company_id=1),
        "look at a key and issue": lambda: token_issue(service=proved(), now=timezone.now(), company_id=1),  # type: ignore[arg-type]
        "verify, PyJWT": lambda: jwt.decode(
            token, public, algorithms=["ES256"], audience="xerpium", issuer=claims.issuer
        ),
        "verify in the hub, first time": lambda: verifying.verify(another()),
        "verify in the hub, again": lambda: verifying.verify(token),
        "verify in a service, first time": lambda: verifier.verify(another()),
        "verify in a service, again": lambda: verifier.verify(token),
    }


if __name__ == "__main__":
    sys.exit(main())
