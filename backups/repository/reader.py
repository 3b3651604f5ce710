"""Reading items back: locate, fetch, decrypt, join, and compare with the hash of the original."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from backups.parts import Recipe, RecipeError, join

from . import dictionaries, layout, packs
from .blobs import BlobCodec, BlobRef, read_header, verify_checksum
from .dictionaries import NONE, Dictionaries, Dictionary
from .errors import Damaged, NotFound, RepositoryError, Unreadable

if TYPE_CHECKING:
    from uuid import UUID

    from .backend import Backend
    from .keys import TenantKeys
    from .packs import Location
    from .writer import Locate

ONE_READ = 8 * 1024 * 1024
"""Neighbouring blobs are fetched together up to this many bytes."""

COPIES = 8
"""Packs whose dictionaries are kept in memory, where the dictionaries' own objects don't serve."""


class Reader:
    """Reads one tenant's packs. Not safe for use by several threads at once."""

    def __init__(self, backend: Backend, tenant: UUID, keys: TenantKeys) -> None:
        self._backend = backend
        self._tenant = tenant
        self._metadata_key = keys.metadata_key
        self._codec = BlobCodec(keys)
        self._dictionaries = Dictionaries(backend, tenant, keys.metadata_key)
        self._copies: dict[tuple[str, int], Dictionary] = {}

    def item(self, recipe: Recipe, refs: Sequence[BlobRef], sha256: bytes, locate: Locate) -> bytes:
        """The exact bytes of the item. Raises Damaged, naming pack and blob."""
        wanted = {ref.id: ref for ref in refs}
        found = locate(list(wanted))
        for blob_id in wanted:
            if blob_id not in found:
                raise Damaged(f"blob {blob_id.hex()}", "is in no pack of the repository")
        blobs: dict[bytes, bytes] = {}
        for run in _neighbours({blob_id: found[blob_id] for blob_id in wanted}):
            blobs.update(self._fetch(run, wanted))
        try:
            content = join(recipe, [blobs[ref.id] for ref in refs])
        except RecipeError as error:
            raise Damaged("item", f"recipe and parts do not fit: {error}") from error
        if hashlib.sha256(content).digest() != sha256:
            raise Damaged("item", "the joined bytes are not those that were backed up")
        return content

    def pack(self, pack: str) -> packs.StoredPack:
        """What a pack holds, from its end alone. Raises Damaged, NotFound."""
        name = layout.pack_key(self._tenant, pack)
        size = self._backend.size(name)
        tail_length = min(size, packs.TRAILER)
        tail = self._backend.get(name, size - tail_length, tail_length)
        trailer = packs.read_trailer(tail, size, name)
        start = size - packs.TRAILER - trailer.directory
        sealed = self._backend.get(name, start, trailer.directory)
        pack_class, entries, carried = packs.read_directory(
            sealed,
            trailer,
            start,
            tenant=self._tenant,
            metadata_key=self._metadata_key,
            name=name,
        )
        return packs.StoredPack(pack, pack_class, size, entries, carried)

    def is_sound(self, at: Location) -> bool:
        """Whether the blob's checksum holds; needs no key of it. Raises Unavailable."""
        name = layout.pack_key(self._tenant, at.pack)
        try:
            blob = self._backend.get(name, at.offset, at.length)
            verify_checksum(read_header(blob, name), blob, name)
        except (NotFound, Unreadable):
            return False
        return True

    def dictionary(self, number: int) -> Dictionary:
        """From its own object. Raises NotFound, Damaged, UnsupportedFormat."""
        return self._dictionaries.get(number)

    def _fetch(
        self, run: list[tuple[bytes, Location]], wanted: dict[bytes, BlobRef]
    ) -> Iterator[tuple[bytes, bytes]]:
        first, last = run[0][1], run[-1][1]
        name = layout.pack_key(self._tenant, first.pack)
        try:
            content = self._backend.get(
                name, first.offset, last.offset + last.length - first.offset
            )
        except NotFound as error:
            raise Damaged(name, f"the pack of blob {run[0][0].hex()} is missing") from error
        view = memoryview(content)
        for blob_id, location in run:
            start = location.offset - first.offset
            blob = view[start : start + location.length]
            here = f"{name} at {location.offset}"
            yield blob_id, self._open(wanted[blob_id], blob, here, first.pack)

    def _open(self, ref: BlobRef, blob: memoryview, here: str, pack: str) -> bytes:
        """With the dictionary's object, or where that does not serve with the pack's own copy."""
        header = read_header(blob, here)
        if header.dictionary == NONE:
            return self._codec.open(ref, blob, here, None, header)
        try:
            dictionary = self._dictionaries.get(header.dictionary)
            return self._codec.open(ref, blob, here, dictionary, header)
        except RepositoryError:
            dictionary = self._copy(pack, header.dictionary)
            return self._codec.open(ref, blob, here, dictionary, header)

    def _copy(self, pack: str, number: int) -> Dictionary:
        if (pack, number) not in self._copies:
            name = layout.pack_key(self._tenant, pack)
            content = self.pack(pack).dictionaries.get(number)
            if content is None:
                raise Damaged(name, f"lacks dictionary {number}, which its blobs need")
            while len(self._copies) >= COPIES:
                del self._copies[next(iter(self._copies))]
            self._copies[pack, number] = dictionaries.copy_of(number, content, name)
        return self._copies[pack, number]


def _neighbours(found: dict[bytes, Location]) -> Iterator[list[tuple[bytes, Location]]]:
    """Blobs that follow each other in a pack, as runs that one read fetches."""
    run: list[tuple[bytes, Location]] = []
    for blob_id, at in sorted(found.items(), key=lambda pair: (pair[1].pack, pair[1].offset)):
        if run:
            first, last = run[0][1], run[-1][1]
            adjacent = (last.pack, last.offset + last.length) == (at.pack, at.offset)
            if not adjacent or at.offset + at.length - first.offset > ONE_READ:
                yield run
                run = []
        run.append((blob_id, at))
    if run:
        yield run
