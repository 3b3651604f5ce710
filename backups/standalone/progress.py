"""How far a command is: one line on standard error that is written over, on a terminal only."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable

from backups.standalone.output import megabytes, printable

SECONDS = 0.2
"""Between two pictures of it."""


class Progress:
    """``clock`` gives seconds."""

    def __init__(self, *, quiet: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._clock = clock
        self._shown_at: float | None = None
        self._width = 0

    @property
    def is_seen(self) -> bool:
        return not self._quiet and sys.stderr.isatty()

    def meter(self, title: str, total: int = 0, unit: str = "items") -> Meter:
        """Something that is counted from now on; ``total`` 0: nobody knows how many there are."""
        return Meter(self, title, total, unit, self._clock)

    def show(self, text: Callable[[], str]) -> None:
        """``text`` is asked for only when it is time for another picture."""
        now = self._clock()
        is_due = self._shown_at is None or now - self._shown_at >= SECONDS
        if not is_due or not self.is_seen:
            return
        self._shown_at = now
        line = printable(text())[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write("\r" + line.ljust(self._width))
        sys.stderr.flush()
        self._width = len(line)

    def clear(self) -> None:
        """Before anything else is written."""
        if self._width:
            sys.stderr.write("\r" + " " * self._width + "\r")
            self._width = 0


class Meter:
    def __init__(
        self, progress: Progress, title: str, total: int, unit: str, clock: Callable[[], float]
    ) -> None:
        self._progress = progress
        self._title = title
        self._total = total
        self._unit = unit
        self._clock = clock
        self._began = clock()
        self._done = 0
        self._passed = 0
        self._bytes = 0

    def step(self, count: int = 1, size: int = 0) -> None:
        self._done += count
        self._bytes += size
        self._progress.show(self._line)

    def skip(self, count: int) -> None:
        """What was done by an earlier call: it says nothing about the speed of this one."""
        self._passed += count

    @property
    def seconds(self) -> float:
        """Since it began; never 0."""
        return max(self._clock() - self._began, 0.001)

    def _line(self) -> str:
        seconds = self.seconds
        here = self._done + self._passed
        parts = [f"{here:,} {self._unit}"]
        if self._total:
            parts = [f"{here:,} of {self._total:,} {self._unit} ({here / self._total:.0%})"]
        if self._bytes:
            parts += [megabytes(self._bytes), f"{megabytes(self._bytes / seconds)}/s"]
        else:
            parts.append(f"{self._done / seconds:,.0f}/s")
        if self._total and self._done:
            left = (self._total - here) * seconds / self._done
            parts.append(f"{clock_time(left)} left")
        return f"{self._title}: {', '.join(parts)}"


def clock_time(seconds: float) -> str:
    """As 1:05 or 2:00:30."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
