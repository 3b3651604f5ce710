"""A whole portal with a sandbox Exchange beside it, as a newcomer would start them."""

from __future__ import annotations

import email
import email.policy
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from portal.processes import answers, free_port
from sandbox.testing import Sandbox

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0
OPERATOR = "operator@provider.example"
PASSWORD = "a long enough passphrase"  # the tests' own


class Portal:
    """``manage.py up`` on a data folder of its own. ``stop`` ends every process of it."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder = folder
        self.port = free_port("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.port}"
        clean = {name: value for name, value in os.environ.items() if "PORTAL_" not in name}
        self._environment = {
            **clean,
            "PORTAL_DATA_DIR": str(folder),
            "PORTAL_PUBLIC_URL": self.url,
            "PORTAL_ALLOWED_SERVERS": sandbox.url.removeprefix("https://"),
            "PYTHONWARNINGS": "ignore",
        }
        self._log = (folder.parent / "up.log").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(self.port)],
            cwd=ROOT,
            env=self._environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def wait(self) -> None:
        """Return when it serves. Fails with its log when it does not."""
        self.until(lambda: answers("127.0.0.1", self.port) and self._ready(), "serves pages")

    def manage(self, *arguments: str, stdin: str = "") -> str:
        run = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    def mails(self) -> list[EmailMessage]:
        """What the portal has sent, oldest first."""
        files = sorted((self.folder / "mail").glob("*.eml"))
        return [
            email.message_from_bytes(file.read_bytes(), policy=email.policy.default)  # type: ignore[misc]
            for file in files
        ]

    def link_in_mail(self, to: str, pattern: str) -> str:
        """The first address that matches in the newest mail to somebody; waits for the mail."""
        found: list[str] = []

        def look() -> bool:
            for message in reversed(self.mails()):
                body = message.get_body(("plain",))
                if to in str(message["To"]) and body:
                    match = re.search(pattern, body.get_content())
                    if match:
                        found.append(match[0])
                        return True
            return False

        self.until(look, f"mails {to} a link like {pattern}")
        return found[0]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            assert self._process.poll() is None, f"the portal ended\n{self.log()}"
            assert time.monotonic() < deadline, f"the portal never {what}\n{self.log()}"
            time.sleep(0.1)

    def log(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text(encoding="utf-8")[-5000:]

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=60)
        subprocess.run(
            [sys.executable, "manage.py", "database", "clean"],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            check=False,
        )
        self._log.close()

    def _ready(self) -> bool:
        return "ready on" in self.log()
