"""Statuses, and how tolerant the records are."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from xerpium_sdk.wire import (
    DecodeError,
    FieldProblem,
    InstanceRecord,
    Problem,
    Registration,
    ServiceRecord,
    Status,
    examples,
)
from xerpium_sdk.wire.times import format_time, parse_time


def test_statuses_are_ordered_by_severity_not_by_letters() -> None:
    order = ["healthy", "starting", "degraded", "unhealthy", "draining", "stale", "deregistered"]
    assert sorted(Status, key=lambda status: status.severity) == order
    assert Status.worst(Status.HEALTHY, Status.STARTING, Status.DEGRADED) is Status.DEGRADED
    assert Status.worst() is Status.HEALTHY


def test_what_a_status_allows() -> None:
    assert {status for status in Status if status.is_choosable} == {"healthy", "starting", "degraded"}
    assert {status for status in Status if not status.is_live} == {"stale", "deregistered"}
    assert Status.reportable() == {"healthy", "degraded", "unhealthy", "starting", "draining"}


def test_a_status_word_of_a_newer_hub_is_not_trusted_with_work() -> None:
    assert Status.read("quarantined") is Status.UNHEALTHY


@pytest.mark.parametrize(("name", "kind"), [("instance", InstanceRecord), ("service", ServiceRecord)])
def test_unknown_fields_are_ignored_and_missing_ones_named(
    name: str, kind: type[InstanceRecord | ServiceRecord]
) -> None:
    document = examples.load(name)
    assert kind.from_json(document | {"colour": "red"}) == kind.from_json(document)
    for field in ("version", "instances"):
        broken = {key: value for key, value in document.items() if key != field}
        if broken != document and not (kind is ServiceRecord and field == "version"):
            with pytest.raises(DecodeError, match=field) as caught:
                kind.from_json(broken)
            assert caught.value.fields is broken


@pytest.mark.parametrize("changes", [{"last_seen": "soon"}, {"tags": 3}, {"status": ["healthy"]}, {"metadata": 1}])
def test_an_instance_with_a_wrong_value_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(DecodeError):
        InstanceRecord.from_json(examples.load("instance") | changes)


@pytest.mark.parametrize("changes", [{"instances": [3]}, {"instances": None}, {"revision": None}, {"status": {}}])
def test_a_service_with_a_wrong_value_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(DecodeError):
        ServiceRecord.from_json(examples.load("service") | changes)


def test_a_registration_without_a_name_is_refused() -> None:
    with pytest.raises(DecodeError, match="name"):
        Registration.from_json({"version": "1.0.0", "host": "h", "port": 1})


def test_a_registration_fills_in_the_usual_addresses() -> None:
    registration = Registration(name="a", version="1.0.0", host="::1", port=8101, tags=["x"])
    assert registration.health_check_url == "http://[::1]:8101/health"
    assert registration.api_base_url == "http://[::1]:8101"
    assert registration.effective_instance_id == "::1:8101"
    assert registration.tags == ("x",)
    assert "zone" not in registration.to_json()


def test_times() -> None:
    assert parse_time("2026-11-22T20:15:30.125Z") == parse_time("2026-11-22T20:15:30.125")
    moment = datetime(2026, 11, 22, 21, 15, 30, 999, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(moment) == "2026-11-22T20:15:30.000Z"
    assert format_time(moment.replace(tzinfo=None)) == "2026-11-22T21:15:30.000Z"
    assert parse_time("2026-11-22T20:15:30+02:00").tzinfo is UTC


def test_a_problem_is_read_as_far_as_it_can_be() -> None:
    assert Problem.from_json({}, status=502) == Problem(status=502, title="")
    odd = {"status": "500", "title": None, "errors": [1, {"pointer": "/a"}], "request_id": 7, "type": ""}
    assert Problem.from_json(odd, status=500) == Problem(
        status=500, title="", request_id="7", errors=(FieldProblem("/a", "", ""),)
    )
