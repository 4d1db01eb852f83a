"""Times as people read them. Pure: the present is always passed in."""

from datetime import datetime, timedelta

_STEPS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def spell(duration: timedelta) -> str:
    """Return the length of ``duration`` in its largest whole unit: ``12 s``, ``3 min``, ``5 h``, ``2 d``."""
    seconds = int(abs(duration).total_seconds())
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return "0 s"


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago ``moment`` was, for people: ``12 s ago``, ``in 3 min``, ``just now``, ``never`` for none."""
    if moment is None:
        return "never"
    distance = now - moment
    if abs(distance) < timedelta(seconds=1):
        return "just now"
    return f"{spell(distance)} ago" if distance > timedelta() else f"in {spell(distance)}"
