"""The menu that is measured: 10,000 items of 40 services, in the hub's table and in the plain project's.

Requirements are drawn at random, so that nearly every item has one of its own: the worst case for judging each distinct
one once.
"""

import random
from typing import Any

__all__ = ["COMPANY", "ITEMS", "PERMISSIONS", "TYPICAL", "fill", "token"]

ITEMS, FOLDERS, TOPS, SERVICES = 10_000, 1_200, 40, 40
COMPANY = 7
PERMISSIONS = [f"app{app}.view_{model}" for app in range(30) for model in range(40)]
TYPICAL = tuple(random.Random(2).sample(PERMISSIONS, 300))
"""What somebody with some roles is granted."""


def fill() -> None:
    """Store the items, in both tables."""
    from apps.core.tenancy import system, use
    from apps.menus.models import MenuItem, MenuRevision
    from benchmarks.plain.models import PlainMenuItem

    found = _drawn()
    with use(system("benchmarks")):
        MenuItem.objects.bulk_create([_declared(item) for item in found], batch_size=1000)
        MenuRevision.objects.create(company_id=None, value=1)
    plain = [PlainMenuItem(**{**item, "icon": "box", "is_active": True}) for item in found]
    PlainMenuItem._default_manager.bulk_create(plain, batch_size=1000)


def _drawn() -> list[dict[str, Any]]:
    draw = random.Random(1)
    return [
        {
            "id": number,
            "service_name": f"service-{number % SERVICES}",
            "name": f"Item {number}",
            "path": f"/area-{number % TOPS}/item-{number}",
            "parent_id": None if number <= TOPS else draw.randrange(1, min(number, FOLDERS)),
            "order_number": draw.randrange(100),
            "required_permissions": draw.sample(PERMISSIONS, draw.randint(1, 3)),
        }
        for number in range(1, ITEMS + 1)
    ]


def _declared(item: dict[str, Any]) -> Any:
    from apps.menus.models import MenuItem

    number = item["id"]
    return MenuItem(
        **item,
        key=item["path"],
        route_key=item["path"],
        declared={},
        icon="box",
        is_page=number < FOLDERS,
        parent_ref=str(item["parent_id"]) if item["parent_id"] else None,
        labels={"pl": f"Pozycja {number}"} if number % 2 else {},
    )


def token(permissions: tuple[str, ...]) -> str:
    """Return a token of a person in a company who has these permissions."""
    from dataclasses import replace

    from django.utils import timezone

    from apps.core.scopes import DEFAULT_SCOPES
    from apps.core.tenancy import system, use
    from apps.serviceauth.models import ServiceAccount
    from apps.serviceauth.services import account_create, authenticate_key, key_issue
    from apps.serviceauth.services.issuing import sign, token_issue

    now = timezone.now()
    with use(system("benchmarks")):
        account = ServiceAccount.objects.filter(name="bench").first() or account_create(
            name="bench", companies=frozenset({COMPANY}), scopes=DEFAULT_SCOPES, actor="benchmarks"
        )
        key = key_issue(account=account, actor="benchmarks", now=now)
        service = authenticate_key(service_name="bench", service_key=key, source="127.0.0.1", now=now)
        claims = token_issue(service=service, now=now, company_id=COMPANY).claims
        person = replace(claims, subject="user:5", user_id=5, actors=("bench",), permissions=permissions)
        return sign(person, now).access_token
