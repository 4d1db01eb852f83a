"""``POST services/register``: what it takes, what it refuses, and that it names every fault at once."""

from typing import Any
from urllib.parse import quote

import pytest

from apps.registry.models import Service
from apps.registry.policy import REFUSED_TEXT, own_endpoints
from tests.support.api import Api, faults_of
from tests.support.registry import body, id_of

DEFAULTS: dict[str, Any] = {
    "api_docs_url": None,
    "tags": [],
    "capabilities": [],
    "dependencies": [],
    "instance_id": id_of(),
    "weight": 100,
    "zone": None,
    "metadata": {},
    "lease_seconds": 90,
    "deregister_after_seconds": 600,
    "poll_interval_seconds": 30,
    "company_id": None,
}
RECORD_ONLY = {"status", "impaired", "revision", "instances"}
INSTANCE_ONLY = {
    "status",
    "status_since",
    "reported_status",
    "polled_status",
    "draining",
    "registered_at",
    "last_seen",
    "revision",
}
LONGEST_NAME = "a" * 100


def refused(api: Api, **changes: Any) -> set[tuple[str, str]]:
    """Return the faults of a registration with ``changes``, of which nothing may be stored."""
    faults = faults_of(api.post("/services/register", body(**changes)))
    assert not Service.objects.exists()
    return faults


def test_the_record_of_a_newcomer(api: Api) -> None:
    record = api.register(body())
    assert record.keys() == body().keys() | DEFAULTS.keys() | RECORD_ONLY
    for name, value in {**DEFAULTS, **body()}.items():
        assert record[name] == value, name
    assert (record["status"], record["impaired"], record["revision"]) == ("starting", [], 1)
    (instance,) = record["instances"]
    assert instance.keys() == (body().keys() | DEFAULTS.keys() | INSTANCE_ONLY) - {"name", "company_id"}
    assert (instance["status"], instance["reported_status"], instance["polled_status"]) == ("starting", None, None)
    assert (instance["draining"], instance["revision"]) == (False, 1)
    for moment in ("status_since", "registered_at", "last_seen"):
        assert instance[moment].endswith("Z")
        assert len(instance[moment]) == len("2026-05-04T12:00:00.000Z")


def test_everything_that_a_service_may_declare(api: Api) -> None:
    declared = body(
        version="2.0.0-rc.1+build.5",
        host="orders-1.internal",
        api_docs_url="https://docs.example/orders?x=1#top",
        tags=["erp", "ü 漢字"],
        capabilities=["orders_read"],
        dependencies=["billing", "x"],
        instance_id="pod-7",
        weight=0,
        zone="north-1",
        metadata={"rack": 7, "nested": {"a": [None, True, 1.5, "x"]}},
        lease_seconds=5,
        deregister_after_seconds=60,
        poll_interval_seconds=1,
        company_id=7,
    )
    record = api.register(declared)
    assert {name: record[name] for name in declared} == declared


def test_registering_again_answers_the_same(api: Api) -> None:
    first = api.post("/services/register", body())
    again = api.post("/services/register", body())
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["instances"][0].keys() == again.json()["instances"][0].keys()
    assert again.json()["revision"] == first.json()["revision"] == 1
    assert Service.objects.count() == 1


def test_the_answer_is_the_record_of_the_whole_service(api: Api) -> None:
    api.register(body(number=1))
    record = api.register(body(number=2))
    assert sorted(one["instance_id"] for one in record["instances"]) == [id_of(1), id_of(2)]


def test_null_in_an_optional_field_means_absent(api: Api) -> None:
    record = api.register({**body(), **dict.fromkeys(DEFAULTS)})
    assert {name: record[name] for name in DEFAULTS} == DEFAULTS


def test_what_stands_twice_in_a_list_counts_once(api: Api) -> None:
    record = api.register(body(tags=["b", "a", "b"], dependencies=["y", "x", "y"]))
    assert (record["tags"], record["dependencies"]) == (["b", "a"], ["y", "x"])


@pytest.mark.parametrize("missing", body().keys())
def test_what_is_required(missing: str, api: Api) -> None:
    assert refused(api, **{missing: None}) == {(f"/{missing}", "null")}
    sent = body()
    del sent[missing]
    assert faults_of(api.post("/services/register", sent)) == {(f"/{missing}", "required")}


@pytest.mark.parametrize("name", ["a", "7", "a.b_c-d", "0x", LONGEST_NAME, "registered", "healthy"])
def test_names(name: str, api: Api) -> None:
    assert api.register(body(name))["name"] == name


@pytest.mark.parametrize(
    "name",
    ["Orders", "-a", "a-", ".a", "a.", "a b", "a/b", "ü", "a\n", " a", "a" * 101, "*", "..", "٣"],
)
def test_what_is_no_name(name: str, api: Api) -> None:
    assert {code for pointer, code in refused(api, name=name) if pointer == "/name"} & {"name", "max_length"}


@pytest.mark.parametrize("name", ["register", "health", "graph", "history", "instances", "drain", "catalog"])
def test_names_of_routes_are_reserved(name: str, api: Api) -> None:
    assert refused(api, name=name) == {("/name", "reserved_name")}


@pytest.mark.parametrize("version", ["0.0.0", "1.2.3-alpha.1", "1.2.3+sha.5114f85", "10.20.30-0.3.7"])
def test_versions(version: str, api: Api) -> None:
    assert api.register(body(version=version))["version"] == version


@pytest.mark.parametrize(
    "version", ["1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.3\n", "latest", " 1.2.3"]
)
def test_what_is_no_version(version: str, api: Api) -> None:
    assert refused(api, version=version) == {("/version", "semver")}


@pytest.mark.parametrize("host", ["localhost", "db-1.internal", "10.0.0.1", "2001:db8::1", "[2001:db8::1]", "a_b"])
def test_hosts(host: str, api: Api) -> None:
    assert api.register(body(host=host))["host"] == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "[::]", "0", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0"])
def test_the_wildcard_address_is_refused_with_a_hint(host: str, api: Api) -> None:
    answer = api.post("/services/register", body(host=host))
    assert faults_of(answer) == {("/host", "unreachable_host")}
    assert "others cannot reach it" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "host",
    [
        "a b",
        "http://x",
        "x:80",
        "-x",
        "a/b",
        "ü.example",
        "x\n",
        "[::1",
        "a,b",
        "@",
        "...",
        "[10.0.0.1]",
        "[x]",
        "fe80::1%eth0",
    ],
)
def test_what_is_no_host(host: str, api: Api) -> None:
    assert refused(api, host=host) == {("/host", "host")}


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("port", 1, 65535),
        ("weight", 0, 10_000),
        ("lease_seconds", 5, 3600),
        ("deregister_after_seconds", 60, 604_800),
        ("poll_interval_seconds", 1, 3600),
        ("company_id", 1, 2**31 - 1),
    ],
)
def test_bounds(field: str, least: int, most: int, api: Api) -> None:
    assert refused(api, **{field: least - 1}) == {(f"/{field}", "min_value")}
    assert refused(api, **{field: most + 1}) == {(f"/{field}", "max_value")}
    for number, value in enumerate((least, most)):
        assert api.register(body(f"s{number}", **{field: value}))[field] == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", "8000"),
        ("port", 8000.0),
        ("port", True),
        ("name", 7),
        ("weight", "100"),
        ("tags", "a,b"),
        ("tags", {"a": 1}),
        ("metadata", [1]),
        ("metadata", "x"),
        ("zone", 1),
        ("health_check_url", ["http://127.0.0.1:20001/"]),
    ],
)
def test_types_are_not_guessed(field: str, value: object, api: Api) -> None:
    (fault,) = refused(api, **{field: value})
    assert fault[0] == f"/{field}"


@pytest.mark.parametrize("field", ["api_base_url", "api_docs_url"])
@pytest.mark.parametrize(
    "url", ["ftp://x/", "/api/v1", "http://", "http://x:0/", "http://x:99999/", "http://a b/", "javascript:x", "x"]
)
def test_what_is_no_url(field: str, url: str, api: Api) -> None:
    assert refused(api, **{field: url}) == {(f"/{field}", "url")}


@pytest.mark.parametrize("field", ["api_base_url", "api_docs_url"])
def test_urls_carry_no_credentials(field: str, api: Api) -> None:
    assert refused(api, **{field: "http://ann:secret@x/"}) == {(f"/{field}", "url_credentials")}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:22/health",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://10.0.0.5:8000/health",
        "http://8.8.8.8/health",
        "http://2130706433:20001/",
        "http://127.0.0.1:6379/",
    ],
)
def test_health_urls_that_the_policy_refuses_all_get_one_text(url: str, api: Api) -> None:
    answer = api.post("/services/register", body(health_check_url=url))
    assert faults_of(answer) == {("/health_check_url", "url_not_allowed")}
    assert answer.json()["errors"][0]["message"] == REFUSED_TEXT


def test_the_hubs_own_engines_are_not_polled(api: Api) -> None:
    assert len(own_endpoints()) == 2
    for host, port in own_endpoints():
        assert refused(api, health_check_url=f"http://{host}:{port}/") == {("/health_check_url", "url_not_allowed")}


def test_a_health_url_whose_name_does_not_resolve_is_taken(api: Api) -> None:
    """Services register before their name is visible; every poll judges the name again."""
    assert api.register(body(health_check_url="http://no-such-host.invalid:20001/health"))


def test_every_fault_is_named_at_once(api: Api) -> None:
    assert refused(
        api,
        name="Orders",
        version="1",
        host="::",
        port=0,
        health_check_url="http://169.254.169.254/",
        api_base_url="x",
        tags=["fine", "", 7],
        dependencies=["Not A Name"],
        weight=-1,
        lease_seconds=1,
        colour="red",
    ) == {
        ("/name", "name"),
        ("/version", "semver"),
        ("/host", "unreachable_host"),
        ("/port", "min_value"),
        ("/health_check_url", "url_not_allowed"),
        ("/api_base_url", "url"),
        ("/tags/1", "blank"),
        ("/tags/2", "invalid_type"),
        ("/dependencies/0", "name"),
        ("/weight", "min_value"),
        ("/lease_seconds", "min_value"),
        ("/colour", "unknown_field"),
    }


def test_a_misspelt_field_is_refused_with_a_hint(api: Api) -> None:
    answer = api.post("/services/register", body(capabilites=["x"]))
    assert faults_of(answer) == {("/capabilites", "unknown_field")}
    assert "capabilities" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("field", ["tags", "capabilities", "dependencies"])
def test_lists_have_an_end(field: str, api: Api) -> None:
    longest = [f"x{number}" for number in range(100)]
    assert refused(api, **{field: [*longest, "x"]}) == {(f"/{field}", "max_length")}
    assert api.register({**body(), field: longest})[field] == longest


@pytest.mark.parametrize("text", ["", "a\tb", "a\nb", "\x7f", "a" * 101])
@pytest.mark.parametrize("field", ["tags", "capabilities"])
def test_tags_are_one_line_of_text(field: str, text: str, api: Api) -> None:
    (fault,) = {pointer for pointer, _ in refused(api, **{field: ["fine", text]})}
    assert fault == f"/{field}/1"


def test_metadata_is_of_a_modest_size(api: Api) -> None:
    assert api.register(body(metadata={"x": "y" * 16_000}))
    assert refused_size(api, {"x": "y" * 16_400}) == {("/metadata", "too_large")}
    assert refused_size(api, {str(number): "ü" * 10 for number in range(1000)}) == {("/metadata", "too_large")}


def refused_size(api: Api, metadata: dict[str, str]) -> set[tuple[str, str]]:
    return faults_of(api.post("/services/register", body("other", metadata=metadata)))


@pytest.mark.parametrize("instance_id", ["", "a b", "a/b", "a?b", "a#b", "a\\b", "..", ".", "a" * 201])
def test_instance_ids_can_stand_in_an_address(instance_id: str, api: Api) -> None:
    assert {pointer for pointer, _ in refused(api, instance_id=instance_id)} == {"/instance_id"}


@pytest.mark.parametrize("instance_id", ["10.0.0.1:8000", "[::1]:8000", "pod-7", "ü@x", "%2e", "a" * 200])
def test_an_instance_can_be_found_under_its_id(instance_id: str, api: Api) -> None:
    api.register(body(instance_id=instance_id))
    answer = api.post(f"/services/orders/instances/{quote(instance_id, safe='')}/drain")
    assert (answer.status_code, answer.json()["instance_id"]) == (200, instance_id)


def test_a_taken_name_is_a_conflict_that_says_no_more(api: Api) -> None:
    api.register(body(company_id=7))
    answer = api.post("/services/register", body(company_id=8))
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    assert answer.json()["detail"] == "The name 'orders' is taken: choose another."
    assert "7" not in answer.content.decode().replace(answer.json()["request_id"], "")
    assert answer.json()["errors"] == []
