"""One poller and one sweeper: terms, take-over, and a token that is worth nothing to whom was overtaken."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, transaction

from apps.registry.services.leadership import POLL, SWEEP, TERM, Term, lead, still_leads
from tests.support.registry import NOW, seconds

pytestmark = pytest.mark.usefixtures("hub")


def leads(term: Term) -> bool:
    with transaction.atomic(), connection.cursor() as cursor:
        return still_leads(cursor, term)


def test_the_first_to_come_leads() -> None:
    term = lead(POLL, now=NOW, holder="a")
    assert term == Term(POLL, 1, None)
    assert lead(POLL, now=NOW + seconds(9), holder="b") is None
    assert leads(term)


def test_a_leader_renews_its_term_and_keeps_its_token() -> None:
    lead(POLL, now=NOW, holder="a")
    assert lead(POLL, now=NOW + seconds(9), holder="a") == Term(POLL, 1, NOW)
    assert lead(POLL, now=NOW + seconds(18), holder="b") is None


def test_a_leader_that_is_gone_is_followed_by_another_with_a_new_token() -> None:
    old = lead(POLL, now=NOW, holder="a")
    assert lead(POLL, now=NOW + TERM, holder="b") is None
    new = lead(POLL, now=NOW + TERM + seconds(0.001), holder="b")
    assert old is not None
    assert new == Term(POLL, 2, NOW)
    assert not leads(old)
    assert leads(new)


def test_a_leader_that_returns_too_late_is_a_newcomer() -> None:
    old = lead(POLL, now=NOW, holder="a")
    lead(POLL, now=NOW + seconds(11), holder="b")
    assert old is not None
    again = lead(POLL, now=NOW + seconds(22), holder="a")
    assert again == Term(POLL, 3, NOW + seconds(11))
    assert not leads(old)


def test_a_leader_whose_term_ran_out_unnoticed_goes_on() -> None:
    lead(SWEEP, now=NOW, holder="a")
    assert lead(SWEEP, now=NOW + seconds(600), holder="a") == Term(SWEEP, 1, NOW)


def test_duties_are_separate() -> None:
    assert lead(POLL, now=NOW, holder="a") is not None
    assert lead(SWEEP, now=NOW, holder="b") is not None


def test_of_many_at_once_one_leads() -> None:
    barrier = Barrier(8)

    def run(number: int) -> Term | None:
        barrier.wait()
        try:
            return lead(POLL, now=NOW, holder=f"h{number}")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        terms = list(pool.map(run, range(8)))
    assert [term for term in terms if term] == [Term(POLL, 1, None)]


def test_a_take_over_waits_for_who_is_writing() -> None:
    """What was written under a token is committed before another token exists."""
    term = lead(POLL, now=NOW, holder="a")
    assert term is not None
    taken: list[Term | None] = []

    def take_over() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        try:
            taken.append(lead(POLL, now=NOW + seconds(11), holder="b"))
        finally:
            # The connection goes back to the pool: whoever gets it next must not inherit the limit.
            with connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")
            connection.close()

    with ThreadPoolExecutor(1) as pool, transaction.atomic(), connection.cursor() as cursor:
        assert still_leads(cursor, term)
        with pytest.raises(Exception, match="lock timeout"):
            pool.submit(take_over).result(10)
    assert taken == []
    assert lead(POLL, now=NOW + seconds(11), holder="b") == Term(POLL, 2, NOW)
