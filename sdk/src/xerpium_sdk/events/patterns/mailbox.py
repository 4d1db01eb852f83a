"""The thread that reads the replies to all requests of the process."""

import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from xerpium_sdk.events.decode import decode_entry
from xerpium_sdk.events.patterns.messages import Reply
from xerpium_sdk.events.trouble import Trouble
from xerpium_sdk.wire.errors import DecodeError

__all__ = ["BLOCK_MS", "Mailbox"]

logger = logging.getLogger(__name__)

BLOCK_MS = 2000
COUNT = 500
JOIN_SECONDS = 3.0


class Mailbox:
    """Reads ``stream`` from its beginning: what was read is deleted with the next read, so nothing is there twice.

    A read whose answer got lost finds the same entries again, and a stream that ran out and was made anew holds nothing
    that an earlier id would hide.
    """

    def __init__(self, client: Redis, stream: str, on_reply: Callable[[Reply], None]) -> None:
        self._client, self._stream, self._on_reply = client, stream, on_reply
        self._connection: Any = None
        self._read: list[bytes] = []
        self._trouble = Trouble("Redis", "no replies come in")
        self._closing = Event()
        self._thread = Thread(target=self._run, name="xerpium-replies", daemon=True)
        self._begun = False

    def begin(self) -> None:
        """Read from now on. The caller sees to it that it is called once at a time."""
        if not self._begun:
            self._begun = True
            self._thread.start()

    def close(self) -> None:
        """End."""
        self._closing.set()
        if self._begun:
            self._wake()
            self._thread.join(JOIN_SECONDS)
        if not self._thread.is_alive():
            self._client.close()
            self._client.connection_pool.disconnect()

    def _wake(self) -> None:
        """End the read that waits: with an entry that says nothing."""
        try:
            pipeline: Any = self._client.pipeline(transaction=True)
            pipeline.execute_command("XADD", self._stream, "*", "over", "1")
            pipeline.execute_command("PEXPIRE", self._stream, BLOCK_MS)
            pipeline.execute()
        except (RedisError, OSError):
            logger.debug("The mailbox could not be woken; its read ends by itself", exc_info=True)

    # --- in the thread

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                entries = self._fetch()
            except (RedisError, OSError) as error:
                self._closing.wait(self._trouble.met(error))
                continue
            self._trouble.over()
            for entry_id, fields in entries:
                self._read.append(entry_id)
                self._hand_over(entry_id, fields)
        self._hang_up()

    def _fetch(self) -> list[tuple[bytes, list[bytes]]]:
        commands: list[tuple[Any, ...]] = [("XDEL", self._stream, *self._read)] if self._read else []
        commands.append(("XREAD", "COUNT", COUNT, "BLOCK", BLOCK_MS, "STREAMS", self._stream, "0"))
        try:
            connection = self._connection = self._connection or self._client.connection_pool.get_connection()
            connection.send_packed_command(connection.pack_commands(commands))
            if self._read:
                connection.read_response()
                self._read = []
            reply = connection.read_response(disable_decoding=True)
        except BaseException:
            self._hang_up()  # nobody knows which answer would come next on this connection
            raise
        return [entry for _, entries in reply or () for entry in entries]

    def _hand_over(self, entry_id: bytes, fields: list[bytes]) -> None:
        if fields[:1] == [b"over"]:
            return
        try:
            reply = Reply.read(decode_entry(fields, text_ids=True))
        except (DecodeError, ValueError) as error:
            logger.error("%s of %s is no reply: %s", entry_id.decode(), self._stream, error)
            return
        try:
            self._on_reply(reply)
        except Exception:
            logger.exception("A reply could not be handed over")

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._client.connection_pool.release(connection)
