# Generated from tests/sdk/_async/test_calls.py by tools/unasync.py; change that file, not this one.
"""Calls of other services: through whatever works, not more often than is good, with all that goes with them."""

from collections.abc import Iterator
from time import monotonic

import pytest

from tests.sdk._threads import gather, wait_until
from tests.sdk.fleet import Fleet, fleet_of
from tests.sdk.hub import Hub, snapshot
from xerpium_sdk.auth import ServiceAuthClient
from xerpium_sdk.calls import (
    CallError,
    CallPolicy,
    CallRefused,
    CircuitOpen,
    NoAnswer,
    NoInstanceToCall,
    Passing,
    ServiceClient,
    ServiceFailed,
    TookTooLong,
    TooManyCalls,
    passing_on,
)
from xerpium_sdk.resilience import BreakerPolicy, CircuitState, RetryPolicy

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("bare_environment")]
STOCK = "stock-service"
AT_ONCE = RetryPolicy(attempts=4, base=0.001, jitter=0)
QUICK = CallPolicy(retry=AT_ONCE)


@pytest.fixture
def stock(hub: Hub) -> Iterator[Fleet]:
    """Three instances of a service that the hub knows."""
    with fleet_of(3, STOCK) as fleet:
        hub.opening = [snapshot(1, fleet.record)]
        yield fleet


def only_first(hub: Hub, fleet: Fleet) -> None:
    """Let the hub know of one instance."""
    hub.opening = [snapshot(1, Fleet(STOCK, fleet.instances[:1]).record)]


def test_a_call_goes_to_an_instance_with_all_that_belongs_to_it(hub: Hub, stock: Fleet) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with ServiceClient(hub.url, policy=QUICK) as services:
        with passing_on(Passing.of({"x-request-id": "abc-1", "traceparent": trace})):
            answer = services.post(
                STOCK, "/items", {"name": "cup", "none": 0}, params={"page": 2, "q": None}, headers={"X-Own": "yes"}
            )
        assert answer["instance"] in ("i0", "i1", "i2")
        (asked,) = stock.asked
        assert (asked.method, asked.path, asked.body) == ("POST", "/api/v1/items?page=2", b'{"name":"cup","none":0}')
        assert (asked.headers["x-request-id"], asked.headers["x-own"]) == ("abc-1", "yes")
        version, trace_id, span, flags = asked.headers["traceparent"].split("-")
        assert (version, trace_id, flags) == ("00", "0af7651916cd43dd8448eb211c80319c", "01")
        assert span != "b7ad6b7169203331"
        assert "authorization" not in asked.headers
        services.get(STOCK, "items")  # outside of a request a trace begins
        assert all(one.headers["traceparent"] for one in stock.asked)


def test_with_a_key_a_token_for_the_company_goes_along(hub: Hub, stock: Fleet) -> None:
    hub.issue = lambda body: f"token-of-{body.get('company_id')}"
    auth = ServiceAuthClient(hub.url, "order-service", "xrp_key")
    with ServiceClient(hub.url, auth=auth, policy=QUICK) as services:
        with passing_on(Passing(company_id=7)):
            services.get(STOCK, "items")
            services.get(STOCK, "items", company_id=8)
        services.get(STOCK, "items")
    brought = sorted(asked.headers["authorization"] for asked in stock.asked)
    assert brought == ["Bearer token-of-7", "Bearer token-of-8", "Bearer token-of-None"]
    auth.close()


def test_calls_succeed_through_what_lives_and_the_dead_are_not_asked_again(hub: Hub, stock: Fleet) -> None:
    with ServiceClient(hub.url, policy=QUICK) as services:
        for _ in range(5):
            services.get(STOCK, "items")
        stock.instances[0].die()
        for _ in range(10):
            services.get(STOCK, "items")
        stock.instances[1].die()
        assert {(services.get(STOCK, "items"))["instance"] for _ in range(10)} == {"i2"}
        line = services.lines[STOCK]
        assert line.aside.now(monotonic()) == {"i0", "i1"}
        assert line.breaker.state is CircuitState.CLOSED
        endpoint = services.get_service(STOCK)
        assert endpoint is not None
        assert endpoint.base_url == f"http://127.0.0.1:{stock.instances[2].port}/api/v1"


def test_one_death_is_one_failure_however_many_calls_it_breaks(hub: Hub, stock: Fleet) -> None:
    hub.opening = [snapshot(1, Fleet(STOCK, stock.instances[:2]).record)]
    first, second = stock.instances[:2]
    first.free.clear()
    second.free.clear()
    policy = CallPolicy(retry=AT_ONCE, retry_share=1, breaker=BreakerPolicy(consecutive_failures=3, open_seconds=60))
    with ServiceClient(hub.url, policy=policy) as services:

        def ask() -> str:
            return str((services.get(STOCK, "items"))["instance"])

        def die() -> str:
            wait_until(lambda: len(stock.asked) >= 15, description="calls under way")
            first.die()
            first.free.set()  # what is under way there breaks now
            wait_until(lambda: services.metrics()[STOCK]["aside"] == ["i0"], description="the death to be seen")
            second.free.set()
            return ""

        answers = gather([die, *[ask for _ in range(15)]])
        assert set(answers) == {"", "i1"}
        line = services.lines[STOCK]
        assert line.breaker.state is CircuitState.CLOSED
        assert {name: failures for name, (failures, *_) in line.aside._known.items()} == {"i0": 1}
        second.die()
        with pytest.raises(CallError):
            services.get(STOCK, "items")
        assert line.breaker.state is CircuitState.OPEN


def test_writes_are_repeated_only_when_nothing_can_have_happened_or_it_does_no_harm(hub: Hub, stock: Fleet) -> None:
    only_first(hub, stock)
    first = stock.instances[0]
    with ServiceClient(hub.url, policy=QUICK) as services:
        first.statuses = [(502, {})]
        with pytest.raises(NoAnswer):
            services.post(STOCK, "items", {})
        assert len(first.asked) == 1
        first.statuses = [(503, {})]
        assert services.post(STOCK, "items", {})  # the service says that it did nothing
        first.asked.clear()
        first.statuses = [(502, {}), (504, {})]
        assert services.post(STOCK, "items", {}, idempotent=True)
        keys = {asked.headers["idempotency-key"] for asked in first.asked}
        assert (len(first.asked), len(keys)) == (3, 1)
        first.asked.clear()
        first.statuses = [(502, {})]
        services.post(STOCK, "items", {}, headers={"Idempotency-Key": "mine"})
        assert [asked.headers["idempotency-key"] for asked in first.asked] == ["mine", "mine"]
        first.asked.clear()
        first.statuses = [(502, {})]
        with pytest.raises(NoAnswer):
            services.put(STOCK, "items/1", {}, idempotent=False)
        assert len(first.asked) == 1
        first.statuses = [(204, {})]
        assert services.delete(STOCK, "items/1") is None


def test_a_dead_instance_is_no_reason_not_to_write(hub: Hub, stock: Fleet) -> None:
    with ServiceClient(hub.url, policy=QUICK) as services:
        stock.instances[0].die()
        stock.instances[1].die()
        for _ in range(6):
            services.post(STOCK, "items", {})


def test_errors_say_what_became_of_a_call(hub: Hub, stock: Fleet) -> None:
    only_first(hub, stock)
    first = stock.instances[0]
    with ServiceClient(hub.url, policy=QUICK) as services:
        first.statuses = [(404, {})]
        with pytest.raises(CallRefused, match="stock-service answered 404 to GET items/7: so it is") as refused:
            services.get(STOCK, "items/7")
        assert (refused.value.status, refused.value.problem["detail"]) == (404, "so it is")
        assert refused.value.attempts == 1
        first.statuses = [(500, {})]
        with pytest.raises(ServiceFailed):
            services.get(STOCK, "items")
        first.statuses = [(503, {"Retry-After": "60"})]
        with pytest.raises(NoAnswer) as silent:  # longer than anybody waits
            services.get(STOCK, "items")
        assert (silent.value.retry_after, silent.value.attempts) == (60, 1)
        with pytest.raises(NoInstanceToCall, match="does not know a service of that name"):
            services.get("nobody", "items")
        with pytest.raises(ValueError, match="is no path"):
            services.get(STOCK, "https://elsewhere.example/items")
        first.statuses = [(200, {"Content-Type": "text/plain"})]
        assert services.call_service(STOCK, "items") == {"instance": "i0"}
        first.statuses = [(404, {})]
        assert services.call_service(STOCK, "items/7", "PUT", {"a": 1}) is None
        assert services.get_service("nobody") is None
        assert services.check_service_capability(STOCK, "counting")
        assert not services.check_service_capability(STOCK, "flying")
        assert not services.check_service_capability("nobody", "counting")


def test_what_is_refused_is_no_failure_of_the_service(hub: Hub, stock: Fleet) -> None:
    only_first(hub, stock)
    policy = CallPolicy(retry=AT_ONCE, breaker=BreakerPolicy(consecutive_failures=2))
    with ServiceClient(hub.url, policy=policy) as services:
        stock.instances[0].statuses = [(404, {})] * 5
        for _ in range(5):
            with pytest.raises(CallRefused):
                services.get(STOCK, "items/7")
        assert services.lines[STOCK].breaker.metrics.failures == 0


def test_a_service_that_fails_is_left_alone_and_a_call_says_for_how_long(hub: Hub, stock: Fleet) -> None:
    only_first(hub, stock)
    breaker = BreakerPolicy(consecutive_failures=3, open_seconds=60)
    with ServiceClient(hub.url, policy=CallPolicy(retry=AT_ONCE, breaker=breaker)) as services:
        stock.instances[0].statuses = [(500, {})] * 3
        for _ in range(3):
            with pytest.raises(ServiceFailed):
                services.get(STOCK, "items")
        with pytest.raises(CircuitOpen) as refused:
            services.get(STOCK, "items")
        assert 59 < (refused.value.retry_after or 0) <= 60
        assert len(stock.asked) == 3


def test_no_call_takes_longer_than_its_time(hub: Hub, stock: Fleet) -> None:
    only_first(hub, stock)
    stock.instances[0].seconds = 0.5
    policy = CallPolicy(retry=AT_ONCE, attempt_seconds=0.1, total_seconds=5)
    with ServiceClient(hub.url, policy=policy) as services:
        began = monotonic()
        with pytest.raises(TookTooLong) as late:
            services.get(STOCK, "items", timeout=0.15)
        assert 0.1 < monotonic() - began < 1.5
        assert isinstance(late.value, TimeoutError)
        with pytest.raises(NoAnswer) as silent:
            services.get(STOCK, "items")
        assert silent.value.attempts == 4
        with pytest.raises(NoAnswer):
            services.post(STOCK, "items", {})  # it may have had its effect
    assert services.lines[STOCK].breaker.metrics.failures >= 5


def test_no_more_calls_run_at_once_than_there_are_places(hub: Hub, stock: Fleet) -> None:
    only_first(hub, stock)
    stock.instances[0].seconds = 0.2
    with ServiceClient(hub.url, policy=CallPolicy(concurrency=3)) as services:

        def ask() -> str:
            try:
                return str((services.get(STOCK, "items"))["instance"])
            except TooManyCalls:
                return "refused"

        answers = gather([ask for _ in range(8)])
        assert (answers.count("i0"), answers.count("refused")) == (3, 5)
        assert stock.instances[0].most_at_once == 3
        assert services.lines[STOCK].bulkhead.running == 0


def test_in_an_outage_retries_are_no_load_of_their_own(hub: Hub, stock: Fleet) -> None:
    only_first(hub, stock)
    never = BreakerPolicy(failure_rate=1, minimum_calls=100_000, window_size=100_000)
    with ServiceClient(hub.url, policy=CallPolicy(retry=AT_ONCE, breaker=never)) as services:
        stock.instances[0].statuses = [(503, {})] * 1000
        for _ in range(100):
            with pytest.raises(NoAnswer):
                services.get(STOCK, "items")
        assert len(stock.asked) < 100 * 1.2


def test_one_living_instance_among_many_that_died_at_once_is_found_by_every_call(hub: Hub) -> None:
    with fleet_of(12, STOCK) as fleet:
        hub.opening = [snapshot(1, fleet.record)]
        with ServiceClient(hub.url) as services:
            assert services.get(STOCK, "items")
            for dying in fleet.instances[:11]:
                dying.die()
            for _ in range(20):
                assert (services.get(STOCK, "items"))["instance"] == "i11"
            line = services.lines[STOCK]
            for name, (failures, _, at) in list(line.aside._known.items()):
                line.aside._known[name] = (failures, monotonic(), at)  # all of them may be tried again
            for _ in range(20):
                assert (services.get(STOCK, "items"))["instance"] == "i11"
            assert (line.breaker.metrics.failures, line.budget.taken) == (0, 0)


def test_going_on_ends_where_only_another_version_lives(hub: Hub, stock: Fleet) -> None:
    record = stock.record
    record["instances"][2]["version"] = "9.0.0"
    hub.opening = [snapshot(1, record)]
    with ServiceClient(hub.url, policy=QUICK) as services:
        stock.instances[0].die()
        stock.instances[1].die()
        with pytest.raises(NoAnswer) as silent:
            services.get(STOCK, "items", version="<9")
        assert silent.value.attempts == 2 + 3  # both, and the retries
        assert (services.get(STOCK, "items", version="9"))["instance"] == "i2"


def test_who_wants_one_attempt_gets_one(hub: Hub, stock: Fleet) -> None:
    for one in stock.instances:
        one.die()
    with ServiceClient(hub.url, policy=CallPolicy(retry=RetryPolicy(attempts=1))) as services:
        with pytest.raises(NoAnswer) as silent:
            services.get(STOCK, "items")
        assert silent.value.attempts == 1


def test_one_call_at_a_time_finds_out_whether_an_instance_is_back(hub: Hub, stock: Fleet) -> None:
    hub.opening = [snapshot(1, Fleet(STOCK, stock.instances[:2]).record)]
    hanging = stock.instances[0]
    policy = CallPolicy(retry=AT_ONCE, attempt_seconds=0.6)
    with ServiceClient(hub.url, policy=policy) as services:
        hanging.free.clear()
        aside = (services.get(STOCK, "items")) and services.lines[STOCK].aside
        while not aside.suspected():
            services.get(STOCK, "items")
        aside._known["i0"] = (1, 0.0, aside._known["i0"][2])  # it may be tried again
        hanging.asked.clear()
        gather([lambda: services.get(STOCK, "items") for _ in range(30)])
        for _ in range(30):
            services.get(STOCK, "items")
        assert len(hanging.asked) == 1
        hanging.free.set()
