"""Times on the wire: ISO 8601 in UTC with ``Z``; one without a zone is read as UTC (contract, "Ground rules")."""

from datetime import UTC, datetime

__all__ = ["format_time", "parse_time"]


def parse_time(text: str) -> datetime:
    """Return the aware UTC time that ``text`` means.

    Raises:
        ValueError: when it is not an ISO 8601 date and time, or no time that UTC can express.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"outside the years that a time can have: {text!r}") from error


def format_time(moment: datetime) -> str:
    """Return ``moment`` as the wire writes it; a time without a zone is taken as UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
