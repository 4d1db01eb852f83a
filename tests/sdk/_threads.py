"""What the SDK's sync tests wait with; `_tasks` is its twin."""

from tests.support.wait import wait_until

__all__ = ["wait_until"]
