"""Reading compound files (MS-CFB), damaged ones too.

Nothing here recurses and nothing is looked for twice: a message file may nest hundreds of storages
or hold ten thousand attachments, where olefile recurses for each level and searches a folder from
its start for each name. What can't be reached is not there; a stream that is asked for and is not
whole raises MailError.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from typing import Final

from backups.streams.errors import MailError
from backups.streams.outlook.compound import (
    DIRECTORY_ENTRY,
    HEADER,
    IN_HEADER,
    MINI_CUTOFF,
    MINI_SECTOR,
    NO_ENTRY,
    ROOT,
    SIGNATURE,
    STORAGE,
    STREAM,
    Storage,
    Stream,
)

_LAST_SECTOR: Final = 0xFFFFFFFA
_SHIFTS: Final = {3: 9, 4: 12}
_PIECE: Final = 1024 * 1024
_SLACK: Final = 1024 * 1024


def is_whole(raw: bytes) -> bool:
    """Whether ``raw`` is a compound file of which every stream can be read."""
    if raw[:8] != SIGNATURE:
        return False
    try:
        waiting = [read_compound(raw)]
        while waiting:
            for _, child in waiting.pop().children():
                if isinstance(child, Storage):
                    waiting.append(child)
                else:
                    for _piece in child.pieces():
                        pass
    except MailError:
        return False
    return True


def read_compound(raw: bytes) -> Storage:
    """The tree in ``raw``, whose streams read from it when they are asked.

    Raises MailError for bytes that are no compound file. All reading together gives at most
    twice the bytes of the file: chains that cross would multiply it without end.
    """
    if raw[:8] != SIGNATURE:
        raise MailError("not an Outlook message file")
    return _File(raw).tree()


class _File:
    def __init__(self, raw: bytes) -> None:
        self._raw = memoryview(raw)
        self._left = 2 * len(raw) + _SLACK
        try:
            fields = HEADER.unpack_from(raw)
        except struct.error as error:
            raise MailError("the file is cut short in its header") from error
        version, shift = fields[3], fields[5]
        self._version = version
        self._sector = 1 << _SHIFTS.get(version, shift if shift in (9, 12) else 9)
        self._count = max(-(-len(raw) // self._sector) - 1, 0)
        self._fat = self._read_fat(difat=fields[15], listed=raw[HEADER.size : 512])
        self._directory = self._gathered(fields[10])
        mini_fat = self._gathered(fields[13])
        self._mini_fat = _numbers(mini_fat)
        self._mini: list[int] = []

    def tree(self) -> Storage:
        """Every entry is taken once, however the links of a damaged directory go."""
        names, entries = [], []
        for at in range(0, len(self._directory) - 127, 128):
            entry = DIRECTORY_ENTRY.unpack_from(self._directory, at)
            entries.append(entry)
            names.append(entry[0][: max(min(entry[1], 64) - 2, 0)])
        if not entries or entries[0][2] != ROOT:
            raise MailError("the file is damaged: it has no directory")
        self._mini = list(self._chain(entries[0][11], self._count, self._fat))
        root = Storage(entries[0][7])
        taken = {0}
        open_links = [(entries[0][6], root)]
        while open_links:
            number, parent = open_links.pop()
            if number == NO_ENTRY or number >= len(entries) or number in taken:
                continue
            taken.add(number)
            _, _, kind, _, left, right, child, class_id, _, _, _, start, size = entries[number]
            open_links += ((left, parent), (right, parent))
            node: Storage | Stream
            if kind == STORAGE:
                node = Storage(class_id)
                open_links.append((child, node))
            elif kind == STREAM:
                node = self._stream(start, size if self._version == 4 else size & 0xFFFFFFFF)
            else:
                continue
            name = names[number].decode("utf-16-le", "replace")
            if name:
                parent.add(name, node)
        return root

    def _stream(self, start: int, size: int) -> Stream:
        return Stream(size, lambda: self._pieces(start, size))

    def _pieces(self, start: int, size: int) -> Iterator[bytes]:
        if size > len(self._raw):
            raise MailError(f"a stream of {size} bytes in a file of {len(self._raw)}")
        self._left -= size
        if self._left < 0:
            raise MailError("the file is damaged: its streams lie over each other")
        found, missing = bytearray(), size
        for piece in self._sectors(start, size):
            found += piece[:missing]
            missing -= min(len(piece), missing)
            if len(found) >= _PIECE:
                yield bytes(found)
                found.clear()
        if missing:
            raise MailError(f"a stream of {size} bytes ends {missing} bytes early")
        yield bytes(found)

    def _sectors(self, start: int, size: int) -> Iterator[memoryview]:
        """The sectors of a stream of ``size`` bytes, in its order."""
        if size >= MINI_CUTOFF:
            for number in self._chain(start, -(-size // self._sector), self._fat):
                yield self._at(number)
            return
        per_sector = self._sector // MINI_SECTOR
        for number in self._chain(start, -(-size // MINI_SECTOR), self._mini_fat):
            place, part = divmod(number, per_sector)
            if place >= len(self._mini):
                return
            yield self._at(self._mini[place])[part * MINI_SECTOR : (part + 1) * MINI_SECTOR]

    def _gathered(self, start: int) -> bytes:
        return b"".join(self._at(number) for number in self._chain(start, self._count, self._fat))

    def _chain(self, number: int, most: int, table: array[int]) -> Iterator[int]:
        """The sectors from ``number`` on, at most ``most``; a chain that leaves its table ends."""
        for _ in range(most):
            if number >= len(table):
                return
            yield number
            number = table[number]

    def _at(self, number: int) -> memoryview:
        start = (number + 1) * self._sector
        return self._raw[start : start + self._sector]

    def _read_fat(self, *, difat: int, listed: bytes) -> array[int]:
        """The next sector of each; a sector that the file has no room for has none."""
        places = list(_numbers(listed))[:IN_HEADER]
        needed = -(-self._count * 4 // self._sector)
        seen: set[int] = set()
        while len(places) < needed and difat < self._count and difat not in seen:
            seen.add(difat)
            *more, difat = _numbers(self._at(difat)) or [self._count]
            places += more
        inside = [place for place in places if place <= _LAST_SECTOR][:needed]
        table = _numbers(b"".join(self._at(place) for place in inside))
        return table[: self._count]


def _numbers(raw: bytes | memoryview) -> array[int]:
    table = array("I", bytes(raw[: len(raw) // 4 * 4]))
    if sys.byteorder == "big":
        table.byteswap()
    return table
