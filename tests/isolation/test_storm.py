"""32 threads that change the company with every request: nothing of one is in an answer to another, nor left about."""

import io
import logging
from collections.abc import Iterator

import pytest
import redis

from apps.core.tenancy import system, use
from apps.registry.live import live
from tests.isolation.names import COMPANIES, ONE, TWO, canary, word
from tests.isolation.storm import CANARY, Company, Storm, leaked
from tests.isolation.world import build
from tests.support.database import transactional_db
from tests.support.server import serving
from tests.support.tokens import token_for

__all__ = ["transactional_db"]

REQUESTS, THREADS = 1_600, 32


@pytest.fixture
def address(transactional_db: None) -> Iterator[tuple[str, int]]:
    """A hub on a socket, with the things of all companies in it."""
    build()
    with serving() as address:
        yield address
    live.stop()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


def tokens() -> dict[Company, str]:
    """Return a token of the first service of each company."""
    return {
        company: token_for(
            f"{word(company)}-service", companies=() if company is None else [company], company_id=company
        )
        for company in COMPANIES
    }


@pytest.mark.timeout(120)
@pytest.mark.thorough
def test_no_thread_sees_another_company(
    address: tuple[str, int], log: io.StringIO, redis_server: "redis.Redis"
) -> None:
    with use(system("tests issue tokens")):
        known = tokens()
    with use(None):
        found = Storm(address, known.__getitem__, requests=REQUESTS, threads=THREADS).run()
    assert found.surprises[:3] == []
    assert found.leaks[:3] == []
    assert found.asked == REQUESTS
    assert found.frames >= len(COMPANIES)  # each stream has told of something
    assert CANARY.findall(log.getvalue()) == []
    assert [
        key for key in redis_server.scan_iter("*xerpium:cache*") if CANARY.search(str(redis_server.dump(key)))
    ] == []


def test_the_storm_sees_what_is_not_the_callers() -> None:
    assert leaked(f"{canary(ONE)} {canary(None)}", ONE) == set()
    assert leaked(f"{canary(ONE)} {canary(TWO)}", ONE) == {word(TWO)}
    assert leaked(canary(ONE), None) == {word(ONE)}
