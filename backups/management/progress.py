"""How far a command is, in one line that is written over; on a terminal only."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.core.management.base import OutputWrapper

_SECONDS = 0.2


class Line:
    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._shown_at = 0.0
        self._width = 0

    def counting(self, what: str) -> Callable[[int, int], None]:
        """To be told how many are done, and how many there are."""
        return lambda done, total: self.show(f"{done:,} of {total:,} {what}")

    def show(self, text: str) -> None:
        if self._out.isatty() and time.monotonic() - self._shown_at >= _SECONDS:
            self._shown_at = time.monotonic()
            self._out.write("\r" + text.ljust(self._width), ending="")
            self._width = len(text)

    def clear(self) -> None:
        if self._width:
            self._out.write("\r" + " " * self._width + "\r", ending="")
            self._width = 0
