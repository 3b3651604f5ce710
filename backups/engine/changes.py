"""What a run has found in one mailbox and not yet committed."""

from __future__ import annotations

from dataclasses import dataclass, field

from backups.repository import FaultRecord, FolderRecord, ItemRecord
from backups.sources import SourceFolder


@dataclass
class Changes:
    """Folders, items, cursors and faults since the last commit of a mailbox."""

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

    @property
    def changed(self) -> bool:
        """Whether the mailbox differs from the last commit; new cursors alone do not count."""
        return bool(self.folders or self.removed_folders or self.items or self.removed_items)


@dataclass
class RetryLedger:
    """Items that were listed and could not be stored; they are tried again in every run."""

    faults: dict[str, FaultRecord]
    changed: bool = False

    def failed(self, folder_id: str, item_id: str, reason: str) -> None:
        known = self.faults.get(item_id)
        attempts = known.attempts + 1 if known else 1
        self.faults[item_id] = FaultRecord(folder_id, item_id, reason, attempts)
        self.changed = True

    def resolved(self, item_id: str) -> None:
        if self.faults.pop(item_id, None):
            self.changed = True
