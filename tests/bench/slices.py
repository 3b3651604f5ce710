"""A slice of the engine's work without its database: mailboxes that share a writer."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID

from backups import streams
from backups.parts import CutItem
from backups.repository import (
    NO_COMMIT,
    Commit,
    CommitKind,
    ItemRecord,
    Location,
    StoredPack,
    Vault,
)

BATCH: Final = 20
GROUP_ITEMS: Final = 2_000
GROUP_BYTES: Final = 64 * 1024 * 1024
"""When a slice of the engine makes its packs durable and commits."""


class BlobIndex:
    """Where blobs are, for all processes: stands in for the catalog's table."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, timeout=60)
        self._database.execute("PRAGMA synchronous = off")

    @classmethod
    def make(cls, path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = wal")
            database.execute(
                "CREATE TABLE blob (id BLOB PRIMARY KEY, pack TEXT, place INT, size INT)"
                " WITHOUT ROWID"
            )

    def locate(self, ids: Collection[bytes]) -> Mapping[bytes, Location]:
        asked = list(ids)
        found: dict[bytes, Location] = {}
        for start in range(0, len(asked), 500):
            some = asked[start : start + 500]
            marks = ",".join("?" * len(some))
            rows = self._database.execute(f"SELECT * FROM blob WHERE id IN ({marks})", some)
            found.update((blob_id, Location(*place)) for blob_id, *place in rows)
        return found

    def record(self, packs: Sequence[StoredPack]) -> None:
        rows = [(i, pack.id, at, size) for pack in packs for i, at, size in pack.blobs]
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO blob VALUES (?, ?, ?, ?)", rows)

    def close(self) -> None:
        self._database.close()


class Slice:
    """Commits as the engine's groups do; a mailbox that was read to its end has a complete one."""

    def __init__(self, vault: Vault, known: BlobIndex, *, index: bool) -> None:
        self._vault = vault
        self._known = known
        self._writer = vault.writer(known.locate)
        self._index = index
        self._heads: dict[UUID, tuple[int, bytes]] = {}
        self._pending: dict[UUID, list[ItemRecord]] = {}
        self._finished: set[UUID] = set()
        self._items = self._bytes = 0

    def take(self, mailbox: UUID, folder: Path) -> None:
        """Back up every file in ``folder``."""
        for batch in batches(folder):
            self._take(mailbox, batch)
            if self._items >= GROUP_ITEMS or self._bytes >= GROUP_BYTES:
                self.commit()
        self._finished.add(mailbox)

    def _take(self, mailbox: UUID, batch: list[Path]) -> None:
        payloads = [path.read_bytes() for path in batch]
        cuts = [prepared(payload, index=self._index) for payload in payloads]
        references = self._writer.add([cut for cut, _ in cuts])
        for path, payload, (cut, facts), refs in zip(
            batch, payloads, cuts, references, strict=True
        ):
            record = ItemRecord(
                item_id=path.name,
                change_key="1",
                folder_id="inbox",
                item_class="IPM.Note",
                size=len(payload),
                sha256=hashlib.sha256(payload).digest(),
                recipe=cut.recipe,
                blobs=refs,
                index=facts,
            )
            self._pending.setdefault(mailbox, []).append(record)
            self._items += 1
            self._bytes += len(payload)

    def commit(self) -> None:
        self._writer.flush()
        self._known.record(self._writer.taken())
        for mailbox in self._pending.keys() | self._finished:
            sequence, previous = self._heads.get(mailbox, (0, NO_COMMIT))
            commit = Commit(
                mailbox=mailbox,
                sequence=sequence + 1,
                kind=CommitKind.COMPLETE if mailbox in self._finished else CommitKind.PARTIAL,
                previous=previous,
                run=mailbox,
                taken_at=datetime.now(UTC),
                items=self._pending.get(mailbox, []),
            )
            self._heads[mailbox] = (sequence + 1, self._vault.write_commit(commit))
        self._pending.clear()
        self._finished.clear()
        self._items = self._bytes = 0


def prepared(payload: bytes, *, index: bool) -> tuple[CutItem, dict[str, object]]:
    stream = streams.open_stream(payload)
    stream.summary()
    facts = stream.index().to_record() if index else {}
    cut = stream.cut()
    if not cut.matches(payload):
        raise AssertionError("an item does not join to the same bytes")
    return cut, facts


def batches(folder: Path) -> Iterator[list[Path]]:
    paths = iter(sorted(folder.iterdir()))
    while batch := list(islice(paths, BATCH)):
        yield batch
