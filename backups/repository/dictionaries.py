"""Dictionaries: what a tenant's small parts have in common, so that each need not say it again.

An object is a sealed record (envelope.py, magic "STWZ") under the metadata key, its context the
number in its name; its plaintext is msgpack ``[1, trained at, dictionary]``. Dictionaries hold
fragments of mail. Each pack carries a copy of those that its blobs need, so losing an object costs
nothing that is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import msgpack
from backports import zstd

from . import envelope, layout
from .errors import AlreadyExists, Damaged, NotFound, Unreadable, UnsupportedFormat

if TYPE_CHECKING:
    from .backend import Backend

MAGIC = b"STWZ"
VERSION = 1
NONE = 0
"""The number that says: no dictionary."""
MAX_NUMBER = 0xFFFF_FFFF
MAX_CONTENT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Dictionary:
    number: int
    content: bytes = field(repr=False)
    trained_at: datetime | None = None
    """None for the copy in a pack, which does not say."""
    frames: zstd.ZstdDict = field(init=False, repr=False, compare=False)
    """For compressing and decompressing; digested once."""

    def __post_init__(self) -> None:
        """Raises ValueError for what is no zstd dictionary."""
        if not 1 <= self.number <= MAX_NUMBER or len(self.content) > MAX_CONTENT:
            raise ValueError(f"no dictionary: number {self.number}, {len(self.content)} bytes")
        object.__setattr__(self, "frames", zstd.ZstdDict(self.content))


class Dictionaries:
    """One tenant's dictionaries; each is read once."""

    def __init__(self, backend: Backend, tenant: UUID, metadata_key: bytes) -> None:
        self._backend = backend
        self._tenant = tenant
        self._metadata_key = metadata_key
        self._read: dict[int, Dictionary] = {}

    def get(self, number: int) -> Dictionary:
        """Raises NotFound, Damaged, UnsupportedFormat, all naming the object."""
        if number not in self._read:
            name = layout.dictionary_key(self._tenant, number)
            sealed = self._backend.get(name)
            content = envelope.unseal(
                MAGIC, self._metadata_key, self._context(number), sealed, name
            )
            self._read[number] = _decode(content, number, name)
        return self._read[number]

    def numbers(self) -> list[int]:
        """Those that a listing shows, in order."""
        keys = self._backend.list(layout.dictionaries_prefix(self._tenant))
        return sorted(n for key in keys if (n := layout.dictionary_of(key)) is not None)

    def newest(self) -> Dictionary | None:
        """The newest one that can be read. Raises Unavailable."""
        for number in reversed(self.numbers()):
            try:
                return self.get(number)
            except (Unreadable, NotFound):
                continue
        return None

    def create(self, content: bytes, trained_at: datetime) -> Dictionary:
        """Store a dictionary under the next number; another that came first is given instead.

        Raises ValueError for what is no dictionary, and what ``get`` raises for the other one.
        """
        number = max(self.numbers(), default=NONE) + 1
        dictionary = Dictionary(number, content, trained_at)
        plaintext = msgpack.packb([VERSION, trained_at, content], datetime=True)
        sealed = envelope.seal(MAGIC, self._metadata_key, self._context(number), plaintext)
        try:
            self._backend.put_immutable(layout.dictionary_key(self._tenant, number), sealed)
        except AlreadyExists:
            return self.get(number)
        self._read[number] = dictionary
        return dictionary

    def _context(self, number: int) -> bytes:
        return envelope.context("dictionary", self._tenant, number=number)


def copies(record: object, name: str) -> dict[int, bytes]:
    """The dictionaries in a pack's directory. Raises Damaged."""
    if not isinstance(record, Mapping):
        raise Damaged(name, "the directory's dictionaries are not a map")
    for number, content in record.items():
        known = type(number) is int and 1 <= number <= MAX_NUMBER and isinstance(content, bytes)
        if not known or len(content) > MAX_CONTENT:
            raise Damaged(name, "the directory holds something that is no dictionary")
    return dict(record)


def copy_of(number: int, content: bytes, name: str) -> Dictionary:
    """A dictionary from a pack. Raises Damaged, naming the pack."""
    try:
        return Dictionary(number, content)
    except (ValueError, zstd.ZstdError) as error:
        raise Damaged(name, f"dictionary {number} can't be used: {error}") from error


def _decode(content: bytes, number: int, name: str) -> Dictionary:
    try:
        version, trained_at, dictionary = msgpack.unpackb(content, timestamp=3)
        if isinstance(version, int) and version > VERSION:
            raise UnsupportedFormat(name, f"version {version}, this version reads {VERSION}")
        if version != VERSION or not isinstance(trained_at, datetime):
            raise ValueError("not the fields of a dictionary")
        return Dictionary(number, dictionary, trained_at)
    except (ValueError, TypeError, zstd.ZstdError, msgpack.UnpackException) as error:
        raise Damaged(name, f"is not a dictionary: {error}") from error
