"""A mailbox system that says exactly what a test wrote down, for what no sandbox would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from backups.sessions import slices
from backups.sources import (
    ChangePage,
    ExportedItem,
    FolderPage,
    Gone,
    ItemChange,
    SourceError,
    SourceFolder,
)
from sandbox.items import from_mail
from tests.engine.world import mail


def folder(identity: str, name: str = "", parent: str | None = None) -> SourceFolder:
    return SourceFolder(identity, parent, name or identity, "IPF.Note", None, 0)


def change(identity: str, key: str = "1") -> ItemChange:
    return ItemChange(identity, key, "IPM.Note", 100)


def removed(identity: str) -> ItemChange:
    return ItemChange(identity, removed=True)


@dataclass
class Script:
    """One round: pages of folders, pages of changes by folder. ``broken`` items fail to export."""

    folders: list[list[SourceFolder]] = field(default_factory=list)
    removed_folders: list[str] = field(default_factory=list)
    changes: dict[str, list[list[ItemChange]] | SourceError] = field(default_factory=dict)
    broken: dict[str, SourceError] = field(default_factory=dict)
    exported: list[str] = field(default_factory=list)
    requests: int = 0
    throttled_seconds: float = 0.0

    def hierarchy(self, mailbox: str, cursor: str | None) -> Iterator[FolderPage]:
        pages = self.folders or [[]]
        for number, page in enumerate(pages, start=1):
            last = number == len(pages)
            gone = tuple(self.removed_folders) if number == 1 else ()
            yield FolderPage(tuple(page), gone, f"folders {number}", last)

    def export(self, mailbox: str, wanted: Sequence[ItemChange]) -> Iterator[ExportedItem]:
        for item in wanted:
            self.exported.append(item.id)
            if item.id in self.broken:
                yield ExportedItem(item.id, item.change_key, error=self.broken[item.id])
            else:
                payload = from_mail(mail(f"{item.id} {item.change_key}")).payload
                yield ExportedItem(item.id, item.change_key, payload)

    def items(self, mailbox: str, folder: str, cursor: str | None) -> Iterator[ChangePage]:
        pages = self.changes.get(folder, [[]])
        if isinstance(pages, SourceError):
            raise pages
        for number, page in enumerate(pages, start=1):
            last = number == len(pages)
            yield ChangePage(tuple(page), f"{folder} {number}", last)

    def close(self) -> None:
        pass

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Script:
        """Workers talk to this script from now on."""
        monkeypatch.setattr(slices, "source_for", lambda organization: _Source(self))
        return self


class _Source:
    """The script as a MailboxSource; every mailbox of the job says the same."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.hierarchy = script.hierarchy
        self.changes = script.items
        self.export = script.export
        self.close = script.close
        self.requests = 0
        self.throttled_seconds = 0.0


__all__ = ["Gone", "Script", "change", "folder", "removed"]
