"""Keys as texts: one form, a checksum, and nothing that tells the secret."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.serviceauth import keys

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_a_key_is_read_as_it_was_made() -> None:
    made = keys.new_key()
    parsed = keys.parse_key(made.text)
    assert parsed is not None
    assert (parsed.key_id, parsed.secret) == (made.key_id, made.secret)


def test_a_double_click_marks_all_of_it() -> None:
    assert re.fullmatch(r"\w+", keys.new_key().text, re.ASCII)
    assert re.fullmatch(r"\w+", keys.new_enrolment().text, re.ASCII)


def test_no_two_are_alike() -> None:
    made = [keys.new_key() for _ in range(1000)]
    assert len({key.key_id for key in made}) == len({key.secret for key in made}) == 1000


def test_scanners_find_it_in_any_text() -> None:
    key, enrolment = keys.new_key().text, keys.new_enrolment().text
    text = f'curl -d \'{{"service_key": "{key}"}}\'\nXERPIUM_ENROLMENT_TOKEN={enrolment}\n'
    assert re.findall(keys.KEY_PATTERN, text) == [key]
    assert re.findall(keys.ENROLMENT_PATTERN, text) == [enrolment]


@given(st.integers(0, 66), st.sampled_from(ALPHABET + "_-\n\0é"))
def test_one_other_character_makes_it_none(place: int, character: str) -> None:
    made = "xrp_0123456789ab_" + "A" * 43
    text = keys._sealed(made)
    changed = text[:place] + character + text[place + 1 :]
    assert changed == text or keys.parse_key(changed) is None


@given(st.text())
def test_what_is_no_key_is_none(text: str) -> None:
    assert keys.parse_key(text) is None
    assert keys.parse_enrolment(text) is None


@pytest.mark.parametrize("end", ["\n", " ", "\0", "_"])
def test_nothing_may_stand_after_it(end: str) -> None:
    assert keys.parse_key(keys.new_key().text + end) is None
    assert keys.parse_enrolment(keys.new_enrolment().text + end) is None


def test_a_key_is_no_enrolment_token() -> None:
    assert keys.parse_enrolment(keys.new_key().text) is None
    assert keys.parse_key(keys.new_enrolment().text) is None


def test_its_repr_does_not_tell_the_secret() -> None:
    made = keys.new_key()
    parsed = keys.parse_key(made.text)
    assert made.secret not in repr(parsed)
    assert made.secret not in str(parsed)


def test_a_digest_is_recognised_with_its_pepper_only() -> None:
    secret = keys.new_key().secret
    stored = keys.digest(secret, "p" * 32)
    assert len(stored) == 32
    assert keys.is_digest_of(stored, secret, "p" * 32)
    assert not keys.is_digest_of(stored, secret, "q" * 32)
    assert not keys.is_digest_of(stored, keys.new_key().secret, "p" * 32)


def test_all_bits_of_the_secret_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys.secrets, "randbits", lambda bits: 2**bits - 1)
    most = keys.new_key().secret
    number = 0
    for digit in most:
        number = number * 62 + ALPHABET.index(digit)
    assert number == 2**256 - 1
