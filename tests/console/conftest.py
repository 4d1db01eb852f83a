"""The console on real engines: a hub to fill, and operators who may look, or operate as well."""

from collections.abc import Iterator

import pytest
from django.test import Client

from apps.registry.live import live
from tests.support import operators
from tests.support.database import transactional_db

__all__ = ["transactional_db"]


@pytest.fixture
def hub(transactional_db: None) -> Iterator[None]:
    """An empty hub without a relay: its catalogue follows PostgreSQL, and its own writes at once."""
    yield
    live.stop()


@pytest.fixture
def operator(hub: None) -> Client:
    """Somebody who may do everything."""
    return operators.superuser()


@pytest.fixture
def onlooker(hub: None) -> Client:
    """Somebody who may look at services, instances and their history, and change nothing."""
    return operators.staff("otto", *operators.LOOKING)


@pytest.fixture
def stranger(hub: None) -> Client:
    """Somebody who may come in, and see nothing."""
    return operators.staff("sven")
