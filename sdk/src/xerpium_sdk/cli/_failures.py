"""What went wrong, in words that name what to change, and as the number that the command ends with. Pure."""

from collections.abc import Iterator

from xerpium_sdk.calls.errors import CallError, CallNotMade, CallRefused, NoAnswer, ServiceFailed, TookTooLong
from xerpium_sdk.cli._codes import ASKED_WRONGLY, FAILED, NO_ANSWER, NOT_DONE, NOT_MADE, REFUSED, TOO_LONG, Wrong
from xerpium_sdk.errors import HubError, HubUnavailable, NotAllowed, NotAuthenticated, Refused, UnreadableAnswer

__all__ = ["code_of", "told"]


def code_of(error: Exception) -> int:
    """Return the number that the command ends with."""
    kinds: tuple[tuple[type[Exception], int], ...] = (
        (TookTooLong, TOO_LONG),
        (CallNotMade, NOT_MADE),
        (NoAnswer, NO_ANSWER),
        (ServiceFailed, FAILED),
        (CallRefused, REFUSED),
        (Refused, REFUSED),
        (HubUnavailable, NO_ANSWER),
        (UnreadableAnswer, NO_ANSWER),
        (HubError, ASKED_WRONGLY),  # without a key there is no token: nothing was sent
        (Wrong, ASKED_WRONGLY),
        (ValueError, ASKED_WRONGLY),
    )
    return next((code for kind, code in kinds if isinstance(error, kind)), NOT_DONE)


def told(error: Exception, *, has_key: bool) -> Iterator[str]:
    """Yield what to say of an error: what happened, each fault of what was sent, and what to look at."""
    if not isinstance(error, Refused):
        yield str(error) or type(error).__name__
    else:
        problem = error.problem
        reason = problem.detail or problem.title or "no reason given"
        yield f"The hub refuses ({problem.status}): {reason}"
        for fault in problem.errors:
            yield f"  {fault.pointer}" if fault.message in reason else f"  {fault.pointer}: {fault.message}"
    yield from _advice(error, has_key)


def _advice(error: Exception, has_key: bool) -> Iterator[str]:
    if isinstance(error, NotAuthenticated):
        if has_key:
            yield "The key in XERPIUM_SERVICE_KEY(_FILE) is not one of XERPIUM_SERVICE_NAME, or was disabled."
        else:
            yield "Say who calls: set XERPIUM_SERVICE_NAME and XERPIUM_SERVICE_KEY, or XERPIUM_SERVICE_KEY_FILE."
    elif isinstance(error, NotAllowed):
        yield "xerpium doctor tells what this key may do."
    elif isinstance(error, HubUnavailable):
        yield "Does the hub run, and is XERPIUM_HUB_URL (or --hub) right? xerpium doctor looks closer."
    elif isinstance(error, UnreadableAnswer):
        yield "What answers there seems to be no hub: is XERPIUM_HUB_URL (or --hub) right?"
    elif isinstance(error, CallError) and not isinstance(error, CallRefused):
        yield f"xerpium services {error.service} shows how its instances are."
