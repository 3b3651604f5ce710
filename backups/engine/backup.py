"""Backing up one mailbox: list what changed, export it, check it, cut it, store it.

Order of writes (docs/repository-format.md): packs, then the commit object, then one transaction.
A delta token is only committed when every item that it covers is stored or is in the retry
ledger; one bad item makes a warning, and blocks nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from backups.catalog import projection
from backups.catalog.models import Folder, ItemFault, ItemVersion, MailboxBackup
from backups.engine.changes import Changes, RetryLedger
from backups.engine.items import ItemRefused, prepare
from backups.engine.progress import Progress
from backups.repository import (
    Commit,
    CommitKind,
    FaultRecord,
    ItemRecord,
    StoredCommit,
    Vault,
    Writer,
)
from backups.sources import (
    CursorExpired,
    ExportedItem,
    Gone,
    ItemChange,
    MailboxSource,
    SourceError,
)
from tenants.isolation.scope import tenant_scope

HIERARCHY = "hierarchy"
EXPORT_AT_ONCE = 200
"""Items handed to the source in one go; it packs them by count and size."""
TOKEN_AGE = timedelta(days=1)
"""A run that finds nothing still commits when the stored delta tokens are older than this."""


@dataclass(frozen=True)
class Mailbox:
    """What identifies the mailbox here and at its source."""

    backup_id: UUID
    mailbox_id: UUID
    tenant_id: UUID
    source_id: str
    address: str


class MailboxRun:
    """One run over one mailbox. ``steps()`` does the work; the group commits in between."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        run_id: UUID,
        source: MailboxSource,
        vault: Vault,
        writer: Writer,
        progress: Progress,
    ) -> None:
        self.mailbox = mailbox
        self.run_id = run_id
        self.source = source
        self.vault = vault
        self.writer = writer
        self.progress = progress
        self.changes = Changes()
        self.finished = False
        self._scope = partial(tenant_scope, mailbox.tenant_id)
        self._backup: MailboxBackup
        self._ledger = RetryLedger({})
        self._cursors: dict[str, str] = {}
        self._folders: dict[str, tuple[str, str]] = {}
        """Name and parent by folder id, as the source has them now."""

    def steps(self) -> Iterator[None]:
        """Do the run; yields after each export so that the group can commit in between.

        Raises SourceError when the mailbox cannot be read on, RepositoryError when it cannot be
        stored, and whatever ``progress.step()`` raises.
        """
        self._open()
        yield from self._read_hierarchy()
        yield from self._retry_faults()
        for folder_id in list(self._folders):
            yield from self._read_folder(folder_id)
        self.finished = True

    @property
    def pending_bytes(self) -> int:
        return self.changes.bytes

    @property
    def pending_items(self) -> int:
        return len(self.changes.items)

    def commit(self) -> None:
        """Write what is pending; the packs it refers to must be durable already.

        Complete when the run is finished, partial otherwise. Writes nothing when nothing changed
        and the stored tokens are fresh.
        """
        if not self._worth_a_commit():
            with self._scope():
                self.progress.fence()
                if self.finished:
                    now = datetime.now(UTC)
                    MailboxBackup.objects.filter(pk=self._backup.pk).update(current_at=now)
                self.progress.flush()
            return
        commit = self._as_commit()
        stored_hash = self.vault.write_commit(commit)
        with self._scope():
            self.progress.fence()
            projection.apply(self._backup, StoredCommit(commit, stored_hash), self.vault)
            self.progress.flush()
        self._ledger.changed = False
        self._cursors.update({k: v for k, v in commit.cursors.items() if v is not None})
        self.changes = Changes()

    def _open(self) -> None:
        """Roll forward what a dead worker committed and could not project, then read the head."""
        with self._scope():
            self._backup = MailboxBackup.objects.get(pk=self.mailbox.backup_id)
        for stored in self.vault.commits(self.mailbox.mailbox_id, after=self._backup.head):
            with self._scope():
                self.progress.fence()
                projection.apply(self._backup, stored, self.vault)
            self.progress.note(f"Took over commit {stored.commit.sequence} of an earlier worker.")
        with self._scope():
            self._cursors = projection.cursors_of(self._backup, self.vault)
            rows = ItemFault.objects.filter(backup=self._backup)
            self._ledger = RetryLedger(
                {
                    row.item_id: FaultRecord(row.folder_id, row.item_id, row.reason, row.attempts)
                    for row in rows
                }
            )
            current = Folder.objects.current().filter(backup=self._backup)
            rows_of_folders = current.values_list("folder_id", "name", "parent_id")
            self._folders = {fid: (name, parent) for fid, name, parent in rows_of_folders}

    def _worth_a_commit(self) -> bool:
        if self.changes.changed or self._ledger.changed or self._backup.head == 0:
            return True
        if not self.finished:
            return bool(self.changes.cursors)
        new = {k: v for k, v in self.changes.cursors.items() if k not in self._cursors}
        current_at = self._committed_at()
        return bool(new) or current_at is None or datetime.now(UTC) - current_at > TOKEN_AGE

    def _committed_at(self) -> datetime | None:
        with self._scope():
            point = self._backup.points.order_by("-sequence").first()
        return point.taken_at if point else None

    def _as_commit(self) -> Commit:
        return Commit(
            mailbox=self.mailbox.mailbox_id,
            sequence=self._backup.head + 1,
            kind=CommitKind.COMPLETE if self.finished else CommitKind.PARTIAL,
            previous=bytes(self._backup.head_hash),
            run=self.run_id,
            taken_at=datetime.now(UTC),
            folders=list(self.changes.folders.values()),
            removed_folders=sorted(self.changes.removed_folders),
            items=list(self.changes.items.values()),
            removed_items=sorted(self.changes.removed_items),
            cursors=dict(self.changes.cursors),
            faults=list(self._ledger.faults.values()),
            coverage={"address": self.mailbox.address, "folders": len(self._folders)},
        )

    def _read_hierarchy(self) -> Iterator[None]:
        """Bring the folders up to date. A listing that starts over removes nothing."""
        cursor = self._cursors.get(HIERARCHY)
        try:
            yield from self._apply_hierarchy(cursor)
        except CursorExpired:
            self.progress.note("The server forgot the folder list's token: all folders are listed.")
            yield from self._apply_hierarchy(None)

    def _apply_hierarchy(self, cursor: str | None) -> Iterator[None]:
        for page in self.source.hierarchy(self.mailbox.source_id, cursor):
            self.progress.step()
            for folder in page.folders:
                known = (folder.name, folder.parent_id or "")
                if self._folders.get(folder.id) != known:
                    self.changes.put_folder(folder)
                self._folders[folder.id] = known
                if _stream(folder.id) not in self._cursors:
                    self.progress.expect(folder.items)
            for folder_id in page.removed:
                self._remove_folder(folder_id)
            if page.complete:
                self.changes.cursors[HIERARCHY] = page.cursor
            yield

    def _name(self, folder_id: str) -> str:
        return self._folders.get(folder_id, (folder_id, ""))[0]

    def _remove_folder(self, folder_id: str) -> None:
        """The folder is gone, and with it the items that it held when it went."""
        if self._folders.pop(folder_id, None) is None:
            return
        self.changes.remove_folder(folder_id)
        self.changes.cursors[_stream(folder_id)] = None
        with self._scope():
            held = ItemVersion.objects.current().filter(backup=self._backup, folder_id=folder_id)
            item_ids = list(held.values_list("item_id", flat=True))
        for item_id in item_ids:
            self.changes.remove_item(item_id)
        self.progress.count(items_removed=len(item_ids))

    def _retry_faults(self) -> Iterator[None]:
        for fault in list(self._ledger.faults.values()):
            change = ItemChange(
                id=fault.item_id,
                change_key="",
                item_class="",
                size=0,
                modified_at=None,
                removed=False,
            )
            yield from self._export(fault.folder_id, [change])

    def _read_folder(self, folder_id: str) -> Iterator[None]:
        cursor = self._cursors.get(_stream(folder_id))
        try:
            yield from self._apply_changes(folder_id, cursor)
        except CursorExpired:
            # Everything is listed again; what is not listed is kept, for a listing that starts
            # over is no proof of a deletion.
            self.progress.note(
                f"The server forgot the token of folder {self._name(folder_id)}:"
                " all its items are listed."
            )
            yield from self._apply_changes(folder_id, None)
        except Gone:
            # It vanished between the two listings; the next run's hierarchy says so.
            self.progress.note("A folder vanished while it was read.")

    def _apply_changes(self, folder_id: str, cursor: str | None) -> Iterator[None]:
        for page in self.source.changes(self.mailbox.source_id, folder_id, cursor):
            self.progress.step()
            for change in page.changes:
                if change.removed:
                    self._remove_item(folder_id, change.id)
            listed = [change for change in page.changes if not change.removed]
            self.progress.count(items_seen=len(listed))
            wanted = self._unknown(folder_id, listed)
            for start in range(0, len(wanted), EXPORT_AT_ONCE):
                yield from self._export(folder_id, wanted[start : start + EXPORT_AT_ONCE])
            # A page's cursor stands for all items up to it: they are stored or in the ledger.
            self.changes.cursors[_stream(folder_id)] = page.cursor
            yield

    def _remove_item(self, folder_id: str, item_id: str) -> None:
        """Removed from this folder. A move lists it elsewhere, perhaps before it is listed here."""
        pending = self.changes.items.get(item_id)
        if pending is not None and pending.folder_id != folder_id:
            return
        with self._scope():
            held = ItemVersion.objects.current().filter(backup=self._backup, item_id=item_id)
            row = held.values_list("folder_id", flat=True).first()
        if row is not None and row != folder_id:
            return
        self._ledger.resolved(item_id)
        if row is not None or pending is not None:
            self.changes.remove_item(item_id)
            self.progress.count(items_removed=1)

    def _unknown(self, folder_id: str, changes: Sequence[ItemChange]) -> list[ItemChange]:
        """The changes that are not stored yet in this version and folder."""
        ids = [change.id for change in changes]
        with self._scope():
            rows = ItemVersion.objects.current().filter(backup=self._backup, item_id__in=ids)
            stored = {
                item_id: (change_key, folder)
                for item_id, change_key, folder in rows.values_list(
                    "item_id", "change_key", "folder_id"
                )
            }
        for item_id in ids:
            pending = self.changes.items.get(item_id)
            if pending is not None:
                stored[item_id] = (pending.change_key, pending.folder_id)
        latest = {change.id: change for change in changes}
        return [
            change
            for change in latest.values()
            if stored.get(change.id) != (change.change_key, folder_id)
        ]

    def _export(self, folder_id: str, wanted: list[ItemChange]) -> Iterator[None]:
        classes = {change.id: change for change in wanted}
        good: list[tuple[ExportedItem, bytes]] = []
        for exported in self.source.export(self.mailbox.source_id, wanted):
            if exported.payload is None:
                self._missed(folder_id, exported.id, exported.error)
            else:
                good.append((exported, exported.payload))
            if len(good) >= 20:
                self._store(folder_id, good, classes)
                good = []
                yield
            self.progress.step()
        self._store(folder_id, good, classes)
        yield

    def _missed(self, folder_id: str, item_id: str, error: SourceError | None) -> None:
        if isinstance(error, Gone):
            # Deleted between listing and export: the next round of the folder says so too.
            self._ledger.resolved(item_id)
            self.progress.count(items_skipped=1)
            return
        self._refused(folder_id, item_id, str(error) or "The server returned nothing for it.")

    def _refused(self, folder_id: str, item_id: str, reason: str) -> None:
        self._ledger.failed(folder_id, item_id, reason)
        self.progress.count(items_failed=1)
        self.progress.warn(
            f"Not saved, it will be tried again: {reason} (folder {self._name(folder_id)})",
            item_id,
        )

    def _store(
        self,
        folder_id: str,
        exported: list[tuple[ExportedItem, bytes]],
        listed: dict[str, ItemChange],
    ) -> None:
        prepared = []
        for item, payload in exported:
            try:
                prepared.append((item, payload, prepare(payload)))
            except ItemRefused as error:
                self._refused(folder_id, item.id, str(error))
        stored_before, new_before = self.writer.bytes_stored, self.writer.bytes_new
        references = self.writer.add([ready.cut for _item, _payload, ready in prepared])
        for (item, payload, ready), refs in zip(prepared, references, strict=True):
            self.changes.put_item(
                ItemRecord(
                    item_id=item.id,
                    change_key=item.change_key,
                    folder_id=folder_id,
                    item_class=ready.item_class or listed[item.id].item_class,
                    size=len(payload),
                    sha256=hashlib.sha256(payload).digest(),
                    recipe=ready.cut.recipe,
                    blobs=refs,
                    index=ready.index,
                )
            )
            self._ledger.resolved(item.id)
        self.progress.handle(len(exported))
        self.progress.count(
            items_new=len(prepared),
            bytes_read=sum(len(payload) for _item, payload, _ready in prepared),
            bytes_new=self.writer.bytes_new - new_before,
            bytes_stored=self.writer.bytes_stored - stored_before,
        )


def _stream(folder_id: str) -> str:
    return f"items:{folder_id}"
