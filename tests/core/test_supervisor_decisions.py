"""What the supervisor decides without touching a process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.supervisor.backoff import Backoff
from apps.core.supervisor.lines import LONGEST_LINE, LineSplitter, prefixed, wants_colour


def deaths(*lives: float) -> Backoff:
    backoff = Backoff()
    for lived in lives:
        backoff = backoff.after_death(lived)
    return backoff


def test_pauses_double_from_a_fifth_of_a_second():
    assert [deaths(*[0.0] * n).pause_seconds for n in range(1, 5)] == [0.2, 0.4, 0.8, 1.6]


def test_five_quick_deaths_in_a_row_are_hopeless_and_tried_every_30_seconds():
    assert not deaths(0, 0, 0, 0).is_hopeless
    assert deaths(0, 0, 0, 0, 0).is_hopeless
    assert deaths(0, 0, 0, 0, 0).pause_seconds == deaths(*[0.0] * 500).pause_seconds == 30


@pytest.mark.parametrize(("lived", "pause"), [(29.9, 3 * 0.2 + 0.2), (30.0, 0.2), (9999, 0.2)])
def test_a_part_that_lived_30_seconds_starts_from_the_first_pause_again(lived, pause):
    assert deaths(0, 0, lived).pause_seconds == pytest.approx(pause)


def test_hope_returns_with_the_first_long_life():
    assert not deaths(0, 0, 0, 0, 0, 31).is_hopeless


@given(st.lists(st.binary(max_size=20)))
def test_lines_come_out_whole_however_the_pipe_cuts_them(pieces):
    splitter = LineSplitter()
    lines = [line for piece in pieces for line in splitter.feed(piece)] + splitter.rest()
    whole = b"".join(pieces).split(b"\n")
    if not whole[-1]:
        whole.pop()
    assert lines == [line.decode("utf-8", "replace").rstrip("\r") for line in whole]


def test_a_character_cut_in_two_is_put_together_again():
    splitter = LineSplitter()
    assert splitter.feed("é".encode()[:1]) == []
    assert splitter.feed("é".encode()[1:] + b"\r\n") == ["é"]


def test_an_endless_line_is_cut():
    splitter = LineSplitter()
    assert [len(line) for line in splitter.feed(b"x" * (LONGEST_LINE + 1))] == [LONGEST_LINE + 1]
    assert splitter.rest() == []


def test_every_line_carries_the_name_of_its_part():
    assert prefixed("web", "hello", width=8) == "web      | hello"
    assert prefixed("web", "hello", width=3, colour=36) == "\x1b[36mweb |\x1b[0m hello"


@pytest.mark.parametrize(
    ("is_terminal", "environment", "expected"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_of_people_who_did_not_refuse_it(is_terminal, environment, expected):
    assert wants_colour(is_terminal, environment) is expected
