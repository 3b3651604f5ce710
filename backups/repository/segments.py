"""Segments: the item versions of a checkpoint, in objects that later checkpoints share.

A segment is a sealed record (envelope.py, magic "STWG") under the mailbox key; its name is the
SHA-256 of the object. Its plaintext is msgpack: a list of ``[item id, first, end, item]`` ordered
by item id and first, where the item record is packed by itself, as binary. Where one segment ends
is decided by the item ids alone, so that a change touches few of them.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from . import envelope, fields, layout
from .errors import AlreadyExists, Damaged, NotFound
from .fields import digest, interval, listing, number, octets, text
from .records import ItemRecord

if TYPE_CHECKING:
    from .backend import Backend

MAGIC = b"STWG"
MAX_ENTRIES = 4096
MAX_BYTES = 8 * 1024 * 1024
"""A segment ends before either is passed; a single larger entry is a segment of its own."""
_ENDS = 1024
"""One item id in so many begins a new segment."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A version of an item: what the mailbox held from commit ``first`` to before ``end``."""

    item_id: str
    first: int
    end: int | None
    """None: it is there still."""
    packed: bytes = field(repr=False)
    """The item record as msgpack."""

    def item(self, name: str) -> ItemRecord:
        """Raises Damaged, naming ``name``."""
        try:
            item = ItemRecord.from_record(fields.unpack(self.packed))
        except fields.UNREADABLE as error:
            raise Damaged(name, f"holds no item record: {error}") from error
        if item.item_id != self.item_id:
            raise Damaged(name, "holds an item under the id of another")
        return item

    @property
    def size(self) -> int:
        """Bytes of the item. Raises Damaged."""
        try:
            return number(listing(fields.unpack(self.packed))[4])
        except (*fields.UNREADABLE, IndexError) as error:
            raise Damaged("segment", f"holds no item record: {error}") from error

    def held_at(self, sequence: int) -> bool:
        return self.first <= sequence and (self.end is None or sequence < self.end)


@dataclass(frozen=True, slots=True)
class Segment:
    """How a checkpoint refers to a segment."""

    hash: bytes
    """SHA-256 of the object, which is its name."""
    entries: int
    digest: bytes
    """SHA-256 of the plaintext: what has the same one need not be written again."""

    def to_record(self) -> list[object]:
        return [self.hash, self.entries, self.digest]

    @classmethod
    def from_record(cls, record: object) -> Segment:
        """Raises one of ``fields.UNREADABLE``."""
        name, entries, content = listing(record)
        return cls(digest(name), number(entries), digest(content))


class Segments:
    """The segments of one mailbox, under its mailbox key."""

    def __init__(self, backend: Backend, tenant: UUID, mailbox: UUID, key: bytes) -> None:
        self._backend = backend
        self._tenant = tenant
        self._mailbox = mailbox
        self._key = key
        self._context = envelope.context("segment", tenant, mailbox)

    def read(self, segment: Segment) -> list[Entry]:
        """Raises Damaged (also for a missing one) and UnsupportedFormat, naming the object."""
        name = self.name(segment)
        try:
            sealed = self._backend.get(name)
        except NotFound as error:
            raise Damaged(name, "missing, while a checkpoint names it") from error
        if hashlib.sha256(sealed).digest() != segment.hash:
            raise Damaged(name, "the content does not match the name")
        content = envelope.unseal(MAGIC, self._key, self._context, sealed, name)
        try:
            entries = [_entry(record) for record in listing(fields.unpack(content))]
        except fields.UNREADABLE as error:
            raise Damaged(name, f"is not a segment: {error}") from error
        if len(entries) != segment.entries:
            raise Damaged(name, f"holds {len(entries)} entries instead of {segment.entries}")
        return entries

    def entries(self, segments: Iterable[Segment]) -> Iterator[tuple[Entry, str]]:
        """All entries with the object's name, one segment in memory at a time."""
        for segment in segments:
            name = self.name(segment)
            for entry in self.read(segment):
                yield entry, name

    def write(self, entries: Iterable[Entry], known: Mapping[bytes, Segment]) -> list[Segment]:
        """Store entries that come in order; ``known`` are segments there, by their digest.

        Durable when it returns. Raises what the backend raises.
        """
        written: list[Segment] = []
        for run in _runs(entries):
            content = fields.pack([[e.item_id, e.first, e.end, e.packed] for e in run])
            plain = hashlib.sha256(content).digest()
            written.append(known.get(plain) or self._write(content, plain, len(run)))
        return written

    def name(self, segment: Segment) -> str:
        return layout.segment_key(self._tenant, self._mailbox, segment.hash.hex())

    def _write(self, content: bytes, plain: bytes, entries: int) -> Segment:
        sealed = envelope.seal(MAGIC, self._key, self._context, content)
        segment = Segment(hashlib.sha256(sealed).digest(), entries, plain)
        # A name that is taken holds the same bytes: it is their hash.
        with contextlib.suppress(AlreadyExists):
            self._backend.put_immutable(self.name(segment), sealed)
        return segment


def _entry(record: object) -> Entry:
    item_id, first, end, packed = listing(record)
    return Entry(text(item_id), *interval(first, end), octets(packed))


def _runs(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    run: list[Entry] = []
    size = 0
    for entry in entries:
        full = len(run) >= MAX_ENTRIES or size + len(entry.packed) > MAX_BYTES
        if run and (full or (entry.item_id != run[-1].item_id and _begins(entry.item_id))):
            yield run
            run, size = [], 0
        run.append(entry)
        size += len(entry.packed) + len(entry.item_id)
    if run:
        yield run


def _begins(item_id: str) -> bool:
    hashed = hashlib.sha256(item_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(hashed[:4], "little") % _ENDS == 0
