"""The hub against its own OpenAPI document: whatever is sent, it answers what the document says, and never a 5xx.

`SCHEMATHESIS_EXAMPLES` (default 12) is the number of made-up requests of each operation, `SCHEMATHESIS_SEED` picks
others; `make fuzz` makes up a thousand, and tries the boundaries of each field besides.
"""

import os
from collections.abc import Iterable
from typing import Any

import pytest
import schemathesis
from django.utils import timezone
from hypothesis import HealthCheck, Phase, seed, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from apps.events import services as event_services
from apps.events.models import DeadLetter, JournalEntry
from apps.menus.models import MenuItem
from apps.menus.services.items import item_declare
from apps.menus.views import trees
from apps.registry import views
from apps.uiregistry.models import Component, Dashboard, Widget
from apps.uiregistry.services import declaring, fetching
from apps.uiregistry.services.dashboards import dashboard_create
from tests.support import services
from xerpium.wsgi import application
from xerpium_sdk.wire.registry import Status

USUALLY = 12
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", USUALLY))
SEED = int(os.environ.get("SCHEMATHESIS_SEED", "1"))
STREAMS = ("/api/v1/catalog/stream", "/api/v1/menus/stream")
CHECKS: list[Any] = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
NAMES = ("orders", "billing")
NUMBERED: dict[str, Any] = {
    "components": Component,
    "widgets": Widget,
    "dashboards": Dashboard,
    "menu-items": MenuItem,
    "menus": MenuItem,
}
"""What a number in an address is of; elsewhere it is a dead letter's."""
EVENT_ID = "6f1c1f0e-2f0b-4c53-9a37-0c2a4c1c9b7d"


def from_this_machine(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Serve a request as one that came from loopback: the hub of the tests is open to it."""
    return application({**environ, "REMOTE_ADDR": "127.0.0.1"}, start_response)


api = schemathesis.openapi.from_wsgi("/api/schema/", from_this_machine)
# Each boundary of each field of 89 operations is a thousand requests: that is for `make fuzz`.
api.config.phases.coverage.enabled = EXAMPLES > USUALLY


@api.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Let half of the requests mean something that is there."""
    if path_parameters and len(str(path_parameters.get("name", ""))) % 2:
        path_parameters["name"] = NAMES[len(str(path_parameters["name"])) % 4 // 2]
        if "instance_id" in path_parameters:
            path_parameters["instance_id"] = "10.0.0.1:8000"
    if path_parameters and len(str(path_parameters.get("key", ""))) % 2:
        path_parameters["key"] = "parcel_scanned" if "types" in context.operation.path else EVENT_ID
    if path_parameters and isinstance(number := path_parameters.get("id"), int) and number % 2:
        kind = next((model for word, model in NUMBERED.items() if f"/{word}/" in context.operation.path), DeadLetter)
        path_parameters["id"] = kind.objects.order_by("-id").values_list("pk", flat=True).first() or number
    return path_parameters


@pytest.fixture(autouse=True)
def happenings(hub: None) -> None:
    """An event type, an event, and a few dead letters."""
    event_services.type_declare(
        event_type="parcel_scanned", service_name="shipping", schema={"required": ["gate"]}, actor="service:test"
    )
    now = timezone.now()
    JournalEntry.objects.create(
        recorded_at=now,
        occurred_at=now,
        stream="xerpium:events",
        stream_id="1-0",
        event_id=EVENT_ID,
        entity_id="42",
        data={"a": 1},
        verdict="unverified",
    )
    for number in range(3):
        DeadLetter.objects.create(
            entry_id=f"{number}-0",
            group="billing",
            reason="x",
            stream="s",
            stream_id="1-0",
            dead_at=now,
            fields={"a": ""},
        )


@pytest.fixture(autouse=True)
def shown(hub: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A menu item with a badge, a page, a widget, a dashboard; and their service knows a number."""
    monkeypatch.setattr(fetching, "fetch", lambda *asked, **how: b'{"count": 12}')
    monkeypatch.setattr(fetching, "address_of", lambda *asked: "http://orders/")
    told: dict[str, Any] = {"service_name": "orders", "declared_in": None, "actor": "service:orders"}
    told["now"] = timezone.now()
    badge = {"endpoint": "/api/v1/open", "refresh_interval": 30}
    item_declare(values={"name": "Orders", "path": "/orders", "icon": "box", "badge": badge}, companies="*", **told)
    page = {"name": "Order", "component_type": "page", "route_path": "/orders/:id", "api_endpoint": "/api/v1/{id}"}
    declaring.component_declare(values=page, **told)
    widget = {"name": "Open", "widget_type": "metric", "api_endpoint": "/api/v1/open"}
    declaring.widget_declare(values=widget, **told)
    dashboard_create(slug="sales", title="Sales", company_id=None, actor="operator:ann")


@pytest.fixture(autouse=True)
def shop(hub: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few services; streams that end at once, and blocking queries whose time is over."""
    monkeypatch.setattr(views, "STREAM_SECONDS", 0.01)
    monkeypatch.setattr(trees, "STREAM_SECONDS", 0.01)
    monkeypatch.setattr(views.ServiceView, "_wait_until_newer", lambda *asked: None)
    services.run("orders", [Status.HEALTHY, Status.DEGRADED], dependencies=["billing", "nobody"])
    services.run("billing", [Status.HEALTHY])


@pytest.mark.thorough
@api.parametrize()
@seed(SEED)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_of_the_document(case: Case[Any]) -> None:
    # The events of a stream are checked one by one; a document of OpenAPI 3.1 can only describe it as a whole.
    is_stream = case.operation.path in STREAMS
    case.call_and_validate(
        checks=[check for check in CHECKS if not (is_stream and check is response_schema_conformance)]
    )
