"""What a token costs on the hot routes, beside an open hub that asks for none.

Both are the same process of the hub, answering the same record; the figure is the one over the other.
"""

import sys

from benchmarks.report import Ratio, Reporter
from benchmarks.stage import Contestant, Stage, post, registration, wrk

NAME, COMPANY = "service-0", 7
DISCOVERY_TARGET = 0.85


def measure(stage: Stage, reporter: Reporter) -> None:
    """Compare look-ups and heartbeats with a token to those without."""
    stage.environment["TOKEN_LIFETIME_SECONDS"] = "3600"
    stage.relay()
    hub, process = stage.hub()
    post(f"{hub}/api/v1/services/register", registration(0, company_id=COMPANY))
    report = '{"service_name": "service-0", "status": "healthy"}'
    post(f"{hub}/api/v1/services/health", {"service_name": NAME, "status": "healthy"})
    token = token_of(stage, hub)
    _compare(
        stage,
        reporter,
        "Discovery: GET of one service",
        [
            Contestant("no token, open hub", wrk(f"{hub}/api/v1/services/{NAME}"), [process]),
            Contestant("a token of its company", wrk(f"{hub}/api/v1/services/{NAME}", token=token), [process]),
        ],
        target=DISCOVERY_TARGET,
    )
    health = f"{hub}/api/v1/services/health"
    _compare(
        stage,
        reporter,
        "Heartbeats: a report that changes nothing",
        [
            Contestant("no token, open hub", wrk(health, method="POST", body=report), [process, stage.redis]),
            Contestant("a token", wrk(health, method="POST", body=report, token=token), [process, stage.redis]),
        ],
        target=None,
    )


def token_of(stage: Stage, hub: str) -> str:
    """Return a token of the service in its company, as the service itself gets one."""
    issue = [sys.executable, "manage.py", "issue_key", NAME, "--companies", str(COMPANY), "--print"]
    key = stage.run(issue).strip()
    asked = {"service_name": NAME, "service_key": key, "company_id": COMPANY}
    return str(post(f"{hub}/api/v1/service-auth/token", asked)["access_token"])


def _compare(stage: Stage, reporter: Reporter, title: str, contestants: list[Contestant], target: float | None) -> None:
    rows = list(stage.compete(contestants).values())
    ratio = Ratio("with a token ÷ without", rows[1].value / rows[0].value, target)
    reporter.table(title, rows, [ratio])
