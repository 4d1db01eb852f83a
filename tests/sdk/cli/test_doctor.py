"""What the doctor makes of what it finds, and that it works where there is little to find."""

import datetime as dt
import json
import time
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.hub import Hub
from xerpium_sdk.cli import _looks, main
from xerpium_sdk.cli import _verdicts as verdicts
from xerpium_sdk.cli._looks import Answered, key_settings, skew_of
from xerpium_sdk.cli._verdicts import Finding, KeySettings, Probe, Verdict
from xerpium_sdk.ui import Manifest, ManifestResult, MenuItem
from xerpium_sdk.wire.credentials import Claims
from xerpium_sdk.wire.problems import FieldProblem
from xerpium_sdk.wire.registry import InstanceRecord, ServiceRecord, Status

NOW = dt.datetime(2026, 5, 4, 12, 0, tzinfo=dt.UTC)
RIGHT, DOUBTFUL, WRONG, SKIPPED = Verdict.RIGHT, Verdict.DOUBTFUL, Verdict.WRONG, Verdict.SKIPPED
HUB = "http://hub.example"


def judged(finding: Finding) -> tuple[Verdict, str]:
    """Return verdict and words; whatever is not right says what to do."""
    assert finding.verdict in (RIGHT, SKIPPED) or finding.todo
    return finding.verdict, f"{finding.says} {finding.todo}"


def health(status: str = "healthy", **said: Any) -> Probe:
    checks = {"database": {"status": "healthy"}, "redis": {"status": said.pop("redis", "healthy")}}
    return Probe(HUB, 200, {"status": status, "version": "1.2.0", "checks": checks} | said)


@pytest.mark.parametrize(
    ("probe", "verdict", "words"),
    [
        (health(), RIGHT, "healthy, version 1.2.0; this SDK is 0.1.0"),
        (health("degraded", redis="unhealthy"), DOUBTFUL, "degraded (redis)"),
        (health("unhealthy", redis="unhealthy"), WRONG, "operators"),
        (health(protection={"active": True, "reason": "3 of 4 fail"}), DOUBTFUL, "3 of 4 fail"),
        (Probe(HUB, None, fault="no such host"), WRONG, "may this machine reach it"),
        (Probe("http://127.0.0.1:8000", None, fault="refused"), WRONG, "make run"),
        (Probe(HUB, 200, None), WRONG, "is no hub"),
        (Probe(HUB, 404, {"detail": "Not Found"}), WRONG, "without /api/v1"),
        (Probe(HUB, 301), WRONG, "https://"),
    ],
    ids=["well", "degraded", "unhealthy", "protected", "away", "away-here", "text", "other", "redirect"],
)
def test_the_hub(probe: Probe, verdict: Verdict, words: str) -> None:
    found = judged(verdicts.hub_health(probe, "0.1.0"))
    assert found[0] is verdict
    assert words in found[1]


@pytest.mark.parametrize(
    ("seconds", "verdict", "words"),
    [
        (0.4, RIGHT, "agree"), (-1.9, RIGHT, "agree"), (4, DOUBTFUL, "4 s behind"), (-4, DOUBTFUL, "4 s ahead"),
        (-60, DOUBTFUL, "end early"), (31, WRONG, "from the future"), (None, SKIPPED, "does not say"),
    ],
)  # fmt: skip
def test_the_clock(seconds: float | None, verdict: Verdict, words: str) -> None:
    found = judged(verdicts.clock(seconds))
    assert found[0] is verdict
    assert words in found[1]


def test_the_clock_is_read_from_an_answer() -> None:
    answered = Answered(Probe(HUB, 200), format_datetime(NOW, usegmt=True), seconds=2.0)
    assert skew_of(answered, NOW.timestamp() + 1.5) == pytest.approx(0.0)
    assert skew_of(answered, NOW.timestamp() - 58.5) == pytest.approx(60.0)
    assert skew_of(Answered(Probe(HUB, 200), "yesterday", 0), 0) is None
    assert skew_of(Answered(Probe(HUB, 200), "", 0), 0) is None


def test_who_is_let_in() -> None:
    assert judged(verdicts.open_or_closed(200, has_key=False))[0] is RIGHT
    assert "closed" in judged(verdicts.open_or_closed(401, has_key=True))[1]
    assert judged(verdicts.open_or_closed(502, has_key=True))[0] is DOUBTFUL


def settings(name: str = "orders", **said: Any) -> KeySettings:
    known: dict[str, Any] = {"has_text": False, "file": "", "file_mode": None, "file_fault": "", "enrols": False}
    return KeySettings(name=name, **known | said)


@pytest.mark.parametrize(
    ("key", "is_open", "verdict", "words"),
    [
        (settings(), True, RIGHT, "needs none"),
        (settings(), False, WRONG, "issue_key orders"),
        (settings(""), False, WRONG, "XERPIUM_SERVICE_NAME and XERPIUM_SERVICE_KEY(_FILE)"),
        (settings("", has_text=True), False, WRONG, "not whose"),
        (settings(has_text=True), False, RIGHT, "orders"),
        (settings(has_text=True, file="k", file_mode=0o100600), False, DOUBTFUL, "first is used"),
        (settings(file="k", file_mode=0o100600), False, RIGHT, "k holds"),
        (settings(file="k", file_mode=0o100644), False, DOUBTFUL, "chmod 600 k"),
        (settings(file="k"), False, WRONG, "no such file"),
        (settings(file="k", file_mode=0o100000, file_fault="Permission denied"), False, WRONG, "Permission denied"),
        (settings(file="k", enrols=True), False, DOUBTFUL, "Start the service once"),
    ],
    ids=["open", "closed", "nameless", "whose", "text", "both", "file", "readable", "gone", "denied", "enrols"],
)
def test_the_key(key: KeySettings, is_open: bool, verdict: Verdict, words: str) -> None:
    found = judged(verdicts.key(key, is_open=is_open))
    assert found[0] is verdict
    assert words in found[1]


def test_the_key_is_looked_at_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    monkeypatch.setenv("XERPIUM_SERVICE_KEY_FILE", str(file))
    assert not key_settings("orders").is_there
    file.write_text("xrp_secret")
    file.chmod(0o600)
    found = key_settings("orders")
    assert (found.is_there, found.name, (found.file_mode or 0) & 0o777) == (True, "orders", 0o600)
    assert "xrp_secret" not in repr(found)


def claims(companies: Any, company_id: int | None = None) -> Claims:
    return Claims(
        issuer=HUB, audience=("xerpium",), subject="orders", client_id="orders", issued_at=0, not_before=0,
        expires_at=600, token_id="t", scopes=(), companies=companies, account="a", service_name="orders",
        company_id=company_id,
    )  # fmt: skip


def test_what_a_token_is_good_for() -> None:
    everything = {"registry:read", "registry:write", "events:publish", "menus:write", "ui:write"}
    assert judged(verdicts.scopes(everything, service_name="orders"))[0] is RIGHT
    found = judged(verdicts.scopes(everything - {"ui:write"}, service_name="orders"))
    assert (found[0], "has not ui:write" in found[1]) == (DOUBTFUL, True)
    found = judged(verdicts.scopes(set(), service_name="orders"))
    assert (found[0], "needs registry:read, registry:write" in found[1]) == (WRONG, True)
    assert judged(verdicts.companies(claims("*")))[0] is RIGHT
    assert "acts for 7, 8, and this token is in company 7" in judged(verdicts.companies(claims((7, 8), 7)))[1]
    found = judged(verdicts.companies(claims(())))
    assert (found[0], "issue_key orders --companies" in found[1]) == (DOUBTFUL, True)


def test_who_signs() -> None:
    assert judged(verdicts.issuer(HUB, "", 2, HUB))[0] is RIGHT
    assert "is all right" in judged(verdicts.issuer("http://public", "", 1, HUB))[1]
    assert judged(verdicts.issuer(HUB, "", 0, HUB))[0] is WRONG
    found = judged(verdicts.issuer(HUB, "http://other", 1, HUB))
    assert (found[0], f"set it to {HUB}" in found[1]) == (WRONG, True)


def instance(**said: Any) -> InstanceRecord:
    known: dict[str, Any] = {"instance_id": "a", "version": "1.0.0", "host": "10.0.0.5", "port": 80}
    known |= {"health_check_url": "http://10.0.0.5/health", "api_base_url": "http://10.0.0.5"}
    return InstanceRecord(**known | {"status": Status.HEALTHY, "last_seen": NOW} | said)


@pytest.mark.parametrize(
    ("said", "verdict", "words"),
    [
        ({}, RIGHT, "last heard of 5 s ago, lease 90 s"),
        ({"status": Status.STALE}, WRONG, "has run out"),
        ({"status": Status.UNHEALTHY, "reported_status": Status.UNHEALTHY}, WRONG, "says so itself"),
        ({"status": Status.UNHEALTHY, "reported_status": Status.HEALTHY}, WRONG, "did not answer the hub"),
        ({"status": Status.DEGRADED, "reported_status": Status.DEGRADED}, DOUBTFUL, "says so itself"),
        ({"status": Status.DRAINING, "draining": True}, DOUBTFUL, "drains it"),
        ({"status": Status.STARTING, "last_seen": None}, RIGHT, "never"),
    ],
    ids=["well", "stale", "reports", "polled", "degraded", "draining", "starting"],
)
def test_the_lease(said: dict[str, Any], verdict: Verdict, words: str) -> None:
    record = ServiceRecord(name="orders", status=Status.HEALTHY, revision=1, instances=(instance(**said),))
    (found,) = verdicts.leases(record, NOW + dt.timedelta(seconds=5))
    assert judged(found)[0] is verdict
    assert words in judged(found)[1]
    nothing = ServiceRecord(name="orders", status=Status.STALE, revision=1)
    assert [judged(one)[0] for one in verdicts.leases(nothing, NOW)] == [WRONG]


WELL, GONE = Probe("u", 200), Probe("u", None, fault="timed out")


@pytest.mark.parametrize(
    ("polled", "here", "verdict", "words"),
    [
        (Status.HEALTHY, WELL, RIGHT, "answers 200 here; the hub finds it healthy"),
        (Status.HEALTHY, GONE, DOUBTFUL, "runs elsewhere"),
        (None, WELL, DOUBTFUL, "half a minute"),
        (None, GONE, WRONG, "listen there"),
        (Status.UNHEALTHY, Probe("u", 503), WRONG, "answers 503 here"),
        (Status.UNHEALTHY, WELL, WRONG, "HEALTH_ALLOW_CIDRS"),
    ],
    ids=["well", "elsewhere", "soon", "nowhere", "sick", "walled"],
)
def test_the_health_address(polled: Status | None, here: Probe, verdict: Verdict, words: str) -> None:
    found = judged(verdicts.health_url(instance(polled_status=polled), here, HUB))
    assert found[0] is verdict
    assert words in found[1]


def test_an_address_that_only_this_machine_knows_is_found_out() -> None:
    local = instance(polled_status=Status.UNHEALTHY, health_check_url="http://localhost:80/health")
    assert "set XERPIUM_HOST" in judged(verdicts.health_url(local, WELL, HUB))[1]
    assert "HEALTH_ALLOW_CIDRS" in judged(verdicts.health_url(local, WELL, "http://127.0.0.1:8000"))[1]


def test_the_redis() -> None:
    server = verdicts.redis_server
    assert judged(server("r:1", 50, 52, knows_service=True))[0] is RIGHT
    assert "another hub" in judged(server("r:1", 50, 500, knows_service=True))[1]
    assert "another hub" in judged(server("r:1", 50, 50, knows_service=False))[1]
    assert "another Redis" in judged(server("r:1", None, 50, knows_service=True))[1]
    assert judged(server("r:1", 50, None, knows_service=True))[0] is DOUBTFUL
    away = verdicts.redis_away
    assert judged(away("r:1", "refused", is_denied=False, is_set=True))[0] is WRONG
    assert judged(away("r:1", "refused", is_denied=False, is_set=False))[0] is DOUBTFUL
    assert "user:password" in judged(away("r:1", "NOPERM", is_denied=True, is_set=True))[1]


def test_the_manifest_and_the_extras() -> None:
    stored = Manifest(menus=[MenuItem("Orders", "/orders")], version="1.0.0", generation=7)
    assert "1 menu item." in judged(verdicts.manifest_there(stored, ["1.0.0"]))[1]
    found = judged(verdicts.manifest_there(stored, ["1.1.0"]))
    assert (found[0], "What runs is 1.1.0" in found[1]) == (DOUBTFUL, True)
    assert judged(verdicts.manifest_there(None, []))[0] is SKIPPED
    taken = ManifestResult(1, 7, True)
    assert judged(verdicts.manifest_tried(taken, "", is_guarded=False)) == (RIGHT, "The hub would take it. ")
    assert judged(verdicts.manifest_tried(taken, "", is_guarded=True))[0] is DOUBTFUL
    assert judged(verdicts.manifest_tried(None, "A newer one.", is_guarded=False))[0] is DOUBTFUL
    odd = ManifestResult(1, 7, True, warnings=(FieldProblem("/menus/0/icon", "icon", "No such icon."),))
    assert "/menus/0/icon: No such icon." in judged(verdicts.manifest_tried(odd, "", is_guarded=False))[1]
    assert judged(verdicts.extras({"auth": True, "events": False}, verifies=True)) == (RIGHT, "Installed: auth. ")
    assert "xerpium-sdk[auth]" in judged(verdicts.extras({"auth": False}, verifies=True))[1]
    assert judged(verdicts.extras({"auth": False}, verifies=False))[0] is RIGHT


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "XERPIUM_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)


def checks(shown: str) -> dict[str, str]:
    return {one["check"]: one["verdict"] for one in json.loads(shown)["findings"]}


@pytest.mark.usefixtures("nothing_set")
def test_it_works_with_nothing_set(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_looks, "find_spec", lambda name: None)
    assert main(["doctor"]) == 1
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith("✕ address   Where is the hub?")
    assert "→ Set XERPIUM_HUB_URL" in shown.out
    assert shown.out.splitlines()[-1] == "1 wrong, 0 doubtful."


@pytest.mark.usefixtures("nothing_set")
def test_it_works_where_nothing_answers(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.1:1/0")
    began = time.monotonic()
    assert main(["doctor", "orders", "--hub", "http://127.0.0.1:1", "--json"]) == 2
    assert time.monotonic() - began < 5
    shown = capsys.readouterr().out
    assert checks(shown) == {
        "hub": "wrong", "key": "right", "service": "skipped", "redis": "wrong", "extras": "right",
    }  # fmt: skip
    assert "secret" not in shown


@pytest.mark.usefixtures("nothing_set")
def test_it_is_not_taken_in_by_what_is_no_hub(hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "orders", "--hub", hub.url, "--json"]) == 1  # the small hub says nothing of its health
    assert checks(capsys.readouterr().out)["hub"] == "wrong"
