"""What of a service works, at one moment."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["ServiceState"]


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What of a service works. None stands for what this service does not do.

    Attributes:
        running: whether it was started, and not yet stopped.
        joined: whether the hub counts this instance as alive; None also where another process at this address sees
            to that.
        hub_trouble: why the hub does not hear of it; empty: nothing is wrong.
        manifest: what became of its menus, pages and widgets.
        catalog_age: seconds since the live catalogue heard of the hub; infinity before that.
        consuming: whether its handlers are given events, as soon as Redis has any.
        events_trouble: why they are not; empty: nothing is wrong.
    """

    running: bool
    joined: bool | None = None
    hub_trouble: str = ""
    manifest: Literal["applied", "pending", "refused"] | None = None
    catalog_age: float | None = None
    consuming: bool | None = None
    events_trouble: str = ""
