"""What is raised for a message that is not what the contract says."""

from collections.abc import Mapping
from typing import Any

__all__ = ["DecodeError"]


class DecodeError(ValueError):
    """Raised when a message cannot be read; ``fields`` keeps it as it came, for a dead-letter entry or a log."""

    def __init__(self, message: str, fields: Mapping[Any, Any]) -> None:
        super().__init__(message)
        self.fields = fields
