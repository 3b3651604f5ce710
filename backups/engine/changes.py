"""What a run has found in one mailbox and not yet committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from backups.repository import FaultRecord, FolderRecord, ItemRecord
from backups.sources import SourceFolder


@dataclass
class Changes:
    """Folders, items and cursors since the last commit of a mailbox."""

    folders: dict[str, FolderRecord] = field(default_factory=dict)
    removed_folders: set[str] = field(default_factory=set)
    items: dict[str, ItemRecord] = field(default_factory=dict)
    removed_items: set[str] = field(default_factory=set)
    cursors: dict[str, str | None] = field(default_factory=dict)
    bytes: int = 0

    def put_folder(self, folder: SourceFolder) -> None:
        self.removed_folders.discard(folder.id)
        self.folders[folder.id] = FolderRecord(
            folder.id, folder.parent_id, folder.name, folder.kind, folder.well_known
        )

    def remove_folder(self, folder_id: str) -> None:
        self.folders.pop(folder_id, None)
        self.removed_folders.add(folder_id)

    def put_item(self, item: ItemRecord) -> None:
        self.removed_items.discard(item.item_id)
        self.items[item.item_id] = item
        self.bytes += item.size

    def remove_item(self, item_id: str) -> None:
        self.items.pop(item_id, None)
        self.removed_items.add(item_id)

    def clear(self) -> None:
        """Everything is committed."""
        for part in (self.folders, self.removed_folders, self.items, self.removed_items):
            part.clear()
        self.cursors.clear()
        self.bytes = 0

    @property
    def count(self) -> int:
        return len(self.items) + len(self.removed_items)

    @property
    def changed(self) -> bool:
        """Whether the mailbox differs from the last commit; new cursors alone do not count."""
        return bool(self.folders or self.removed_folders or self.count)


class RetryLedger:
    """Items that were listed and could not be stored; they are tried again in every run."""

    def __init__(self, faults: Mapping[str, FaultRecord]) -> None:
        self.faults = dict(faults)
        self.changed = False
        """Whether a commit is needed; another failed attempt of the same kind needs none."""
        self.attempted: set[str] = set()
        """Items that failed in this run already."""

    def failed(self, folder_id: str, item_id: str, reason: str) -> None:
        known = self.faults.get(item_id)
        attempts = known.attempts + 1 if known else 1
        fault = FaultRecord(folder_id, item_id, reason, attempts)
        if known is None or (known.folder_id, known.reason) != (folder_id, reason):
            self.changed = True
        self.faults[item_id] = fault
        self.attempted.add(item_id)

    def resolved(self, item_id: str) -> None:
        if self.faults.pop(item_id, None):
            self.changed = True

    def left_folder(self, folder_id: str, item_id: str) -> None:
        """The item is not in the folder any more; a fault in another folder stays."""
        known = self.faults.get(item_id)
        if known is not None and known.folder_id == folder_id:
            self.resolved(item_id)

    def forget(self) -> None:
        """What was listed so far has other ids now, and is listed again."""
        for item_id in list(self.faults):
            self.resolved(item_id)

    def due(self) -> list[FaultRecord]:
        """What this run has not tried yet."""
        return [fault for fault in self.faults.values() if fault.item_id not in self.attempted]
