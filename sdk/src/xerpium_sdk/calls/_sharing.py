"""What a client's ``shared_breakers`` means."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xerpium_sdk.resilience.shared import SharedBreakers

__all__ = ["new_shared", "sharing"]


def sharing(wanted: "SharedBreakers | bool") -> "tuple[SharedBreakers | None, SharedBreakers | None]":
    """Return what the client has to begin and to end itself, and what its breakers are attached to."""
    if wanted is False:
        return None, None
    if wanted is True:
        from xerpium_sdk.auth import _environment

        own = new_shared(None, _environment.value(_environment.NAME))
        return own, own
    return None, wanted


def new_shared(redis_url: str | None, group: str) -> "SharedBreakers":
    """Return what shares breakers among the processes of ``group``; default ``REDIS_URL``. Nothing is sent yet."""
    from xerpium_sdk.events.connection import connect, default_url
    from xerpium_sdk.resilience.shared import SharedBreakers

    return SharedBreakers(connect(redis_url or default_url()), group=group)
