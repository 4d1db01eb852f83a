"""A clock, and a hub in memory."""

from dataclasses import dataclass

import pytest

from xerpium_sdk.testing import TestIssuer


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    time: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    """A clock for everything that takes one."""
    return Clock()


@pytest.fixture
def issuer() -> TestIssuer:
    """A hub in memory."""
    return TestIssuer()
