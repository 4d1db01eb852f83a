"""The hub as other programs see it."""

from collections.abc import Iterator
from typing import Any

import pytest

from apps.registry.live import live
from tests.support.database import transactional_db

__all__ = ["transactional_db"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Give each test that schemathesis made of an operation an id of its own.

    Under pytest 9.2 they all have the id of their function, and xdist runs one test of each id.
    """
    for item in items:
        if label := getattr(item, "operation_label", None):
            item._id = item.parent.id.child(item.originalname).with_params(label)


@pytest.fixture
def hub(transactional_db: None) -> Iterator[None]:
    """An empty hub without a relay; its catalogue forgets everything after the test."""
    yield
    live.stop()
