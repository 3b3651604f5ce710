"""The BEGIN … END blocks of iCalendar (RFC 5545) and vCard (2.1, RFC 2426, RFC 6350) files.

Both are content lines in nested blocks. A file is taken apart here before anything in it is
understood, so that one broken object costs no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from backups.streams.native.charsets import decode_text

_BREAK = re.compile(r"\r\n|\r|\n")
_EDGE = re.compile(r"\s*(BEGIN|END)\s*:\s*([A-Za-z0-9-]+)\s*", re.IGNORECASE)
_QUOTED_PRINTABLE = re.compile(r"[^:]*ENCODING=QUOTED-PRINTABLE|[^:]*;QUOTED-PRINTABLE", re.I)
_NESTED: Final = frozenset(
    {"VALARM", "STANDARD", "DAYLIGHT", "AVAILABLE", "PARTICIPANT", "VLOCATION", "VRESOURCE"}
)


@dataclass(slots=True)
class Block:
    """``lines`` are unfolded and include the first and the last; ``closed`` says that it ends."""

    name: str
    lines: list[str] = field(default_factory=list)
    closed: bool = False

    @property
    def text(self) -> str:
        return "\r\n".join(self.lines) + "\r\n"


@dataclass(slots=True)
class Outline:
    """``blocks`` in order; ``containers`` counts those that were opened around them; ``outside``
    are the lines that belong to no block, among them a calendar's own properties."""

    blocks: list[Block] = field(default_factory=list)
    containers: int = 0
    outside: list[str] = field(default_factory=list)


def outline(raw: bytes, container: str = "") -> Outline:
    """The blocks of a file; those named ``container`` are opened and their blocks taken."""
    found = Outline()
    block: Block | None = None
    depth = 0
    for line in logical_lines(decode_file(raw)):
        edge = _EDGE.fullmatch(line)
        kind = edge[1].upper() if edge else ""
        name = edge[2].upper() if edge else ""
        if container and name == container:
            block, depth = None, 0
            found.containers += kind == "BEGIN"
        elif block is not None and kind == "BEGIN" and not _belongs(block, name):
            block, depth = _open(found, name, line), 0
        elif block is not None:
            block.lines.append(line)
            depth += (kind == "BEGIN") - (kind == "END")
            if depth < 0:
                block.closed = name == block.name
                block, depth = None, 0
        elif kind == "BEGIN":
            block, depth = _open(found, name, line), 0
        elif line.strip():
            found.outside.append(line)
    return found


def decode_file(raw: bytes) -> str:
    """The text of a file: by its byte order mark, else UTF-8, else Windows-1252."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace").replace("\0", "")
    return decode_text(raw.removeprefix(b"\xef\xbb\xbf")).replace("\0", "")


def logical_lines(text: str) -> Iterator[str]:
    """Content lines with their folds undone, also vCard 2.1's soft ends in quoted-printable."""
    pending: list[str] = []
    soft = False
    for line in _BREAK.split(text):
        if pending and (soft or line[:1] in (" ", "\t")):
            pending.append(line if soft else line[1:])
        else:
            if pending:
                yield "".join(pending)
            pending = [line]
            quoted = bool(_QUOTED_PRINTABLE.match(line))
        soft = quoted and line.endswith("=")
        if soft:
            pending[-1] = pending[-1][:-1]
    if pending:
        yield "".join(pending)


def _open(found: Outline, name: str, line: str) -> Block:
    block = Block(name, [line])
    found.blocks.append(block)
    return block


def _belongs(block: Block, name: str) -> bool:
    """Whether ``name`` may stand in ``block``; if not, the end of ``block`` is missing."""
    if name == "VCARD":
        return block.lines[-1].upper().startswith("AGENT")
    return name in _NESTED or not name.startswith("V")
