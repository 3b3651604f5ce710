"""Packs: many blobs in one object.

    magic "STWP" | version u8 | class u8 | zero u16       8 bytes
    blobs, one after the other
    directory: a sealed record (envelope.py, magic "STWD") under the tenant's metadata key
    directory length u32 | blobs u32 | SHA-256 of all before these 44 bytes | magic "STWE"

The pack's name is the SHA-256 of the whole object. The directory is msgpack: the class, a list of
[id, offset, length] in order of offset, and the dictionaries that its blobs need by number; its
context binds tenant and offset.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

import msgpack

from . import dictionaries, envelope
from .blobs import (
    HEADER,
    ID,
    BlobCodec,
    BlobHeader,
    BlobRef,
    PackClass,
    read_header,
    verify_checksum,
)
from .dictionaries import Dictionary
from .errors import Damaged, UnsupportedFormat

LIMIT = 32 * 1024 * 1024
MAGIC = b"STWP"
DIRECTORY_MAGIC = b"STWD"
END_MAGIC = b"STWE"
VERSION = 1

_HEAD = struct.Struct("<4sBBH")
_TRAILER = struct.Struct("<II32s4s")
TRAILER = _TRAILER.size
_ENTRY = 64
"""More than one blob ever takes in a directory."""

Entry = tuple[bytes, int, int]
"""Blob id, offset and length in the pack, header included."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a whole blob is; ``offset`` points at its header."""

    pack: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class StoredPack:
    id: str
    pack_class: PackClass
    size: int
    blobs: list[Entry] = field(repr=False)
    dictionaries: dict[int, bytes] = field(default_factory=dict, repr=False)
    """Copies of those that its blobs need."""


class PackBuilder:
    """One pack in memory. Not safe for use by several threads at once."""

    def __init__(self, pack_class: PackClass, tenant: UUID, metadata_key: bytes) -> None:
        self.pack_class = pack_class
        self.entries: list[Entry] = []
        self._dictionaries: dict[int, bytes] = {}
        self._tenant = tenant
        self._metadata_key = metadata_key
        self._content = bytearray(_HEAD.pack(MAGIC, VERSION, pack_class, 0))

    @property
    def uses_dictionaries(self) -> bool:
        return bool(self._dictionaries)

    def has_room(self, plaintext_length: int, dictionary: Dictionary | None = None) -> bool:
        """Whether a blob of so many bytes keeps the pack under its limit."""
        blob = HEADER + plaintext_length + envelope.TAG
        directory = _ENTRY * (len(self.entries) + 2) + _TRAILER.size
        carried = {number: len(content) for number, content in self._dictionaries.items()}
        if dictionary is not None:
            carried[dictionary.number] = len(dictionary.content)
        return len(self._content) + blob + directory + sum(carried.values()) <= LIMIT

    def add(
        self, codec: BlobCodec, ref: BlobRef, plaintext: bytes, dictionary: Dictionary | None = None
    ) -> None:
        """Append, then read back from the pack's own memory and compare. Raises Damaged."""
        blob = codec.seal(ref, self.pack_class, plaintext, dictionary)
        offset = len(self._content)
        self._content += blob
        with memoryview(self._content) as whole, whole[offset:] as written:
            if not codec.reads_back(ref, written, plaintext, dictionary):
                raise Damaged("pack in memory", f"blob {ref.id.hex()} does not read back")
            number = read_header(written, "pack in memory").dictionary
        if number and dictionary:
            self._dictionaries[number] = dictionary.content
        self.entries.append((ref.id, offset, len(blob)))

    def has_room_for_copy(self, length: int, needed: dict[int, bytes]) -> bool:
        """Whether a whole blob of so many bytes keeps the pack under its limit."""
        directory = _ENTRY * (len(self.entries) + 2) + _TRAILER.size
        carried = sum(len(content) for content in {**self._dictionaries, **needed}.values())
        return len(self._content) + length + directory + carried <= LIMIT

    def add_copy(self, blob_id: bytes, blob: memoryview, needed: dict[int, bytes]) -> None:
        """Append a blob of another pack as it is, which must be verified already.

        ``needed`` is its dictionary as the other pack carries it. Raises Damaged when this pack
        carries another one under that number.
        """
        for number, content in needed.items():
            if self._dictionaries.setdefault(number, content) != content:
                raise Damaged("pack in memory", f"two dictionaries have number {number}")
        self.entries.append((blob_id, len(self._content), len(blob)))
        self._content += blob

    def finish(self) -> tuple[StoredPack, bytearray]:
        """The pack as it is to be stored. The builder can't be used after this."""
        bound = _directory_context(self._tenant, len(self._content))
        listing = msgpack.packb([int(self.pack_class), self.entries, self._dictionaries])
        directory = envelope.seal(DIRECTORY_MAGIC, self._metadata_key, bound, listing)
        content = self._content
        content += directory
        digest = hashlib.sha256(content)
        content += _TRAILER.pack(len(directory), len(self.entries), digest.digest(), END_MAGIC)
        digest.update(content[-_TRAILER.size :])
        pack = StoredPack(
            digest.hexdigest(), self.pack_class, len(content), self.entries, self._dictionaries
        )
        return pack, content


@dataclass(frozen=True, slots=True)
class Trailer:
    directory: int
    """Bytes of the directory, which ends where the trailer starts."""
    blobs: int
    digest: bytes


def read_head(head: bytes | memoryview, name: str) -> PackClass:
    """From the first eight bytes of a pack. Raises Damaged and UnsupportedFormat."""
    if len(head) < _HEAD.size:
        raise Damaged(name, f"too short for a pack: {len(head)} bytes")
    magic, version, number, zero = _HEAD.unpack_from(head)
    if magic != MAGIC:
        raise Damaged(name, "does not start as a pack does")
    if version > VERSION:
        raise UnsupportedFormat(name, f"pack version {version}, this version reads {VERSION}")
    if zero or number > PackClass.ATTACHMENT:
        raise Damaged(name, "the pack's header makes no sense")
    return PackClass(number)


def read_trailer(tail: bytes | memoryview, pack_size: int, name: str) -> Trailer:
    """From the last bytes of a pack. Raises Damaged."""
    if len(tail) < _TRAILER.size or pack_size < _HEAD.size + _TRAILER.size:
        raise Damaged(name, "too short for a pack's trailer")
    directory, blobs, digest, magic = _TRAILER.unpack(tail[-_TRAILER.size :])
    if magic != END_MAGIC:
        raise Damaged(name, "does not end as a pack does: cut off?")
    if directory > pack_size - _HEAD.size - _TRAILER.size:
        raise Damaged(name, "the trailer claims a directory larger than the pack")
    return Trailer(directory, blobs, digest)


def read_directory(
    sealed: bytes, trailer: Trailer, start: int, *, tenant: UUID, metadata_key: bytes, name: str
) -> tuple[PackClass, list[Entry], dict[int, bytes]]:
    """``start``: offset of the directory in the pack. Raises Damaged and UnsupportedFormat."""
    bound = _directory_context(tenant, start)
    listing = envelope.unseal(DIRECTORY_MAGIC, metadata_key, bound, sealed, name)
    try:
        number, entries, carried = msgpack.unpackb(listing, strict_map_key=False)
        pack_class = PackClass(number)
        entries = [(blob_id, offset, length) for blob_id, offset, length in entries]
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise Damaged(name, f"the directory can't be read: {error}") from error
    position = _HEAD.size
    for blob_id, offset, length in entries:
        if not (isinstance(blob_id, bytes) and len(blob_id) == ID and offset == position):
            raise Damaged(name, "the directory does not describe the pack")
        if not (isinstance(length, int) and length > HEADER):
            raise Damaged(name, "the directory claims an impossible length")
        position += length
    if position != start or len(entries) != trailer.blobs:
        raise Damaged(name, "the directory does not cover the pack")
    return pack_class, entries, dictionaries.copies(carried, name)


def scan(pack: bytes | memoryview, pack_id: str, name: str) -> list[BlobHeader]:
    """All that can be verified without a key: hashes, headers, checksums. Raises Damaged."""
    pack_class = read_head(pack, name)
    trailer = read_trailer(pack, len(pack), name)
    headers = list(_blobs(pack, len(pack) - TRAILER - trailer.directory, name))
    if len(headers) != trailer.blobs or any(h.pack_class != pack_class for h in headers):
        raise Damaged(name, "the blobs are not those that the trailer counts")
    if hashlib.sha256(pack[:-TRAILER]).digest() != trailer.digest:
        raise Damaged(name, "the content does not match the trailer's hash")
    if hashlib.sha256(pack).hexdigest() != pack_id:
        raise Damaged(name, "the content does not match the name")
    return headers


def _blobs(pack: bytes | memoryview, end: int, name: str) -> Iterator[BlobHeader]:
    position = _HEAD.size
    while position < end:
        here = f"{name} at {position}"
        header = read_header(pack[position:end], here)
        verify_checksum(header, pack[position:end], here)
        yield header
        position += header.size


def _directory_context(tenant: UUID, start: int) -> bytes:
    return envelope.context("pack-directory", tenant, number=start)
