"""`python -m tests.isolation`: a hub in processes of its own, and 100,000 requests that each may see one company."""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import httpx2
import psycopg
import redis

from tests.isolation.names import COMPANIES, canary, word
from tests.isolation.storm import CANARY, Company, Storm
from tests.support.running_hub import ROOT, RunningHub

TOKEN_SECONDS = 300


def main() -> int:
    """Run the command; return 1 when anything leaked or was answered otherwise than it should be."""
    options = parse()
    with tempfile.TemporaryDirectory(prefix="isolation-") as directory:
        hub = RunningHub(Path(directory))
        print("Starting a hub ...", flush=True)
        try:
            hub.start()
            tokens = Tokens(hub)
            settle(hub, tokens)
            with progress(options.requests) as tell:
                storm = Storm(
                    ("127.0.0.1", hub.port),
                    tokens,
                    requests=options.requests,
                    threads=options.threads,
                    seed=options.seed,
                    progress=tell,
                )
                found = storm.run()
            left = leftovers(hub)
        finally:
            hub.stop()
    print(f"{found.asked} requests, {found.frames} frames of streams; answers by status: {dict(found.statuses)}")
    for title, list_ in (("leaked", found.leaks), ("unexpected", found.surprises), ("left behind", left)):
        print(f"{title}: {len(list_)}", *list_[:10], sep="\n  ")
    return int(bool(found.leaks or found.surprises or left))


def parse() -> argparse.Namespace:
    """Return the options of the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.isolation", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000, help="how many are sent (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=32, help="how many send them (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="decides what is asked (default: %(default)s)")
    return parser.parse_args()


class Tokens:
    """A token of the first service of each company, fetched with its key and again before it ends."""

    def __init__(self, hub: RunningHub) -> None:
        self._hub, self._lock = hub, Lock()
        self._keys = {company: issue_key(hub, company) for company in COMPANIES}
        self._known: dict[Company, tuple[float, str]] = {}

    def __call__(self, company: Company) -> str:
        """Return a token for a service in ``company``."""
        with self._lock:
            until, token = self._known.get(company, (0.0, ""))
            if time.monotonic() >= until:
                token = self._fetch(company)
                self._known[company] = (time.monotonic() + TOKEN_SECONDS, token)
            return token

    def _fetch(self, company: Company) -> str:
        asked = {"service_name": f"{word(company)}-service", "service_key": self._keys[company]}
        if company is not None:
            asked["company_id"] = company
        answer = httpx2.post(f"{self._hub.url}/api/v1/service-auth/token", json=asked, timeout=10)
        answer.raise_for_status()
        return str(answer.json()["access_token"])


def issue_key(hub: RunningHub, company: Company) -> str:
    """Return a key for the service of a company, issued as an operator does."""
    command = [sys.executable, "manage.py", "issue_key", f"{word(company)}-service", "--print"]
    command += [] if company is None else ["--companies", str(company)]
    done = subprocess.run(command, cwd=ROOT, env=hub.environment(DEBUG="1"), capture_output=True, text=True, check=True)
    return done.stdout.strip()


def settle(hub: RunningHub, tokens: Tokens) -> None:
    """Let each company's service register, declare a type and publish, and wait until the journal has it."""
    for number, company in enumerate(COMPANIES, start=1):
        name, sign = f"{word(company)}-service", canary(company)
        port = 21_000 + number
        for path, body in (
            ("services/register", {
                "name": name, "version": "1.0.0", "host": "127.0.0.1", "port": port, "tags": [sign],
                "health_check_url": f"http://127.0.0.1:{port}/health", "lease_seconds": 3600,
                "api_base_url": f"http://127.0.0.1:{port}/api/v1", "metadata": {"note": sign},
            }),
            ("events/types", {"event_type": f"{word(company)}_happened", "service_name": name, "description": sign}),
            ("events", {
                "event_type": f"{word(company)}_happened", "service_name": name, "entity_type": "thing",
                "data": {"note": sign},
            }),
        ):  # fmt: skip
            call(hub, tokens(company), "POST", path, body)
        call(hub, tokens(company), "PUT", f"services/{name}/manifest", shown(company))
        arrange(hub, company)
        bury(hub, company, number)
    for company in COMPANIES:
        until = time.monotonic() + 20
        while canary(company) not in call(hub, tokens(company), "GET", "events?limit=50", None):
            if time.monotonic() > until:
                sys.exit(f"The journal has no event of {word(company)} after 20 s.")
            time.sleep(0.2)


def shown(company: Company) -> dict[str, object]:
    """Return a manifest with an item, a page and a widget of a company."""
    sign, path = canary(company), f"/{word(company)}/menu"
    return {
        "schema_version": 1, "version": "1.0.0", "generation": 1,
        "menus": [{"name": sign, "path": path, "icon": "box"}],
        "components": [{"name": sign, "component_type": "page", "route_path": path, "api_endpoint": f"/api/{sign}"}],
        "widgets": [{"name": sign, "widget_type": "metric", "api_endpoint": f"/api/{sign}"}],
    }  # fmt: skip


def arrange(hub: RunningHub, company: Company) -> None:
    """Store a dashboard of a company, as its operator does."""
    with psycopg.connect(hub.addresses["DATABASE_URL"]) as database:
        database.execute("SET LOCAL xerpium.scope = 'everything'")
        database.execute(
            "INSERT INTO uiregistry_dashboard (slug, title, company_id, actor, created_at)"
            " VALUES (%s, %s, %s, 'operator:anna', now())",
            [f"{word(company)}-board", canary(company), company],
        )


def bury(hub: RunningHub, company: Company, number: int) -> None:
    """Store a dead letter of a company, as the hub does when a group gave an event up."""
    sign = canary(company)
    with psycopg.connect(hub.addresses["DATABASE_URL"]) as database:
        database.execute("SET LOCAL xerpium.scope = 'everything'")
        database.execute(
            "INSERT INTO events_deadletter (entry_id, stream, stream_id, dead_at, \"group\", handler, reason, error,"
            " attempts, fields, is_text, event_id, event_type, service_name, entity_type, entity_id, company_id,"
            " correlation_id, state, decided_by)"
            " VALUES (%(id)s, 'xerpium:events', %(id)s, now(), %(group)s, '', 'max_attempts', %(sign)s, 5, %(fields)s,"
            " true, gen_random_uuid()::text, 'thing', %(service)s, %(sign)s, '1', %(company)s, '', 'waiting', '')",
            {
                "id": f"{number}-0", "group": f"{word(company)}-service", "sign": sign,
                "service": f"{word(company)}-service", "company": company,
                "fields": json.dumps({"company_id": str(company or "")}),
            },
        )  # fmt: skip


def call(hub: RunningHub, token: str, method: str, path: str, body: Mapping[str, object] | None) -> str:
    """Return the body of an answer that must be good."""
    answer = httpx2.request(
        method, f"{hub.url}/api/v1/{path}", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    if not answer.is_success:
        sys.exit(f"{method} {path} -> {answer.status_code}: {answer.text[:500]}")
    return answer.text


@contextmanager
def progress(total: int) -> Iterator["Progress"]:
    """Tell every two seconds how far it is."""
    yield Progress(total)
    print()


class Progress:
    """One line that is written over and over."""

    def __init__(self, total: int) -> None:
        self._total, self._begun, self._told = total, time.monotonic(), 0.0

    def __call__(self, asked: int) -> None:
        now = time.monotonic()
        if now - self._told >= 2 or asked >= self._total:
            self._told = now
            speed = asked / max(now - self._begun, 0.001)
            print(f"\r{asked:>9,} of {self._total:,} requests, {speed:,.0f}/s   ", end="", flush=True)


def leftovers(hub: RunningHub) -> list[str]:
    """Return where a canary stands that should not: in a line of the log, a cache entry or a task's arguments."""
    found = [f"log: {line[:200]}" for line in hub.log.splitlines() if CANARY.search(line)]
    with redis.Redis.from_url(hub.addresses["REDIS_URL"]) as client:
        for key in client.scan_iter(count=1000):
            is_task_or_cache = re.search(rb"cache|celery|kombu|^xerpium$", key)
            if is_task_or_cache and CANARY.search((client.dump(key) or b"").decode("latin-1")):
                found.append(f"redis: {key.decode()}")
    return found


if __name__ == "__main__":
    sys.exit(main())
