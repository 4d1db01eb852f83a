"""How keys stand in words, how they are drawn, and what the console's home page says of them."""

import datetime as dt
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import guesses
from apps.core.guesses import UNNAMED, Guesses
from apps.core.tenancy import company, use
from apps.serviceauth import services
from apps.serviceauth.errors import BadCredentials
from apps.serviceauth.selectors import access_troubles
from apps.serviceauth.standing import LEAKED, account_standing, key_standing
from apps.serviceauth.timeline import draw
from apps.serviceauth.troubles import gathered, guess_troubles
from tests.support import operators
from tests.support.accounts import DAY, HOME, HOUR, NOON, account, key, key_row

MINUTE = dt.timedelta(minutes=1)


@dataclass(frozen=True)
class Key:
    """A key of ninety days, half of them over, that was used a minute ago."""

    created_at: dt.datetime = NOON - 45 * DAY
    expires_at: dt.datetime | None = NOON + 45 * DAY
    last_used_at: dt.datetime | None = NOON - MINUTE
    disabled_at: dt.datetime | None = None
    disabled_reason: str = ""
    replaced_at: dt.datetime | None = None


USED = Key()


@pytest.mark.parametrize(
    ("stands", "word", "is_live"),
    [
        (USED, "in use", True),
        (replace(USED, expires_at=None), "in use", True),
        (replace(USED, last_used_at=None), "never used", True),
        (replace(USED, last_used_at=NOON - 31 * DAY), "idle", True),
        (replace(USED, expires_at=NOON + 13 * DAY), "ends soon", True),
        (replace(USED, created_at=NOON - HOUR, expires_at=NOON + HOUR), "in use", True),
        (replace(USED, created_at=NOON - 2 * HOUR, expires_at=NOON + HOUR / 2), "ends soon", True),
        (replace(USED, replaced_at=NOON - 5 * MINUTE), "replaced", True),
        (replace(USED, replaced_at=NOON - 20 * MINUTE), "replaced, in use", True),
        (replace(USED, replaced_at=NOON - HOUR, last_used_at=NOON - 55 * MINUTE), "replaced", True),
        (replace(USED, expires_at=NOON), "ended", False),
        (replace(USED, disabled_at=NOON - DAY, disabled_reason="x"), "disabled", False),
        (replace(USED, disabled_at=NOON - DAY, disabled_reason=LEAKED), "leaked", False),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_a_key_stands_in_one_word(stands: Key, word: str, is_live: bool) -> None:
    found = key_standing(stands, NOON)
    assert (found.badge.word, found.is_live) == (word, is_live)
    assert found.badge.meaning.endswith(".")


def test_an_account_stands_as_the_key_that_most_needs_somebodys_eyes() -> None:
    ending = replace(USED, expires_at=NOON + DAY)
    over = replace(USED, expires_at=NOON)
    new = replace(USED, last_used_at=None)
    found = account_standing([USED, ending, over, new], NOON, is_active=True)
    assert (found.badge.word, found.live, found.ending, found.unused) == ("ends soon", 3, 1, 1)
    assert account_standing([USED], NOON, is_active=False).badge.word == "disabled"
    assert account_standing([over], NOON, is_active=True).badge.word == "no key"
    leak = replace(USED, disabled_at=NOON, disabled_reason=LEAKED)
    assert account_standing([over, leak], NOON, is_active=True).badge.word == "leaked"
    assert account_standing([USED, leak], NOON, is_active=True).badge.word == "in use"


MOMENTS = st.none() | st.integers(-2000, 2000).map(lambda hours: NOON + hours * HOUR)


@given(st.lists(st.builds(Key, st.integers(-2000, 0).map(lambda h: NOON + h * HOUR), MOMENTS, MOMENTS, MOMENTS)))
def test_whatever_the_keys_are_the_drawing_stays_in_its_frame(found: list[Key]) -> None:
    picture = draw(found, NOON)
    assert 0 < picture.now < 100
    assert len(picture.bars) == len(found)
    for bar, one in zip(picture.bars, found, strict=True):
        assert 0 <= bar.start <= bar.middle <= bar.end <= 100
        assert bar.used is None or 0 <= bar.used <= 100
        if bar.standing.is_live:
            assert bar.end >= picture.now
        elif one.disabled_at is None or one.disabled_at <= NOON:
            assert bar.end <= picture.now + 0.01


# --- home page --------------------------------------------------------------------------------------------------------


def used(text: str, at: dt.datetime, source: str = HOME) -> None:
    services.authenticate_key(service_name="orders", service_key=text, source=source, now=at)


def refused(text: str, at: dt.datetime, source: str) -> None:
    with pytest.raises(BadCredentials):
        used(text, at, source)


def told(now: dt.datetime = NOON) -> list[tuple[str, str]]:
    return [(trouble.word, trouble.status.value) for trouble in access_troubles(now=now)]


@pytest.mark.django_db
def test_a_hub_whose_keys_are_well_is_quiet() -> None:
    mine = account()
    used(key(mine, now=NOON - 30 * DAY), NOON - MINUTE)
    key(mine, now=NOON - 30 * DAY, expires_at=NOON + DAY)  # ends, and nobody misses it
    for _ in range(29):
        guesses.note("key", "orders", "10.0.0.9")
    assert told() == []


@pytest.mark.django_db
def test_a_used_key_that_ends_soon_is_told_until_it_is_rotated() -> None:
    text = key(account(), now=NOON - 30 * DAY, expires_at=NOON + 5 * DAY)
    used(text, NOON - MINUTE)
    (trouble,) = access_troubles(now=NOON)
    assert trouble.word == "ends soon"
    assert f"xrp_{key_row(text).key_id}_… of orders ends in 5 d and is used from {HOME}" in trouble.text
    assert text.split("_")[2] not in trouble.text
    services.key_rotate(key=key_row(text), overlap=DAY, actor="anna", now=NOON)
    assert told(NOON + 5 * MINUTE) == []


@pytest.mark.django_db
def test_a_replaced_key_that_is_still_used_is_told_with_who_uses_it() -> None:
    text = key(account(), now=NOON - 30 * DAY)
    services.key_rotate(key=key_row(text), overlap=DAY, actor="anna", now=NOON)
    used(text, NOON + 2 * MINUTE)
    assert told(NOON + 15 * MINUTE) == []
    used(text, NOON + 20 * MINUTE, "10.9.9.9")
    (trouble,) = access_troubles(now=NOON + 21 * MINUTE)
    assert trouble.word == "old key used"
    assert "10.9.9.9 still used it 1 min ago; it ends in 23 h" in trouble.text


@pytest.mark.django_db
def test_a_leaked_key_is_worse_where_the_account_has_no_other() -> None:
    mine = account()
    text = key(mine, now=NOON - DAY)
    services.key_report_leak(text=text, source="198.51.100.7", now=NOON)
    assert told(NOON + HOUR) == [("leaked", "unhealthy")]
    used(key(mine, now=NOON), NOON + HOUR)
    refused(text, NOON + HOUR, "203.0.113.66")
    (trouble,) = access_troubles(now=NOON + HOUR)
    assert trouble.status.value == "degraded"
    assert "203.0.113.66 tried it" in trouble.text
    assert told(NOON + 8 * DAY) == []


@pytest.mark.django_db
def test_somebody_with_a_key_that_has_ended_is_told_for_ten_minutes() -> None:
    text = key(account(), now=NOON - 30 * DAY, expires_at=NOON - MINUTE)
    refused(text, NOON, "10.0.0.8")
    (trouble,) = access_troubles(now=NOON + MINUTE)
    assert (trouble.word, trouble.status.value) == ("refused", "unhealthy")
    assert "10.0.0.8 comes with the key" in trouble.text
    assert "has ended" in trouble.text
    assert told(NOON + 11 * MINUTE) == []


@pytest.mark.django_db
def test_an_enrolment_token_that_is_used_twice_is_told() -> None:
    text = services.enrolment_create(account=account(), actor="anna", now=NOON)
    services.enrolment_redeem(text=text, service_name="orders", source=HOME, now=NOON)
    assert told() == []
    with pytest.raises(BadCredentials):
        services.enrolment_redeem(text=text, service_name="orders", source="203.0.113.5", now=NOON + MINUTE)
    (trouble,) = access_troubles(now=NOON + HOUR)
    assert trouble.word == "used twice"
    assert f"used from {HOME} and tried again from 203.0.113.5" in trouble.text


@pytest.mark.django_db
def test_an_account_under_guessing_is_told_with_from_where() -> None:
    mine = account()
    for _ in range(40):
        guesses.note("key", "orders", "10.0.0.9")
    (trouble,) = access_troubles(now=NOON)
    wanted = "Somebody guesses the key of orders from 10.0.0.9: 40 failures in 10 minutes; the owner is still let in."
    assert (trouble.text, trouble.account_id) == (wanted, mine.pk)


def test_few_guesses_each_are_told_where_they_come_from_one_place_or_go_for_one_name() -> None:
    spread = [Guesses("key", f"service-{number}", "10.0.0.9", 2) for number in range(20)]
    many = [Guesses("key", "orders", f"10.0.1.{number}", 3) for number in range(20)]
    loud = Guesses("password", "anna", "10.0.0.9", 30)
    assert gathered([*spread, *many, loud, Guesses("key", "quiet", "10.0.0.8", 29)]) == [
        Guesses("key", "orders", UNNAMED, 60),
        Guesses("key", UNNAMED, "10.0.0.9", 40),
        loud,
    ]
    assert gathered([Guesses("key", UNNAMED, UNNAMED, 10)]) == []


def test_guesses_of_other_secrets_and_of_many_names_are_told_too() -> None:
    found = [
        Guesses("password", "anna", "10.0.0.9", 30),
        Guesses("key", UNNAMED, UNNAMED, 99),
        Guesses("x", "y", "z", 31),
    ]
    texts = [trouble.text for trouble in guess_troubles(found, {"anna": 7})]
    assert "the password of anna from 10.0.0.9" in texts[0]
    assert "the key of services from many places" in texts[1]
    assert "a secret of y from z" in texts[2]
    assert {trouble.account_id for trouble in guess_troubles(found, {"anna": 7})} == {None}


@pytest.mark.django_db
def test_whoever_acts_for_a_company_is_told_of_its_accounts_only() -> None:
    for name, number in (("orders", 1), ("products", 2)):
        row = account(name, [number])
        text = key(row, now=NOON - DAY)
        services.key_report_leak(text=text, source=HOME, now=NOON)
        for _ in range(40):
            guesses.note("key", name, "10.0.0.9")
    for _ in range(40):
        guesses.note("password", "anna", "10.0.0.9")
    with use(company(2)):
        troubles = access_troubles(now=NOON)
    assert {(trouble.word, trouble.part) for trouble in troubles} == {("leaked", "products"), ("guessing", "products")}
    assert len(access_troubles(now=NOON)) == 5


@pytest.mark.django_db
def test_the_home_page_tells_it_to_who_may_see_accounts() -> None:
    text = key(account())
    services.key_report_leak(text=text, source=HOME, now=dt.datetime.now(dt.UTC))
    assert "was reported as leaked" in operators.superuser().get("/admin/").content.decode()
    onlooker = operators.staff("otto", *operators.LOOKING)
    for page in ("/admin/", "/admin/live/home/"):
        assert "was reported as leaked" not in onlooker.get(page).content.decode()
