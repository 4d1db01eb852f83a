"""Who is in a group: names that outlive restarts, signs of life, and which one may read in an ordered group."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from redis import Redis

from xerpium_sdk.wire.keys import events_active, events_members

__all__ = ["Member", "Membership", "RedisMembership"]

MEMBERS_TTL_SECONDS = 86_400

_CLOCK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function look(name)
    local text = redis.call('HGET', KEYS[1], name)
    if not text then return nil end
    local ok, member = pcall(cjson.decode, text)
    if ok and type(member) == 'table' then return member end
    return nil
end
"""

_JOIN = (
    _CLOCK
    + """
for slot = 0, 100000 do
    local name = ARGV[1] .. slot
    local member = look(name)
    if not member or member.token == ARGV[2] or now - (tonumber(member.seen_ms) or 0) > tonumber(ARGV[3]) then
        redis.call('HSET', KEYS[1], name, cjson.encode({token = ARGV[2], seen_ms = now, since = now}))
        redis.call('EXPIRE', KEYS[1], ARGV[4])
        return name
    end
end
return redis.error_reply('no free slot')
"""
)

_BEAT = (
    _CLOCK
    + """
local member = look(ARGV[1])
if member and member.token ~= ARGV[2] and ARGV[5] == '0' then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], '{"seen_ms":' .. string.format('%d', now) .. ',' .. string.sub(ARGV[3], 2))
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""
)

_LEAVE = """
local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then return 0 end
local ok, member = pcall(cjson.decode, text)
if ok and type(member) == 'table' and member.token ~= ARGV[2] then return 0 end
if ARGV[3] == '1' then return redis.call('HDEL', KEYS[1], ARGV[1]) end
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode({token = '', seen_ms = 0}))
return 1
"""

_FORGET = """
local text = redis.call('HGET', KEYS[1], ARGV[1])
if text == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0
"""

_HOLD = """
local holder = redis.call('GET', KEYS[1])
if not holder or holder == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 1
end
return 0
"""

_YIELD = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Member(NamedTuple):
    """One consumer that is or was in the group."""

    token: str
    silent_ms: int
    """How long ago it gave its last sign of life."""
    text: bytes
    """What it said then."""


class Membership(Protocol):
    """What the engine asks about a group's members; in Redis, or in memory for tests."""

    def join(self, prefix: str, token: str, gone_ms: int) -> str:
        """Take the first of the names ``prefix0, prefix1, …`` under which nobody gives signs of life, and return it."""

    def beat(self, name: str, token: str, report: Mapping[str, Any], *, by_force: bool) -> bool:
        """Give a sign of life; return False when another process has taken the name (``by_force``: take it back)."""

    def leave(self, name: str, token: str, *, nothing_pending: bool) -> None:
        """Say that the process is gone; the name is forgotten when ``nothing_pending`` for it."""

    def members(self) -> dict[str, Member]:
        """Return all that are known."""

    def forget(self, name: str, text: bytes) -> None:
        """Forget a member that is gone and has nothing pending, unless it has come back since it said ``text``."""

    def hold(self, token: str, lease_ms: int) -> bool:
        """Take or renew the right to read; return whether it is held."""

    def yield_up(self, token: str) -> None:
        """Give up the right to read, if it is held."""


class RedisMembership:
    """A `Membership` in Redis. Methods raise what redis-py raises."""

    def __init__(self, client: Redis, group: str) -> None:
        self._client = client
        self._members, self._active = events_members(group), events_active(group)
        self._join, self._beat, self._leave = map(client.register_script, (_JOIN, _BEAT, _LEAVE))
        self._forget, self._hold, self._yield = map(client.register_script, (_FORGET, _HOLD, _YIELD))

    def join(self, prefix: str, token: str, gone_ms: int) -> str:
        """See `Membership`; atomic, so that two that start at once get two names."""
        name: bytes = self._join(keys=[self._members], args=[prefix, token, gone_ms, MEMBERS_TTL_SECONDS])
        return name.decode()

    def beat(self, name: str, token: str, report: Mapping[str, Any], *, by_force: bool) -> bool:
        """See `Membership`. The time is that of Redis, so that hosts need not agree on it."""
        text = json.dumps({"token": token, **report}, separators=(",", ":"))
        arguments: list[str | int] = [name, token, text, MEMBERS_TTL_SECONDS, int(by_force)]
        return bool(self._beat(keys=[self._members], args=arguments))

    def leave(self, name: str, token: str, *, nothing_pending: bool) -> None:
        """See `Membership`."""
        self._leave(keys=[self._members], args=[name, token, int(nothing_pending)])

    def members(self) -> dict[str, Member]:
        """See `Membership`."""
        pipeline: Any = self._client.pipeline(transaction=False)
        pipeline.time()
        pipeline.hgetall(self._members)
        (seconds, microseconds), found = pipeline.execute()
        now_ms = seconds * 1000 + microseconds // 1000
        return {name.decode(): _member(text, now_ms) for name, text in found.items()}

    def forget(self, name: str, text: bytes) -> None:
        """See `Membership`."""
        self._forget(keys=[self._members], args=[name, text])

    def hold(self, token: str, lease_ms: int) -> bool:
        """See `Membership`."""
        return bool(self._hold(keys=[self._active], args=[token, lease_ms]))

    def yield_up(self, token: str) -> None:
        """See `Membership`."""
        self._yield(keys=[self._active], args=[token])


def _member(text: bytes, now_ms: int) -> Member:
    try:
        said = json.loads(text)
        return Member(str(said.get("token", "")), now_ms - int(said.get("seen_ms") or 0), text)
    except (ValueError, AttributeError, TypeError):
        return Member("", now_ms, text)
