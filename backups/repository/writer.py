"""Writing parts into packs: each distinct part of a tenant is stored once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from backups.parts import CutItem, Part, Role

from .blobs import BlobCodec, BlobRef, class_of
from .errors import WriterFailed
from .filling import Filler, NewPart
from .packs import Location, StoredPack
from .training import Clock, now

if TYPE_CHECKING:
    from uuid import UUID

    from .backend import Backend
    from .keys import TenantKeys

AHEAD = 16 * 1024 * 1024
"""Bytes of new parts that may wait until they are packed; then ``add`` waits, too."""

TOGETHER = 256 * 1024
"""Bytes of new parts that are given to the thread at once."""

REMEMBERED = 32_768
"""References to bodies and attachments that are kept for when the same part comes again."""

Locate = Callable[[Collection[bytes]], Mapping[bytes, Location]]
"""Where blobs are, by id. A blob that is left out is unknown, which costs at most a duplicate."""


def located(index: Mapping[bytes, Location]) -> Locate:
    """For an index that is in memory, such as ``Vault.pack_index()`` gives."""
    return lambda _: index


class Writer:
    """Fills packs with the parts of items, for any mailboxes of one tenant.

    New parts are compressed, encrypted, verified and written by a thread of the writer's own
    while the next items are read. Nothing that ``add`` refers to may be committed before
    ``flush`` has returned. At most two packs are in memory (64 MiB), up to 24 MiB of small parts
    that wait for a dictionary or are samples for one, and 16 MiB of parts that wait for the
    thread. After an error the writer refuses further work: the references it gave may point to
    packs that never got there. Not safe for use by several threads at once.
    """

    def __init__(
        self,
        backend: Backend,
        tenant: UUID,
        keys: TenantKeys,
        locate: Locate,
        clock: Clock = now,
    ) -> None:
        self.bytes_in = 0
        """Plaintext of all parts."""
        self.bytes_new = 0
        """Plaintext of the parts that were not known."""
        self.blobs_new = 0
        self.blobs_known = 0
        self._codec = BlobCodec(keys)
        self._locate = locate
        self._written: set[bytes] = set()
        self._remembered: dict[bytes, BlobRef] = {}
        self._filler = Filler(backend, tenant, keys, clock)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="packing")
        self._underway: deque[tuple[Future[None], int]] = deque()
        """What the thread has to do, and how many bytes of parts wait for it."""
        self._ahead = 0
        self._failure = ""

    @property
    def bytes_stored(self) -> int:
        """Bytes of the packs that are durable."""
        return self._filler.bytes_stored

    def add(self, items: Sequence[CutItem]) -> list[tuple[BlobRef, ...]]:
        """References to the parts of each item, in order.

        Raises what the backend raises, perhaps for parts that an earlier call gave; WriterFailed.
        """
        self._refuse_after_failure()
        # Parts may be made when they are asked for: those that are known are not kept.
        refs = [tuple(self._reference(part) for part in item.parts) for item in items]
        ids = {ref.id for item in refs for ref in item}
        known = set(self._locate(unseen)) if (unseen := ids - self._written) else set()
        with self._failing_for_good():
            new: list[NewPart] = []
            for item, item_refs in zip(items, refs, strict=True):
                for part, ref in zip(item.parts, item_refs, strict=True):
                    self.bytes_in += ref.length
                    if ref.id in self._written or ref.id in known:
                        self.blobs_known += 1
                        continue
                    new.append(NewPart(class_of(part.role), ref, part.data))
                    self._written.add(ref.id)
                    self.blobs_new += 1
                    self.bytes_new += ref.length
                    if sum(there.ref.length for there in new) >= TOGETHER:
                        self._hand_over(new)
                        new = []
            if new:
                self._hand_over(new)
        return refs

    def flush(self) -> None:
        """Returns when every pack is durable. Raises what the backend raises, and WriterFailed."""
        self._refuse_after_failure()
        with self._failing_for_good():
            self._underway.append((self._thread.submit(self._filler.flush), 0))
            while self._underway:
                self._wait()

    def taken(self) -> list[StoredPack]:
        """The packs that became durable since the last call, for the catalog."""
        return self._filler.taken()

    def _reference(self, part: Part) -> BlobRef:
        """A key takes a hash of its own, which a part that many items have is spared."""
        content = part.data
        blob_id = self._codec.id_of(content)
        if part.role is Role.SKELETON:
            return self._codec.reference(content, blob_id)
        ref = self._remembered.get(blob_id)
        if ref is None:
            ref = self._remembered[blob_id] = self._codec.reference(content, blob_id)
            if len(self._remembered) > REMEMBERED:
                del self._remembered[next(iter(self._remembered))]
        return ref

    def _hand_over(self, parts: list[NewPart]) -> None:
        size = sum(part.ref.length for part in parts)
        while self._underway and (self._underway[0][0].done() or self._ahead + size > AHEAD):
            self._wait()
        self._underway.append((self._thread.submit(self._filler.add, parts), size))
        self._ahead += size

    def _wait(self) -> None:
        """Until the oldest of what is under way is done; raises what went wrong with it."""
        done, size = self._underway.popleft()
        self._ahead -= size
        done.result()

    @contextmanager
    def _failing_for_good(self) -> Iterator[None]:
        """After any error at all: what waited may be lost, and others were told it is there."""
        try:
            yield
        except BaseException as error:
            self._failure = f"{type(error).__name__}: {error}"
            raise

    def _refuse_after_failure(self) -> None:
        if self._failure:
            raise WriterFailed(f"this writer has failed and can't go on: {self._failure}")
