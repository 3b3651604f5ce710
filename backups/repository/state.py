"""What a mailbox holds after a commit, replayed from a checkpoint and the commits after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from . import fields
from .checkpoints import Checkpoint, applied, point_of
from .commits import Commit, Expired
from .records import FaultRecord, FolderRecord, ItemRecord, Point
from .segments import Entry


class Items(Mapping[str, ItemRecord]):
    """Item records by id, kept packed: each is made whenever it is asked for."""

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}

    def __getitem__(self, item_id: str) -> ItemRecord:
        return ItemRecord.from_record(fields.unpack(self._packed[item_id]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._packed

    def put(self, item_id: str, packed: bytes) -> None:
        """``packed``: an item record that can be read."""
        self._packed[item_id] = packed

    def remove(self, item_id: str) -> None:
        del self._packed[item_id]


@dataclass(slots=True)
class MailboxState:
    """What a mailbox holds after a commit, and where the source's cursors stand.

    Item versions and restore points that a later commit took back are not in it.
    """

    sequence: int = 0
    taken_at: datetime | None = None
    folders: dict[str, FolderRecord] = field(default_factory=dict)
    items: Items = field(default_factory=Items, repr=False)
    cursors: dict[str, str] = field(default_factory=dict, repr=False)
    """Empty, as ``faults``, at a point that only a later checkpoint tells of."""
    faults: list[FaultRecord] = field(default_factory=list)
    points: dict[int, Point] = field(default_factory=dict, repr=False)
    """Restore points up to this commit that are still offered, by sequence, oldest first."""
    holds: dict[UUID, str] = field(default_factory=dict)
    """Legal holds in force, by id: their names."""
    first: dict[str, int] = field(default_factory=dict, repr=False)
    """The commit that brought each item as it is here."""
    size: int = 0
    """Bytes of all items."""

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
                self._set(entry.item(name), entry.packed, entry.first)

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
            self._set(item, fields.pack(item.to_record()), commit.sequence)
        self.cursors = applied(self.cursors, commit.cursors)
        self.faults = list(commit.faults)
        if commit.is_point:
            self.points[commit.sequence] = point_of(commit, len(self.items), self.size)

    def take_back(self, expired: Expired) -> None:
        """What a later commit took back is not there, even at an earlier point."""
        for sequence in expired.points:
            self.points.pop(sequence, None)
        for item_id, first in expired.versions:
            if self.first.get(item_id) == first:
                self._remove(item_id)

    def _set(self, item: ItemRecord, packed: bytes, first: int) -> None:
        self._remove(item.item_id)
        self.items.put(item.item_id, packed)
        self.first[item.item_id] = first
        self.size += item.size

    def _remove(self, item_id: str) -> None:
        item = self.items.get(item_id)
        if item is not None:
            self.size -= item.size
            self.items.remove(item_id)
            del self.first[item_id]
