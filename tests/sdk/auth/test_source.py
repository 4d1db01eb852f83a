"""The one place where a process gets its tokens: threads, clocks, files, forks."""

import json
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.sdk.auth.conftest import Clock
from tests.support.wait import wait_until
from xerpium_sdk.auth._keys import KeyFile, KeyText, NoKey
from xerpium_sdk.auth._line import Line
from xerpium_sdk.auth._source import MOST_LIVES, KeyHolder, TokenSource, Want
from xerpium_sdk.errors import HubUnavailable, NotAuthenticated

ANY = Want()
LIFETIME = 600


class TokenHub:
    """Issues tokens that name the key they were got with; may be away, slow, or refuse a key."""

    def __init__(self) -> None:
        self.keys, self.away = {"key-1"}, False
        self.asked: list[dict[str, Any]] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        body = _json(request)
        self.asked.append(body)
        assert self.go.wait(10)
        if self.away:
            raise httpx2.ConnectError("refused", request=request)
        if body["service_key"] not in self.keys:
            return httpx2.Response(401, json={"title": "No", "status": 401})
        token = f"token-{len(self.asked)}-of-{body['service_key']}"
        return httpx2.Response(200, json={"access_token": token, "expires_in": LIFETIME, "scope": ""})


def _json(request: httpx2.Request) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(request.content)
    return document


@pytest.fixture
def hub() -> TokenHub:
    """The hub."""
    return TokenHub()


Maker = Callable[[KeyHolder], TokenSource]


@pytest.fixture
def make(hub: TokenHub, clock: Clock) -> Maker:
    """Makes sources that get their tokens there, by a clock that stands still."""
    line = Line("http://hub.test", timeout=1, transport=httpx2.MockTransport(hub))
    return lambda key: TokenSource(line, "orders", key, jitter=lambda: 0.5, now=clock, wall=clock)


@pytest.fixture
def source(make: Maker) -> TokenSource:
    """A source with a key that does not change."""
    return make(KeyText("key-1"))


def got(found: "str | Future[str] | None") -> str | None:
    """Return the token, waiting for it."""
    return found.result(5) if isinstance(found, Future) else found


def settled(source: TokenSource) -> None:
    """Wait until nothing is being fetched."""
    wait_until(lambda: not source._fetching, description="all fetching to end")


def test_a_hundred_threads_cause_one_request(source: TokenSource, hub: TokenHub) -> None:
    hub.go.clear()
    with ThreadPoolExecutor(100) as pool:
        waiting = [pool.submit(lambda: got(source.get(ANY))) for _ in range(100)]
        wait_until(lambda: hub.asked, description="the request")
        hub.go.set()
        tokens = {one.result(10) for one in waiting}
    assert tokens == {"token-1-of-key-1"}
    assert len(hub.asked) == 1


def test_a_token_that_grows_old_is_replaced_behind_the_backs_of_its_users(
    source: TokenSource, hub: TokenHub, clock: Clock
) -> None:
    assert got(source.get(ANY)) == "token-1-of-key-1"
    clock.pass_by(LIFETIME * 0.7)
    hub.go.clear()
    with ThreadPoolExecutor(20) as pool:
        present = list(pool.map(lambda _: source.get(ANY), range(200)))
    assert set(present) == {"token-1-of-key-1"}, "at once, while the next one is on its way"
    hub.go.set()
    wait_until(lambda: source.get(ANY) == "token-2-of-key-1", description="the next token")
    assert len(hub.asked) == 2


def test_while_the_hub_is_away_the_last_token_serves_to_its_end(
    source: TokenSource, hub: TokenHub, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    got(source.get(ANY))
    hub.away = True
    clock.pass_by(LIFETIME * 0.7)
    for _ in range(50):
        assert source.get(ANY) == "token-1-of-key-1"
        settled(source)
    assert len(hub.asked) == 2, "one try, then a pause"
    clock.pass_by(LIFETIME * 0.25)
    assert source.get(ANY) == "token-1-of-key-1"
    settled(source)
    clock.pass_by(LIFETIME * 0.05)
    with pytest.raises(HubUnavailable, match="refused"):
        got(source.get(ANY))
    with pytest.raises(HubUnavailable, match="refused") as caught:
        got(source.get(ANY))
    assert caught.value.retry_after > 0
    assert len(hub.asked) == 4
    hub.away = False
    clock.pass_by(20)
    assert got(source.get(ANY)) == "token-5-of-key-1"
    lines = [record.getMessage() for record in caplog.records if record.name == "xerpium_sdk.auth"]
    assert [line.partition(":")[0] for line in lines] == [
        "orders gets no token from the hub",
        "orders gets tokens from the hub again.",
    ]
    assert "key-1" not in caplog.text
    assert "token-" not in caplog.text


def test_a_refused_token_is_replaced_once_however_many_were_refused(source: TokenSource, hub: TokenHub) -> None:
    token = got(source.get(ANY))
    assert token is not None
    hub.go.clear()
    with ThreadPoolExecutor(50) as pool:
        waiting = [pool.submit(lambda: got(source.renew(ANY, token))) for _ in range(50)]
        wait_until(lambda: len(hub.asked) == 2, description="the request")
        assert source.get(ANY) == token, "others go on with the old one, which may be good elsewhere"
        hub.go.set()
        assert {one.result(10) for one in waiting} == {"token-2-of-key-1"}
    assert got(source.renew(ANY, token)) == "token-2-of-key-1", "who comes late gets the one that is there"
    assert len(hub.asked) == 2


def test_companies_and_scopes_have_tokens_of_their_own_and_not_without_end(source: TokenSource, hub: TokenHub) -> None:
    first = got(source.get(Want(1, "events:publish")))
    assert got(source.get(Want(2, "events:publish"))) != first
    assert got(source.get(Want(1, "events:publish"))) == first
    assert hub.asked[0] == {
        "service_name": "orders",
        "service_key": "key-1",
        "company_id": 1,
        "scope": "events:publish",
    }
    for company in range(3, MOST_LIVES + 3):
        got(source.get(Want(company)))
    assert len(source._lives) == MOST_LIVES
    assert got(source.get(Want(1, "events:publish"))) != first


def test_a_replaced_key_file_is_used_without_a_restart(
    make: Maker, hub: TokenHub, clock: Clock, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("key-1\n")
    source = make(KeyFile(file))
    assert got(source.get(ANY)) == "token-1-of-key-1"
    hub.keys = {"key-1", "key-2"}
    replace(file, "key-2")
    clock.pass_by(3)
    assert source.get(ANY) == "token-1-of-key-1"
    wait_until(lambda: source.get(ANY) == "token-2-of-key-2", description="a token of the new key")


def test_a_key_that_is_replaced_between_reading_and_asking_is_read_again(
    make: Maker, hub: TokenHub, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("key-1")
    hub.go.clear()
    waiting = make(KeyFile(file)).get(ANY)
    wait_until(lambda: hub.asked, description="the request with the old key")
    replace(file, "key-2")
    hub.keys = {"key-2"}
    hub.go.set()
    assert got(waiting) == "token-2-of-key-2"


def test_a_wrong_key_is_asked_for_once_until_the_file_is_another_one(
    make: Maker, hub: TokenHub, clock: Clock, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("key-0")
    source = make(KeyFile(file))
    for _ in range(20):
        with pytest.raises(NotAuthenticated):
            got(source.get(ANY))
    assert len(hub.asked) == 1
    replace(file, "key-1")
    clock.pass_by(2.5)
    assert got(source.get(ANY)) == "token-2-of-key-1"


@pytest.mark.parametrize("content", ["", "two words", "é" * 50, "x" * 2000], ids=["empty", "words", "umlauts", "long"])
def test_a_file_without_a_key_is_told_without_what_it_holds(
    content: str, make: Maker, hub: TokenHub, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(NoKey) as caught:
        got(make(KeyFile(file)).get(ANY))
    assert str(file) in str(caught.value)
    assert not content or content not in str(caught.value)
    assert hub.asked == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_process_goes_on_with_the_token_and_fetches_its_own(
    source: TokenSource, hub: TokenHub, clock: Clock
) -> None:
    token = got(source.get(ANY))
    hub.go.clear()
    clock.pass_by(LIFETIME * 0.7)
    source.get(ANY)
    wait_until(lambda: len(hub.asked) == 2, description="a thread that fetches, which the child does not have")
    with source._lock:  # as another thread of the parent may do
        child = os.fork()
        if child == 0:
            hub.go = threading.Event()
            hub.go.set()
            good = source.get(ANY) == token
            clock.pass_by(LIFETIME)
            os._exit(0 if good and str(got(source.get(ANY))).startswith("token-") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    hub.go.set()
    settled(source)


def replace(file: Path, key: str) -> None:
    """Replace a key as operators do: another file in the same place."""
    other = file.with_suffix(".new")
    other.write_text(key)
    other.replace(file)
