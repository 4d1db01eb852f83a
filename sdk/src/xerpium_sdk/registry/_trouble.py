"""One log line when trouble with the hub begins and one when it is over, however many tries lie between."""

import logging

__all__ = ["Trouble"]

log = logging.getLogger("xerpium_sdk.registry")


class Trouble:
    """What is wrong between ``subject`` and the hub, if anything."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._message = ""

    @property
    def message(self) -> str:
        """What is wrong; empty: nothing."""
        return self._message

    def note(self, message: str) -> None:
        """Something went wrong (again); another reason than the last one is worth a line of its own, a quieter one."""
        if message != self._message:
            level = logging.INFO if self._message else logging.WARNING
            log.log(level, "%s is not in touch with the hub: %s", self._subject, message)
        self._message = message

    def over(self) -> None:
        """It works."""
        if self._message:
            log.info("%s is in touch with the hub again.", self._subject)
        self._message = ""
