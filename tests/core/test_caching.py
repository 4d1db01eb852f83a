"""The cache that all processes share."""

import redis
from django.core.cache import caches

from apps.core.caching import HubConnections
from tests.support.registry import redis_at


def test_what_is_kept_is_json_and_ends(redis_server: "redis.Redis") -> None:
    caches["shared"].set("a", {"b": [1, "ä"]}, timeout=30)
    [key] = redis_server.keys("*")
    assert key.startswith("xerpium:cache:")
    assert redis_server.get(key) == '{"b": [1, "\\u00e4"]}'
    assert 0 < redis_server.ttl(key) <= 30
    assert caches["shared"].get("a") == {"b": [1, "ä"]}
    assert caches["shared"].add("a", 1) is False


def test_a_cache_that_is_away_is_empty_also_behind_sentinels() -> None:
    for url in ("redis://127.0.0.1:1/0", "redis+sentinel://127.0.0.1:1,127.0.0.1:2/hub/0"):
        with redis_at(url):
            cache = type(caches["shared"])([url], {"OPTIONS": {**OPTIONS}})
            assert cache.get("a") is None
            assert not cache.add("a", 1)


OPTIONS = {"IGNORE_EXCEPTIONS": True, "CONNECTION_FACTORY": f"{HubConnections.__module__}.HubConnections"}
