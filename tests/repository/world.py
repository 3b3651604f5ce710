"""What the tests of this room share: one tenant with two mailboxes, and a way to back them up."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from backups.parts import CutItem, Layout, Part, Recipe, Role, join, pieces
from backups.repository import (
    NO_COMMIT,
    BlobRef,
    Commit,
    CommitKind,
    Expired,
    FolderBackend,
    FolderRecord,
    Hold,
    ItemRecord,
    Location,
    Repository,
    RootKey,
    TenantKeys,
    Vault,
    located,
    new_key,
)

REPOSITORY = UUID("11111111-1111-4111-8111-111111111111")
ACME = UUID("aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa")
GLOBEX = UUID("bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb")
ANNA = UUID("00000000-0000-4000-8000-000000000001")
INITECH = UUID("cccccccc-cccc-4ccc-8ccc-cccccccccccc")
BEN = UUID("00000000-0000-4000-8000-000000000002")
CARA = UUID("00000000-0000-4000-8000-000000000003")
DAN = UUID("00000000-0000-4000-8000-000000000004")
HOLD = UUID("77777777-7777-4777-8777-777777777777")
RUN = UUID("99999999-9999-4999-8999-999999999999")
MORNING = datetime(2026, 11, 23, 8, 30, 15, 250000, tzinfo=UTC)
INBOX = FolderRecord("inbox-id", "root-id", "Inbox", "IPF.Note", "inbox")
ROOT = FolderRecord("root-id", None, "Top", "IPF", "msgfolderroot")


def raw(content: bytes, role: Role = Role.SKELETON) -> CutItem:
    parts = tuple(Part(role, piece) for piece in pieces(content))
    return CutItem(Recipe(Layout.RAW, len(parts), 0, (), ()), parts)


def with_attachment(text: bytes, attachment: bytes) -> CutItem:
    """A skeleton with one hole, in its middle, for an attachment."""
    middle = len(text) // 2
    parts = [Part(Role.ATTACHMENT, piece) for piece in pieces(attachment)]
    holes = tuple((middle, number) for number in range(1, len(parts) + 1))
    return CutItem(Recipe(Layout.RAW, 1, 0, (), holes), (Part(Role.SKELETON, text), *parts))


def content_of(cut: CutItem) -> bytes:
    return join(cut.recipe, [part.data for part in cut.parts])


def record(name: str, cut: CutItem, refs: tuple[BlobRef, ...]) -> ItemRecord:
    content = content_of(cut)
    return ItemRecord(
        item_id=name,
        change_key=f"{name}-1",
        folder_id=INBOX.id,
        item_class="IPM.Note",
        size=len(content),
        sha256=hashlib.sha256(content).digest(),
        recipe=cut.recipe,
        blobs=refs,
        index={"subject": f"about {name}", "received_at": MORNING, "size": len(content)},
    )


@dataclass
class World:
    """A repository in a folder, with what a portal would know of it."""

    path: Path
    root: RootKey = field(default_factory=lambda: RootKey(new_key()))
    keys: TenantKeys = field(default_factory=TenantKeys.generate)
    mailbox_keys: dict[UUID, bytes] = field(default_factory=dict)
    known: dict[bytes, Location] = field(default_factory=dict)
    contents: dict[tuple[UUID, str], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.backend = FolderBackend(self.path)
        self.repository = Repository.create(self.backend, REPOSITORY)
        self.vault = self.repository.vault(ACME, self.keys, self.mailbox_keys.__getitem__)
        self.vault.save_keys(self.keys.wrapped_by(self.root, ACME))
        for mailbox in (ANNA, BEN):
            self.add_mailbox(mailbox)

    def add_mailbox(self, mailbox: UUID) -> None:
        self.mailbox_keys[mailbox] = key = new_key()
        wrapped = self.keys.wrap_mailbox_key(key, ACME, mailbox)
        self.vault.save_mailbox_key(mailbox, wrapped)

    def store(self, cuts: Sequence[CutItem]) -> list[tuple[BlobRef, ...]]:
        writer = self.vault.writer(lambda ids: {i: self.known[i] for i in ids if i in self.known})
        refs = writer.add(cuts)
        writer.flush()
        for pack in writer.taken():
            for blob_id, offset, length in pack.blobs:
                self.known[blob_id] = Location(pack.id, offset, length)
        return refs

    def head(self, mailbox: UUID) -> tuple[int, bytes]:
        last = (0, NO_COMMIT)
        for stored in self.vault.commits(mailbox):
            last = (stored.commit.sequence, stored.hash)
        return last

    def next_commit(
        self,
        mailbox: UUID,
        items: Mapping[str, CutItem] | None = None,
        *,
        kind: CommitKind = CommitKind.COMPLETE,
        removed: Sequence[str] = (),
        expired: Expired | None = None,
        hold: Hold | None = None,
    ) -> Commit:
        """Stores the items; the commit that is given back is not written yet."""
        items = items or {}
        refs = self.store(list(items.values()))
        sequence, previous = self.head(mailbox)
        for name, cut in items.items():
            self.contents[mailbox, name] = content_of(cut)
        return Commit(
            mailbox=mailbox,
            sequence=sequence + 1,
            kind=kind,
            previous=previous,
            run=RUN,
            taken_at=MORNING + timedelta(days=sequence),
            folders=[ROOT, INBOX] if sequence == 0 else [],
            items=[
                record(name, cut, of) for (name, cut), of in zip(items.items(), refs, strict=True)
            ],
            removed_items=list(removed),
            cursors={f"items:{INBOX.id}": f"cursor-{sequence + 1}"},
            expired=expired,
            hold=hold,
        )

    def back_up(
        self,
        mailbox: UUID,
        items: Mapping[str, CutItem] | None = None,
        *,
        kind: CommitKind = CommitKind.COMPLETE,
        removed: Sequence[str] = (),
    ) -> bytes:
        commit = self.next_commit(mailbox, items, kind=kind, removed=removed)
        return self.vault.write_commit(commit)

    def reopened(self) -> Vault:
        """As somebody sees it who has the folder and the root key and nothing else."""
        repository = Repository.open(FolderBackend(self.path))
        return repository.escrowed_vault(ACME, self.root)

    def key_file(self, folder: Path) -> Path:
        file = folder / "root.key"
        file.write_bytes(base64.b64encode(self.root.key) + b"\n")
        file.chmod(0o600)
        return file


def read_all(vault: Vault, mailbox: UUID, sequence: int | None = None) -> dict[str, bytes]:
    locate = located(vault.pack_index())
    return {
        item.item_id: vault.read_item(item.recipe, item.blobs, item.sha256, locate)
        for item in vault.state(mailbox, sequence).items.values()
    }
