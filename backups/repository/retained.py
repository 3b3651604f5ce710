"""Which item versions of a mailbox are still needed, and from which restore point on."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from .commits import Commit
from .records import ItemRecord, Point


class Retained:
    """Built from all commits of a chain, in order. Keeps ids and numbers, no records."""

    def __init__(self) -> None:
        self._points: list[int] = []
        self._ends: dict[tuple[str, int], int | None] = {}
        """By item id and first commit: the commit before which the version ended."""
        self._current: dict[str, int] = {}
        """The first commit of what the mailbox holds."""

    def begin(
        self, points: Iterable[Point], versions: Iterable[tuple[int, int | None, ItemRecord]]
    ) -> None:
        """With what a checkpoint tells of the time before it."""
        self._points = sorted(point.sequence for point in points)
        for first, end, item in versions:
            self._ends[item.item_id, first] = end
            if end is None:
                self._current[item.item_id] = first

    def apply(self, commit: Commit) -> None:
        if commit.expired is not None:
            gone = set(commit.expired.points)
            self._points = [point for point in self._points if point not in gone]
            for item_id, first in commit.expired.versions:
                self._ends.pop((item_id, first), None)
                if self._current.get(item_id) == first:
                    del self._current[item_id]
        if not commit.kind.has_content:
            return
        for item_id in commit.removed_items:
            self._end(item_id, commit.sequence)
        for item in commit.items:
            self._end(item.item_id, commit.sequence)
            self._ends[item.item_id, commit.sequence] = None
            self._current[item.item_id] = commit.sequence
        if commit.is_point:
            insort(self._points, commit.sequence)

    def needs(self, item_id: str, first: int) -> bool:
        if (item_id, first) not in self._ends:
            return False
        is_current = self._ends[item_id, first] is None
        return is_current or self.first_point(item_id, first) is not None

    def first_point(self, item_id: str, first: int) -> int | None:
        """The oldest restore point that is still offered and holds the version."""
        end = self._ends.get((item_id, first))
        place = bisect_left(self._points, first)
        if place == len(self._points) or (end is not None and self._points[place] >= end):
            return None
        return self._points[place]

    def _end(self, item_id: str, sequence: int) -> None:
        first = self._current.pop(item_id, None)
        if first is not None and first != sequence:
            self._ends[item_id, first] = sequence
