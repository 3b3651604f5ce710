"""What the engine asks of whoever runs it. The queue of record answers; a test can too."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    def step(self) -> None:
        """Called between requests. Raises to end the work: lease lost, stop requested."""

    def fence(self) -> None:
        """Called inside a transaction. Raises unless this worker still holds the mailbox."""

    def count(self, **counters: float) -> None:
        """Add to the counters; written with the next ``flush``."""

    def flush(self) -> None:
        """Inside the tenant's transaction: write what was counted."""

    def expect(self, items: int) -> None:
        """So many items more are to be handled."""

    def handle(self, items: int) -> None:
        """So many items are handled; shown at once, committed or not."""

    def warn(self, message: str, item_id: str = "") -> None:
        """Something is not as it should be; the session ends with a warning."""

    def note(self, message: str) -> None:
        """A line for the log."""
