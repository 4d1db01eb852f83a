"""Dead letters in the admin: what the list shows, how a decision is asked for and made, and that it counts once."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.core.tenancy import system, use
from apps.events import links
from apps.events.models import DeadLetter, OutboxEntry
from tests.support import bus, operators
from xerpium_sdk.wire.keys import stream_of_replays

pytestmark = pytest.mark.usefixtures("transactional_db")

LIST = "/admin/events/deadletter/"


@pytest.fixture
def browser(transactional_db: None) -> Client:
    """An operator's."""
    return operators.superuser()


def html(browser: Client, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page))


def listed(browser: Client, **query: object) -> list[str]:
    """Return the entities of the letters that the list shows, in its order."""
    page = html(browser, f"{LIST}?{urlencode(query)}")
    return re.findall(r'title="order (\w+)"', page)


def states() -> dict[str, str]:
    return dict(DeadLetter.objects.values_list("entity_id", "state"))


def decide(browser: Client, verb: str, **query: object) -> str:
    """Ask, read what the page says, agree, and return it with what was done."""
    address = links.decide_url(verb, **query)
    page = browser.get(address, follow=True).content.decode()
    newest = re.search(r'name="newest" value="(\d+)"', page)
    if newest is None:
        return text(page)
    done = browser.post(address, {"newest": newest[1], "next": LIST}, follow=True).content.decode()
    return f"{text(page)} {text(done)}"


def test_what_waits_is_listed_newest_first_with_its_reason(browser: Client) -> None:
    bus.letter(entity_id="1", ago=60)
    bus.letter(entity_id="2", state="replayed", decided_by="operator:anna", decided_at=timezone.now())
    bus.letter(
        entity_id="3", reason="undecodable", attempts=1, error="<b>text</b> where an integer belongs", company_id=70
    )
    assert listed(browser) == ["3", "1"]
    assert listed(browser, state="any") == ["3", "2", "1"]
    assert listed(browser, state="replayed") == ["2"]
    told = text(html(browser, f"{LIST}?state=any"))
    for word in (
        "failed 5 times",
        "KeyError: &#x27;warehouse_id&#x27;",
        "cannot be read",
        "Company 70",
        "by anna",
        "2 dead letters wait",
    ):
        assert word in told
    assert "<b>text" not in html(browser, LIST)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"group": "mail-group"}, ["2"]),
        ({"handler": "stock.handlers.reserve"}, ["3", "2", "1"]),
        ({"reason": "undecodable"}, ["3"]),
        ({"event_type": "order_shipped"}, ["2"]),
        ({"service_name": "order-service"}, ["3", "2", "1"]),
        ({"company": "7"}, ["3"]),
        ({"within": "15m"}, ["3", "2"]),
        ({"q": "warehouse"}, ["2", "1"]),
        ({"q": "mail"}, ["2"]),
        ({"q": "3"}, ["3"]),
        ({"q": "shipped", "group": "stock-service-group"}, []),
    ],
)  # fmt: skip
def test_letters_are_filtered_and_found(browser: Client, query: dict[str, str], found: list[str]) -> None:
    bus.letter(entity_id="1", ago=3600)
    bus.letter("order_shipped", entity_id="2", group="mail-group")
    bus.letter(entity_id="3", reason="undecodable", error="no", company_id=7)
    assert listed(browser, **query) == found


def test_the_list_asks_the_same_number_of_questions_whatever_there_is(browser: Client) -> None:
    counts = []
    for size in (10, 190):
        for number in range(size):
            bus.letter(company_id=number % 40)
        html(browser, LIST)
        with CaptureQueriesContext(connection) as queries:
            html(browser, LIST)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 14


@pytest.mark.parametrize("odd", ["", "a\nb", "..", "<script>alert(1)</script>"])
def test_odd_names_make_no_page_unreadable(browser: Client, odd: str) -> None:
    letter = bus.letter(odd, group=odd, handler=odd, service_name=odd, reason=odd, error=odd, entity_type=odd)
    for address in (LIST, links.dead_letter_url(letter.pk), links.decide_url("replay", all=1)):
        assert "<script>alert(1)" not in html(browser, address)


@pytest.mark.parametrize("query", ["all=1", "p=0", "q="])
def test_an_address_that_somebody_made_up_changes_no_way_to_decide(browser: Client, query: str) -> None:
    bus.letter()
    (address,) = re.findall(
        r'href="([^"]+decide/replay/[^"]+)"', html(browser, f"{LIST}?group=stock-service-group&{query}")
    )
    assert "This sends 1 event again." in text(html(browser, address.replace("&amp;", "&")))


@pytest.mark.parametrize("query", ["all=1&unknown=1", "all=1&group=%00", "all=1&pop=1"])
def test_a_filter_that_is_none_decides_on_nothing(browser: Client, query: str) -> None:
    letter = bus.letter()
    address = f"{links.decide_url('discard')}{query}"
    assert browser.get(address).status_code == browser.post(address, {"newest": letter.pk}).status_code == 400
    assert DeadLetter.objects.get().state == DeadLetter.State.WAITING


def test_an_empty_list_says_that_nothing_is_to_be_done(browser: Client) -> None:
    assert "No dead letter waits" in html(browser, LIST)


def test_a_letter_shows_everything_that_is_known(browser: Client) -> None:
    event = bus.event("order_created")
    letter = bus.letter(event_id=event.event_id, company_id=70)
    letter.fields |= {"data": '{"password": "geheim", "a": "<i>"}', "replay_of": "7"}
    letter.save()
    page = html(browser, links.dead_letter_url(letter.pk))
    for word in (
        "stock.handlers.reserve failed on it 5 times",
        "(hidden)",
        "&lt;i&gt;",
        "line 12",
        "Company 70",
        "replay_of",
    ):
        assert word in text(page)
    assert "geheim" not in page
    assert links.event_url(event.pk) in page
    assert {"replay", "discard"} == set(re.findall(r"decide/(\w+)/", page))


def test_the_fate_of_a_replay_is_told(browser: Client) -> None:
    letter = bus.letter(entity_id="1")
    decide(browser, "replay", ids=letter.pk)
    told = text(html(browser, links.dead_letter_url(letter.pk)))
    assert re.search(r"Replayed by anna (just now|\d+ s ago)\. It has not come back", told)
    again = bus.letter(entity_id="1", replay_of=letter)
    page = html(browser, links.dead_letter_url(letter.pk))
    assert "It failed again." in page
    assert links.dead_letter_url(again.pk) in page
    assert links.dead_letter_url(letter.pk) in html(browser, links.dead_letter_url(again.pk))


def test_one_is_replayed_to_the_group_that_gave_it_up_and_it_is_written_down(browser: Client) -> None:
    letter = bus.letter(entity_id="1")
    told = decide(browser, "replay", ids=letter.pk)
    assert "This sends 1 event again." in told
    assert "1 event of order_created to stock-service-group again" in told
    assert "Sent 1 event again." in told
    letter.refresh_from_db()
    assert (letter.state, letter.decided_by) == ("replayed", "operator:anna")
    sent = OutboxEntry.objects.get()
    assert sent.stream == stream_of_replays("stock-service-group")
    assert sent.fields["replay_of"] == str(letter.pk)
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.object_repr) == (User.objects.get(), str(letter.pk), "1 dead letter")
    assert "Sent 1 event again. 1 of order_created from stock-service-group" in entry.change_message


def test_selected_ones_are_discarded(browser: Client) -> None:
    one, _, three = (bus.letter(entity_id=str(number)) for number in (1, 2, 3))
    answer = browser.post(
        f"{LIST}?group=stock-service-group", {"action": "discard", "_selected_action": [one.pk, three.pk]}
    )
    page = browser.get(answer.headers["Location"]).content.decode()
    assert "This discards 2 events, unhandled." in page
    assert 'value="/admin/events/deadletter/?group=stock-service-group"' in page
    done = browser.post(answer.headers["Location"], {"newest": three.pk}, follow=True)
    assert done.redirect_chain == [(f"{LIST}?group=stock-service-group", 302)]
    assert "Discarded 2 events." in done.content.decode()
    assert states() == {"1": "discarded", "2": "waiting", "3": "discarded"}
    assert not OutboxEntry.objects.exists()


def test_all_of_a_filter_are_replayed_and_no_others(browser: Client) -> None:
    for number in range(60):
        bus.letter(entity_id=str(number))
    bus.letter("order_shipped", entity_id="shipped")
    bus.letter(entity_id="mail", group="mail-group")
    bus.letter(entity_id="done", state="discarded")
    address = f"{LIST}?group=stock-service-group&q=order"
    page = html(browser, address)
    assert "61 dead letters wait in this filter" in text(page)
    (way,) = re.findall(r'href="([^"]*decide/replay/[^"]*)"', page)
    way = way.replace("&amp;", "&")
    asked = browser.get(way).content.decode()
    assert "60 events of order_created to stock-service-group again" in text(asked)
    assert "1 event of order_shipped to stock-service-group again" in text(asked)
    bus.letter(entity_id="late")
    newest = re.search(r'name="newest" value="(\d+)"', asked)
    assert newest
    done = browser.post(way, {"newest": newest[1], "next": address}, follow=True)
    assert "Sent 61 events again." in done.content.decode()
    assert {name for name, state in states().items() if state == "waiting"} == {"mail", "late"}
    assert OutboxEntry.objects.count() == 61
    assert LogEntry.objects.get().object_repr == "61 dead letters"


def test_select_across_means_all_of_the_filter(browser: Client) -> None:
    letters = [bus.letter(entity_id=str(number)) for number in range(55)]
    bus.letter(entity_id="mail", group="mail-group")
    form = {"action": "replay", "select_across": "1", "_selected_action": [letters[0].pk]}
    answer = browser.post(f"{LIST}?group=stock-service-group", form)
    assert "This sends 55 events again." in browser.get(answer.headers["Location"]).content.decode()


def test_a_double_click_counts_once(browser: Client) -> None:
    letters = [bus.letter(entity_id=str(number)) for number in range(40)]
    address = links.decide_url("replay", all=1)

    @use(system("tests"))
    def click(_: int) -> str:
        try:
            return browser_of_anna().post(address, {"newest": letters[-1].pk}, follow=True).content.decode()
        finally:
            connections.close_all()

    def browser_of_anna() -> Client:
        return operators.logged_in(User.objects.get(username="anna"))

    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(click, range(4)))
    assert sum("Sent 40 events again." in page for page in pages) == 1
    assert sum("was decided on already" in page for page in pages) == 3
    assert OutboxEntry.objects.count() == 40
    assert LogEntry.objects.count() == 1


def test_what_was_no_text_cannot_be_sent_again(browser: Client) -> None:
    one = bus.letter(entity_id="1", is_text=False)
    assert "cannot be sent again: they were no text" in decide(browser, "replay", ids=one.pk)
    assert set(re.findall(r"decide/(\w+)/", html(browser, links.dead_letter_url(one.pk)))) == {"discard"}
    bus.letter(entity_id="2")
    told = decide(browser, "replay", all=1)
    assert "This sends 1 event again." in told
    assert "1 more cannot be sent again" in told
    assert states() == {"1": "waiting", "2": "replayed"}
    assert "Discarded 1 event." in decide(browser, "discard", all=1)


@pytest.mark.parametrize("query", [{"ids": ""}, {"ids": "x,-1,99999999999999999999"}, {"all": 1, "group": "nobody"}])
def test_nothing_to_decide_leads_back_with_a_word(browser: Client, query: dict[str, Any]) -> None:
    bus.letter()
    assert "Nothing to do: what you chose was decided on already." in decide(browser, "replay", **query)
    assert list(states().values()) == ["waiting"]


def test_the_way_back_stays_in_the_hub(browser: Client) -> None:
    letter = bus.letter()
    for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        page = browser.get(links.decide_url("replay", ids=letter.pk, next=elsewhere)).content.decode()
        assert "evil" not in re.findall(r'name="next" value="([^"]*)"', page)[0]
        assert "javascript:" not in page


def test_who_may_only_look_decides_nothing() -> None:
    letter = bus.letter()
    onlooker = operators.staff("otto", "view_deadletter", app="events")
    for address in (LIST, links.dead_letter_url(letter.pk)):
        page = html(onlooker, address)
        assert "decide/" not in page
        assert 'name="action"' not in page
        assert "may look, and not decide" in page
    for verb in ("replay", "discard"):
        address = links.decide_url(verb, ids=letter.pk)
        assert onlooker.get(address).status_code == 403
        assert onlooker.post(address).status_code == 403
    onlooker.post(LIST, {"action": "discard", "_selected_action": [letter.pk]})
    assert list(states().values()) == ["waiting"]


def test_who_may_decide_does_and_who_may_not_look_does_not() -> None:
    letter = bus.letter(entity_id="1")
    blind = operators.staff("bea", "decide_deadletter", app="events")
    assert blind.post(links.decide_url("replay", ids=letter.pk)).status_code == 403
    decider = operators.staff("dora", "view_deadletter", "decide_deadletter", app="events")
    assert "Sent 1 event again." in decide(decider, "replay", ids=letter.pk)
    letter.refresh_from_db()
    assert letter.decided_by == "operator:dora"
    stranger = operators.staff("sven")
    for address in (LIST, links.dead_letter_url(letter.pk)):
        assert stranger.get(address).status_code == 403


def test_a_verb_that_is_none_is_not_found(browser: Client) -> None:
    assert browser.get("/admin/events/deadletter/decide/burn/?all=1").status_code == 404


def test_a_page_of_another_site_cannot_decide(browser: Client) -> None:
    letter = bus.letter(entity_id="1")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="anna"))
    assert strict.post(links.decide_url("replay", ids=letter.pk)).status_code == 403
    assert states() == {"1": "waiting"}
