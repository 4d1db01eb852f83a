"""Every golden message is read and written back as it was; the hub's tests use the same files from their side."""

import pytest

from xerpium_sdk.wire import Envelope, InstanceRecord, Problem, Registration, ServiceRecord, Status, examples

JSON_TYPES = {
    "instance": InstanceRecord,
    "problem": Problem,
    "registration": Registration,
    "service": ServiceRecord,
    "service_left": ServiceRecord,
}
EVENTS = {"event": False, "event_bare": False, "event_text_ids": True}


@pytest.mark.parametrize(("name", "kind"), JSON_TYPES.items())
def test_a_document_comes_back_as_it_was(
    name: str, kind: type[InstanceRecord | Problem | Registration | ServiceRecord]
) -> None:
    document = examples.load(name)
    assert kind.from_json(document).to_json() == document


@pytest.mark.parametrize(("name", "text_ids"), EVENTS.items())
def test_an_event_comes_back_byte_for_byte(name: str, text_ids: bool) -> None:
    fields = examples.load(name)
    as_redis_gives_it = {key.encode(): value.encode() for key, value in fields.items()}
    assert Envelope.decode(as_redis_gives_it, text_ids=text_ids).encode() == fields
    assert list(Envelope.decode(fields, text_ids=text_ids).encode()) == list(fields)


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
    tested = {*JSON_TYPES, *EVENTS, "registration_minimal", "catalog_snapshot"}
    assert set(examples.names()) == tested
