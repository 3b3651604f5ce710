"""What a repository does with a mail set, one stage in each process: ``python -m
tests.bench.stages STAGE ITEMS REPOSITORY [TO]``. Prints one JSON object."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID, uuid5

from backups.repository import (
    FolderBackend,
    Locate,
    Repository,
    RootKey,
    TenantKeys,
    Vault,
    located,
)
from backups.repository.findings import Report
from backups.repository.verify import Sample, Scope, Verification

from .slices import BlobIndex, Slice, batches, prepared

T = TypeVar("T")

TENANT: Final = UUID("7e57ab1e-0000-4000-8000-000000000001")
ROOT: Final = RootKey(hashlib.sha256(b"benchmark").digest())
KEYS: Final = TenantKeys(*(hashlib.sha256(b"%d" % number).digest() for number in range(4)))

MAILBOXES: Final = 4
"""That a worker claims at once (backups.sessions.services)."""


def ingest(items: Path, place: Path, *, index: bool = False) -> dict[str, object]:
    """Read, check, cut and compare each item, store what is new, and commit, from nothing: in one
    process, as the worker does that has a tenant to itself."""
    with _begun(place) as blobs:
        _ingested(place, blobs, iter(_mailboxes(items)), index=index)
    return {}


def with_index(items: Path, place: Path) -> dict[str, object]:
    """As ``ingest``, with what the catalog and the search know of each item."""
    return ingest(items, place, index=True)


def at_once(items: Path, place: Path) -> dict[str, object]:
    """As ``ingest``, by as many workers as there are cores: none of them knows of the others'
    parts before these are committed."""
    with _begun(place) as blobs:
        _shared_out(lambda mine: _ingested(place, blobs, mine, index=False), _mailboxes(items))
    return {}


@contextmanager
def _begun(place: Path) -> Iterator[Path]:
    """A new repository, and where its index of blobs is."""
    repository = Repository.create(FolderBackend(place), uuid5(TENANT, "repository"))
    vault = repository.vault(TENANT, KEYS, _mailbox_key)
    vault.save_keys(KEYS.wrapped_by(ROOT, TENANT))
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        blobs = Path(folder) / "blobs.sqlite"
        BlobIndex.make(blobs)
        yield blobs


def _ingested(place: Path, blobs: Path, folders: Iterator[Path], *, index: bool) -> None:
    vault = Repository.open(FolderBackend(place)).vault(TENANT, KEYS, _mailbox_key)
    with closing(BlobIndex(blobs)) as known:
        while claimed := list(islice(folders, MAILBOXES)):
            work = Slice(vault, known, index=index)
            for folder in claimed:
                mailbox = _mailbox(folder)
                wrapped = KEYS.wrap_mailbox_key(_mailbox_key(mailbox), TENANT, mailbox)
                vault.save_mailbox_key(mailbox, wrapped)
                work.take(mailbox, folder)
            work.commit()


def again(items: Path, place: Path) -> dict[str, object]:
    """Everything is offered again, and nothing of it is new."""
    vault = _open(place)
    locate = located(vault.pack_index())
    _shared_out(lambda folders: _offered(_open(place), locate, folders), _mailboxes(items))
    return {}


def _offered(vault: Vault, locate: Locate, folders: Iterator[Path]) -> None:
    writer = vault.writer(locate)
    for folder in folders:
        for batch in batches(folder):
            writer.add([prepared(path.read_bytes(), index=False)[0] for path in batch])
    writer.flush()
    if writer.blobs_new:
        raise AssertionError(f"{writer.blobs_new} blobs were stored twice")


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
    locate = located(_open(place).pack_index())
    _shared_out(lambda folders: _restored(_open(place), locate, folders, to), _mailboxes(items))
    return {}


def _restored(vault: Vault, locate: Locate, folders: Iterator[Path], to: Path) -> None:
    for folder in folders:
        target = to / folder.name
        target.mkdir(parents=True)
        for record in vault.state(_mailbox(folder)).items.values():
            content = vault.read_item(record.recipe, record.blobs, record.sha256, locate)
            (target / record.item_id).write_bytes(content)


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
    locate = located(_open(place).pack_index())
    jobs = [None, *_mailboxes(items)]
    _shared_out(lambda mine: _verified(place, locate, mine), jobs)
    return {}


def _verified(place: Path, locate: Locate, folders: Iterator[Path | None]) -> None:
    """The items of each folder's mailbox; of None every object."""
    backend, vault = FolderBackend(place), _open(place)
    for folder in folders:
        scope = Scope(sample=Sample(percent=0))
        if folder is not None:
            scope = Scope(objects=False, mailbox=_mailbox(folder))
        report = Report(full=True)
        Verification(backend, TENANT, vault, report, root=ROOT, scope=scope, locate=locate).run()
        expected = len(list(folder.iterdir())) if folder else 0
        if report.findings or report.items != expected:
            raise AssertionError(f"{report.items} items, findings: {report.findings[:3]}")


def _shared_out(work: Callable[[Iterator[T]], None], jobs: Sequence[T]) -> None:
    """Let as many processes as there are cores do the jobs, as the workers of a proxy do."""
    turn = multiprocessing.Value("i", 0)

    def mine() -> Iterator[T]:
        while True:
            with turn.get_lock():
                number = turn.value
                turn.value += 1
            if number >= len(jobs):
                return
            yield jobs[number]

    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=lambda: work(mine())) for _ in range(os.cpu_count() or 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failed := [worker.exitcode for worker in workers if worker.exitcode]:
        raise RuntimeError(f"worker processes ended with {failed}")


def _open(place: Path) -> Vault:
    return Repository.open(FolderBackend(place)).escrowed_vault(TENANT, ROOT)


def _mailbox(folder: Path) -> UUID:
    return uuid5(TENANT, folder.name)


def _mailbox_key(mailbox: UUID) -> bytes:
    return hashlib.sha256(mailbox.bytes).digest()


def _mailboxes(items: Path) -> list[Path]:
    return sorted(items.iterdir())


STAGES: Final[dict[str, Callable[..., dict[str, object]]]] = {
    stage.__name__: stage
    for stage in (ingest, with_index, at_once, again, unchanged, read, one, verify)
}

if __name__ == "__main__":
    print(json.dumps(STAGES[sys.argv[1]](*map(Path, sys.argv[2:]))))
