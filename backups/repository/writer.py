"""Writing parts into packs: each distinct part of a tenant is stored once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from backups.parts import CutItem, Part

from . import layout
from .blobs import BlobCodec, BlobRef, PackClass, class_of, may_use_dictionary
from .dictionaries import Dictionaries, Dictionary
from .errors import AlreadyExists, RepositoryError
from .packs import Location, PackBuilder, StoredPack
from .training import KEPT_BYTES, Clock, Trainer, now

if TYPE_CHECKING:
    from uuid import UUID

    from .backend import Backend
    from .keys import TenantKeys

PAYS = 1024 * 1024
"""Bytes of small parts in a pack from which a dictionary saves more than its copy there takes."""

Locate = Callable[[Collection[bytes]], Mapping[bytes, Location]]
"""Where blobs are, by id. A blob that is left out is unknown, which costs at most a duplicate."""


def located(index: Mapping[bytes, Location]) -> Locate:
    """For an index that is in memory, such as ``Vault.pack_index()`` gives."""
    return lambda _: index


class Writer:
    """Fills packs with the parts of items, for any mailboxes of one tenant.

    Nothing that ``add`` refers to may be committed before ``flush`` has returned. At most two
    packs are in memory (64 MiB), and up to 16 MiB of small parts that wait for a dictionary or are
    samples for one. After an error the writer refuses further work: the references it gave may
    point to packs that never got there. Not safe for use by several threads at once.
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
        self.bytes_stored = 0
        """Bytes of the packs that are durable."""
        self.blobs_new = 0
        self.blobs_known = 0
        self._backend = backend
        self._tenant = tenant
        self._keys = keys
        self._codec = BlobCodec(keys)
        self._locate = locate
        self._written: set[bytes] = set()
        self._open: dict[PackClass, PackBuilder] = {}
        self._trainer = Trainer(Dictionaries(backend, tenant, keys.metadata_key), clock)
        self._waiting: list[tuple[BlobRef, bytes]] = []
        self._waiting_bytes = 0
        self._durable: list[StoredPack] = []
        self._failure: str | None = None

    def add(self, items: Sequence[CutItem]) -> list[tuple[BlobRef, ...]]:
        """References to the parts of each item, in order. Raises what the backend raises."""
        self._refuse_after_failure()
        refs = [tuple(self._codec.reference(part.data) for part in i.parts) for i in items]
        ids = {ref.id for item in refs for ref in item}
        known = set(self._locate(unseen)) if (unseen := ids - self._written) else set()
        for item, item_refs in zip(items, refs, strict=True):
            for part, ref in zip(item.parts, item_refs, strict=True):
                self._add(part, ref, known)
        return refs

    def flush(self) -> None:
        """Returns when every pack is durable. Raises what the backend raises."""
        self._refuse_after_failure()
        self._place_waiting(None)
        for pack_class in list(self._open):
            self._store(self._open.pop(pack_class))

    def taken(self) -> list[StoredPack]:
        """The packs that became durable since the last call, for the catalog."""
        packs, self._durable = self._durable, []
        return packs

    def _add(self, part: Part, ref: BlobRef, known: set[bytes]) -> None:
        self.bytes_in += ref.length
        if ref.id in self._written or ref.id in known:
            self.blobs_known += 1
            return
        pack_class = class_of(part.role)
        if may_use_dictionary(pack_class, ref.length):
            content = part.data
            self._trainer.offer(content)
            self._waiting.append((ref, content))
            self._waiting_bytes += ref.length
            self._place_if_it_pays()
        else:
            self._place(pack_class, ref, part.data, None)
        self._written.add(ref.id)
        self.blobs_new += 1
        self.bytes_new += ref.length

    def _place_if_it_pays(self) -> None:
        """Small parts wait until it is known whether their pack is worth a dictionary."""
        builder = self._open.get(PackClass.SKELETON)
        if builder is not None and builder.uses_dictionaries:
            self._place_waiting(self._trainer.dictionary())
        elif self._waiting_bytes >= PAYS:
            dictionary = self._trainer.dictionary()
            hoped_for = dictionary is None and self._trainer.expects_one
            if not hoped_for or self._waiting_bytes >= KEPT_BYTES:
                self._place_waiting(dictionary)

    def _place_waiting(self, dictionary: Dictionary | None) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for ref, content in waiting:
            self._place(PackClass.SKELETON, ref, content, dictionary)

    def _place(
        self, pack_class: PackClass, ref: BlobRef, content: bytes, dictionary: Dictionary | None
    ) -> None:
        builder = self._open.get(pack_class)
        if builder is not None and not builder.has_room(ref.length, dictionary):
            self._store(self._open.pop(pack_class))
            builder = None
        if builder is None:
            builder = PackBuilder(pack_class, self._tenant, self._keys.metadata_key)
            self._open[pack_class] = builder
        try:
            builder.add(self._codec, ref, content, dictionary)
        except RepositoryError as error:
            self._failure = str(error)
            raise

    def _store(self, builder: PackBuilder) -> None:
        pack, content = builder.finish()
        # Until the pack is there, references to it are promises that can't be kept.
        self._failure = f"pack {pack.id} was not stored"
        # A name that is taken holds the same bytes: it is their hash.
        with contextlib.suppress(AlreadyExists):
            self._backend.put_immutable(layout.pack_key(self._tenant, pack.id), content)
        self._failure = None
        self._durable.append(pack)
        self.bytes_stored += pack.size

    def _refuse_after_failure(self) -> None:
        if self._failure is not None:
            raise RepositoryError(f"this writer has failed and can't go on: {self._failure}")
