"""`manage.py runhub` as it is: real processes, killed one after the other, and nothing left at the end."""

import os
import re
import signal
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

import psutil
import pytest

from tests.support.running_hub import ROOT, RunningHub
from tests.support.wait import wait_until

BACK_SECONDS = 10

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Iterator[RunningHub]:
    hub = RunningHub(tmp_path_factory.mktemp("hub"))
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()


def test_the_addresses_are_there_for_programs_and_for_people(hub):
    addresses = hub.data / "hub.env"
    assert addresses.stat().st_mode & 0o777 == 0o600
    known = hub.addresses
    assert known["HUB_URL"] == hub.url
    assert known["XERPIUM_HUB_URL"] == hub.url
    assert set(known) == {"HUB_URL", "XERPIUM_HUB_URL", "DATABASE_URL", "REDIS_URL"}
    assert re.search(rf"^  Application +{hub.url}/$", hub.log, re.MULTILINE)
    assert known["DATABASE_URL"].split(":")[2].split("@")[0] not in hub.log


def test_the_owner_of_the_tables_is_for_the_preparation_and_for_people_alone(hub):
    own = hub.data / "manage.env"
    assert own.stat().st_mode & 0o777 == 0o600
    secrets = dict(line.split("=", 1) for line in own.read_text().splitlines())
    assert set(secrets) == {"SECRET_KEY", "KEY_PEPPERS", "DATABASE_MIGRATION_URL"}
    password = urlsplit(secrets["DATABASE_MIGRATION_URL"]).password
    for process in hub.processes():
        assert not any(password in value for value in process.environ().values()), process
        assert not any(password in word for word in process.cmdline()), process
    assert not any(secret in hub.log for secret in (password, *secrets.values()))


def test_the_made_up_password_is_shown_once_and_lets_the_operator_in(hub):
    (password,) = re.findall(r"^  Password +(\S+)$", hub.log, re.MULTILINE)
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(f"{hub.url}/admin/login/", timeout=20) as page:
        (csrf,) = set(re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.read().decode()))
    form = {"username": "admin", "password": password, "csrfmiddlewaretoken": csrf, "next": "/admin/"}
    with browser.open(f"{hub.url}/admin/login/", urlencode(form).encode(), timeout=20) as page:
        assert page.url == f"{hub.url}/admin/"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"HUB_DATA_DIR": "{other}"}, "HUB_BIND=127.0.0.1 HUB_PORT={port}: another program listens there"),
        ({"HUB_PORT": "1"}, "HUB_DATA_DIR={data} is in use by a hub that is running (process id {pid})"),
        ({"HUB_PORT": "a lot"}, "HUB_PORT must be a whole number"),
        ({"HUB_DATA_DIR": "{root}"}, "HUB_DATA_DIR={root} holds other files"),
    ],
)
def test_what_stands_in_the_way_is_one_sentence(hub, environment, message):
    words = {"other": hub.directory / "other", "port": hub.port, "data": hub.data, "root": ROOT / "apps"}
    done = hub.second(**{name: value.format(**words) for name, value in environment.items()})
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("runhub: " + message.format(**words, pid=hub.process.pid))
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("part", ["web", "relay", "worker", "redis", "postgres"])
def test_a_part_that_is_killed_loses_nothing_and_the_hub_serves_again(hub, part):
    pid = hub.pid(part)
    assert hub.register(f"before-{part}") == 201
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: hub.knows(f"before-{part}"), BACK_SECONDS, f"the hub to know before-{part}")
    wait_until(lambda: hub.register(f"after-{part}") == 201, BACK_SECONDS, "registration")
    wait_until(lambda: hub.pid(part) != pid, BACK_SECONDS, f"{part} to answer again")
    wait_until(lambda: hub.call("GET", "/health/ready") == 200, BACK_SECONDS, "the hub to call itself ready")


def test_a_hub_that_is_killed_leaves_no_process_and_starts_again_with_what_it_knew(hub):
    started = hub.processes()
    assert len(started) >= 7
    hub.process.kill()
    hub.process.wait()
    _, left = psutil.wait_procs(started, timeout=10)
    assert left == []
    hub.start(HUB_OPEN="0", DEMO="1")
    assert "prepare " not in hub.log


def test_a_closed_hub_knows_what_it_knew_and_its_examples_join_with_keys_of_their_own(hub):
    assert hub.call("GET", "/api/v1/services/before-web") == 401
    keys = {name: (hub.data / f"key_{name}_service").read_text() for name in ("product", "order")}
    token = hub.token("order-service", keys["order"])
    for name in ("before-web", "product-service", "order-service"):
        wait_until(lambda: hub.knows(name, token=token), BACK_SECONDS, f"the hub to know {name}")  # noqa: B023
    assert len(set(keys.values())) == len(keys)
    assert not any(key in hub.log for key in keys.values())
    for process in hub.processes():
        given = process.environ().get("XERPIUM_SERVICE_KEY", "")
        (folder,) = [word.split("_")[0] for word in process.cmdline() if word.endswith("_service.main:app")] or [""]
        assert given == keys.get(folder, "")


def test_ctrl_c_stops_everything_in_order_and_leaves_no_process(hub):
    started = hub.processes()
    hub.process.send_signal(signal.SIGINT)
    assert hub.process.wait(30) == 0
    assert [process for process in started if process.is_running()] == []
    assert not [file for file in ("hub.env", "manage.env") if (hub.data / file).exists()]
    stopping = re.findall(r"^hub +\| stopping ([^;\n]+)$", hub.log, re.MULTILINE)
    assert stopping == ["product, order", "web", "worker, beat", "relay, consumer", "redis", "postgres"]
