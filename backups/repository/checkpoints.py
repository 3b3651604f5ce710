"""Checkpoints: all that a mailbox holds, so that nothing before them need be read again.

A checkpoint is a member of the commit after which it is true. It names every restore point that is
still offered and holds every item version that one of them or the present needs: so the commits
before it may go.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

from . import fields
from .fields import interval, listing, members, number, text
from .records import FaultRecord, FolderRecord, Point
from .segments import Entry, Segment

if TYPE_CHECKING:
    from .commits import Commit


@dataclass(frozen=True, slots=True)
class FolderVersion:
    first: int
    end: int | None
    """The commit that changed or removed it; None: it is there still."""
    folder: FolderRecord

    def held_at(self, sequence: int) -> bool:
        return self.first <= sequence and (self.end is None or sequence < self.end)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    live: int = 0
    """Items that the mailbox holds now."""
    segments: list[Segment] = field(default_factory=list)
    folders: list[FolderVersion] = field(default_factory=list)
    cursors: dict[str, str] = field(default_factory=dict)
    faults: list[FaultRecord] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    """Every restore point that is still offered, oldest first."""
    holds: dict[UUID, str] = field(default_factory=dict)
    """Legal holds in force, by id: their names."""

    def to_record(self) -> dict[str, object]:
        return {
            "live": self.live,
            "segments": [segment.to_record() for segment in self.segments],
            "folders": [[v.first, v.end, v.folder.to_record()] for v in self.folders],
            "cursors": self.cursors,
            "faults": [fault.to_record() for fault in self.faults],
            "points": [point.to_record() for point in self.points],
            "holds": [[hold.bytes, name] for hold, name in self.holds.items()],
        }

    @classmethod
    def from_record(cls, record: object) -> Checkpoint:
        """Raises one of ``fields.UNREADABLE``."""
        known = members(record, _MEMBERS)
        return cls(
            live=number(known["live"]),
            segments=[Segment.from_record(segment) for segment in listing(known["segments"])],
            folders=[_folder(version) for version in listing(known["folders"])],
            cursors={text(k): text(v) for k, v in fields.mapping(known["cursors"]).items()},
            faults=[FaultRecord.from_record(fault) for fault in listing(known["faults"])],
            points=[Point.from_record(point) for point in listing(known["points"])],
            holds=dict(_hold(hold) for hold in listing(known["holds"])),
        )


_MEMBERS = ("live", "segments", "folders", "cursors", "faults", "points", "holds")


def _folder(record: object) -> FolderVersion:
    first, end, folder = listing(record)
    return FolderVersion(*interval(first, end), FolderRecord.from_record(folder))


def _hold(record: object) -> tuple[UUID, str]:
    hold, name = listing(record)
    return fields.uuid(hold), text(name)


class NextCheckpoint:
    """Gathers the commits since a checkpoint and merges them with what that one holds.

    In memory are the changes since then, packed, and one segment.
    """

    def __init__(self, before: Checkpoint) -> None:
        self.live = 0
        self.cursors = dict(before.cursors)
        self.faults = list(before.faults)
        self.holds = dict(before.holds)
        self._old_points = list(before.points)
        self._new_points: list[Point] = []
        self._folders = list(before.folders)
        self._changes: dict[str, list[tuple[int, bytes | None]]] = {}
        """By item id: commit, and the packed record or None where it was removed."""
        self._expired: dict[tuple[str, int], int] = {}
        """Item id and first commit of a version: the commit that took it back."""

    def apply(self, commit: Commit) -> None:
        if commit.expired is not None:
            gone = set(commit.expired.points)
            self._old_points = [p for p in self._old_points if p.sequence not in gone]
            self._new_points = [p for p in self._new_points if p.sequence not in gone]
            for version in commit.expired.versions:
                self._expired.setdefault(version, commit.sequence)
        if commit.hold is not None and commit.hold.placed:
            self.holds[commit.hold.id] = commit.hold.name
        elif commit.hold is not None:
            self.holds.pop(commit.hold.id, None)
        if not commit.kind.has_content:
            return
        self._apply_folders(commit)
        for item_id in commit.removed_items:
            self._changes.setdefault(item_id, []).append((commit.sequence, None))
        for item in commit.items:
            packed = fields.pack(item.to_record())
            self._changes.setdefault(item.item_id, []).append((commit.sequence, packed))
        self.cursors = applied(self.cursors, commit.cursors)
        self.faults = list(commit.faults)
        if commit.is_point:
            self._new_points.append(point_of(commit, 0, 0))

    def entries(self, old: Iterable[Entry]) -> Iterator[Entry]:
        """The versions that are needed, in order; ``old`` are those of the checkpoint before.

        When they have all been taken, ``live`` and the points' counts are right.
        """
        counts = _Counts([point.sequence for point in self._new_points])
        needed = [point.sequence for point in self.points]
        for entry in self._versions(old):
            taken_back = self._expired.get((entry.item_id, entry.first))
            counts.add(entry, taken_back)
            if taken_back is not None:
                continue
            self.live += entry.end is None
            place = bisect_left(needed, entry.first)
            if entry.end is None or (place < len(needed) and needed[place] < entry.end):
                yield entry
        self._new_points = [
            replace(point, items=items, bytes=size)
            for point, (items, size) in zip(self._new_points, counts.totals(), strict=True)
        ]

    @property
    def points(self) -> list[Point]:
        return self._old_points + self._new_points

    @property
    def folders(self) -> list[FolderVersion]:
        """Those that a point or the present needs."""
        points = [point.sequence for point in self.points]
        return [v for v in self._folders if v.end is None or any(map(v.held_at, points))]

    def _apply_folders(self, commit: Commit) -> None:
        changed = {folder.id for folder in commit.folders}.union(commit.removed_folders)
        if not changed:
            return
        self._folders = [
            replace(v, end=commit.sequence) if v.end is None and v.folder.id in changed else v
            for v in self._folders
        ]
        # Named twice in one commit, the last counts.
        latest = {folder.id: folder for folder in commit.folders}
        self._folders += (FolderVersion(commit.sequence, None, f) for f in latest.values())

    def _versions(self, old: Iterable[Entry]) -> Iterator[Entry]:
        changed = iter(sorted(self._changes))
        waiting = next(changed, None)
        for item_id, versions in itertools.groupby(old, key=lambda entry: entry.item_id):
            while waiting is not None and waiting < item_id:
                yield from _continued(waiting, [], self._changes[waiting])
                waiting = next(changed, None)
            if waiting == item_id:
                yield from _continued(item_id, versions, self._changes[item_id])
                waiting = next(changed, None)
            else:
                yield from versions
        while waiting is not None:
            yield from _continued(waiting, [], self._changes[waiting])
            waiting = next(changed, None)


def applied(cursors: dict[str, str], changes: dict[str, str | None]) -> dict[str, str]:
    """The cursors after a commit: None drops one."""
    merged = {**cursors, **changes}
    return {name: cursor for name, cursor in merged.items() if cursor is not None}


def point_of(commit: Commit, items: int, size: int) -> Point:
    """The restore point that a complete commit is; ``size`` is the bytes of its items."""
    place = (commit.sequence, commit.taken_at, commit.run)
    return Point(*place, items, size, len(commit.faults), commit.coverage)


def _continued(
    item_id: str, versions: Iterable[Entry], changes: list[tuple[int, bytes | None]]
) -> list[Entry]:
    """One item's versions with what the commits made of it."""
    found = list(versions)
    for sequence, packed in changes:
        if found and found[-1].first == sequence:
            found.pop()  # set twice, or removed and set, in one commit: the last counts
        elif found and found[-1].end is None:
            found[-1] = replace(found[-1], end=sequence)
        if packed is not None:
            found.append(Entry(item_id, sequence, None, packed))
    return found


class _Counts:
    """Items and bytes at each of some restore points, from the intervals of all versions."""

    def __init__(self, points: list[int]) -> None:
        self._points = points
        self._steps = [[0, 0] for _ in range(len(points) + 1)]

    def add(self, entry: Entry, taken_back: int | None) -> None:
        ends = [end for end in (entry.end, taken_back) if end is not None]
        start = bisect_left(self._points, entry.first)
        stop = bisect_left(self._points, min(ends)) if ends else len(self._points)
        if start < stop:
            size = entry.size
            for place, sign in ((start, 1), (stop, -1)):
                self._steps[place][0] += sign
                self._steps[place][1] += sign * size

    def totals(self) -> list[tuple[int, int]]:
        items = itertools.accumulate(step[0] for step in self._steps[:-1])
        sizes = itertools.accumulate(step[1] for step in self._steps[:-1])
        return list(zip(items, sizes, strict=True))
