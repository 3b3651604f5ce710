"""From listed items to stored parts: export, check, cut, store, and note what could not be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

from backups.engine.changes import Changes, RetryLedger
from backups.engine.items import ItemRefused, prepare
from backups.engine.progress import Progress
from backups.mime_items import is_mime_item
from backups.repository import ItemRecord, Writer
from backups.sources import ExportedItem, Gone, ItemChange, MailboxSource, Payload, SourceError

STORE_ITEMS = 20
STORE_BYTES = 16 * 1024 * 1024
"""Exported items are stored at either of these, so that few of them are in memory at once."""
REDUCED = (
    "Reduced fidelity: this system gives items as MIME, not as native streams; some of what only"
    " Outlook knows is not in the backup."
)
VANISHED = "It was listed, but the server did not find it when asked for it."


class Intake:
    """Takes items of one mailbox into a writer; what becomes of each is put into ``changes``,
    or into the ledger with a warning. ``folder_name`` says a folder's name for people."""

    def __init__(
        self,
        *,
        mailbox: str,
        source: MailboxSource,
        writer: Writer,
        changes: Changes,
        ledger: RetryLedger,
        progress: Progress,
        folder_name: Callable[[str], str],
    ) -> None:
        self._mailbox = mailbox
        self._source = source
        self._writer = writer
        self._changes = changes
        self._ledger = ledger
        self._progress = progress
        self._folder_name = folder_name
        self._said_reduced = False

    def take(self, folder_id: str, wanted: Sequence[ItemChange]) -> Iterator[None]:
        """Export and store; yields where the caller may commit.

        Raises SourceError when the mailbox cannot be read on: what had not been put into
        ``changes`` by then is listed again by the next run, because no cursor has moved.
        """
        classes = {change.id: change.item_class for change in wanted}
        arrived: list[tuple[ExportedItem, Payload]] = []
        size = 0
        for exported in self._source.export(self._mailbox, wanted):
            self._progress.step()
            if exported.payload is None:
                self._missed(folder_id, exported.id, exported.error)
            else:
                arrived.append((exported, exported.payload))
                size += len(exported.payload)
            if len(arrived) >= STORE_ITEMS or size >= STORE_BYTES:
                self._store(folder_id, arrived, classes)
                arrived, size = [], 0
                yield
        self._store(folder_id, arrived, classes)
        yield

    def _missed(self, folder_id: str, item_id: str, error: SourceError | None) -> None:
        self._progress.handle(1)
        if isinstance(error, Gone):
            self._vanished(folder_id, item_id)
        else:
            self._refused(folder_id, item_id, str(error or "The server returned nothing for it."))

    def _vanished(self, folder_id: str, item_id: str) -> None:
        """Most likely deleted since it was listed: then the folder's next round says so too.

        Until then it stays in the ledger. A server that still does not find it and never took
        it from its list has lost it: that is said once.
        """
        known = self._ledger.faults.get(item_id)
        if known is None or known.reason != VANISHED:
            self._ledger.failed(folder_id, item_id, VANISHED)
            self._progress.count(items_skipped=1)
            return
        self._ledger.resolved(item_id)
        self._progress.count(items_failed=1)
        self._progress.warn(
            f"Given up: {VANISHED} (folder {self._folder_name(folder_id)})", item_id
        )

    def _refused(self, folder_id: str, item_id: str, reason: str) -> None:
        self._ledger.failed(folder_id, item_id, reason)
        self._progress.count(items_failed=1)
        self._progress.warn(
            f"Not saved, it will be tried again: {reason} (folder {self._folder_name(folder_id)})",
            item_id,
        )

    def _store(
        self,
        folder_id: str,
        arrived: Sequence[tuple[ExportedItem, Payload]],
        classes: dict[str, str],
    ) -> None:
        ready = []
        for item, payload in arrived:
            try:
                ready.append((item, payload, prepare(payload)))
            except ItemRefused as error:
                self._refused(folder_id, item.id, str(error))
        if not self._said_reduced and any(is_mime_item(payload) for _item, payload, _ in ready):
            self._said_reduced = True
            self._progress.note(REDUCED)
        new_before = self._writer.bytes_new
        references = self._writer.add([prepared.cut for _item, _payload, prepared in ready])
        for (item, payload, prepared), refs in zip(ready, references, strict=True):
            self._changes.put_item(
                ItemRecord(
                    item_id=item.id,
                    change_key=item.change_key,
                    folder_id=folder_id,
                    item_class=prepared.item_class or classes[item.id],
                    size=len(payload),
                    sha256=hashlib.sha256(payload).digest(),
                    recipe=prepared.cut.recipe,
                    blobs=refs,
                    index=prepared.index,
                )
            )
            self._ledger.resolved(item.id)
        self._progress.handle(len(arrived))
        self._progress.count(
            items_new=len(ready),
            bytes_read=sum(len(payload) for _item, payload, _prepared in ready),
            bytes_new=self._writer.bytes_new - new_before,
        )
