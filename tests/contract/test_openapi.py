"""The hub against its own OpenAPI document: whatever is sent, it answers what the document says, and never a 5xx.

`SCHEMATHESIS_EXAMPLES` (default 15) is the number of made-up requests of each operation, `SCHEMATHESIS_SEED` picks
others; `make fuzz` makes up a thousand.
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
from apps.registry import views
from tests.support import services
from xerpium.wsgi import application
from xerpium_sdk.wire.registry import Status

EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "15"))
SEED = int(os.environ.get("SCHEMATHESIS_SEED", "1"))
STREAM = "/api/v1/catalog/stream"
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
EVENT_ID = "6f1c1f0e-2f0b-4c53-9a37-0c2a4c1c9b7d"


def from_this_machine(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Serve a request as one that came from loopback: the hub of the tests is open to it."""
    return application({**environ, "REMOTE_ADDR": "127.0.0.1"}, start_response)


api = schemathesis.openapi.from_wsgi("/api/schema/", from_this_machine)


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
        path_parameters["id"] = DeadLetter.objects.order_by("-id").values_list("pk", flat=True)[0]
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
def shop(hub: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few services; streams that end at once, and blocking queries whose time is over."""
    monkeypatch.setattr(views, "STREAM_SECONDS", 0.01)
    monkeypatch.setattr(views.ServiceView, "_wait_until_newer", lambda *asked: None)
    services.run("orders", [Status.HEALTHY, Status.DEGRADED], dependencies=["billing", "nobody"])
    services.run("billing", [Status.HEALTHY])


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
    is_stream = case.operation.path == STREAM
    case.call_and_validate(
        checks=[check for check in CHECKS if not (is_stream and check is response_schema_conformance)]
    )
