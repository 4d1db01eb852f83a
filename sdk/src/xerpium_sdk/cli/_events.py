"""``xerpium events``: over the hub's API, not over Redis.

A developer's machine rarely reaches the bus, and who reads a stream directly sees what is other companies' too. The
journal has every event within two seconds, with the hub's verdict, and shows a caller what is for him.
"""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from time import sleep
from typing import Any
from uuid import uuid4

from xerpium_sdk.cli._codes import Wrong
from xerpium_sdk.cli._failures import code_of, told
from xerpium_sdk.cli._hub import asking, client_of, document_of, entity_of, name_of, text_of
from xerpium_sdk.cli._ink import Inked
from xerpium_sdk.cli._journal import DEAD_HEADER, Shown, dead_row, event_pieces, moment
from xerpium_sdk.cli._screen import Screen
from xerpium_sdk.errors import HubUnavailable, Refused
from xerpium_sdk.registry import HubClient

__all__ = ["dead", "publish", "replay", "tail"]

PAGE, MOST_PAGES = 200, 50
BEGIN_WITH = 10
Entry = Mapping[str, Any]


def tail(asked: Namespace, screen: Screen) -> int:
    """Show events as they are journalled, the oldest first."""
    kind, identity = entity_of(asked.entity)
    filters = {"event_type": asked.type, "service_name": asked.service, "entity_type": kind, "entity_id": identity}
    filters |= {"company_id": asked.company, "correlation_id": asked.correlation, "verdict": asked.verdict}
    if asked.since:
        filters["since"] = _moment(asked.since)
    with client_of(asked) as hub:
        _Tail(screen, hub, filters, asked.count).run(asked.last, every=None if asked.no_follow else asked.every)
    return 0


class _Tail:
    """Follows the journal."""

    def __init__(self, screen: Screen, hub: HubClient, filters: dict[str, Any], count: int | None) -> None:
        self._screen, self._hub, self._filters, self._left = screen, hub, filters, count
        self._is_lost = False

    def run(self, last: int | None, *, every: float | None) -> None:
        """Show what there is, ``last`` of it at most, and then look ``every`` so many seconds; None: not again."""
        first = self._newest(last or (PAGE * MOST_PAGES if "since" in self._filters else BEGIN_WITH))
        self._shown = Shown(first)
        more = self._show(first)
        while more and every is not None:
            sleep(every)
            more = self._looked()

    def _looked(self) -> bool:
        """Show what is new, and return whether more is wanted; a hub that is away is asked again."""
        try:
            news = self._news()
        except HubUnavailable as error:
            if not self._is_lost:
                self._screen.note(Inked("! lost", "yellow"), f"  {error}; trying again")
            self._is_lost = True
            return True
        if self._is_lost:
            self._screen.note(Inked("● back", "green"))
        self._is_lost = False
        self._shown.note(news)
        return self._show(news)

    def _newest(self, most: int) -> list[Entry]:
        found: list[Entry] = []
        for page in self._pages(min(most, PAGE)):
            found += page
            if len(found) >= most:
                break
        return found[:most]

    def _news(self) -> list[Entry]:
        found: list[Entry] = []
        for page in self._pages(PAGE):
            found += [entry for entry in page if self._shown.is_news(entry)]
            if self._shown.reaches_back(page):
                break
        return found

    def _pages(self, limit: int) -> Iterator[list[Entry]]:
        """Yield the journal's pages, the newest first."""
        cursor = None
        for _ in range(MOST_PAGES):
            answer = self._hub.run(asking("GET", "events/", {**self._filters, "limit": limit, "cursor": cursor}))
            yield answer["results"]
            cursor = answer["next"]
            if cursor is None:
                return
        self._screen.note(Inked("! ", "yellow"), "so many events at once: the oldest of them are left out")

    def _show(self, newest_first: list[Entry]) -> bool:
        """Show entries; return whether more are wanted."""
        for entry in reversed(newest_first):
            if self._screen.as_json:
                self._screen.document(entry, in_one_line=True)
            else:
                self._screen.line(*event_pieces(entry))
            if self._left is not None:
                self._left -= 1
                if not self._left:
                    return False
        return True


def publish(asked: Namespace, screen: Screen) -> int:
    """Publish one event."""
    kind, identity = entity_of(asked.entity)
    if kind is None:
        raise Wrong(f"--entity {asked.entity!r} names no type: write it as Order:42, or Order.")
    body = {
        "event_type": asked.type,
        "service_name": name_of(asked.service),
        "entity_type": kind,
        "entity_id": _id(identity),
        "company_id": asked.company,
        "user_id": _id(asked.user),
        "correlation_id": asked.correlation,
        "data": document_of(text_of(asked.data, "What -d names"), "What -d gives") if asked.data else {},
    }
    with client_of(asked) as hub:
        said = {name: value for name, value in body.items() if value is not None}
        answer = hub.run(asking("POST", "events/", body=said, headers={"Idempotency-Key": uuid4().hex}))
    if screen.as_json:
        screen.document(answer)
    else:
        screen.line(Inked("✓ ", "green"), f"{asked.type} is published as {answer['event_id']}")
        screen.note(Inked(f"  entry {answer['stream_id']}; xerpium events tail shows it in a moment", "dim"))
    return 0


def dead(asked: Namespace, screen: Screen) -> int:
    """List dead letters."""
    filters = {"group": asked.group, "event_type": asked.type, "state": asked.state, "limit": min(asked.last, 500)}
    with client_of(asked) as hub:
        answer = hub.run(asking("GET", "events/dead-letters/", filters))
    if screen.as_json:
        screen.document(answer["results"])
    elif answer["results"]:
        screen.table(DEAD_HEADER, map(dead_row, answer["results"]))
    else:
        screen.note(
            "There are no dead letters like that." if asked.group or asked.type else "There are no dead letters."
        )
    return 0


def replay(asked: Namespace, screen: Screen) -> int:
    """Send dead letters again, one by one; one that cannot be does not keep the others from it."""
    results: list[dict[str, Any]] = []
    code = 0
    with client_of(asked) as hub:
        for number in asked.ids:
            try:
                letter = hub.run(asking("POST", f"events/dead-letters/{number}/replay", body={}, headers=_once()))
            except Refused as error:
                code = code_of(error)
                results.append({"id": number, "replayed": False, "reason": error.problem.detail})
                if not screen.as_json:
                    line, *_ = told(error, has_key=True)
                    screen.note(Inked("✕ ", "red"), f"{number}: {line}")
                continue
            results.append({"id": number, "replayed": True, "group": letter["group"]})
            if not screen.as_json:
                screen.line(
                    Inked("✓ ", "green"),
                    f"{number}: {letter.get('event_type') or 'it'} goes to {letter['group']} again",
                )
    if screen.as_json:
        screen.document(results)
    return code


def _once() -> dict[str, str]:
    """A repeat of this request gets the answer of the first one, not word that it was decided on already."""
    return {"Idempotency-Key": uuid4().hex}


def _moment(text: str) -> str:
    try:
        return moment(text, datetime.now(UTC))
    except (ValueError, OverflowError) as error:
        raise Wrong(f"--since: {error}") from None


def _id(text: str | None) -> int | str | None:
    """Return an id as the wire has it: a number where it is written as one."""
    return int(text) if text is not None and text.isdecimal() and len(text) < 19 else text
