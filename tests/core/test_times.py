"""How long ago, in words that can be read at a glance."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.core.times import ago, spell

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "just now"),
        (0.9, "just now"),
        (-0.9, "just now"),
        (1, "1 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86399, "23 h ago"),
        (86400, "1 d ago"),
        (86400 * 400, "400 d ago"),
        (-12, "in 12 s"),
        (-7200, "in 2 h"),
    ],
)
def test_ago(seconds: float, text: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == text


def test_what_never_was() -> None:
    assert ago(None, NOW) == "never"


def test_spell() -> None:
    assert [spell(timedelta(seconds=s)) for s in (0, 5, -90, 7300)] == ["0 s", "5 s", "1 min", "2 h"]
