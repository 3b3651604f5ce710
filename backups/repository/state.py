"""What a mailbox holds after a commit, replayed from a checkpoint and the commits after it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from .checkpoints import Checkpoint, applied, point_of
from .commits import Commit, Expired
from .records import FaultRecord, FolderRecord, ItemRecord, Point
from .segments import Entry


@dataclass(slots=True)
class MailboxState:
    """What a mailbox holds after a commit, and where the source's cursors stand.

    Item versions and restore points that a later commit took back are not in it.
    """

    sequence: int = 0
    taken_at: datetime | None = None
    folders: dict[str, FolderRecord] = field(default_factory=dict)
    items: dict[str, ItemRecord] = field(default_factory=dict, repr=False)
    cursors: dict[str, str] = field(default_factory=dict, repr=False)
    """Empty, as ``faults``, at a point that only a later checkpoint tells of."""
    faults: list[FaultRecord] = field(default_factory=list)
    points: dict[int, Point] = field(default_factory=dict, repr=False)
    """Restore points up to this commit that are still offered, by sequence, oldest first."""
    holds: dict[UUID, str] = field(default_factory=dict)
    """Legal holds in force, by id: their names."""
    first: dict[str, int] = field(default_factory=dict, repr=False)
    """The commit that brought each item as it is here."""
    bytes: int = 0
    """Of all items."""

    def load(
        self, stored_at: int, checkpoint: Checkpoint, at: int, entries: Iterable[tuple[Entry, str]]
    ) -> None:
        """Become what the checkpoint of commit ``stored_at`` tells of commit ``at``.

        ``entries`` are those of its segments, with the object's name. Raises Damaged.
        """
        self.sequence = at
        self.points = {p.sequence: p for p in checkpoint.points if p.sequence <= at}
        self.taken_at = max((p.taken_at for p in self.points.values()), default=None)
        self.folders = {v.folder.id: v.folder for v in checkpoint.folders if v.held_at(at)}
        self.holds = dict(checkpoint.holds)
        if at == stored_at:
            self.cursors = dict(checkpoint.cursors)
            self.faults = list(checkpoint.faults)
        for entry, name in entries:
            if entry.held_at(at):
                self._set(entry.item(name), entry.first)

    def apply(self, commit: Commit) -> None:
        """Removals first: what is removed and named again in one commit is there afterwards."""
        self.sequence = commit.sequence
        if commit.hold is not None and commit.hold.placed:
            self.holds[commit.hold.id] = commit.hold.name
        elif commit.hold is not None:
            self.holds.pop(commit.hold.id, None)
        if commit.expired is not None:
            self.take_back(commit.expired)
        if not commit.kind.has_content:
            return
        self.taken_at = commit.taken_at
        for folder_id in commit.removed_folders:
            self.folders.pop(folder_id, None)
        for item_id in commit.removed_items:
            self._remove(item_id)
        self.folders.update((folder.id, folder) for folder in commit.folders)
        for item in commit.items:
            self._set(item, commit.sequence)
        self.cursors = applied(self.cursors, commit.cursors)
        self.faults = list(commit.faults)
        if commit.is_point:
            self.points[commit.sequence] = point_of(commit, len(self.items), self.bytes)

    def take_back(self, expired: Expired) -> None:
        """What a later commit took back is not there, even at an earlier point."""
        for sequence in expired.points:
            self.points.pop(sequence, None)
        for item_id, first in expired.versions:
            if self.first.get(item_id) == first:
                self._remove(item_id)

    def _set(self, item: ItemRecord, first: int) -> None:
        self._remove(item.item_id)
        self.items[item.item_id] = item
        self.first[item.item_id] = first
        self.bytes += item.size

    def _remove(self, item_id: str) -> None:
        item = self.items.pop(item_id, None)
        if item is not None:
            self.bytes -= item.size
            del self.first[item_id]
