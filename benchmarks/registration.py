"""Registration: validated, stored, with history, and its event in the outbox; beside a ModelSerializer without events.

Every request changes something (the port), so that none is answered as a repetition.
"""

import json

from benchmarks.report import Ratio, Reporter
from benchmarks.stage import Contestant, Stage, registration, wrk

SERVICES = 50


def measure(stage: Stage, reporter: Reporter) -> None:
    """Compare registrations that change something."""
    stage.relay()
    app, app_process = stage.app()
    hub, hub_process = stage.hub()
    plain, plain_process = stage.plain()
    contestants = [
        Contestant(
            "hub",
            wrk(f"{app}/api/v1/services/register", method="POST", body=script("app")),
            [app_process, stage.postgres, stage.redis],
            "granian",
        ),
        Contestant(
            "hub, one port for all",
            wrk(f"{hub}/api/v1/services/register", method="POST", body=script("hub")),
            [hub_process, stage.postgres, stage.redis],
            "uvicorn with a WSGI bridge",
        ),
        Contestant(
            "plain ModelSerializer",
            wrk(f"{plain}/api/v1/services/register/", method="POST", body=script("plain")),
            [plain_process, stage.postgres],
            "no history, no events; granian",
        ),
    ]
    rows = stage.compete(contestants)
    ratio = Ratio("hub ÷ plain ModelSerializer", rows["hub"].value / rows["plain ModelSerializer"].value, 2)
    reporter.table("Registration: stored, with history and event", list(rows.values()), [ratio])


def script(kind: str) -> str:
    """Return wrk's script: one of `SERVICES` services registers with another port each time."""
    document = json.dumps({**registration(0, instance_id="a"), "name": "NAME", "port": "PORT"})
    if kind == "plain":
        document = json.dumps({**registration(0), "name": "NAME", "port": "PORT"})
    body = document.replace('"PORT"', '" .. port .. "').replace("NAME", f'{kind}-" .. (count % {SERVICES}) .. "')
    literal = body.replace('"', '\\"').replace('\\" .. ', '" .. ').replace(' .. \\"', ' .. "')
    return f"""function request()
  count = (count or 0) + 1
  local port = 20000 + (count % 40000)
  local headers = {{ ["Content-Type"] = "application/json" }}
  return wrk.format("POST", nil, headers, "{literal}")
end
"""
