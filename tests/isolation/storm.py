"""Many threads, each asking for another company with every request, over real connections; every answer is searched."""

import http.client
import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.isolation.names import COMPANIES, canary, word

Company = int | None
CANARY = re.compile(r"canary-of-([a-z]+)-b7f3")
STREAM_PATHS = ("/api/v1/catalog/stream", "/api/v1/menus/stream")
TIMEOUT = 30


@dataclass(frozen=True)
class Question:
    """A request as a caller in ``company`` sends it, and what the answer must be.

    Attributes:
        own: whether the caller's canary has to be in the answer: else nothing would be proved by others' absence.
    """

    company: Company
    method: str
    path: str
    status: int
    own: bool = False
    body: Mapping[str, object] | None = None


@dataclass
class Findings:
    """What came of a storm."""

    asked: int = 0
    frames: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        """Take another thread's findings over."""
        self.asked += other.asked
        self.frames += other.frames
        self.statuses += other.statuses
        self.leaks += other.leaks
        self.surprises += other.surprises


def leaked(text: str, company: Company) -> set[str]:
    """Return the words of companies whose canary is in ``text`` and that a caller in ``company`` may not see."""
    return set(CANARY.findall(text)) - {word(company), word(None)}


def questions_of(company: Company) -> list[Question]:
    """Return what a service in ``company`` asks: for its own, for everybody's, for others', and for all there is."""
    own, note = f"{word(company)}-service", {"note": canary(company)}
    asked = [
        Question(company, "GET", "/services", 200, own=True),
        Question(company, "GET", f"/services/{own}", 200, own=True),
        Question(company, "GET", f"/services/{word(None)}-service", 200),
        Question(company, "GET", "/events?limit=50", 200),  # the newest may all be of menus that changed
        Question(company, "GET", f"/events?limit=50&event_type={word(company)}_happened", 200, own=True),
        Question(company, "GET", "/events/types?limit=100", 200, own=True),
        Question(company, "GET", "/events/dead-letters?limit=50", 200, own=True),
        Question(
            company, "POST", "/services/health", 200,
            body={"service_name": own, "status": "healthy", "details": note},
        ),
        Question(
            company, "POST", "/events", 201,
            body={"event_type": f"{word(company)}_happened", "service_name": own, "entity_type": "thing", "data": note},
        ),
    ]  # fmt: skip
    for other in (other for other in COMPANIES if other not in (None, company)):
        asked.append(Question(company, "GET", f"/services/{word(other)}-service", 404))
        asked.append(Question(company, "GET", f"/ui/dashboards/{word(other)}-board", 404))
    return asked + _shown_to(company, own)


def _shown_to(company: Company, own: str) -> list[Question]:
    """Return what it asks of menus and pages. Its items change all the time, and trees are compiled and kept anew."""
    sign = canary(company)
    item = {"service_name": own, "name": sign, "path": f"/{word(company)}/storm", "icon": "box"}
    empty: dict[str, object] = {"schema_version": 1, "version": "9.0.0", "generation": 9, "menus": [], "components": []}
    others = [other for other in COMPANIES if other not in (None, company)]
    return [
        *[Question(company, "GET", "/menus/tree", 200, own=True)] * 3,
        *(Question(company, "GET", path, 200, own=True) for path in ("/menu-items", "/components", "/widgets")),
        Question(company, "GET", f"/ui/dashboards/{word(company)}-board", 200, own=True),
        Question(company, "GET", f"/services/{own}/manifest", 200, own=True),
        Question(company, "GET", f"/ui/resolve?path=/{word(company)}/menu", 200, own=True),
        *(Question(company, "POST", "/menu-items", 201, own=True, body={**item, "order_number": n}) for n in range(3)),
        *(
            Question(company, "PUT", f"/services/{word(other)}-service/manifest", 404, body={**empty, "widgets": []})
            for other in others
        ),
    ]


class Storm:
    """Asks ``requests`` questions with ``threads`` threads, while a stream of changes is open for each company.

    Args:
        address: host and port of the hub.
        tokens: a token of ``<word>-service`` for each company; called anew for each request, so they may be renewed.
        progress: told how many were asked, about once a second.
    """

    def __init__(
        self,
        address: tuple[str, int],
        tokens: Callable[[Company], str],
        *,
        requests: int,
        threads: int,
        seed: int = 1,
        progress: Callable[[int], None] = lambda asked: None,
    ) -> None:
        self._address, self._tokens, self._progress = address, tokens, progress
        self._left, self._threads, self._seed = requests, threads, seed
        self._lock, self._over = threading.Lock(), threading.Event()
        self._found = Findings()

    def run(self) -> Findings:
        """Ask everything and return what was found."""
        askers = [threading.Thread(target=self._ask_on, args=(number,)) for number in range(self._threads)]
        listeners = [
            threading.Thread(target=self._listen, args=(company, path))
            for company in COMPANIES
            for path in STREAM_PATHS
        ]
        for thread in listeners + askers:
            thread.start()
        while any(thread.is_alive() for thread in askers):
            askers[0].join(1)
            self._progress(self._found.asked)
            askers = [thread for thread in askers if thread.is_alive()]
        self._over.set()
        for thread in listeners:
            thread.join()
        return self._found

    def _take(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def _ask_on(self, number: int) -> None:
        rng = random.Random(self._seed * 1000 + number)
        connection = http.client.HTTPConnection(*self._address, timeout=TIMEOUT)
        asked = {company: questions_of(company) for company in COMPANIES}
        turn = number
        while self._take():
            turn += 1
            question = rng.choice(asked[COMPANIES[turn % len(COMPANIES)]])
            found = Findings(asked=1)
            try:
                self._ask(connection, question, found)
            except (OSError, http.client.HTTPException) as error:
                found.surprises.append(f"{question.method} {question.path}: {error!r}")
                connection.close()
            with self._lock:
                self._found.add(found)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, question: Question, found: Findings) -> None:
        headers = {"Authorization": f"Bearer {self._tokens(question.company)}", "Content-Type": "application/json"}
        sent = json.dumps(question.body) if question.body is not None else None
        connection.request(question.method, "/api/v1" + question.path, sent, headers)
        answer = connection.getresponse()
        text = answer.read().decode() + repr(answer.getheaders())
        found.statuses[answer.status] += 1
        what = f"{word(question.company)}: {question.method} {question.path} -> {answer.status}"
        found.leaks += [f"{what}: {other}" for other in leaked(text, question.company)]
        if answer.status != question.status or (question.own and canary(question.company) not in text):
            found.surprises.append(f"{what}: {text[:300]}")

    def _listen(self, company: Company, path: str) -> None:
        """Read a stream of changes until the storm is over, as a service in ``company`` does."""
        found = Findings()
        while not self._over.is_set():
            connection = http.client.HTTPConnection(*self._address, timeout=2)
            try:
                self._read_stream(connection, company, path, found)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)  # nothing came for a while, or the hub let go: come back as clients do
            finally:
                connection.close()
        with self._lock:
            self._found.add(found)

    def _read_stream(
        self, connection: http.client.HTTPConnection, company: Company, path: str, found: Findings
    ) -> None:
        connection.request("GET", path, headers={"Authorization": f"Bearer {self._tokens(company)}"})
        answer = connection.getresponse()
        if answer.status != 200:
            found.surprises.append(f"{word(company)}: stream -> {answer.status}")
            time.sleep(0.2)
            return
        while not self._over.is_set():
            line = answer.readline().decode()
            if not line:
                return
            if line.startswith("data:"):
                found.frames += 1
                found.leaks += [f"{word(company)}: stream: {other}" for other in leaked(line, company)]
