"""Pictures of every page for docs/, from a demo of their own: ``make screenshots``.

    python -m tests.browser.screenshots FOLDER

Starts ``manage.py demo`` on a temporary data folder, signs in as Acme's administrator and as the
provider's operator, and takes each page in light and dark at 1280 pixels and in light at 390.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from portal.processes import free_port
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.portal import ROOT

MAX_BYTES = 200_000
WAYS = (("", 1280, "light"), ("-dark", 1280, "dark"), ("-phone", 390, "light"))
TENANT = "/t/acme/"
TENANT_PAGES = {
    "organizations": "organizations/",
    "organization": r"organizations/[0-9a-f-]{36}/",
    "organization-new": "organizations/new/",
    "organization-check": r"organizations/[0-9a-f-]{36}/check/",
    "tenant-infrastructure": "infrastructure/",
    "job": r"jobs/[0-9a-f-]{36}/",
    "job-new": "jobs/new/",
    "sessions": "sessions/",
    "session": r"sessions/[0-9a-f-]{36}/",
    "mailbox": r"mailboxes/[0-9a-f-]{36}/",
    "item": r"mailboxes/[0-9a-f-]{36}/items/\d+/",
    "basket": "basket/",
    "notifications": "notifications/",
    "people": "people/",
}
OPERATOR = "/operator/"
OPERATOR_PAGES = {
    "operator-organizations": "organizations/",
    "operator-tenants": "tenants/",
    "operator-tenant-new": "tenants/new/",
    "operator-infrastructure": "infrastructure/",
    "operator-sessions": "sessions/",
    "operator-exclusions": "exclusions/",
    "operator-email": "email/",
    "operator-outbox": "outbox/",
    "operator-api-keys": "api-keys/",
}


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    # The pictures show paths: a plain one, the same each time.
    data = Path(tempfile.gettempdir()) / "stowage"
    data.mkdir()
    try:
        demo = Demo(data / "data")
        try:
            demo.wait()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
                for way in WAYS:
                    take(browser, demo, folder, *way)
                browser.close()
        finally:
            demo.stop()
    finally:
        shutil.rmtree(data)
    return 0


class Demo:
    def __init__(self, data: Path) -> None:
        self.data = data
        self.url = f"http://127.0.0.1:{free_port('127.0.0.1', 0)}"
        environment = {k: v for k, v in os.environ.items() if "PORTAL_" not in k}
        self._environment = {**environment, "PORTAL_DATA_DIR": str(data)}
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "manage.py", "demo", "--port", self.url.split(":")[2]],
            cwd=ROOT,
            env=self._environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            sys.stderr.write(line)
            if line.startswith("Serving"):
                return
        raise SystemExit("the demo did not come to serve")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=60)
        clean = [sys.executable, "manage.py", "database", "clean"]
        subprocess.run(clean, cwd=ROOT, env=self._environment, capture_output=True, check=False)

    @property
    def password(self) -> str:
        return str(json.loads((self.data / "demo.json").read_text(encoding="utf-8"))["password"])


def take(browser: Browser, demo: Demo, folder: Path, suffix: str, width: int, scheme: str) -> None:
    """Every page in one way. Pages that link to others are found by following links."""
    for email, start, pages in (
        ("admin@acme.example", TENANT, TENANT_PAGES),
        ("operator@provider.example", OPERATOR, OPERATOR_PAGES),
    ):
        context = browser.new_context(
            base_url=demo.url,
            viewport={"width": width, "height": 860},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page = context.new_page()
        page.goto("/")
        if start == TENANT:
            picture(page, folder / f"sign-in{suffix}.png")
        page.get_by_label("Email").fill(email)
        page.get_by_label("Password").fill(demo.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_load_state("networkidle")
        known = links(page)
        for name, path in pages.items():
            address = found(start + path, known)
            if address is None:
                sys.stderr.write(f"no page {name}\n")
                continue
            answer = page.goto(address)
            if answer is None or answer.status != 200:
                sys.stderr.write(f"{name}: {answer and answer.status} {address}\n")
                continue
            page.wait_for_load_state("networkidle")
            known |= links(page)
            picture(page, folder / f"{name}{suffix}.png")
        context.close()


def links(page: Page) -> set[str]:
    hrefs = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
    return {str(href).partition("?")[0] for href in hrefs}


def found(path: str, known: set[str]) -> str | None:
    if re.escape(path) == path or "[" not in path:
        return path
    return next((href for href in sorted(known) if re.fullmatch(path, href)), None)


def picture(page: Page, file: Path) -> None:
    page.screenshot(path=file)
    size = file.stat().st_size
    if size > MAX_BYTES:
        file.unlink()
        raise SystemExit(f"{file.name} would have {size} bytes, docs/ takes {MAX_BYTES}")
    sys.stderr.write(f"{file.name} {size}\n")


if __name__ == "__main__":
    started = time.monotonic()
    status = main()
    sys.stderr.write(f"{time.monotonic() - started:.0f} s\n")
    sys.exit(status)
