"""Where the leaves of a MIME message lie (RFC 2046), found in one pass over its bytes.

The message is not parsed into objects: what is wanted are ranges of the bytes as they arrived.
Nothing is refused; what looks like no message has no leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from backups.parts import Role

MAX_DEPTH: Final = 100
"""Multiparts inside each other that are taken apart; a deeper one is one leaf."""

_LONGEST_DELIMITER: Final = 1000
_FIELD = re.compile(
    rb"^content-(type|transfer-encoding|disposition)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_BOUNDARY = re.compile(rb'boundary\s*=\s*(?:"([^"\r\n]+)"|([^\s;"]+))', re.IGNORECASE)
_IDENTITY = frozenset((b"", b"7bit", b"8bit", b"binary"))
_MESSAGES = frozenset((b"message/rfc822", b"message/global"))


class Leaf(NamedTuple):
    """The body of a part that holds no other, from ``start`` to ``stop`` of the message."""

    start: int
    stop: int
    role: Role
    base64: bool


class _Head(NamedTuple):
    """What a part's header says of its body. ``delimiter`` is that of a multipart, else empty."""

    role: Role = Role.BODY
    base64: bool = False
    message: bool = False
    delimiter: bytes = b""


def leaves(raw: bytes) -> Iterator[Leaf]:
    """The leaves of a message in order, also those of messages inside it."""
    return _Outline(raw).leaves()


class _Outline:
    """One pass over a message. Each search goes on where the one before it ended, so that the
    time grows with the message, however many parts it claims to have."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._end = len(raw)
        self._position = 0
        self._header: int | None = 0
        """Where a part begins whose header has not been read."""
        self._body: tuple[int, _Head] | None = None
        """Where the leaf begins that has not ended."""
        self._open: list[bytes] = []
        """Delimiters of the multiparts that have not ended, outermost first."""
        self._levels: dict[bytes, int] = {}
        self._blank = {b"\n\n": -1, b"\n\r\n": -1}

    def leaves(self) -> Iterator[Leaf]:
        raw = self._raw
        self._enter(self._end)
        while self._open:
            line_end = raw.find(b"\n--", self._position)
            self._enter(self._end if line_end < 0 else line_end + 1)
            if line_end < 0:
                break
            stop = raw.find(b"\n", line_end + 1)
            self._position = stop = self._end if stop < 0 else stop
            last = min(stop, line_end + _LONGEST_DELIMITER)
            level, closes = self._level_of(raw[line_end + 1 : last].rstrip())
            if level is None:
                continue
            yield from self._close(line_end - (raw[line_end - 1 : line_end] == b"\r"))
            self._header = None if closes else min(stop + 1, self._end)
            self._leave(level if closes else level + 1)
            if not self._open:
                self._enter(self._end)
        yield from self._close(self._end)

    def _enter(self, limit: int) -> None:
        """Read the header that is next, and those of messages right inside it, up to ``limit``."""
        while self._header is not None:
            stop, body = self._blank_line(self._header)
            if body > limit:
                return
            head = _head_of(self._raw[self._header : stop])
            self._header = None
            self._position = max(self._position, body - 1)
            if head.message:
                self._header = body
            elif self._may_open(head.delimiter):
                self._levels[head.delimiter] = len(self._open)
                self._open.append(head.delimiter)
            else:
                self._body = body, head

    def _blank_line(self, header: int) -> tuple[int, int]:
        """Where a header ends and its body begins, beyond the message when there is no body."""
        first = header - 1
        if header == 0:
            if self._raw.startswith((b"\n", b"\r\n")):
                return 0, self._raw.index(b"\n") + 1
            first = 0
        for ending, known in self._blank.items():
            if known < first:
                found = self._raw.find(ending, first)
                self._blank[ending] = found if found >= 0 else self._end + 1
        ending, found = min(self._blank.items(), key=lambda pair: pair[1])
        return found + 1, found + len(ending)

    def _may_open(self, delimiter: bytes) -> bool:
        return bool(delimiter) and delimiter not in self._levels and len(self._open) < MAX_DEPTH

    def _level_of(self, line: bytes) -> tuple[int | None, bool]:
        """Which multipart ``line`` delimits, and whether it ends it."""
        level = self._levels.get(line)
        if level is None and line.endswith(b"--"):
            return self._levels.get(line[:-2]), True
        return level, False

    def _leave(self, level: int) -> None:
        while len(self._open) > level:
            del self._levels[self._open.pop()]

    def _close(self, stop: int) -> Iterator[Leaf]:
        if self._body is not None:
            start, head = self._body
            self._body = None
            if start < stop:
                yield Leaf(start, stop, head.role, head.base64)


def _head_of(header: bytes) -> _Head:
    fields = {match[1].lower(): match[2].strip() for match in _FIELD.finditer(header)}
    if not fields:
        return _Head()
    kind = fields.get(b"type", b"").partition(b";")[0].strip().lower()
    encoding = fields.get(b"transfer-encoding", b"").lower()
    attached = fields.get(b"disposition", b"").lower().startswith(b"attachment")
    delimiter = b""
    if kind.startswith(b"multipart/"):
        found = _BOUNDARY.search(fields[b"type"])
        delimiter = b"--" + (found[1] or found[2]).rstrip() if found else b""
    return _Head(
        Role.BODY if not attached and (not kind or kind.startswith(b"text/")) else Role.ATTACHMENT,
        encoding == b"base64",
        kind in _MESSAGES and encoding in _IDENTITY,
        delimiter,
    )
