"""Compound files (MS-CFB): storages and streams in one file, as .msg files and OLE objects are.

A file is a tree of storages (folders) whose leaves are streams (files). What is written is
version 3 with sectors of 512 bytes, which every reader knows, and the same tree always gives the
same bytes: no time, no random id. Streams are asked for their bytes when their place comes, so
that a large one is never held twice.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from backups.streams.errors import MailError

SIGNATURE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
SECTOR: Final = 512
MINI_SECTOR: Final = 64
MINI_CUTOFF: Final = 4096
"""Streams of fewer bytes share the mini stream, in sectors of 64 bytes."""
MAX_NAME: Final = 31
"""UTF-16 units of a name."""
IN_HEADER: Final = 109
"""FAT sectors whose place stands in the header; the others are listed in DIFAT sectors."""

FREE: Final = 0xFFFFFFFF
END_OF_CHAIN: Final = 0xFFFFFFFE
FAT_SECTOR: Final = 0xFFFFFFFD
DIFAT_SECTOR: Final = 0xFFFFFFFC
NO_ENTRY: Final = 0xFFFFFFFF

STORAGE: Final = 1
STREAM: Final = 2
ROOT: Final = 5

DIRECTORY_ENTRY: Final = struct.Struct("<64sHBBIII16sIQQIQ")
"""Name, bytes of it with its NUL, type, colour, left, right, child, class id, state, created,
modified, first sector, size (MS-CFB 2.6.1)."""

HEADER: Final = struct.Struct("<8s16sHHHHH6sIIIIIIIII")
"""Signature to the number of DIFAT sectors (MS-CFB 2.2); 109 places of FAT sectors follow."""

_PER_SECTOR = SECTOR // 4
_LISTED = _PER_SECTOR - 1
_MAX_SECTORS = 2**31 // SECTOR - 1
_RED, _BLACK = 0, 1


@dataclass(slots=True)
class Stream:
    """``size`` bytes, which ``pieces`` gives anew each time it is called."""

    size: int
    pieces: Callable[[], Iterable[bytes]]

    @classmethod
    def of(cls, raw: bytes) -> Stream:
        return cls(len(raw), lambda: (raw,))

    def read(self) -> bytes:
        return b"".join(self.pieces())


@dataclass(slots=True)
class Storage:
    """Named storages and streams; a name is found in any case, as MS-CFB 2.6.4 compares it."""

    class_id: bytes = bytes(16)
    _children: dict[str, tuple[str, Child]] = field(default_factory=dict)

    def add(self, name: str, child: Child) -> None:
        """The first child of a name stays; ValueError for a name that no file can hold."""
        if not 0 < len(name.encode("utf-16-le", "surrogatepass")) // 2 <= MAX_NAME:
            raise ValueError(f"no name in a compound file: {name!r}")
        self._children.setdefault(_folded(name), (name, child))

    def add_bytes(self, name: str, raw: bytes) -> None:
        self.add(name, Stream.of(raw))

    def stream(self, name: str) -> Stream | None:
        child = self._child(name)
        return child if isinstance(child, Stream) else None

    def storage(self, name: str) -> Storage | None:
        child = self._child(name)
        return child if isinstance(child, Storage) else None

    def children(self) -> list[tuple[str, Child]]:
        """Names and children in the order of MS-CFB 2.6.4: by length, then in capitals."""
        ordered = sorted(self._children.items(), key=lambda entry: _order(entry[0]))
        return [entry for _, entry in ordered]

    def _child(self, name: str) -> Child | None:
        found = self._children.get(_folded(name))
        return found[1] if found else None


Child: TypeAlias = Storage | Stream


def write_compound(root: Storage) -> Iterator[bytes]:
    """The file that holds ``root``, in pieces; MailError when it would be larger than 2 GB."""
    entries = _entries(root)
    small = [e for e in entries if e.size and e.size < MINI_CUTOFF and e.kind == STREAM]
    large = [e for e in entries if e.size >= MINI_CUTOFF and e.kind == STREAM]
    layout = _Layout(len(entries), small, large)
    entries[0].start = layout.mini_stream
    entries[0].size = layout.mini_sectors * MINI_SECTOR
    yield layout.header()
    yield from layout.difat()
    yield layout.fat()
    yield _padded(b"".join(entry.packed() for entry in entries), _FREE_ENTRY)
    yield _padded(_table([_sectors(e.size, MINI_SECTOR) for e in small]), b"\xff")
    for entry in small:
        yield from entry.bytes(MINI_SECTOR)
    yield bytes(-layout.mini_sectors * MINI_SECTOR % SECTOR)
    for entry in large:
        yield from entry.bytes(SECTOR)


@dataclass(slots=True)
class _Entry:
    """A directory entry, with the numbers of the entries that it points to."""

    name: str
    kind: int
    node: Child
    colour: int = _BLACK
    left: int = NO_ENTRY
    right: int = NO_ENTRY
    child: int = NO_ENTRY
    start: int = END_OF_CHAIN
    size: int = 0

    def packed(self) -> bytes:
        name = self.name.encode("utf-16-le", "surrogatepass")
        class_id = self.node.class_id if isinstance(self.node, Storage) else bytes(16)
        start = 0 if self.kind == STORAGE else self.start
        links = (self.left, self.right, self.child)
        head = (name, len(name) + 2, self.kind, self.colour, *links)
        return DIRECTORY_ENTRY.pack(*head, class_id, 0, 0, 0, start, self.size)

    def bytes(self, sector: int) -> Iterator[bytes]:
        if isinstance(self.node, Stream):
            yield from self.node.pieces()
        yield bytes(-self.size % sector)


_FREE_ENTRY = DIRECTORY_ENTRY.pack(b"", 0, 0, 0, *[NO_ENTRY] * 3, bytes(16), 0, 0, 0, 0, 0)


class _Layout:
    """Where everything lies: DIFAT, FAT, directory, mini FAT, mini stream, large streams."""

    def __init__(self, entries: int, small: list[_Entry], large: list[_Entry]) -> None:
        self.mini_sectors = _place(small, MINI_SECTOR, 0)
        self._directory = _sectors(entries * DIRECTORY_ENTRY.size, SECTOR)
        self._mini_fat = _sectors(self.mini_sectors * 4, SECTOR)
        self._mini = _sectors(self.mini_sectors * MINI_SECTOR, SECTOR)
        self._large = [_sectors(entry.size, SECTOR) for entry in large]
        streams = sum(self._large)
        rest = self._directory + self._mini_fat + self._mini + streams
        self._fat = self._difat = 0
        while (needed := _sectors((rest + self._fat + self._difat) * 4, SECTOR)) != self._fat:
            self._fat = needed
            self._difat = -(-max(needed - IN_HEADER, 0) // _LISTED)
        if rest + self._fat + self._difat > _MAX_SECTORS:
            raise MailError("it is larger than the 2 GB that a compound file holds")
        self._first = self._difat + self._fat
        at = self._first + self._directory + self._mini_fat
        self.mini_stream = at if self._mini else END_OF_CHAIN
        _place(large, SECTOR, at + self._mini)

    def header(self) -> bytes:
        mini_fat = self._first + self._directory if self._mini_fat else END_OF_CHAIN
        difat = 0 if self._difat else END_OF_CHAIN
        version = (0x3E, 3, 0xFFFE, 9, 6, bytes(6), 0)
        places = (self._fat, self._first, 0, MINI_CUTOFF, mini_fat, self._mini_fat)
        head = HEADER.pack(SIGNATURE, bytes(16), *version, *places, difat, self._difat)
        listed = range(self._difat, self._difat + min(self._fat, IN_HEADER))
        return head + _numbers([*listed, *[FREE] * (IN_HEADER - len(listed))])

    def difat(self) -> Iterator[bytes]:
        first = self._difat + IN_HEADER
        for number in range(self._difat):
            start = first + number * _LISTED
            listed = range(start, min(start + _LISTED, self._first))
            following = number + 1 if number + 1 < self._difat else END_OF_CHAIN
            yield _numbers([*listed, *[FREE] * (_LISTED - len(listed)), following])

    def fat(self) -> bytes:
        special = [*[DIFAT_SECTOR] * self._difat, *[FAT_SECTOR] * self._fat]
        runs = [self._directory, self._mini_fat, self._mini, *self._large]
        return _padded(_numbers(special) + _table(runs, len(special)), b"\xff")


def _entries(root: Storage) -> list[_Entry]:
    """All entries, those of a storage together; the first is the root."""
    entries = [_Entry("Root Entry", ROOT, root)]
    for entry in entries:
        if not isinstance(entry.node, Storage):
            continue
        first = len(entries)
        for name, node in entry.node.children():
            if isinstance(node, Storage):
                entries.append(_Entry(name, STORAGE, node))
            else:
                entries.append(_Entry(name, STREAM, node, size=node.size))
        entry.child = _balance(entries, first, len(entries))
    return entries


def _balance(entries: list[_Entry], first: int, stop: int) -> int:
    """Link the sorted ``entries[first:stop]`` as a red-black tree; the number of its top entry.

    Split in the middle, all levels but the last are full. The last one is red and the others
    black, which is what MS-CFB 2.6.4 asks for.
    """
    last = (stop - first).bit_length() - 1

    def top(low: int, high: int, level: int) -> int:
        if low == high:
            return NO_ENTRY
        middle = (low + high) // 2
        entry = entries[middle]
        entry.colour = _RED if level == last > 0 else _BLACK
        entry.left = top(low, middle, level + 1)
        entry.right = top(middle + 1, high, level + 1)
        return middle

    return top(first, stop, 0)


def _place(entries: list[_Entry], sector: int, at: int) -> int:
    """Give ``entries`` their first sectors from ``at`` on; the first sector after them."""
    for entry in entries:
        entry.start = at
        at += _sectors(entry.size, sector)
    return at


def _table(runs: list[int], first: int = 0) -> bytes:
    """Chains of ``runs`` sectors, one after another, the first of them at sector ``first``."""
    table = array("I")
    for count in runs:
        if count:
            table.extend(range(first + 1, first + count))
            table.append(END_OF_CHAIN)
            first += count
    return _little_endian(table)


def _numbers(numbers: list[int]) -> bytes:
    return _little_endian(array("I", numbers))


def _little_endian(table: array[int]) -> bytes:
    if sys.byteorder == "big":
        table.byteswap()
    return table.tobytes()


def _padded(raw: bytes, filler: bytes) -> bytes:
    return raw + filler * (-len(raw) % SECTOR // len(filler))


def _sectors(size: int, sector: int) -> int:
    return -(-size // sector)


def _folded(name: str) -> str:
    """``name`` in capitals, character by character: a length never changes."""
    if name.isascii():
        return name.upper()
    return "".join(c.upper() if len(c.upper()) == 1 else c for c in name)


def _order(folded: str) -> tuple[int, bytes]:
    raw = folded.encode("utf-16-be", "surrogatepass")
    return len(raw), raw
