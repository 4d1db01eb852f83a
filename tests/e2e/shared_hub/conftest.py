"""A hub for those tests that leave it running; all of them run in one worker, so it starts and idles only once."""

from collections.abc import Iterator

import pytest

from tests.support.running_hub import RunningHub


@pytest.fixture(scope="package")
def running_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A whole hub, started once for all tests that share it."""
    hub = RunningHub(tmp_path_factory.mktemp("shared-hub"))
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()
