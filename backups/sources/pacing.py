"""How fast a source may ask: the limits that a server sets, kept before it has to say so.

Two of them hold for one mailbox and one application: requests and uploaded bytes in a sliding
window. They live here, in the process, because a mailbox has one worker at a time. What holds for
an application as a whole, and waits that a server asked for, concern every worker on every host:
they lie behind the `Gate` that the caller brings along.

Figures: Microsoft Graph documentation, "Service-specific throttling limits", Outlook and global.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

REQUESTS_PER_WINDOW = 10_000
REQUEST_WINDOW = 600.0
"""10,000 requests in ten minutes for each application and mailbox."""
UPLOADED_PER_WINDOW = 150 * 1000 * 1000
UPLOAD_WINDOW = 300.0
"""150 MB of request bodies in five minutes for each application and mailbox."""
LOT = 100
"""Requests that a worker takes from the shared budget at once, so that it asks rarely."""
LOT_SECONDS = 5.0
"""So long a lot is good for: after that somebody else's wait would go unnoticed."""


class Gate(Protocol):
    """The part of the limits that workers share. Safe to use from threads."""

    def take(self, requests: int) -> float:
        """Take so many requests from the application's budget.

        Seconds to wait before the first of them; nothing is taken unless that is 0.
        """

    def hold(self, seconds: float) -> None:
        """The server asked everybody who uses this application here to wait."""


class OpenGate:
    """For a source that shares its application with nobody: its own waiting is enough."""

    def take(self, requests: int) -> float:
        return 0.0

    def hold(self, seconds: float) -> None:
        """Whoever was asked to wait is waiting."""


@dataclass(slots=True)
class Window:
    """At most ``most`` of something in any ``seconds``. Not safe to use from threads."""

    most: float
    seconds: float
    _taken: deque[tuple[float, float]] = field(default_factory=deque)
    _sum: float = 0.0

    def wait(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` fits. What is larger than the window fits into an empty one."""
        while self._taken and self._taken[0][0] <= now - self.seconds:
            self._sum -= self._taken.popleft()[1]
        excess = min(self._sum + amount - self.most, self._sum)
        for moment, taken in self._taken:
            if excess <= 0:
                break
            excess -= taken
            if excess <= 0:
                return moment + self.seconds - now
        return 0.0

    def take(self, amount: float, now: float) -> None:
        """Note that it happened. What happens within a second is one entry."""
        if self._taken and now - self._taken[-1][0] < 1.0:
            moment, taken = self._taken.pop()
            self._taken.append((moment, taken + amount))
        else:
            self._taken.append((now, amount))
        self._sum += amount


class Pace:
    """Says before each request how long to wait for it. Safe to use from threads."""

    def __init__(self, gate: Gate | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._gate = gate or OpenGate()
        self._now = now
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[Window, Window]] = {}
        self._held: dict[str, float] = {}
        self._left = 0
        self._good_until = 0.0

    def wait(self, mailbox: str, upload: int = 0) -> float:
        """Seconds to wait before a request; 0 lets it pass and counts it.

        ``mailbox`` is empty for a request that concerns none; ``upload`` is the size of its body
        in bytes. Whoever waited asks again.
        """
        with self._lock:
            now = self._now()
            delay = self._window_wait(mailbox, upload, now)
            if delay > 0:
                return delay
            if self._left <= 0 or now >= self._good_until:
                delay = self._gate.take(LOT)
                if delay > 0:
                    return delay
                self._left, self._good_until = LOT, now + LOT_SECONDS
            self._left -= 1
            if mailbox:
                requests, uploads = self._windows[mailbox]
                requests.take(1, now)
                if upload:
                    uploads.take(upload, now)
            return 0.0

    def hold(self, mailbox: str, seconds: float) -> None:
        """A server asked for a wait: of one mailbox, or of everybody when ``mailbox`` is empty."""
        with self._lock:
            if mailbox:
                self._held[mailbox] = max(self._held.get(mailbox, 0.0), self._now() + seconds)
            else:
                self._left = 0
                self._gate.hold(seconds)

    def _window_wait(self, mailbox: str, upload: int, now: float) -> float:
        if not mailbox:
            return 0.0
        requests, uploads = self._windows.setdefault(
            mailbox,
            (
                Window(REQUESTS_PER_WINDOW, REQUEST_WINDOW),
                Window(UPLOADED_PER_WINDOW, UPLOAD_WINDOW),
            ),
        )
        return max(
            requests.wait(1, now),
            uploads.wait(upload, now) if upload else 0.0,
            self._held.get(mailbox, now) - now,
        )
