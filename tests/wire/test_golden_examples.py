"""Every golden message is read and written back as it was; the hub's tests use the same files from their side."""

from typing import Any

import pytest

from xerpium_sdk.events.decode import decode_entry
from xerpium_sdk.wire import Envelope, EventType, InstanceRecord, Problem, Registration, ServiceRecord, Status, examples
from xerpium_sdk.wire.manifests import Manifest, ManifestResult, ManifestRevision
from xerpium_sdk.wire.menus import MenuItem
from xerpium_sdk.wire.ui import UIComponent, UIWidget

JSON_TYPES: dict[str, Any] = {
    "component": UIComponent,
    "instance": InstanceRecord,
    "manifest": Manifest,
    "manifest_result": ManifestResult,
    "manifest_revision": ManifestRevision,
    "menu_item": MenuItem,
    "problem": Problem,
    "registration": Registration,
    "service": ServiceRecord,
    "service_left": ServiceRecord,
    "widget": UIWidget,
}
EVENTS = {"event": False, "event_bare": False, "event_text_ids": True}
SEED_EVENTS = {example["means"]["event_type"]: example for example in examples.load("events")}


@pytest.mark.parametrize(("name", "kind"), JSON_TYPES.items())
def test_a_document_comes_back_as_it_was(name: str, kind: Any) -> None:
    document = examples.load(name)
    assert kind.from_json(document).to_json() == document


@pytest.mark.parametrize(("name", "text_ids"), EVENTS.items())
def test_an_event_comes_back_byte_for_byte(name: str, text_ids: bool) -> None:
    fields = examples.load(name)
    as_redis_gives_it = {key.encode(): value.encode() for key, value in fields.items()}
    assert Envelope.decode(as_redis_gives_it, text_ids=text_ids).encode() == fields
    assert list(Envelope.decode(fields, text_ids=text_ids).encode()) == list(fields)


def test_each_type_of_the_seed_has_its_example() -> None:
    assert sorted(SEED_EVENTS) == sorted(EventType)


@pytest.mark.parametrize("example", SEED_EVENTS.values(), ids=SEED_EVENTS)
def test_an_example_means_what_it_says_and_is_written_as_it_stands(example: dict[str, Any]) -> None:
    entry, means = example["entry"], example["means"]
    decoded = Envelope.decode(entry)
    assert {name: getattr(decoded, name) for name in means} == means
    assert isinstance(decoded.event_type, EventType)
    assert list(Envelope(**means).encode().items()) == list(entry.items())
    made = Envelope.create(**{name: value for name, value in means.items() if name != "version"})
    assert made == decoded


@pytest.mark.parametrize("example", SEED_EVENTS.values(), ids=SEED_EVENTS)
def test_an_example_is_read_the_same_fast_and_slowly(example: dict[str, Any]) -> None:
    flat = [part.encode() for pair in example["entry"].items() for part in pair]
    assert decode_entry(flat, text_ids=False) == Envelope.decode(example["entry"])


def test_a_minimal_registration_gets_the_defaults_of_the_contract() -> None:
    registration = Registration.from_json(examples.load("registration_minimal"))
    assert registration.to_json() == examples.load("registration_minimal") | {
        "tags": [],
        "capabilities": [],
        "dependencies": [],
        "weight": 100,
        "metadata": {},
        "lease_seconds": 90,
        "deregister_after_seconds": 600,
    }
    assert registration.effective_instance_id == "10.0.3.17:8101"


def test_a_snapshot_holds_services() -> None:
    snapshot = examples.load("catalog_snapshot")
    services = [ServiceRecord.from_json(item) for item in snapshot["services"]]
    assert [service.to_json() for service in services] == snapshot["services"]
    assert services[0].preferred is services[0].instances[0]
    assert services[0].instances[1].status is Status.STARTING


def test_no_example_is_left_untested() -> None:
    tested = {*JSON_TYPES, *EVENTS, "events", "registration_minimal", "menu_item_minimal", "catalog_snapshot"}
    assert set(examples.names()) == tested
