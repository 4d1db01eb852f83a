"""A headless Chromium that looks at the console, for tests with the marker ``browser``."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright
from pytest_django.live_server_helper import LiveServer

from apps.registry.live import live

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A window would start a process for a page of another site, which none of ours opens, and one for each page after.
    "--renderer-process-limit=1",
    "--disable-site-isolation-trials",
]
AXE = Axe()
NAMES = ("chromium", "chromium-browser", "google-chrome")

WIDE, NARROW = (1280, 900), (390, 844)


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    theme: str
    size: tuple[int, int]


def looks(wide: tuple[int, int] = WIDE) -> Callable[[Callable[..., None]], Any]:
    """Let a test ``look`` at its pages by day, and in the dark on a phone. Axe takes its time: for `make thorough`."""
    ways = [pytest.param(Look("light", wide), id="light"), pytest.param(Look("dark", NARROW), id="dark")]

    def decorate(test: Callable[..., None]) -> Any:
        return pytest.mark.thorough(pytest.mark.parametrize("look", ways)(test))

    return decorate


def find_chromium() -> str | None:
    """Return the path of a Chromium, None when there is none on this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser; the tests that want one are skipped where there is none."""
    path = find_chromium()
    if path is None:
        pytest.skip("No Chromium on this machine: browser tests are skipped (Debian's package is `chromium`).")
    # Playwright's synchronous face runs an event loop in this thread, so it must not outlive its module: others run
    # their own. And Django would take every query for a mistake.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            yield browser
            browser.close()
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


class Window:
    """A page in a browser of its own, and everything that went wrong in it."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page: Page = context.new_page()
        self.address = address
        self.faults: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("requestfailed", self._note_failure)

    def _note(self, message: ConsoleMessage) -> None:
        # Violations of the Content-Security-Policy are told as errors, too.
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def _note_failure(self, request: Request) -> None:
        # Who leaves a page gives up what it was asking for.
        if request.failure != "net::ERR_ABORTED":
            self.faults.append(f"not loaded: {request.url}")

    def open(self, path: str) -> Page:
        """Go to a path of the hub and wait until its scripts have run."""
        self.page.goto(self.address + path, wait_until="load")
        self.page.wait_for_function(
            "!document.querySelector('[x-cloak]:not([style])') && document.readyState === 'complete'"
        )
        return self.page

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


class Windows:
    """Opens windows on the hub, logged in unless told otherwise, and closes them in the end."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        self._address = address
        self._contexts: list[BrowserContext] = []

    def open(self, user: User | None, *, size: tuple[int, int] = WIDE, theme: Any = "light", **options: Any) -> Window:
        """Return a new window, in a browser that knows nothing of the others."""
        width, height = size
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce", **options
        )
        context.set_default_timeout(10_000)
        # Live parts ask every few seconds; a test need not wait for that.
        context.add_init_script(
            "document.addEventListener('DOMContentLoaded', () => document.querySelectorAll('[data-live]')"
            ".forEach((part) => { part.dataset.liveEvery = '0.4'; }))"
        )
        self._contexts.append(context)
        if user is not None:
            client = Client()
            client.force_login(user)
            cookie = client.cookies[settings.SESSION_COOKIE_NAME]
            context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": self._address}])
        return Window(context, self._address)

    def close(self) -> None:
        """Close them all."""
        for context in self._contexts:
            context.close()


def inaccessible(window: Window) -> list[str]:
    """Return what axe finds wrong with the page, serious and worse, outside of Unfold's own frame around it."""
    context = {"include": [["#content"]]} if window.page.locator("#content").count() else None
    found = AXE.run(window.page, context).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"][:3]
    ]


def wrong_with(window: Window, name: str, look: Look, *, is_ours: bool = True) -> list[str]:
    """Return all that is wrong with the page that is open, and keep a picture of it as ``name``.

    Axe judges no page that is not ours to mend.
    """
    screenshot(window, f"{name}-{look.theme}-{look.size[0]}")
    faults, window.faults = window.faults, []
    if window.overflow() > 0:
        faults.append(f"scrolls sideways by {window.overflow()} px")
    return faults + (inaccessible(window) if is_ours else [])


def screenshot(window: Window, name: str) -> None:
    """Keep a picture of the whole page where ``HUB_SCREENSHOTS`` names a directory; nothing otherwise."""
    directory = os.environ.get("HUB_SCREENSHOTS")
    if directory:
        window.page.screenshot(path=str(Path(directory) / f"{name}.png"), full_page=True)


@pytest.fixture
def windows(chromium: Browser, live_server: LiveServer) -> Iterator[Windows]:
    """Windows on a hub without a relay: its catalogue follows PostgreSQL, and its own writes at once."""
    opened = Windows(chromium, live_server.url)
    yield opened
    opened.close()
    live.stop()


@pytest.fixture
def anna(windows: Windows) -> User:
    """An operator who may do everything."""
    return User.objects.create_superuser("anna", "anna@example.com", "a-long-password")
