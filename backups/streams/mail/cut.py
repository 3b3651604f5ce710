"""Cutting a MIME message into parts that other items may share.

A base64 leaf (RFC 2045 6.8) becomes its decoded bytes when encoding them again gives the very
same text, so that an attachment is the same part in every mail, and the same as in an item
stream. Other leaves stay as they stand. What can't be made sense of is skeleton: cutting never
fails.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from typing import Final, NamedTuple

import pybase64

from backups.parts import (
    LONGEST_LINE,
    MAX_PART,
    PLAIN,
    SHORTEST_LINE,
    Coding,
    CutItem,
    Layout,
    Recipe,
    Role,
    Transfer,
    encoded,
)
from backups.streams.mail.leaves import Leaf, leaves
from backups.streams.native.content import Content, pieces_of, spliced
from backups.streams.native.cut import SMALLEST_PART, Parts

_KEPT: Final = 1024 * 1024
"""Bytes up to which a decoded value is kept; a larger one is decoded when it is asked for."""

_BLOCK: Final = 57 * 16384
"""Bytes that are decoded at once: whole lines of the usual 76 characters."""

_BLANK: Final = b" \t\r\n"
_RETURN: Final = ord("\r")


class _Value(NamedTuple):
    """What lies from ``start`` to ``stop`` of the message: ``size`` bytes of ``source``."""

    start: int
    stop: int
    source: Content
    size: int
    coding: Coding


def cut_mime(raw: bytes) -> CutItem:
    """The parts of a MIME message and their recipe; of no message, skeleton only."""
    kept: list[tuple[Content, int, int]] = []
    holes: list[int] = []
    codings: list[Coding] = []
    large: list[tuple[Role, Content, int, int]] = []
    position = size = 0
    for leaf in leaves(raw):
        value = _value_of(raw, leaf)
        if value.size < SMALLEST_PART:
            continue
        kept.append((raw, position, value.start))
        size += value.start - position
        position = value.stop
        pieces = list(_spans(leaf.role, value.source, value.size))
        holes += [size] * len(pieces)
        codings += [value.coding] * len(pieces)
        large += pieces
    kept.append((raw, position, len(raw)))
    skeleton = spliced(kept)
    leading = list(_spans(Role.SKELETON, skeleton, len(skeleton)))
    numbered = tuple((offset, number) for number, offset in enumerate(holes, len(leading)))
    recipe = Recipe(Layout.MIME, len(leading), 0, (), numbered, tuple(codings))
    return CutItem(recipe, Parts((*leading, *large)))


def _spans(role: Role, source: Content, size: int) -> Iterator[tuple[Role, Content, int, int]]:
    for start in range(0, max(size, 1), MAX_PART):
        yield role, source, start, min(start + MAX_PART, size)


def _value_of(raw: bytes, leaf: Leaf) -> _Value:
    if leaf.base64:
        value = _decodable(raw, leaf)
        if value is not None:
            return value
    as_it_stands = spliced([(raw, leaf.start, leaf.stop)])
    return _Value(leaf.start, leaf.stop, as_it_stands, leaf.stop - leaf.start, PLAIN)


def _decodable(raw: bytes, leaf: Leaf) -> _Value | None:
    """The decoded bytes of a leaf whose text is what encoding them gives; None for another."""
    start, stop = leaf.start, leaf.stop
    while start < stop and raw[start] in _BLANK:
        start += 1
    while stop > start and raw[stop - 1] in _BLANK:
        stop -= 1
    coding = _coding_of(raw, start, stop)
    if coding is None:
        return None
    text = _Base64(raw, start, stop, coding)
    position = start
    try:
        source: Content = text if len(text) > _KEPT else text[:]
        for piece in encoded(pieces_of(source, 0, len(source), _BLOCK), coding):
            if not raw.startswith(piece, position):
                return None
            position += len(piece)
    except binascii.Error:
        return None
    return _Value(start, stop, source, len(source), coding) if position == stop else None


def _coding_of(raw: bytes, start: int, stop: int) -> Coding | None:
    """How the text from ``start`` to ``stop`` is broken into lines, as its first one tells."""
    end = raw.find(b"\n", start, min(stop, start + LONGEST_LINE + 2))
    if end < 0:
        return Coding(Transfer.BASE64_LF)
    returns = raw[end - 1] == _RETURN
    line = end - returns - start
    if not SHORTEST_LINE <= line <= LONGEST_LINE:
        return None
    return Coding(Transfer.BASE64_CRLF if returns else Transfer.BASE64_LF, line)


class _Base64:
    """The decoded bytes of regular base64 text that lies from ``start`` to ``stop`` of ``raw``."""

    def __init__(self, raw: bytes, start: int, stop: int, coding: Coding) -> None:
        self._raw = raw
        self._start = start
        self._stop = stop
        self._line = coding.line
        self._end = len(coding.line_end)
        ends = (stop - start) // (coding.line + self._end) * self._end if coding.line else 0
        padding = raw.count(b"=", max(start, stop - 2), stop)
        self._size = max((stop - start - ends) // 4 * 3 - padding, 0)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: slice, /) -> bytes:
        start, stop, _ = key.indices(self._size)
        group = start // 3
        text = self._raw[self._at(group * 4) : self._at((stop + 2) // 3 * 4)]
        decoded: bytes = pybase64.b64decode(text)
        return decoded[start - group * 3 : stop - group * 3]

    def _at(self, character: int) -> int:
        """Where in the message a character of the text is, line ends not counted."""
        ends = character // self._line * self._end if self._line else 0
        return min(self._start + character + ends, self._stop)
