"""A mailbox system in memory, for thousands of runs: folders, items, delta tokens, and no server.

It is what ``backups.sources.MailboxSource`` describes. Pages are short, and an entry may be told
twice, as real servers do both.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from backups.sources import (
    ChangePage,
    CursorExpired,
    ExportedItem,
    FolderPage,
    Gone,
    ItemChange,
    ItemReference,
    PermissionState,
    SourceFolder,
    SourceMailbox,
)
from sandbox.items import from_mail

PAGE = 2
INBOX = "inbox"

_TEXT = " ".join(str(number) for number in range(900))
_ATTACHMENTS = [
    base64.encodebytes(random.Random(seed).randbytes(size)).decode()
    for seed, size in ((1, 4_000), (2, 9_000))
]
_PLAIN = "Content-Type: text/plain; charset=utf-8"


def _mixed(attachment: str) -> str:
    file = "Content-Type: application/pdf\nContent-Transfer-Encoding: base64"
    named = 'Content-Disposition: attachment; filename="report.pdf"'
    parts = f"--b\n{_PLAIN}\n\nsee below\n--b\n{file}\n{named}\n\n{attachment}--b--\n"
    return f'Content-Type: multipart/mixed; boundary="b"\n\n{parts}'


_BODIES = (f"{_PLAIN}\n\nHello.\n", f"{_PLAIN}\n\n{_TEXT}\n", *map(_mixed, _ATTACHMENTS))
BODIES = len(_BODIES)


@lru_cache(maxsize=5_000)
def stream(subject: str, body: int) -> bytes:
    """An item stream; the same body is the same part in every item that has it."""
    head = f"From: noor@example.net\nTo: mara@acme.example\nSubject: {subject}\n"
    name = f"Message-ID: <{subject.replace(' ', '.')}@example.net>\nMIME-Version: 1.0\n"
    return from_mail((head + name + _BODIES[body]).encode()).payload


@dataclass
class Held:
    folder: str
    key: int
    payload: bytes
    moment: int


@dataclass(frozen=True)
class Snapshot:
    """What a mailbox held: item id → change key, folder and bytes; folder id → name."""

    items: dict[str, tuple[str, str, bytes]]
    folders: dict[str, str]


@dataclass
class MailboxHere:
    address: str
    moment: int = 0
    """Counts what happened; delta tokens are such numbers."""
    folders: dict[str, tuple[SourceFolder, int]] = field(default_factory=dict)
    items: dict[str, Held] = field(default_factory=dict)
    left: list[tuple[int, str, str]] = field(default_factory=list)
    """When which folder lost which item."""
    gone: list[tuple[int, str]] = field(default_factory=list)
    """When which folder was deleted."""
    forgotten: int = 0
    """Tokens from before this moment have expired."""
    unheard: bool = False
    """Whether something was deleted that no backup can have heard of yet."""
    made: int = 0

    def __post_init__(self) -> None:
        self.put_folder(INBOX, "Inbox", INBOX)

    def put_folder(self, folder: str, name: str, well_known: str | None = None) -> None:
        self.moment += 1
        made = SourceFolder(folder, None, name, "IPF.Note", well_known, 0)
        self.folders[folder] = (made, self.moment)

    def delete_folder(self, folder: str) -> None:
        self.moment += 1
        del self.folders[folder]
        self.gone.append((self.moment, folder))
        self.items = {key: held for key, held in self.items.items() if held.folder != folder}
        self.unheard = True

    def add(self, folder: str, payload: bytes) -> str:
        self.moment += 1
        self.made += 1
        self.items[identity := f"item-{self.made}"] = Held(folder, 1, payload, self.moment)
        return identity

    def change(self, item: str, payload: bytes) -> None:
        self.moment += 1
        held = self.items[item]
        self.items[item] = Held(held.folder, held.key + 1, payload, self.moment)

    def move(self, item: str, folder: str) -> None:
        held = self.items[item]
        if held.folder != folder:
            self.moment += 1
            self.left.append((self.moment, held.folder, item))
            self.items[item] = Held(folder, held.key + 1, held.payload, self.moment)

    def delete(self, item: str) -> None:
        self.moment += 1
        self.left.append((self.moment, self.items.pop(item).folder, item))
        self.unheard = True

    def snapshot(self) -> Snapshot:
        items = {i: (str(held.key), held.folder, held.payload) for i, held in self.items.items()}
        return Snapshot(items, {i: folder.name for i, (folder, _) in self.folders.items()})


class MailSystem:
    """The mailboxes of one organization; fills ``backups.sources.MailboxSource``."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.mailboxes = {address: MailboxHere(address) for address in addresses}
        self.requests = 0
        self.throttled_seconds = 0.0

    def discover(self) -> Iterator[SourceMailbox]:
        for address in self.mailboxes:
            yield SourceMailbox(address, address, address.partition("@")[0], "user")

    def check(self) -> list[PermissionState]:
        return []

    def hierarchy(self, mailbox: str, cursor: str | None) -> Iterator[FolderPage]:
        here, since = self._since(mailbox, cursor)
        changed = [folder for folder, moment in here.folders.values() if moment > since]
        removed = tuple(i for moment, i in here.gone if moment > since and i not in here.folders)
        yield FolderPage(tuple(changed[:PAGE]), removed if cursor else (), str(since), False)
        yield FolderPage(tuple(changed[PAGE:]), (), str(here.moment), True)

    def changes(self, mailbox: str, folder: str, cursor: str | None) -> Iterator[ChangePage]:
        here, since = self._since(mailbox, cursor)
        if folder not in here.folders:
            raise Gone(f"folder {folder} is not there")
        told = [
            (held.moment, ItemChange(item, str(held.key), "IPM.Note", len(held.payload)))
            for item, held in here.items.items()
            if held.folder == folder and held.moment > since
        ]
        if cursor:
            told += [
                (moment, ItemChange(item, removed=True))
                for moment, place, item in here.left
                if place == folder and moment > since
            ]
        told.sort(key=lambda entry: entry[0])
        for start in range(0, len(told), PAGE):
            page = told[start : start + PAGE]
            # What the page before ended with is told once more.
            again = told[start - 1 : start]
            entries = tuple(change for _, change in (*again, *page))
            yield ChangePage(entries, str(page[-1][0]), False)
        yield ChangePage((), str(here.moment), True)

    def export(self, mailbox: str, wanted: Sequence[ItemChange]) -> Iterator[ExportedItem]:
        here = self.mailboxes[mailbox]
        for change in reversed(wanted):
            held = here.items.get(change.id)
            if held is None:
                yield ExportedItem(change.id, change.change_key, error=Gone("not there"))
            else:
                yield ExportedItem(change.id, str(held.key), held.payload)

    def create_folder(self, mailbox: str, parent: str | None, name: str, kind: str) -> SourceFolder:
        here = self.mailboxes[mailbox]
        here.put_folder(folder := f"folder-{here.moment}", name)
        return here.folders[folder][0]

    def create(self, mailbox: str, folder: str, payload: bytes) -> ItemReference:
        return ItemReference(self.mailboxes[mailbox].add(folder, payload), "1")

    def native(self, mailbox: str) -> bool:
        return True

    def matching(self, mailbox: str, folder: str, message_id: str) -> list[ItemReference]:
        return []

    def delete(self, mailbox: str, item: str, folder: str | None = None) -> None:
        self.mailboxes[mailbox].delete(item)

    def close(self) -> None:
        pass

    def _since(self, mailbox: str, cursor: str | None) -> tuple[MailboxHere, int]:
        here = self.mailboxes[mailbox]
        since = int(cursor) if cursor else 0
        if cursor and since < here.forgotten:
            raise CursorExpired("the token is from before the flood")
        return here, since
