"""The bus with tokens: who publishes in whose name and company, and whose groups somebody is told of."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.core import redis
from apps.events.models import StreamState
from tests.support import bus
from tests.support.api import Api
from tests.support.operators import superuser
from tests.support.tokens import bearer, token_for
from xerpium_sdk.wire.keys import STREAM_EVENTS

EVENT = {"event_type": "product_updated", "service_name": "shop", "entity_type": "Product", "entity_id": 1}
NETWORK = "10.9.9.9"
Calling = Callable[..., Any]


@pytest.fixture
def publish(api: Api) -> Calling:
    """Publish ``changes`` of an event with the token that the keywords ask for."""

    def call(changes: dict[str, Any], **token: Any) -> Any:
        headers = bearer(token_for(token.pop("service", "shop"), **token))
        return api.post("/events", EVENT | changes, headers=headers, REMOTE_ADDR=NETWORK)

    return call


def published() -> list[tuple[str, str, str]]:
    """Return service, company and user of what stands in the stream."""
    found: Any = redis.client().xrange(STREAM_EVENTS)
    return [(fields["service_name"], fields["company_id"], fields["user_id"]) for _, fields in found]


def test_a_service_publishes_in_its_own_name_and_company(publish: Calling) -> None:
    assert publish({}, company_id=7).status_code == 201
    assert publish({"company_id": 7}, companies=[7, 8]).status_code == 201
    assert publish({}, companies=[7, 8]).status_code == 201
    assert publish({}, company_id=7, user_id=5).status_code == 201
    assert published() == [("shop", "7", ""), ("shop", "7", ""), ("shop", "", ""), ("shop", "7", "5")]


@pytest.mark.parametrize(
    ("changes", "token", "pointer", "code"),
    [
        ({"service_name": "billing"}, {"company_id": 7}, "/service_name", "not_yours"),
        ({"service_name": "billing"}, {"company_id": 7, "user_id": 5}, "/service_name", "not_yours"),
        ({"company_id": 8}, {"company_id": 7}, "/company_id", "not_your_company"),
        ({"company_id": 8}, {"companies": [7]}, "/company_id", "not_your_company"),
    ],
    ids=["another service", "a person through another", "another company", "a company of others"],
)
def test_nobody_publishes_in_anothers(
    changes: dict[str, Any], token: dict[str, Any], pointer: str, code: str, publish: Calling
) -> None:
    answer = publish(changes, **token)
    assert answer.status_code == 403
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]
    assert published() == []


def test_publishing_takes_its_scope(publish: Calling) -> None:
    answer = publish({}, company_id=7, scopes=["events:read"])
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert answer["WWW-Authenticate"] == 'Bearer error="insufficient_scope", scope="events:publish"'


GROUPS = ["billing-group", "hub-journal", "shop", "shop-group", "shop-group-eu", "shopping-group"]


@pytest.mark.parametrize(
    ("token", "seen"),
    [
        ({"company_id": 7}, ["hub-journal", "shop", "shop-group", "shop-group-eu"]),
        ({"service": "billing", "companies": [7]}, ["billing-group", "hub-journal"]),
        ({"service": "monitor", "companies": "*"}, GROUPS),
    ],
    ids=["in a company", "in none", "of all companies"],
)
def test_a_group_is_told_of_to_its_service(token: dict[str, Any], seen: list[str], api: Api) -> None:
    for group in GROUPS:
        redis.client().xgroup_create(STREAM_EVENTS, group, mkstream=True)
    StreamState.objects.create(
        stream=STREAM_EVENTS,
        held_by=["billing-group", "shop"],
        alarm="9 of at most 10 entries: kept for billing-group, shop.",
        seen_at=timezone.now(),
    )
    headers = bearer(token_for(token.pop("service", "shop"), **token))
    groups = api.get("/events/groups", headers=headers, REMOTE_ADDR=NETWORK).json()["results"]
    assert [one["group"] for one in groups] == seen
    answer = api.get("/events/streams", headers=headers, REMOTE_ADDR=NETWORK)
    (stream,) = answer.json()["results"]
    assert stream["held_by"] == [group for group in ("billing-group", "shop") if group in seen]
    assert [group for group in GROUPS if group in answer.content.decode() and group not in seen] == []
    assert stream["alarm"].startswith("9 of at most 10 entries")


def test_an_error_about_everybodys_event_is_told_to_the_service_that_made_it(api: Api) -> None:
    letters = [
        bus.letter(group=group, fields={"company_id": str(company or "")}, company_id=company)
        for group, company in (("shop-group", None), ("billing-group", None), ("hub-core", None), ("billing-group", 7))
    ]
    for token, seen in (
        (token_for("shop", company_id=7), [0, 2, 3]),
        (token_for("billing", companies=[7]), [1, 2, 3]),
        (token_for("billing", company_id=8), [1, 2]),
        (token_for("monitor", companies="*"), [0, 1, 2, 3]),
    ):
        sent: dict[str, Any] = {"headers": bearer(token), "REMOTE_ADDR": NETWORK}
        listed = {one["id"] for one in api.get("/events/dead-letters", **sent).json()["results"]}
        assert listed == {letters[number].pk for number in seen}
        for letter in letters:
            answer = api.get(f"/events/dead-letters/{letter.pk}", **sent)
            assert answer.status_code == (200 if letter.pk in listed else 404)


def test_an_operator_of_all_companies_is_told_of_every_group(api: Api) -> None:
    for group in GROUPS:
        redis.client().xgroup_create(STREAM_EVENTS, group, mkstream=True)
    found = Api(superuser()).get("/events/groups", REMOTE_ADDR=NETWORK).json()["results"]
    assert [one["group"] for one in found] == GROUPS
