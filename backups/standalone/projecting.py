"""One mailbox's commits as rows of an index."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from backups.catalog.index import columns, text
from backups.repository import (
    Checkpoint,
    Commit,
    Expired,
    FolderRecord,
    ItemRecord,
    Point,
    StoredCommit,
    Vault,
    encode_references,
)

TABLES = ("versions", "folders", "points", "mailboxes")
_INSERT_VERSION = (
    "INSERT OR REPLACE INTO versions (mailbox, item_id, first, ended, folder_id, change_key,"
    " item_class, size, sha256, subject, sender, recipients, attachments, message_id, sent_at,"
    " received_at, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UNNEEDED = (
    " mailbox = ? AND ended IS NOT NULL AND NOT EXISTS (SELECT 1 FROM points p"
    " WHERE p.mailbox = {0}.mailbox AND p.sequence >= {0}.first AND p.sequence < {0}.ended)"
)


class Projection:
    """What an index knows of a mailbox; whoever calls it opens and ends the transaction."""

    def __init__(self, rows: sqlite3.Connection, vault: Vault, mailbox: UUID) -> None:
        self._rows = rows
        self._vault = vault
        self._mailbox = mailbox
        self._key = str(mailbox)
        rows.execute(
            "INSERT OR IGNORE INTO mailboxes (mailbox, tenant) VALUES (?, ?)",
            (self._key, str(vault.tenant)),
        )
        found = rows.execute(
            "SELECT head, head_hash, items, bytes FROM mailboxes WHERE mailbox = ?", (self._key,)
        )
        self.head, self.head_hash, self._items, self._bytes = found.fetchone()

    def load(self, stored: StoredCommit, checkpoint: Checkpoint) -> None:
        """Begin anew at a commit with a checkpoint."""
        clear(self._rows, self._mailbox)
        self._rows.execute(
            "INSERT INTO mailboxes (mailbox, tenant) VALUES (?, ?)",
            (self._key, str(self._vault.tenant)),
        )
        self._items = self._bytes = 0
        for version in checkpoint.folders:
            self._put_folder(version.folder, version.first, version.end)
        for first, end, item in self._vault.versions(self._mailbox, checkpoint):
            self._put(item, first, end)
        for point in checkpoint.points:
            self._put_point(point)
        self._moved(stored)

    def apply(self, stored: StoredCommit) -> None:
        """The commit after the head."""
        commit = stored.commit
        if commit.kind.has_content:
            self._apply_content(commit)
        if commit.expired is not None:
            self._take_back(commit.expired)
        if commit.is_point:
            place = (commit.sequence, commit.taken_at, commit.run, self._items, self._bytes)
            self._put_point(Point(*place, len(commit.faults), commit.coverage))
        self._moved(stored)

    def _apply_content(self, commit: Commit) -> None:
        for folder_id in [*commit.removed_folders, *(folder.id for folder in commit.folders)]:
            self._rows.execute(
                "UPDATE folders SET ended = ? WHERE mailbox = ? AND folder_id = ?"
                " AND ended IS NULL AND first < ?",
                (commit.sequence, self._key, folder_id, commit.sequence),
            )
        for folder in commit.folders:
            self._put_folder(folder, commit.sequence, None)
        # Named twice in one commit, the last counts.
        items = {item.item_id: item for item in commit.items}
        self._end([*commit.removed_items, *items], commit.sequence)
        for item in items.values():
            self._put(item, commit.sequence, None)

    def _end(self, item_ids: Iterable[str], sequence: int) -> None:
        for item_id in item_ids:
            ended = self._rows.execute(
                "UPDATE versions SET ended = ? WHERE mailbox = ? AND item_id = ?"
                " AND ended IS NULL RETURNING size",
                (sequence, self._key, item_id),
            )
            self._let_go(size for (size,) in ended.fetchall())

    def _take_back(self, expired: Expired) -> None:
        for point in expired.points:
            self._rows.execute(
                "DELETE FROM points WHERE mailbox = ? AND sequence = ?", (self._key, point)
            )
        for item_id, first in expired.versions:
            gone = self._rows.execute(
                "DELETE FROM versions WHERE mailbox = ? AND item_id = ? AND first = ?"
                " RETURNING size, ended",
                (self._key, item_id, first),
            )
            self._let_go(size for size, ended in gone.fetchall() if ended is None)
        for table in ("versions", "folders"):
            self._rows.execute(
                f"DELETE FROM {table} WHERE {_UNNEEDED.format(table)}",  # noqa: S608  (our names)
                (self._key,),
            )

    def _let_go(self, sizes: Iterable[int]) -> None:
        for size in sizes:
            self._items -= 1
            self._bytes -= size

    def _put(self, item: ItemRecord, first: int, end: int | None) -> None:
        known = columns(item.index)
        if end is None:
            self._items += 1
            self._bytes += item.size
        place = (self._key, item.item_id, first, end, item.folder_id)
        named = (item.change_key, text(item.item_class, 255), item.size, item.sha256)
        people = (known["subject"], known["sender"], known["recipients"])
        names = "\n".join(str(name) for name, _ in known["attachments"])
        dates = (moment(known["sent_at"]), moment(known["received_at"]))
        bound = sealed_name(item.item_id, first)
        references = encode_references(item.recipe, item.blobs)
        sealed = self._vault.seal(self._mailbox, bound, references)
        row = (*place, *named, *people, names, known["message_id"], *dates, sealed)
        self._rows.execute(_INSERT_VERSION, row)

    def _put_folder(self, folder: FolderRecord, first: int, end: int | None) -> None:
        parent = None if folder.parent_id is None else folder.parent_id
        self._rows.execute(
            "INSERT OR REPLACE INTO folders VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._key,
                folder.id,
                first,
                end,
                parent,
                text(folder.name),
                text(folder.kind),
                text(folder.well_known) or None,
            ),
        )

    def _put_point(self, point: Point) -> None:
        place = (self._key, point.sequence, moment(point.taken_at), str(point.run))
        counts = (point.items, point.bytes, point.faults)
        self._rows.execute(
            "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*place, *counts, json.dumps(point.coverage)),
        )
        if address := text(point.coverage.get("address")):
            self._rows.execute(
                "UPDATE mailboxes SET address = ? WHERE mailbox = ?", (address, self._key)
            )

    def _moved(self, stored: StoredCommit) -> None:
        self.head, self.head_hash = stored.commit.sequence, stored.hash
        self._rows.execute(
            "UPDATE mailboxes SET head = ?, head_hash = ?, items = ?, bytes = ? WHERE mailbox = ?",
            (self.head, self.head_hash, self._items, self._bytes, self._key),
        )


def clear(rows: sqlite3.Connection, mailbox: UUID) -> None:
    """Nothing of a mailbox is left."""
    for table in TABLES:
        rows.execute(f"DELETE FROM {table} WHERE mailbox = ?", (str(mailbox),))  # noqa: S608


def sealed_name(item_id: str, first: int) -> bytes:
    """What the references of a version are bound to."""
    return f"index/{first}/{item_id}".encode(errors="surrogatepass")


def moment(when: datetime | None) -> str | None:
    """ISO 8601 in UTC, always of one form, so that texts compare as times do."""
    if when is None:
        return None
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
