"""Which restore points go. Only these are ever named: what no other point holds goes with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from backups.jobs.retention import Mode

Point = tuple[int, datetime]
"""Sequence, and when it was taken."""


def expired(points: Sequence[Point], limit: datetime | None, mode: str) -> list[int]:
    """Sequences of the points, given oldest first, that are too old; always the first ones.

    The newest point never goes, however old it is: it may be the last good one. With mode "items"
    the newest of those that are too old stays as well, for it holds what a younger one found to
    be deleted or changed. A point that is younger than the limit keeps all behind it, whatever
    clock they were taken by.
    """
    if limit is None:
        return []
    old = [sequence for sequence, _ in takewhile(lambda point: point[1] < limit, points)]
    if len(old) == len(points) or mode == Mode.ITEMS:
        old = old[:-1]
    return old
