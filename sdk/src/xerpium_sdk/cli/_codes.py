"""The numbers that the command ends with."""

__all__ = ["ASKED_WRONGLY", "EXIT_CODES", "FAILED", "NOT_DONE", "NOT_MADE", "NO_ANSWER", "REFUSED", "TOO_LONG", "Wrong"]

NOT_DONE, ASKED_WRONGLY, NO_ANSWER, REFUSED, FAILED, NOT_MADE, TOO_LONG = range(1, 8)
INTERRUPTED, NOBODY_READS = 130, 141
EXIT_CODES = {
    0: "done",
    NOT_DONE: "not done",
    ASKED_WRONGLY: "asked wrongly: an option, a file or a setting",
    NO_ANSWER: "the hub, or the service that was called, did not answer",
    REFUSED: "refused (4xx)",
    FAILED: "the service that was called failed (5xx)",
    NOT_MADE: "not called: no instance can take work",
    TOO_LONG: "it took too long",
    INTERRUPTED: "interrupted",
}


class Wrong(Exception):
    """Raised for what the caller has to mend: an option, a file, a setting."""
