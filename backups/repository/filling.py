"""Filling packs with new parts, in the order in which they come."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from . import layout
from .blobs import BlobCodec, BlobRef, PackClass, may_use_dictionary
from .dictionaries import Dictionaries, Dictionary
from .errors import AlreadyExists, RepositoryError
from .packs import PackBuilder, StoredPack
from .training import KEPT_BYTES, Clock, Trainer

if TYPE_CHECKING:
    from uuid import UUID

    from .backend import Backend
    from .keys import TenantKeys

PAYS = 1024 * 1024
"""Bytes of small parts in a pack from which a dictionary saves more than its copy there takes."""

LONGEST_WAIT = 2 * KEPT_BYTES
"""Bytes of small parts that wait for a dictionary while it is trained."""


class NewPart(NamedTuple):
    pack_class: PackClass
    ref: BlobRef
    content: bytes


class Filler:
    """The packs that one writer fills. One thread adds and flushes, another may ask what became
    durable. After an error it refuses further work."""

    def __init__(self, backend: Backend, tenant: UUID, keys: TenantKeys, clock: Clock) -> None:
        self.bytes_stored = 0
        """Bytes of the packs that are durable."""
        self._backend = backend
        self._tenant = tenant
        self._keys = keys
        self._codec = BlobCodec(keys)
        self._open: dict[PackClass, PackBuilder] = {}
        self._trainer = Trainer(Dictionaries(backend, tenant, keys.metadata_key), clock)
        self._waiting: list[NewPart] = []
        self._waiting_bytes = 0
        self._durable: list[StoredPack] = []
        self._failed = False

    def add(self, parts: Sequence[NewPart]) -> None:
        """Raises what the backend raises, and Damaged for a blob that does not read back."""
        with self._all_or_nothing():
            for part in parts:
                if may_use_dictionary(part.pack_class, part.ref.length):
                    self._trainer.offer(part.content)
                    self._waiting.append(part)
                    self._waiting_bytes += part.ref.length
                    self._place_if_it_pays()
                else:
                    self._place(part, None)

    def flush(self) -> None:
        """Returns when every pack is durable. Raises as ``add`` does."""
        with self._all_or_nothing():
            pays = self._waiting_bytes >= PAYS
            self._place_waiting(self._trainer.finished() if pays else None)
            for pack_class in list(self._open):
                self._store(self._open.pop(pack_class))

    def taken(self) -> list[StoredPack]:
        """The packs that became durable since the last call."""
        # The thread that fills may append meanwhile.
        packs = self._durable[:]
        del self._durable[: len(packs)]
        return packs

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Until a pack is there, references to it are promises: one broken, none is kept."""
        if self._failed:
            raise RepositoryError("a pack before this one was not stored")
        self._failed = True
        yield
        self._failed = False

    def _place_if_it_pays(self) -> None:
        """Small parts wait until it is known whether their pack is worth a dictionary."""
        builder = self._open.get(PackClass.SKELETON)
        if builder is not None and builder.uses_dictionaries:
            self._place_waiting(self._trainer.dictionary())
        elif self._waiting_bytes >= PAYS:
            dictionary = self._trainer.dictionary()
            patience = LONGEST_WAIT if self._trainer.is_training else KEPT_BYTES
            hoped_for = dictionary is None and self._trainer.expects_one
            if not hoped_for or self._waiting_bytes >= patience:
                self._place_waiting(self._trainer.finished())

    def _place_waiting(self, dictionary: Dictionary | None) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for part in waiting:
            self._place(part, dictionary)

    def _place(self, part: NewPart, dictionary: Dictionary | None) -> None:
        builder = self._open.get(part.pack_class)
        if builder is not None and not builder.has_room(part.ref.length, dictionary):
            self._store(self._open.pop(part.pack_class))
            builder = None
        if builder is None:
            builder = PackBuilder(part.pack_class, self._tenant, self._keys.metadata_key)
            self._open[part.pack_class] = builder
        builder.add(self._codec, part.ref, part.content, dictionary)

    def _store(self, builder: PackBuilder) -> None:
        pack, content = builder.finish()
        # A name that is taken holds the same bytes: it is their hash.
        with contextlib.suppress(AlreadyExists):
            self._backend.put_immutable(layout.pack_key(self._tenant, pack.id), content)
        self._durable.append(pack)
        self.bytes_stored += pack.size
