"""How far a command is: one line on standard error that is written over, on a terminal only."""

from __future__ import annotations

import sys
import time

SECONDS = 0.2
"""Between two pictures of it."""


class Progress:
    def __init__(self) -> None:
        self._shown_at: float | None = None
        self._width = 0

    def show(self, text: str) -> None:
        now = time.monotonic()
        is_due = self._shown_at is None or now - self._shown_at >= SECONDS
        if is_due and sys.stderr.isatty():
            self._shown_at = now
            sys.stderr.write("\r" + text.ljust(self._width))
            sys.stderr.flush()
            self._width = len(text)

    def clear(self) -> None:
        """Before anything else is written."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            self._width = 0
