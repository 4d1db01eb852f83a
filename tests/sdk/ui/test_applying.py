"""When a manifest is sent, and what the log says of it."""

import pytest

from xerpium_sdk.errors import HubError, HubUnavailable, refusal
from xerpium_sdk.registry import Backoff
from xerpium_sdk.ui import Manifest, ManifestEntry, ManifestResult, MenuItem, Outcome, Settlement
from xerpium_sdk.ui._applying import (
    IDLE_SECONDS,
    MOST_TOLD,
    Plan,
    faults_told,
    refusal_told,
    settlement_told,
    warnings_told,
)
from xerpium_sdk.wire.problems import FieldProblem, Problem

MANIFEST = Manifest([MenuItem("Orders", "/orders"), MenuItem("Archive", "/archive")], version="1.4.2", generation=5)
STORED = Manifest(version="1.4.2", generation=9)


def plan() -> Plan:
    return Plan(Backoff(base=2.0, cap=8.0), lambda: 0.5)


def refused(status: int, code: str = "", detail: str = "No.") -> HubError:
    return refusal(Problem(status=status, title="", code=code, detail=detail))


def test_nothing_is_sent_before_somebody_wants_it() -> None:
    waiting = plan()
    assert (waiting.delay(0), waiting.begin(0)) == (IDLE_SECONDS, False)
    waiting.wanted(10)
    assert (waiting.delay(10), waiting.begin(10)) == (0, True)
    assert (waiting.delay(11), waiting.begin(11)) == (IDLE_SECONDS, False)
    waiting.settled()
    assert waiting.delay(12) == IDLE_SECONDS


def test_what_is_wanted_while_it_is_sent_is_sent_another_time() -> None:
    waiting = plan()
    waiting.wanted(0)
    assert waiting.begin(0)
    waiting.wanted(1)
    waiting.settled()
    assert waiting.begin(1)
    waiting.wanted(2)
    waiting.missed(3, HubUnavailable("away"))
    assert waiting.delay(3) == 0


def test_pauses_grow_and_the_hubs_wish_is_kept() -> None:
    waiting, delays = plan(), []
    for _ in range(4):
        waiting.missed(0, HubUnavailable("away"))
        delays.append(waiting.delay(0))
        assert waiting.begin(100)
    waiting.missed(0, HubUnavailable("away", retry_after=20))
    assert (delays, waiting.delay(0)) == ([1, 2, 4, 4], 24)
    waiting.wanted(0)
    assert waiting.begin(0)
    waiting.missed(0, HubUnavailable("away"))
    assert waiting.delay(0) == 1, "what is wanted anew begins anew"


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
def test_what_the_hub_will_not_take_is_not_sent_again(status: int) -> None:
    waiting = plan()
    waiting.missed(0, refused(status))
    assert waiting.delay(0) == IDLE_SECONDS


@pytest.mark.parametrize("status", [401, 403])
def test_what_somebody_may_allow_is_sent_now_and_then(status: int) -> None:
    waiting = plan()
    waiting.missed(0, refused(status))
    assert waiting.delay(0) == 6


def result(**changes: object) -> ManifestResult:
    return ManifestResult(**{"revision": 12, "generation": 10, "changed": True, **changes})  # type: ignore[arg-type]


ENTRY = ManifestEntry("menu", "/orders", 1)


@pytest.mark.parametrize(
    ("settlement", "told"),
    [
        (
            Settlement(Outcome.APPLIED, result(created=(ENTRY, ENTRY), removed=(ENTRY,), kept_by_overlay=(ENTRY,))),
            (False, "is applied as revision 12 (2 created, 1 removed; operators' changes stand in 1)."),
        ),
        (Settlement(Outcome.APPLIED, result(changed=False)), (False, "is what the hub has (revision 12).")),
        (
            Settlement(Outcome.RAISED, result(), STORED),
            (
                True,
                "is applied as revision 12 (same items), as generation 10: version 1.4.2 said something else before."
                " A release has its own version.",
            ),
        ),
        (
            Settlement(Outcome.RAISED, result(), Manifest(version="1.4.1", generation=9)),
            (False, "is applied as revision 12 (same items), as generation 10, since version 1.4.1 had generation 9."),
        ),
        (
            Settlement(Outcome.ROLLED_BACK, stored=Manifest(version="1.4.1", generation=5), actor="ada"),
            (
                True,
                "is left as it is (version 1.4.1, generation 5): ada put an earlier state back. The next release, or a"
                " greater generation, replaces it.",
            ),
        ),
        (Settlement(Outcome.NEWER), (True, "is left as it is (nothing): a newer release said so.")),
    ],
    ids=["applied", "same", "same version", "older version", "rolled back", "gone"],
)
def test_what_became_of_it(settlement: Settlement, told: tuple[bool, str]) -> None:
    should_look, text = settlement_told("shop", MANIFEST, settlement)
    assert (should_look, text) == (told[0], f"The manifest of shop {told[1]}")


def test_a_guarded_removal_says_what_to_do() -> None:
    text = refusal_told("shop", MANIFEST, refused(409, "prune_guard", "9 of 10 items would be removed."))
    assert "9 of 10 items would be removed. If that is meant, say so once: ManifestClient(hub, 'shop').put(" in text
    assert "confirm_prune=True" in text
    assert "not applied yet: away" in refusal_told("shop", MANIFEST, HubUnavailable("away"))


def test_faults_name_their_items() -> None:
    pointers = ("/menus/1/path", "/menus/9/path", "/menus/x", "/version", "/widgets/0/config", "")
    found = faults_told(MANIFEST, tuple(FieldProblem(pointer, "wrong", "Wrong.") for pointer in pointers))
    names = ("/menus/1/path (Archive)", *pointers[1:])
    assert list(found) == [f"{name}: Wrong." for name in names]
    many = list(faults_told(MANIFEST, (FieldProblem("/version", "wrong", "Wrong."),) * 30))
    assert (len(many), many[-1]) == (MOST_TOLD + 1, "and 10 more")


def test_warnings_are_to_be_looked_at_and_what_waits_is_not() -> None:
    assert warnings_told("shop", MANIFEST, result()) == (False, "")
    icon = FieldProblem("/menus/0/icon", "unknown_icon", "No such icon.")
    parent = FieldProblem("/menus/1/parent_name", "pending_parent", "“Sales” is not there.")
    told = "Of the manifest of shop the hub says: /menus/1/parent_name (Archive): “Sales” is not there."
    assert warnings_told("shop", MANIFEST, result(warnings=(parent,))) == (False, told)
    should_look, text = warnings_told("shop", MANIFEST, result(warnings=(icon, parent)))
    assert should_look
    assert "/menus/0/icon (Orders): No such icon. /menus/1/parent_name" in text
