"""The parts of a mail and where they lie in its bytes (RFC 5322, RFC 2045 to 2047, RFC 2231).

One pass over the bytes, without recursion, in time that grows with their number only. Nothing is
decoded or copied: a part is a range of the mail, so that what must stay untouched (a signed part)
can be taken out as it came.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import pybase64

from backups.streams.mail.headers import Headers, content_type

MAX_DEPTH: Final = 150
"""Parts inside each other that are taken apart; a deeper one is kept as its bytes."""

_FIELD = re.compile(rb"([!-9;-~\x80-\xff]*)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)")
# Blanks behind an equals sign are left: programs that write them mean no soft line end.
_TRAILING_BLANKS = re.compile(rb"(?<![= \t])[ \t]+(?=\r?\n|\Z)")
_KNOWN_FIELD = re.compile(
    rb"(?:content-[a-z-]+|mime-version|received|from|to|cc|bcc|subject|date|message-id|reply-to"
    rb"|sender|return-path|references|in-reply-to|x-[\w-]+|dkim-signature|list-[a-z-]+)[ \t]*:",
    re.IGNORECASE,
)
_STRAY_LINES: Final = 3
_NOT_BASE64: Final = bytes(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
)
_PADDED = re.compile(rb"[^=]+")
_MAILS: Final = frozenset({"message/rfc822", "message/global", "message/news"})
_AS_IT_IS: Final = frozenset({"", "7bit", "8bit", "binary"})


@dataclass(slots=True)
class Entity:
    """A part: its header from ``start`` to ``body``, its content from there to ``stop``.

    ``kind`` is its type in lower case. A multipart whose boundary was found has ``children``, an
    attached mail has one. ``preamble`` is where the first boundary stands, -1 without any.
    """

    raw: bytes
    start: int
    body: int
    stop: int
    headers: Headers
    kind: str
    parameters: dict[str, str]
    preamble: int = -1
    children: list[Entity] = field(default_factory=list)

    @property
    def head(self) -> bytes:
        return self.raw[self.start : self.body]

    @property
    def encoding(self) -> str:
        words = self.headers.text("content-transfer-encoding").lower().split()
        return words[0].strip("\"';") if words else ""

    @property
    def is_mail(self) -> bool:
        return self.kind in _MAILS

    @property
    def is_multipart(self) -> bool:
        return self.kind.startswith("multipart/")

    def content(self) -> bytes:
        """The bytes between header and end without their transfer encoding; of a multipart those
        before its first boundary.

        As they stand when the encoding is not known or nothing in them is of it.
        """
        raw = self.raw[self.body : self.stop if self.preamble < 0 else self.preamble]
        encoding = self.encoding
        if encoding == "base64":
            return _from_base64(raw) or raw.strip()
        if encoding == "quoted-printable":
            return binascii.a2b_qp(_TRAILING_BLANKS.sub(b"", raw))
        if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
            return _from_uuencoded(raw)
        return raw


def read_entities(raw: bytes) -> Entity:
    """The tree of parts of ``raw``, which begins with a header."""
    return _Reader(raw).read()


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._open: list[Entity] = []
        self._boundaries: dict[bytes, int] = {}
        self._position = 0

    def read(self) -> Entity:
        root = self._begin(0, "text/plain")
        while self._boundaries:
            delimiter = self._next_delimiter()
            if delimiter is None:
                break
            start, stop, boundary, final = delimiter
            level = self._boundaries[boundary]
            entity = self._open[level]
            if entity.preamble < 0:
                entity.preamble = max(self._before(start), entity.body)
            self._close(level + 1, self._before(start))
            self._position = stop
            if final:
                del self._boundaries[boundary]
            else:
                digest = entity.kind == "multipart/digest"
                self._begin(stop, "message/rfc822" if digest else "text/plain")
        self._close(0, len(self._raw))
        return root

    def _begin(self, start: int, default: str) -> Entity:
        """The part at ``start``, and the mail inside it when it is an attached one."""
        first: Entity | None = None
        while True:
            entity = self._header(start, default)
            if self._open:
                self._open[-1].children.append(entity)
            first = first or entity
            self._open.append(entity)
            self._position = start = entity.body
            deep = len(self._open) >= MAX_DEPTH
            if entity.is_multipart and not deep:
                boundary = entity.parameters.get("boundary", "").rstrip()
                key = boundary.encode("utf-8", "surrogateescape")
                if key and key not in self._boundaries:
                    self._boundaries[key] = len(self._open) - 1
            if not entity.is_mail or deep or entity.encoding not in _AS_IT_IS:
                return first
            default = "text/plain"

    def _header(self, start: int, default: str) -> Entity:
        raw, position = self._raw, start
        fields: list[tuple[str, str]] = []
        while True:
            match = _FIELD.match(raw, position)
            if raw.startswith(b"--", position) and self._delimiter(position) is not None:
                break
            if match is None:
                stray = self._stray(position)
                if stray == position:
                    break
                if fields:
                    name_before, value_before = fields[-1]
                    line = raw[position:stray].decode("ascii", "surrogateescape").rstrip("\r\n")
                    fields[-1] = (name_before, f"{value_before}\r\n {line}")
                position = stray
                continue
            name, value = match.groups()
            fields.append(
                (name.decode("ascii", "surrogateescape"), value.decode("ascii", "surrogateescape"))
            )
            position = match.end()
        if raw.startswith((b"\n", b"\r\n"), position):
            position = raw.index(b"\n", position) + 1
        headers = Headers(fields)
        kind, parameters = content_type(headers.raw("content-type"), default)
        return Entity(raw, start, position, len(raw), headers, kind, parameters)

    def _stray(self, position: int) -> int:
        """Where the next field begins after a few lines that are none and no end of the header;
        ``position`` when the header ends there, with or without an empty line."""
        at = position
        for _ in range(_STRAY_LINES):
            stop = self._raw.find(b"\n", at) + 1
            if not stop or not self._raw[at:stop].strip() or self._raw.startswith(b"--", at):
                return position
            at = stop
            if _KNOWN_FIELD.match(self._raw, at):
                return at
        return position

    def _next_delimiter(self) -> tuple[int, int, bytes, bool] | None:
        """Where the line starts and stops, its boundary, and whether it is the last."""
        position = self._position
        line_start = position == 0 or self._raw[position - 1] == 0x0A
        while True:
            if line_start and self._raw.startswith(b"--", position):
                found = self._delimiter(position)
                if found is not None:
                    return (position, *found)
            position = self._raw.find(b"\n--", position) + 1
            if not position:
                return None
            line_start = True

    def _delimiter(self, start: int) -> tuple[int, bytes, bool] | None:
        """The line at ``start``, which begins with two dashes, when it is a delimiter."""
        stop = self._raw.find(b"\n", start) + 1 or len(self._raw)
        line = self._raw[start + 2 : stop].rstrip(b" \t\r\n")
        if line in self._boundaries:
            return stop, line, False
        if line.endswith(b"--") and line[:-2] in self._boundaries:
            return stop, line[:-2], True
        for boundary in self._boundaries:
            # Only its beginning counts (RFC 2046 5.1.1); one may be the beginning of another.
            rest = line[len(boundary) :] if line.startswith(boundary) else b""
            if rest.startswith((b" ", b"\t", b"--")):
                return stop, boundary, rest.lstrip(b" \t").startswith(b"--")
        return None

    def _close(self, level: int, stop: int) -> None:
        """End the parts that were opened at ``level`` or above it."""
        for entity in self._open[level:]:
            entity.stop = max(stop, entity.body)
        del self._open[level:]
        for boundary in [b for b, at in self._boundaries.items() if at >= level]:
            del self._boundaries[boundary]

    def _before(self, line: int) -> int:
        """The end of what stands before a delimiter, to which the line end before it belongs."""
        stop = line - 1 if line and self._raw[line - 1] == 0x0A else line
        return stop - 1 if stop and stop < line and self._raw[stop - 1] == 0x0D else stop


def walk(entity: Entity) -> Iterator[Entity]:
    """``entity`` and every part below it, in the order of the mail."""
    waiting = [entity]
    while waiting:
        entity = waiting.pop()
        yield entity
        waiting += reversed(entity.children)


def _from_base64(raw: bytes) -> bytes:
    """What base64 text says. It ends at its padding, unless only more base64 follows: what mail
    systems put below it, such as the footer of a list, does not belong to it."""
    end = raw.find(b"=")
    if end < 0:
        return _from_unpadded(raw.translate(None, _NOT_BASE64))
    rest = b"".join(raw[end:].lstrip(b"= \t\r\n").split())
    letters = raw[:end].translate(None, _NOT_BASE64)
    if not rest or len(rest) % 4 or rest.translate(None, _NOT_BASE64) != rest:
        return _from_unpadded(letters)
    more = _PADDED.findall(rest)
    return b"".join(_from_unpadded(piece) for piece in (letters, *more))


def _from_unpadded(letters: bytes) -> bytes:
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    return pybase64.b64decode(letters + b"=" * (-len(letters) % 4))


def _from_uuencoded(raw: bytes) -> bytes:
    """The first file of uuencoded text; the text itself when there is none in it."""
    lines = iter(raw.splitlines())
    if not any(line.startswith(b"begin ") for line in lines):
        return raw
    found = bytearray()
    for line in lines:
        if line.strip() in (b"end", b"`"):
            break
        try:
            found += binascii.a2b_uu(line)
        except binascii.Error:
            # Some writers count the padding in: what the first byte says is all there is.
            size = ((line[0] - 32 & 63) * 4 + 5) // 3 if line else 0
            try:
                found += binascii.a2b_uu(line[:size])
            except binascii.Error:
                continue
    return bytes(found)
