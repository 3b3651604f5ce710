"""Many mails in one file (RFC 4155), in the form that loses nothing: mboxrd.

Before each mail stands a line ``From sender date``, after it an empty line; a line of the mail
that begins with ``From ``, or with that behind brackets, gets a bracket more. Line ends are LF,
as mail programs on disks have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from backups.streams.mail.eml import write_eml
from backups.streams.native.index import IndexRecord
from backups.streams.native.stream import index_record

_FROM = re.compile(rb"^(>*From )", re.MULTILINE)
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
_SEPARATOR = re.compile(rb"^From [^\n]*(?:\n|\Z)", re.MULTILINE)
_HAS_TIME = re.compile(rb"\d\d:\d\d")
_ONE_WORD = re.compile(rb"From \S+\s*\Z")
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_ADDRESS = re.compile(r"[!-~]+@[!-~]+")
_UNKNOWN: Final = "MAILER-DAEMON"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_LINE: Final = 1024 * 1024
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


def write_mbox(payloads: Iterable[bytes]) -> Iterator[bytes]:
    """The items as one mailbox, in pieces.

    An item whose container is broken raises StreamError before anything of it is given.
    """
    for payload in payloads:
        pieces = write_eml(payload)
        yield _separator(index_record(payload))
        yield from _quoted(pieces)


def split_mbox(raw: bytes) -> Iterator[bytes]:
    """The mails of a mailbox, with one bracket less before a quoted ``From``.

    A mail begins at a ``From`` line that stands first or after an empty line, and has a time in
    it or one word and a header field after it; any other is text.
    """
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    start = -1
    for match in _SEPARATOR.finditer(raw):
        if _separates(raw, match.start(), match.end()):
            if start >= 0:
                yield _unquoted(raw[start : match.start()])
            start = match.end()
    if start >= 0:
        yield _unquoted(raw[start:])


def _separator(record: IndexRecord) -> bytes:
    address = _ADDRESS.fullmatch(record.sender_address)
    date = (record.received_at or record.sent_at or _EPOCH).astimezone(UTC)
    day, month = _DAYS[date.weekday()], _MONTHS[date.month - 1]
    written = f"{day} {month} {date.day:2} {date:%H:%M:%S} {date.year:04}"
    return f"From {address[0] if address else _UNKNOWN} {written}\n".encode()


def _quoted(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """``pieces`` with LF line ends, quoted, and an empty line behind them."""
    tail = b""
    inside = False
    for piece in pieces:
        block = tail + piece
        stop = block.rfind(b"\n") + 1
        if not stop and len(block) > _MAX_LINE:
            stop = len(block) - 1
        if stop:
            yield _lines(block[:stop], inside)
            inside = block[stop - 1] != 0x0A
        tail = block[stop:]
    if tail:
        yield _lines(tail, inside) + b"\n"
    yield b"\n"


def _lines(block: bytes, inside: bool) -> bytes:
    """``inside`` says that the block begins in the middle of a line."""
    lines = block.replace(b"\r\n", b"\n")
    return _FROM.sub(rb">\1", b"." + lines)[1:] if inside else _FROM.sub(rb">\1", lines)


def _separates(raw: bytes, start: int, stop: int) -> bool:
    before = raw[max(start - 3, 0) : start]
    if start and not before.endswith((b"\n\n", b"\n\r\n")) and before not in (b"\n", b"\r\n"):
        return False
    line = raw[start:stop]
    if _HAS_TIME.search(line):
        return True
    return _ONE_WORD.match(line) is not None and _FIELD.match(raw, stop) is not None


def _unquoted(message: bytes) -> bytes:
    """The mail without the empty line that belongs to the mailbox."""
    for end in (b"\r\n\r\n", b"\n\n"):
        if message.endswith(end):
            message = message[: -len(end) // 2]
            break
    return _QUOTED.sub(rb"\1", message)
