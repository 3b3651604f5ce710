"""A mail while it is written: parts, their encodings, and the lines between them (RFC 2045, 2046).

A part gives its bytes in pieces, or another part that stands there; ``write_parts`` follows them
without recursion, so that neither a large attachment nor deep nesting takes memory.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias
from urllib.parse import quote

import pybase64

MAX_LINE: Final = 998
"""Characters of a line of mail without its end (RFC 5322 2.1.1)."""

BLOCK: Final = 57 * 16_384
"""Bytes that are encoded at a time; 57 make a line of base64."""

_JOINED: Final = 65_536
_MAX_PARAMETER: Final = 60
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONG_LINE = re.compile(rb"[^\n]{999}")
_PLAIN_VALUE = re.compile(r"[ !#-\[\]-~]*")


class Part(Protocol):
    def pieces(self) -> Iterator[Piece]:
        """The header, an empty line and the content."""
        ...


Piece: TypeAlias = bytes | Part


@dataclass(slots=True)
class Leaf:
    """A part that holds no other; ``content`` gives it as it is written."""

    fields: Sequence[str]
    content: Callable[[], Iterable[Piece]]

    def pieces(self) -> Iterator[Piece]:
        yield head(self.fields)
        yield from self.content()


@dataclass(slots=True)
class Multipart:
    """Parts between lines of ``boundary``; ``kind`` is its type with its other parameters."""

    kind: str
    boundary: str
    parts: Sequence[Part]

    def pieces(self) -> Iterator[Piece]:
        yield head([f'Content-Type: {self.kind};\r\n boundary="{self.boundary}"'])
        line = b"\r\n--" + self.boundary.encode()
        for part in self.parts:
            yield line + b"\r\n"
            yield part
        yield line + b"--\r\n"


def write_parts(part: Part) -> Iterator[bytes]:
    """The bytes of ``part`` and all below it, small pieces joined."""
    open_parts = [part.pieces()]
    waiting: list[bytes] = []
    size = 0
    while open_parts:
        piece = next(open_parts[-1], None)
        if piece is None:
            open_parts.pop()
        elif isinstance(piece, bytes):
            waiting.append(piece)
            size += len(piece)
            if size >= _JOINED:
                yield b"".join(waiting)
                waiting, size = [], 0
        else:
            open_parts.append(piece.pieces())
    if waiting:
        yield b"".join(waiting)


def head(fields: Iterable[str]) -> bytes:
    return "".join(f"{field}\r\n" for field in fields).encode("utf-8", "replace") + b"\r\n"


def text_part(subtype: str, raw: bytes, charset: str, layout: str = "") -> Leaf:
    """A body in the shortest encoding that keeps its lines readable; line ends become CRLF."""
    content = _LINE_END.sub(b"\r\n", raw)
    kind = f'Content-Type: text/{subtype}; charset="{charset}"' + (layout and f"; {layout}")
    encoding = "7bit"
    if not content.isascii() or b"\0" in content or _LONG_LINE.search(content):
        others = len(content) - len(content.translate(None, _NOT_ASCII))
        if others * 6 < len(content):
            encoding, content = "quoted-printable", _quoted_printable(content)
        else:
            encoding, content = "base64", _encoded(content)
    return Leaf([kind, f"Content-Transfer-Encoding: {encoding}"], lambda: [content])


def base64_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """``pieces``, each but the last of a multiple of 57 bytes, as lines of base64."""
    for piece in pieces:
        yield _encoded(piece)


def parameter(name: str, value: str) -> str:
    """A parameter of a field; what is not plain ASCII as RFC 2231 has it. Never a second line
    that could be a field: controls are escaped or gone."""
    line = one_line(value)
    if len(line) <= _MAX_PARAMETER * 2 and _PLAIN_VALUE.fullmatch(line):
        return f'{name}="{line}"'
    coded = quote(line, safe="")
    if len(coded) <= _MAX_PARAMETER:
        return f"{name}*=utf-8''{coded}"
    segments = ["utf-8''"]
    for letter in line:
        # A reader may decode each segment by itself, so none cuts a character.
        escaped = quote(letter, safe="")
        if len(segments[-1]) + len(escaped) > _MAX_PARAMETER:
            segments.append("")
        segments[-1] += escaped
    return ";\r\n ".join(f"{name}*{place}*={text}" for place, text in enumerate(segments))


def one_line(text: str) -> str:
    """``text`` on one line: what stands in a property can't start a field of its own."""
    return re.sub(r"[\x00-\x1f\x7f\s]+", " ", text).strip()


_NOT_ASCII: Final = bytes(range(128, 256)) + b"\0"


def _quoted_printable(content: bytes) -> bytes:
    """Lines of text; its soft line ends come as the first hard one is, which may be missing."""
    coded = binascii.b2a_qp(content, istext=True)
    return coded.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _encoded(raw: bytes) -> bytes:
    return pybase64.encodebytes(raw).replace(b"\n", b"\r\n")
