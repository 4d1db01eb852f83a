"""The UI registry on real engines: a database to commit to, and a catalogue that forgets everything after the test."""

from collections.abc import Iterator

import pytest

from apps.registry.live import live
from tests.support.api import Api
from tests.support.database import transactional_db

__all__ = ["transactional_db"]


@pytest.fixture
def hub(transactional_db: None) -> Iterator[None]:
    """An empty hub without a relay: its catalogue follows PostgreSQL, and its own writes at once."""
    yield
    live.stop()


@pytest.fixture
def api(hub: None) -> Api:
    """A caller of the REST API on this machine, without credentials: the hub of the tests is open to it."""
    return Api()
