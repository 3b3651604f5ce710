"""Copying blobs that are still needed out of packs that hold little else."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import TYPE_CHECKING

from . import layout, packs
from .errors import AlreadyExists, Damaged
from .packs import PackBuilder, StoredPack

if TYPE_CHECKING:
    from uuid import UUID

    from .backend import Backend
    from .blobs import PackClass
    from .keys import TenantKeys


class Repacker:
    """Fills new packs with blobs as they are: encrypted, compressed, with their dictionaries.

    At most two new packs and one old one are in memory (96 MiB). Nothing may be deleted before
    ``flush`` has returned and what ``taken`` gives is noted.
    """

    def __init__(self, backend: Backend, tenant: UUID, keys: TenantKeys) -> None:
        self._backend = backend
        self._tenant = tenant
        self._keys = keys
        self._open: dict[PackClass, PackBuilder] = {}
        self._durable: list[StoredPack] = []

    def copy(self, pack: str, wanted: Collection[bytes]) -> None:
        """Take these blobs out of a pack, which is verified as a whole. Raises Damaged, NotFound,
        and what the backend raises."""
        name = layout.pack_key(self._tenant, pack)
        content = memoryview(self._backend.get(name))
        headers = {header.id: header for header in packs.scan(content, pack, name)}
        trailer = packs.read_trailer(content, len(content), name)
        start = len(content) - packs.TRAILER - trailer.directory
        pack_class, entries, carried = packs.read_directory(
            bytes(content[start : start + trailer.directory]),
            trailer,
            start,
            tenant=self._tenant,
            metadata_key=self._keys.metadata_key,
            name=name,
        )
        if missing := set(wanted) - headers.keys():
            raise Damaged(name, f"lacks blob {min(missing).hex()}, which should be in it")
        for blob_id, offset, length in entries:
            if blob_id in wanted:
                number = headers[blob_id].dictionary
                if number and number not in carried:
                    raise Damaged(name, f"lacks dictionary {number}, which its blobs need")
                needed = {number: carried[number]} if number else {}
                self._place(pack_class, blob_id, content[offset : offset + length], needed)

    def flush(self) -> None:
        """Returns when every new pack is durable."""
        for pack_class in list(self._open):
            self._store(self._open.pop(pack_class))

    def taken(self) -> list[StoredPack]:
        """The packs that became durable since the last call."""
        stored, self._durable = self._durable, []
        return stored

    def _place(
        self, pack_class: PackClass, blob_id: bytes, blob: memoryview, needed: dict[int, bytes]
    ) -> None:
        builder = self._open.get(pack_class)
        if builder is not None and not builder.has_room_for_copy(len(blob), needed):
            self._store(self._open.pop(pack_class))
            builder = None
        if builder is None:
            builder = PackBuilder(pack_class, self._tenant, self._keys.metadata_key)
            self._open[pack_class] = builder
        builder.add_copy(blob_id, blob, needed)

    def _store(self, builder: PackBuilder) -> None:
        pack, content = builder.finish()
        # A name that is taken holds the same bytes: it is their hash.
        with contextlib.suppress(AlreadyExists):
            self._backend.put_immutable(layout.pack_key(self._tenant, pack.id), content)
        self._durable.append(pack)
