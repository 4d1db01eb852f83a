"""Everybody who may call in the tests of isolation: services of each company, a global one, nobody, and operators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from django.contrib.auth.models import User
from django.test import Client

from apps.core.tenancy import system, use
from apps.serviceauth.models import Operator
from tests.isolation.names import ONE, TWO
from tests.support.api import Api
from tests.support.tokens import expired_token_for, token_for

NETWORK = "10.7.0.9"
"""Where callers come from: not this machine, so that no open hub lets them in."""


@dataclass
class Caller:
    """Somebody with an address book of whose things it may see, and what it may write.

    ``sees`` holds companies (None: global), ``service`` is the name in whose name it speaks.
    """

    name: str
    sees: frozenset[int | None]
    service: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    client: Client | None = None
    known: bool = True

    @cached_property
    def api(self) -> Api:
        """What this caller calls with: one, since each new one loads all of the middleware."""
        return Api(self.client or Client(raise_request_exception=False))


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def operator_of(name: str, companies: list[int] | None) -> Client:
    user = User.objects.create_superuser(name, password=name)
    Operator.objects.update_or_create(user=user, defaults={"companies": companies})
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


NOBODY: frozenset[int | None] = frozenset()
OF_ONE: frozenset[int | None] = frozenset({None, ONE})
OF_TWO: frozenset[int | None] = frozenset({None, TWO})

MAKERS: Mapping[str, Callable[[], Caller]] = {
    "no token": lambda: Caller("no token", NOBODY, known=False),
    "expired": lambda: Caller(
        "expired", NOBODY, headers=_bearer(expired_token_for("one-service", companies=[ONE], company_id=ONE)),
        known=False,
    ),
    "owner": lambda: Caller(
        "owner", OF_ONE, "one-service", _bearer(token_for("one-service", companies=[ONE], company_id=ONE))
    ),
    "neighbour": lambda: Caller(
        "neighbour", OF_ONE, "one-neighbour", _bearer(token_for("one-neighbour", companies=[ONE], company_id=ONE))
    ),
    "other company": lambda: Caller(
        "other company", OF_TWO, "two-service", _bearer(token_for("two-service", companies=[TWO], company_id=TWO))
    ),
    "global": lambda: Caller(
        "global", frozenset({None}), "common-service", _bearer(token_for("common-service", companies=[]))
    ),
    "operator of two": lambda: Caller("operator of two", OF_TWO, client=operator_of("olga", [TWO])),
}  # fmt: skip


def make(name: str) -> Caller:
    """Return a caller, with its account, key and token, or its session."""
    with use(system("tests make a caller")):
        return MAKERS[name]()
