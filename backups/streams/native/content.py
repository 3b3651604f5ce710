"""The transfer content of a payload: the bytes of its TransferBuffers as one, joined or not.

A small content is joined, which is the fastest to read. A large one stays where it is: a range
is put together from the buffers it lies in when it is asked for, so that reading an item takes
no second copy of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from mmap import mmap
from typing import Final, Protocol, TypeAlias

Payload: TypeAlias = bytes | bytearray | memoryview | mmap
"""An item stream in memory, or in a file that is mapped into it; never written to."""

JOINED: Final = 1024 * 1024
"""Bytes up to which a content is joined."""

PIECE: Final = 1024 * 1024
"""Bytes of the pieces in which a large value is handed out."""


class Content(Protocol):
    """Bytes that are read by range, as ``content[start:stop]``; ``bytes`` is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> bytes: ...


class SplicedContent:
    """Ranges of other contents, one after another."""

    def __init__(self, ranges: Sequence[tuple[Content, int, int]]) -> None:
        self._ranges = ranges
        self._ends = list(accumulate(stop - start for _, start, stop in ranges))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, key: slice, /) -> bytes:
        start, stop, _ = key.indices(len(self))
        return b"".join(self._pieces(start, stop))

    def _pieces(self, start: int, stop: int) -> Iterator[bytes]:
        number = bisect_right(self._ends, start)
        while start < stop:
            source, _, last = self._ranges[number]
            at = last - (self._ends[number] - start)
            size = min(self._ends[number], stop) - start
            yield source[at : at + size]
            start += size
            number += 1


class FramedContent:
    """Content that lies in buffers at ``starts`` of ``payload``, of ``frames`` sizes."""

    def __init__(self, payload: memoryview, starts: Sequence[int], frames: Sequence[int]) -> None:
        self._payload = payload
        self._starts = starts
        self._frames = frames
        self._ends = list(accumulate(frames))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, key: slice, /) -> bytes:
        start, stop, _ = key.indices(len(self))
        return b"".join(self._views(start, stop))

    def _views(self, start: int, stop: int) -> Iterator[memoryview]:
        number = bisect_right(self._ends, start)
        while start < stop:
            end = self._ends[number]
            at = self._starts[number] + self._frames[number] - (end - start)
            size = min(end, stop) - start
            yield self._payload[at : at + size]
            start += size
            number += 1


def content_of(payload: memoryview, starts: Sequence[int], frames: Sequence[int]) -> Content:
    """The content of the buffers at ``starts`` with ``frames`` bytes each."""
    if sum(frames) <= JOINED:
        return b"".join(payload[at : at + size] for at, size in zip(starts, frames, strict=True))
    return FramedContent(payload, starts, frames)


def spliced(ranges: Sequence[tuple[Content, int, int]]) -> Content:
    """The ranges (source, start, stop) one after another, joined when they are small."""
    if sum(stop - start for _, start, stop in ranges) <= JOINED:
        return b"".join(source[start:stop] for source, start, stop in ranges)
    return SplicedContent(ranges)


def pieces_of(content: Content, start: int, stop: int, size: int = PIECE) -> Iterator[bytes]:
    """The bytes from ``start`` to ``stop`` in pieces of ``size``; nothing for an empty range."""
    for at in range(start, stop, size):
        yield content[at : min(at + size, stop)]
