"""Events over Redis streams: at least once, nothing lost, nothing stuck.

- `StreamConsumer`: one consumer of a group; calls a handler for each event, retries, gives up into the dead letters
- `connect`: a Redis client whose timeouts and retries fit a bus
"""

from xerpium_sdk.events.connection import connect
from xerpium_sdk.events.consumer import Handler, StreamConsumer, Tally

__all__ = ["Handler", "StreamConsumer", "Tally", "connect"]
