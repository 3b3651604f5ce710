"""The transfer content of a payload: the bytes of its TransferBuffers as one, joined or not.

A small content is joined, which is the fastest to read. A large one stays where it is: a range
is put together from the buffers it lies in when it is asked for, so that reading an item takes
no second copy of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, Protocol

JOINED: Final = 1024 * 1024
"""Bytes up to which a content is joined."""

PIECE: Final = 1024 * 1024
"""Bytes of the pieces in which a large value is handed out."""


class Content(Protocol):
    """Bytes that are read by range, as ``content[start:stop]``; ``bytes`` is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> bytes: ...


class FramedContent:
    """Content that lies in buffers at ``starts`` of ``payload``, of ``frames`` sizes."""

    def __init__(self, payload: memoryview, starts: Sequence[int], frames: Sequence[int]) -> None:
        self._payload = payload
        self._starts = starts
        self._ends = list(accumulate(frames))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, key: slice, /) -> bytes:
        start, stop, _ = key.indices(len(self))
        return b"".join(self.ranges(start, stop))

    def ranges(self, start: int, stop: int) -> Iterator[memoryview]:
        """The bytes from ``start`` to ``stop`` as they lie in the payload, without a copy."""
        number = bisect_right(self._ends, start)
        while start < stop:
            end = self._ends[number]
            size = min(end, stop) - start
            before = self._ends[number - 1] if number else 0
            at = self._starts[number] + start - before
            yield self._payload[at : at + size]
            start += size
            number += 1


def content_of(payload: memoryview, starts: Sequence[int], frames: Sequence[int]) -> Content:
    """The content of the buffers at ``starts`` with ``frames`` bytes each."""
    if sum(frames) <= JOINED:
        return b"".join(payload[at : at + size] for at, size in zip(starts, frames, strict=True))
    return FramedContent(payload, starts, frames)


def pieces_of(content: Content, start: int, stop: int, size: int = PIECE) -> Iterator[bytes]:
    """The bytes from ``start`` to ``stop`` in pieces of ``size``; nothing for an empty range."""
    for at in range(start, stop, size):
        yield content[at : min(at + size, stop)]
