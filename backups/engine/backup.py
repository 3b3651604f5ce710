"""Backing up one mailbox: list what changed, take it in, commit.

Order of writes (docs/repository-format.md): packs, then the commit object, then one transaction.
A delta token is only committed when every item that it covers is stored or is in the retry
ledger; one bad item makes a warning, and blocks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from backups.catalog import projection
from backups.catalog.heads import require_head
from backups.catalog.models import Folder, ItemVersion, MailboxBackup
from backups.catalog.querysets import ItemVersionQuerySet
from backups.engine import relocation
from backups.engine.changes import Changes, RetryLedger
from backups.engine.exclusions import Exclusions, KnownFolder
from backups.engine.intake import Intake
from backups.engine.mailbox import Mailbox
from backups.engine.progress import Progress
from backups.engine.relisting import listed_anew
from backups.repository import Commit, CommitKind, StoredCommit, Vault, Writer
from backups.sources import ChangePage, CursorExpired, Gone, ItemChange, MailboxSource, SourceFolder
from tenants.isolation.scope import tenant_scope

HIERARCHY = "hierarchy"
EXPORT_AT_ONCE = 200
"""Items handed to the source in one go; it packs them by count and size."""
REMOVE_AT_ONCE = 5_000
UNKNOWN_SIZE = 4 * 1024 * 1024
"""Taken for the size of an item that is only known by its id, so that a pack stays small."""
TOKEN_AGE = timedelta(days=1)
"""A run that finds nothing still commits when the stored delta tokens are older than this."""


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
        exclusions: Exclusions | None = None,
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
        self._backup: MailboxBackup | None = None
        self._ledger = RetryLedger({})
        self._cursors: dict[str, str] = {}
        self._folders: dict[str, KnownFolder] = {}
        """As the source has them now."""
        self._exclusions = exclusions or Exclusions()
        self._announced: dict[str, int] = {}
        """Items that the source says are in folders never read before."""
        self._started_over = False
        """Whether the source forgot a token: the new one must be kept."""
        self._former: set[str] = set()  # folders of where the mailbox was before: relocation.py

    def steps(self) -> Iterator[None]:
        """Do the run; yields after each export so that the group can commit in between.

        Raises SourceError when the mailbox cannot be read on, RepositoryError when it cannot be
        stored, and whatever ``progress.step()`` raises.
        """
        self._backup = self._open()
        intake = Intake(
            mailbox=self.mailbox.reference,
            source=self.source,
            writer=self.writer,
            changes=self.changes,
            ledger=self._ledger,
            progress=self.progress,
            folder_name=self._folder_name,
        )
        yield from self._read_hierarchy()
        left_out = self._exclusions.among(self._folders)
        unread = left_out | self._former
        wanted = [folder_id for folder_id in self._folders if folder_id not in unread]
        self.progress.expect(sum(self._announced.get(folder_id, 0) for folder_id in wanted))
        for folder_id in wanted:
            try:
                yield from self._read_folder(folder_id, intake)
            except Gone:
                yield from self._look_for(folder_id)
        yield from self._retry_faults(intake, left_out)
        if self._former:
            yield from self._settle()
        self.finished = True

    def commit(self) -> None:
        """Write what is pending; the packs it refers to must be durable already.

        Complete when the run is finished, partial otherwise. Writes nothing when nothing changed
        and the stored tokens are fresh.
        """
        backup = self._backup
        if backup is None:
            return
        if not self._worth_a_commit(backup):
            with self._scope():
                self.progress.fence()
                if self._ledger.faults:
                    projection.put_faults(backup, self._ledger.faults.values(), datetime.now(UTC))
                if self.finished:
                    projection.confirm(backup, datetime.now(UTC))
                self.progress.flush()
            return
        commit = self._as_commit(backup)
        stored_hash = self.vault.write_commit(commit)
        with self._scope():
            self.progress.fence()
            projection.apply(backup, StoredCommit(commit, stored_hash), self.vault)
            self.progress.flush()
        self._cursors.update({k: v for k, v in commit.cursors.items() if v is not None})
        self._ledger.changed = False
        self._started_over = False
        self.changes.clear()

    def _open(self) -> MailboxBackup:
        """Roll forward what a dead worker committed and could not project, then read the head."""
        with self._scope():
            backup = MailboxBackup.objects.get(pk=self.mailbox.backup_id)
        require_head(backup, self.vault)
        for stored in self.vault.commits(self.mailbox.mailbox_id, after=backup.head):
            with self._scope():
                self.progress.fence()
                projection.apply(backup, stored, self.vault)
                if stored.commit.run == self.run_id:
                    self._count(stored.commit)
                self.progress.flush()
            self.progress.note(f"Took over commit {stored.commit.sequence} of an earlier worker.")
        with self._scope():
            self._cursors = projection.cursors_of(backup, self.vault)
            self._ledger = RetryLedger(projection.faults_of(backup))
            current = Folder.objects.current().filter(backup=backup)
            rows = current.values_list("folder_id", "name", "parent_id", "well_known")
            self._folders = {folder_id: KnownFolder(*known) for folder_id, *known in rows}
        self._notice_place()
        return backup

    def _notice_place(self) -> None:
        """Whether the mailbox is where it was; if not, nothing that was known there counts."""
        place, here = self._cursors.get(relocation.PLACE), self.mailbox.source_id
        self._former = relocation.folders_in(self._cursors.get(relocation.FORMER))
        if place == here:
            return
        if place is not None:
            self.progress.note(relocation.NOTE)
            self._started_over = True
            self._former = set(self._folders)
            self._ledger.forget()
            self.changes.cursors.update(dict.fromkeys(self._cursors))
            self.changes.cursors[relocation.FORMER] = relocation.cursor_of(self._former)
            self._cursors = {}
        self.changes.cursors[relocation.PLACE] = here

    def _settle(self) -> Iterator[None]:
        """Everything is listed where the mailbox is now: what is there ends at its old place."""
        with self._scope():
            current = self._current()
        pages = relocation.found_again(current, self._former, self.changes.items)
        while True:
            with self._scope():
                found = next(pages, None)
            if found is None:
                break
            for item_id in found:
                self.changes.remove_item(item_id)
            self.progress.step()
            yield
        with self._scope():
            held = relocation.holding(current, self._former, self.changes.removed_items)
        for folder_id in relocation.emptied(self._former, self._folders, held):
            del self._folders[folder_id]
            self.changes.remove_folder(folder_id)
        self._former = set()
        self.changes.cursors[relocation.FORMER] = None
        self._started_over = True

    def _count(self, commit: Commit) -> None:
        """What a dead worker of this very run stored, and could not count any more."""
        new = len(commit.items)
        self.progress.handle(new)
        self.progress.count(
            items_seen=new,
            items_new=new,
            items_removed=len(commit.removed_items),
            bytes_read=sum(item.size for item in commit.items),
        )

    def _worth_a_commit(self, backup: MailboxBackup) -> bool:
        if self.changes.changed or self._ledger.changed or self._started_over:
            return True
        if not self.finished:
            return bool(self.changes.cursors)
        with self._scope():
            point = backup.points.order_by("-sequence").first()
        if point is None or point.sequence != backup.head:
            # What a stopped run left as partial becomes a restore point.
            return True
        new = self.changes.cursors.keys() - self._cursors.keys()
        return bool(new) or datetime.now(UTC) - point.taken_at > TOKEN_AGE

    def _as_commit(self, backup: MailboxBackup) -> Commit:
        return Commit(
            mailbox=self.mailbox.mailbox_id,
            sequence=backup.head + 1,
            kind=CommitKind.COMPLETE if self.finished else CommitKind.PARTIAL,
            previous=bytes(backup.head_hash),
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

    def _folder_name(self, folder_id: str) -> str:
        known = self._folders.get(folder_id)
        return known.name if known else folder_id

    def _read_hierarchy(self) -> Iterator[None]:
        """Bring the folders up to date. A listing that starts over removes nothing."""
        try:
            yield from self._apply_hierarchy(self._cursors.get(HIERARCHY))
        except CursorExpired:
            self.progress.note("The server forgot the folder list's token: all folders are listed.")
            self._started_over = True
            yield from self._apply_hierarchy(None)

    def _apply_hierarchy(self, cursor: str | None) -> Iterator[None]:
        for page in self.source.hierarchy(self.mailbox.reference, cursor):
            self.progress.step()
            for folder_id in page.removed:
                yield from self._remove_folder(folder_id)
            for folder in page.folders:
                self._put_folder(folder)
            if page.warning:
                self.progress.warn(page.warning)
            if page.complete:
                self.changes.cursors[HIERARCHY] = page.cursor
            yield

    def _put_folder(self, folder: SourceFolder) -> None:
        known = KnownFolder(folder.name, folder.parent_id or "", folder.well_known or "")
        if self._folders.get(folder.id) != known:
            self.changes.put_folder(folder)
        self._folders[folder.id] = known
        if folder.id in self._former:
            self._former.discard(folder.id)
            self.changes.cursors[relocation.FORMER] = relocation.cursor_of(self._former)
        if _stream(folder.id) not in self._cursors:
            self._announced[folder.id] = folder.items

    def _remove_folder(self, folder_id: str) -> Iterator[None]:
        """The folder is gone, and with it the items that it held when it went."""
        if folder_id not in self._folders:
            return
        pending = [key for key, item in self.changes.items.items() if item.folder_id == folder_id]
        self._remove_items(folder_id, pending)
        after = 0
        while rows := self._held_in(folder_id, after):
            self._remove_items(folder_id, [item_id for _pk, item_id, _size in rows])
            after = rows[-1][0]
            yield
        for fault in list(self._ledger.faults.values()):
            self._ledger.left_folder(folder_id, fault.item_id)
        del self._folders[folder_id]
        self._cursors.pop(_stream(folder_id), None)
        self.changes.cursors[_stream(folder_id)] = None
        self.changes.remove_folder(folder_id)

    def _held_in(self, folder_id: str, after: int) -> list[tuple[int, str, int]]:
        with self._scope():
            held = self._current().filter(folder_id=folder_id, pk__gt=after).order_by("pk")
            return list(held.values_list("pk", "item_id", "size")[:REMOVE_AT_ONCE])

    def _look_for(self, folder_id: str) -> Iterator[None]:
        """A folder that should be there was not found: did it vanish, or the whole mailbox?

        Raises Gone for the mailbox. Only a folder that a whole new list of folders leaves out
        as well is gone; one that is listed is read by the next run, from where it was.
        """
        pages = self.source.hierarchy(self.mailbox.reference, None)
        if any(folder_id == folder.id for page in pages for folder in page.folders):
            name = self._folders[folder_id].name
            self.progress.warn(f"Folder {name} is listed, but the server did not find it.")
        else:
            yield from self._remove_folder(folder_id)

    def _read_folder(self, folder_id: str, intake: Intake) -> Iterator[None]:
        cursor, held = self._cursors.get(_stream(folder_id)), partial(self._held_in, folder_id)
        whole = partial(listed_anew, self.source, self.mailbox.reference, folder_id, held)
        try:
            # What is held without a cursor is of a first listing that broke off in a page.
            anew = cursor is None and held(0)
            goes_on = partial(self.source.changes, self.mailbox.reference, folder_id, cursor)
            yield from self._apply_changes(folder_id, whole() if anew else goes_on(), intake)
        except CursorExpired:
            name = self._folders[folder_id].name
            self.progress.note(
                f"The server forgot the token of folder {name}: all its items are listed."
            )
            self._started_over = True
            yield from self._apply_changes(folder_id, whole(), intake)

    def _apply_changes(
        self, folder_id: str, pages: Iterable[ChangePage], intake: Intake
    ) -> Iterator[None]:
        for page in pages:
            self.progress.step()
            if page.warning:
                self.progress.warn(page.warning)
            # Of one item's entries in a page the last counts.
            latest = {change.id: change for change in page.changes}.values()
            self._remove_items(folder_id, [change.id for change in latest if change.removed])
            listed = [change for change in latest if not change.removed]
            wanted = self._unknown(folder_id, listed)
            for start in range(0, len(wanted), EXPORT_AT_ONCE):
                yield from intake.take(folder_id, wanted[start : start + EXPORT_AT_ONCE])
            self.progress.count(items_seen=len(listed))
            # A page's cursor stands for all items up to it: they are stored or in the ledger.
            if page.cursor:
                self.changes.cursors[_stream(folder_id)] = page.cursor
            yield

    def _remove_items(self, folder_id: str, item_ids: Sequence[str]) -> None:
        """Gone from this folder. A move lists them elsewhere, perhaps before they are listed
        here: what another folder holds by now stays."""
        if not item_ids:
            return
        folders = {item_id: place[1] for item_id, place in self._known(item_ids).items()}
        here = [item_id for item_id in item_ids if folders.get(item_id) == folder_id]
        for item_id in here:
            self.changes.remove_item(item_id)
        for item_id in item_ids:
            self._ledger.left_folder(folder_id, item_id)
        self.progress.count(items_removed=len(here))

    def _unknown(self, folder_id: str, listed: Sequence[ItemChange]) -> list[ItemChange]:
        """What is not stored yet in this version and folder."""
        known = self._known([change.id for change in listed])
        return [
            change for change in listed if known.get(change.id) != (change.change_key, folder_id)
        ]

    def _known(self, item_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Change key and folder of those items that are stored, or will be with the next commit."""
        with self._scope():
            rows = self._current().filter(item_id__in=item_ids)
            known = {
                item_id: (change_key, folder_id)
                for item_id, change_key, folder_id in rows.values_list(
                    "item_id", "change_key", "folder_id"
                )
                if item_id not in self.changes.removed_items
            }
        for item_id in item_ids:
            pending = self.changes.items.get(item_id)
            if pending is not None:
                known[item_id] = (pending.change_key, pending.folder_id)
        return known

    def _current(self) -> ItemVersionQuerySet:
        return ItemVersion.objects.current().filter(backup=self.mailbox.backup_id)

    def _retry_faults(self, intake: Intake, left_out: set[str]) -> Iterator[None]:
        """Once more what earlier runs could not store and this run has not tried."""
        folders: dict[str, list[ItemChange]] = {}
        for fault in self._ledger.due():
            if fault.folder_id not in left_out:
                change = ItemChange(fault.item_id, size=UNKNOWN_SIZE)
                folders.setdefault(fault.folder_id, []).append(change)
        for folder_id, wanted in folders.items():
            for start in range(0, len(wanted), EXPORT_AT_ONCE):
                yield from intake.take(folder_id, wanted[start : start + EXPORT_AT_ONCE])


def _stream(folder_id: str) -> str:
    return f"items:{folder_id}"
