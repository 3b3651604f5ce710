"""What a repository does with a mail set, one stage in each process: ``python -m
tests.bench.stages STAGE ITEMS REPOSITORY [TO]``. Prints one JSON object."""

from __future__ import annotations

import hashlib
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final
from uuid import UUID, uuid5

from backups import streams
from backups.parts import CutItem
from backups.repository import (
    NO_COMMIT,
    Commit,
    CommitKind,
    FolderBackend,
    ItemRecord,
    Location,
    Repository,
    RootKey,
    TenantKeys,
    Vault,
    Writer,
    located,
)
from backups.repository.check import check

BATCH: Final = 20
GROUP_ITEMS: Final = 2_000
GROUP_BYTES: Final = 64 * 1024 * 1024
"""When a slice of the engine makes its packs durable and commits."""

TENANT: Final = UUID("7e57ab1e-0000-4000-8000-000000000001")
ROOT: Final = RootKey(hashlib.sha256(b"benchmark").digest())
KEYS: Final = TenantKeys(*(hashlib.sha256(b"%d" % number).digest() for number in range(4)))


def ingest(items: Path, place: Path, *, index: bool = False) -> dict[str, object]:
    """Read, check, cut and compare each item, store what is new, and commit, from nothing."""
    repository = Repository.create(FolderBackend(place), uuid5(TENANT, "repository"))
    vault = repository.vault(TENANT, KEYS, _mailbox_key)
    vault.save_keys(KEYS.wrapped_by(ROOT, TENANT))
    known: dict[bytes, Location] = {}
    _Slice(vault, vault.writer(located(known)), known, index=index).run(items)
    return {}


def with_index(items: Path, place: Path) -> dict[str, object]:
    """As ``ingest``, with what the catalog and the search know of each item."""
    return ingest(items, place, index=True)


def again(items: Path, place: Path) -> dict[str, object]:
    """Everything is offered again, and nothing of it is new."""
    vault = _open(place)
    writer = vault.writer(located(vault.pack_index()))
    for folder in _mailboxes(items):
        for batch in _batches(folder):
            writer.add([_prepared(path.read_bytes(), index=False)[0] for path in batch])
    writer.flush()
    if writer.blobs_new:
        raise AssertionError(f"{writer.blobs_new} blobs were stored twice")
    return {}


def unchanged(items: Path, place: Path) -> dict[str, object]:
    """The source says that nothing changed: the cursors are read, and nothing is written."""
    vault = _open(place)
    for folder in _mailboxes(items):
        mailbox = _mailbox(folder)
        stored = vault.read_commit(mailbox, max(vault.sequences(mailbox)))
        if stored is None:
            raise AssertionError("a commit that was listed is not there")
    return {}


def read(items: Path, place: Path, to: Path) -> dict[str, object]:
    """Every item into a file, its hash compared."""
    vault = _open(place)
    locate = located(vault.pack_index())
    for folder in _mailboxes(items):
        target = to / folder.name
        target.mkdir(parents=True)
        for record in vault.state(_mailbox(folder)).items.values():
            content = vault.read_item(record.recipe, record.blobs, record.sha256, locate)
            (target / record.item_id).write_bytes(content)
    return {}


def one(items: Path, place: Path) -> dict[str, object]:
    """Single items in a process that is warm: the median and the 95th of a hundred, in ms."""
    vault = _open(place)
    locate = located(vault.pack_index())
    chance = random.Random(1)
    records = [
        record
        for folder in _mailboxes(items)
        for record in vault.state(_mailbox(folder)).items.values()
    ]
    taken = []
    for record in chance.choices(records, k=100):
        began = time.perf_counter()
        vault.read_item(record.recipe, record.blobs, record.sha256, locate)
        taken.append((time.perf_counter() - began) * 1000)
    return {"median_ms": statistics.median(taken), "p95_ms": statistics.quantiles(taken, n=20)[-1]}


def verify(items: Path, place: Path) -> dict[str, object]:
    """Every object, every blob and every item."""
    report = check(Repository.open(FolderBackend(place)), ROOT)
    if report.findings:
        raise AssertionError(f"{len(report.findings)} findings, first {report.findings[0]}")
    return {}


class _Slice:
    """Mailboxes that share a writer, as the engine's commit groups do."""

    def __init__(
        self, vault: Vault, writer: Writer, known: dict[bytes, Location], *, index: bool
    ) -> None:
        self._vault = vault
        self._writer = writer
        self._known = known
        self._index = index
        self._heads: dict[UUID, tuple[int, bytes]] = {}
        self._pending: dict[UUID, list[ItemRecord]] = {}
        self._finished: set[UUID] = set()
        self._items = self._bytes = 0

    def run(self, items: Path) -> None:
        for folder in _mailboxes(items):
            mailbox = _mailbox(folder)
            wrapped = KEYS.wrap_mailbox_key(_mailbox_key(mailbox), TENANT, mailbox)
            self._vault.save_mailbox_key(mailbox, wrapped)
            for batch in _batches(folder):
                self._take(mailbox, batch)
                if self._items >= GROUP_ITEMS or self._bytes >= GROUP_BYTES:
                    self._commit()
            self._finished.add(mailbox)
        self._commit()

    def _take(self, mailbox: UUID, batch: list[Path]) -> None:
        payloads = [path.read_bytes() for path in batch]
        prepared = [_prepared(payload, index=self._index) for payload in payloads]
        references = self._writer.add([cut for cut, _ in prepared])
        for path, payload, (cut, facts), refs in zip(
            batch, payloads, prepared, references, strict=True
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

    def _commit(self) -> None:
        self._writer.flush()
        for pack in self._writer.taken():
            self._known.update(
                (blob_id, Location(pack.id, offset, length))
                for blob_id, offset, length in pack.blobs
            )
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


def _prepared(payload: bytes, *, index: bool) -> tuple[CutItem, dict[str, object]]:
    stream = streams.open_stream(payload)
    stream.summary()
    facts = stream.index().to_record() if index else {}
    cut = stream.cut()
    if not cut.matches(payload):
        raise AssertionError("an item does not join to the same bytes")
    return cut, facts


def _open(place: Path) -> Vault:
    return Repository.open(FolderBackend(place)).escrowed_vault(TENANT, ROOT)


def _mailbox(folder: Path) -> UUID:
    return uuid5(TENANT, folder.name)


def _mailbox_key(mailbox: UUID) -> bytes:
    return hashlib.sha256(mailbox.bytes).digest()


def _mailboxes(items: Path) -> list[Path]:
    return sorted(items.iterdir())


def _batches(folder: Path) -> Iterator[list[Path]]:
    paths = iter(sorted(folder.iterdir()))
    while batch := list(islice(paths, BATCH)):
        yield batch


STAGES: Final[dict[str, Callable[..., dict[str, object]]]] = {
    stage.__name__: stage for stage in (ingest, with_index, again, unchanged, read, one, verify)
}

if __name__ == "__main__":
    print(json.dumps(STAGES[sys.argv[1]](*map(Path, sys.argv[2:]))))
