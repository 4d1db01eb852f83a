"""Leases in Redis: until when, seen when, and what is left when an instance is gone."""

import pytest

from apps.core.redis import client
from apps.registry import leases
from tests.support.registry import NOW, seconds
from xerpium_sdk.wire.keys import REGISTRY_LEASES, REGISTRY_PROTECTION, REGISTRY_SEEN, registry_report


def test_a_lease_ends_when_it_says() -> None:
    leases.renew([(1, 30), (2, 60)], NOW)
    assert leases.count() == 2
    assert leases.expired(NOW + seconds(29.999)) == []
    assert leases.expired(NOW + seconds(30)) == [1]
    assert leases.alive([1, 2, 3], NOW + seconds(30)) == [2]
    assert leases.last_seen([1, 2, 3]) == {1: NOW, 2: NOW}


def test_renewing_nobody_is_nothing() -> None:
    leases.renew([], NOW)
    leases.drop([])
    assert (leases.count(), leases.alive([], NOW), leases.last_seen([]), leases.details_of([])) == (0, [], {}, {})


def test_only_what_was_over_is_dropped() -> None:
    leases.renew([(1, 30), (2, 60)], NOW)
    leases.drop_expired(NOW + seconds(30))
    assert leases.alive([1, 2], NOW) == [2]


def test_who_comes_late_does_not_bring_an_old_lease_back() -> None:
    leases.extend([(1, 30)], NOW + seconds(20))
    leases.renew([(1, 30), (2, 30)], NOW, only_later=True)
    assert leases.alive([1, 2], NOW + seconds(29)) == [1, 2]
    assert leases.alive([1, 2], NOW + seconds(49)) == [1]


def test_missing_leases_are_granted_and_others_left_alone() -> None:
    leases.renew([(1, 30)], NOW)
    assert leases.grant_missing([(1, 100), (2, 100)], NOW) == 1
    assert leases.alive([1, 2], NOW + seconds(99)) == [2]


def test_an_extension_never_shortens() -> None:
    leases.renew([(1, 30), (2, 300)], NOW)
    leases.extend([(1, 100), (2, 100), (3, 100)], NOW)
    assert leases.alive([1, 2, 3], NOW + seconds(99)) == [1, 2, 3]
    assert leases.alive([1, 2, 3], NOW + seconds(299)) == [2]


def test_large_numbers_go_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "PAGE", 3)
    everyone = [(pk, 30) for pk in range(1, 11)]
    assert leases.grant_missing(everyone, NOW) == 10
    leases.extend(everyone, NOW + seconds(30))
    assert len(leases.alive([pk for pk, _ in everyone], NOW + seconds(59))) == 10


def test_who_was_seen_since() -> None:
    leases.renew([(1, 30)], NOW)
    leases.renew([(2, 30)], NOW + seconds(5))
    assert leases.seen_since(leases.unix_ms(NOW + seconds(1))) == {2: leases.unix_ms(NOW + seconds(5))}
    assert set(leases.seen_since(0)) == {1, 2}


def test_the_departed_leave_nothing() -> None:
    leases.renew([(1, 30), (2, 30)], NOW)
    leases.keep_details(1, {"a": 1}, 30)
    leases.drop([1])
    assert client().zrange(REGISTRY_LEASES, 0, -1) == client().zrange(REGISTRY_SEEN, 0, -1) == ["2"]
    assert not client().exists(registry_report(1))


def test_what_is_temporary_has_an_end() -> None:
    leases.keep_details(1, {"a": 1}, 30)
    leases.announce_protection(NOW, "test")
    assert 58 <= client().ttl(registry_report(1)) <= 60
    assert 3 <= client().ttl(REGISTRY_PROTECTION) <= 5
