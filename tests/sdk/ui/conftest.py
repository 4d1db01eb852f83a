"""A small hub with menus and UI."""

from collections.abc import Iterator

import pytest

from tests.sdk.ui.hub import UIHub


@pytest.fixture(scope="session")
def small_ui_hub() -> Iterator[UIHub]:
    """The hub of the whole run."""
    small = UIHub()
    small.start()
    yield small
    small.stop()


@pytest.fixture
def hub(small_ui_hub: UIHub) -> UIHub:
    """A hub that answers and knows nothing."""
    small_ui_hub.reset()
    return small_ui_hub
