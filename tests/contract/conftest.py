"""The hub as other programs see it."""

from collections.abc import Iterator

import pytest

from apps.registry.live import live
from tests.support.database import transactional_db

__all__ = ["transactional_db"]


@pytest.fixture
def hub(transactional_db: None) -> Iterator[None]:
    """An empty hub without a relay; its catalogue forgets everything after the test."""
    yield
    live.stop()
