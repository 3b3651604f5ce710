"""Debian's Chromium against a whole portal: ``make test-browser``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from sandbox.testing import Sandbox
from tests.browser.portal import OPERATOR, PASSWORD, Portal

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest.fixture(scope="session")
def portal(
    browser: Browser, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Portal]:
    folder = tmp_path_factory.mktemp("portal") / "data"
    running = Portal(folder, sandbox)
    try:
        running.wait()
        running.manage("create_operator", OPERATOR, "--name", "Olga Perez", stdin=PASSWORD + "\n")
        yield running
    finally:
        running.stop()


class Complaints(list[str]):
    """What a page complained of: script errors, refused loads, failed answers."""

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.append(f"error: {error}"))
        page.on(
            "response",
            lambda answer: (
                self.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None
            ),
        )

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.append(f"{message.type}: {message.text}")


@pytest.fixture
def complaints() -> Complaints:
    return Complaints()


@pytest.fixture
def page(
    browser: Browser, portal: Portal, complaints: Complaints, tmp_path: Path
) -> Iterator[Page]:
    # Without motion: colours that fade into each other would be measured half way.
    context = browser.new_context(
        base_url=portal.url, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    complaints.watch(opened)
    yield opened
    # Where it stopped is half of what a failure has to say.
    opened.screenshot(path=tmp_path / "last.png", full_page=True)
    context.close()


@pytest.fixture(scope="session")
def pem_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pem")
