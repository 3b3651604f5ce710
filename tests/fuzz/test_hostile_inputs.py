"""Inputs built to cost more than they weigh: claims, bombs, crowds and depths."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import partial

import pytest

from backups.streams import (
    Attachment,
    Item,
    Property,
    export_file,
    open_stream,
    safe_name,
    validate,
    write_item,
)
from backups.streams.native import tags
from backups.streams.native.properties import BINARY, INTEGER32, UNICODE

from ..streams.samples import BUILD, framed, letter
from .counting import bytes_allocated, lines_run
from .targets import TARGETS

MULTIPLE = 100
"""Bytes that may be allocated for each byte of a stream: a six-byte property is a Python tuple."""
MULTIPLE_MADE = 500
"""Of a file that is made into a stream, or a stream into a file: an address of two bytes becomes
a recipient of a hundred, a string of four bytes a stream of its own in a message file."""
AT_LEAST = 8 * 1024 * 1024
"""Bytes for what is loaded once: code pages, property names, zones."""
GROWTH = 4.8
"""How much more work four times the input may be."""


def wire(tag: int, value: bytes) -> bytes:
    return struct.pack("<II", tag, len(value)) + value


def lzfu(raw_size: int, packed: bytes) -> bytes:
    """Compressed RTF (MS-OXRTFCP 2.1.3.1) that claims ``raw_size`` bytes."""
    checksum = zlib.crc32(packed, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return struct.pack("<IIII", len(packed) + 12, raw_size, 0x75465A4C, checksum) + packed


def with_rtf(value: bytes) -> bytes:
    return wire(tags.RTF_COMPRESSED << 16 | BINARY, value)


# A run of literals "aaaa…", then references that repeat seventeen bytes for every two.
REFERENCES = b"\x00" + b"a" * 8 + (b"\xff" + b"\x0d\x9f" * 8) * 1_000

CLAIMS = {
    "a value of 4 GB": struct.pack("<II", tags.BODY << 16 | UNICODE, 0xFFFFFFFF) + b"\0" * 64,
    "4 billion numbers": struct.pack("<II", 0x68001003, 0xFFFFFFFF) + b"\0" * 64,
    "4 billion strings": struct.pack("<II", 0x6800101F, 0xFFFFFFFF) + b"\0" * 64,
    "many empty strings": struct.pack("<II", 0x6800101F, 20_000) + bytes(80_000),
    "RTF of 2 GB": with_rtf(lzfu(0x7FFFFFFF, b"\x00" + b"a" * 8)),
    "RTF of references": with_rtf(lzfu(0x7FFFFFFF, REFERENCES)),
    "RTF of deep groups": with_rtf(
        struct.pack("<IIII", 20_012, 20_000, 0x414C454D, 0) + b"{" * 20_000
    ),
    "a name without an end": struct.pack("<I", 0x8001001F) + bytes(16) + b"\1" + b"ab" * 30_000,
    "a recurrence of 65535": wire(0x80010102, b"")[:4]
    + bytes.fromhex("0220060000000000C000000000000046 00 16820000")
    + struct.pack("<I", 60)
    + bytes.fromhex("0430043000200B2000000000") + b"\xff" * 48,
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_of_size_is_not_believed(name: str) -> None:
    raw = CLAIMS[name]

    for target, multiple in (("content", MULTIPLE), ("shown", MULTIPLE_MADE)):
        used = bytes_allocated(partial(TARGETS[target], raw))
        assert used < AT_LEAST + multiple * len(raw), target


FILES: dict[str, tuple[str, bytes]] = {
    "mail: 2,000 levels": (
        "mime",
        b"".join(
            b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(2_000)
        ),
    ),
    "mail: 2,000 messages in messages": ("mime", b"Content-Type: message/rfc822\n\n" * 2_000),
    "mail: a comment in a comment": ("mime", b"To: " + b"(" * 50_000 + b"\n\n"),
    "mail: 3,000 addresses": ("mime", b"To: " + b"a@b.c, " * 3_000 + b"\n\n"),
    "mail: half-open addresses": ("mime", b"To: " + b"<a" * 3_000 + b"\n\n"),
    "mail: encoded words": ("mime", b"Subject: " + b"=?utf-8?q?a?= " * 10_000 + b"\n\n"),
    "mail: parts of a name": (
        "mime",
        b"Content-Type: a/b;" + b"".join(b" n*%d=x;" % n for n in range(5_000)) + b"\n\n",
    ),
    "mail: 10,000 header fields": ("mime", b"X: y\n" * 10_000 + b"\ntext"),
    "mail: boundaries of one": (
        "mime",
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * 2_000,
    ),
    "mail: hyphens": (
        "mime",
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" + b"--" * 50_000 + b"\n--" * 20_000,
    ),
    "events: an endless rule": (
        "ics",
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101T000000Z\nRRULE:FREQ=SECONDLY;"
        b"COUNT=2000000000;BYSECOND=1\nEND:VEVENT\nEND:VCALENDAR\n",
    ),
    "events: a rule that never comes": (
        "ics",
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101T000000Z\n"
        b"RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\nEND:VEVENT\nEND:VCALENDAR\n",
    ),
    "events: 5,000 levels": ("ics", b"BEGIN:VCALENDAR\n" + b"BEGIN:VEVENT\n" * 5_000),
    "events: a long line": (
        "ics",
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:" + b"a\n " * 30_000 + b"\nEND:VEVENT\n",
    ),
    "events: many parameters": (
        "ics",
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nATTENDEE" + b';X="' * 5_000 + b":a\nEND:VEVENT\n",
    ),
    "cards: agents in agents": ("vcard", b"BEGIN:VCARD\nAGENT:\n" * 5_000),
    "cards: soft line ends": (
        "vcard",
        b"BEGIN:VCARD\nN;ENCODING=QUOTED-PRINTABLE:" + b"a=\n" * 30_000 + b"\nEND:VCARD\n",
    ),
    "TNEF: an attribute of 4 GB": (
        "tnef",
        bytes.fromhex("789F3E22 0100 01 03900600 FFFFFFFF") + b"\xff" * 64,
    ),
    "TNEF: 4 billion properties": (
        "tnef",
        bytes.fromhex("789F3E22 0100 01 03900600 08000000 FFFFFFFF 1F000010 0000"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_takes_no_more_memory_than_it_may(name: str) -> None:
    target, raw = FILES[name]

    used = bytes_allocated(partial(TARGETS[target], raw))

    assert used < AT_LEAST + MULTIPLE_MADE * len(raw)


def crowd(count: int) -> bytes:
    """A letter with ``count`` small attachments."""
    item = letter()
    item.attachments *= count
    return write_item(item, build=BUILD)


def crowd_of_parts(count: int) -> bytes:
    part = (
        b"--b\r\nContent-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    head = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head + (part + b"AAAA\r\n") * count + b"--b--\r\n"


def header_without_end(count: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nX: y\n" * count


def names(count: int) -> bytes:
    """Named properties, each with another name."""
    piece = b"".join(
        struct.pack("<I", 0x80010003) + bytes(16) + b"\0" + struct.pack("<II", n, n)
        for n in range(count)
    )
    return framed(piece)


def events(count: int) -> bytes:
    event = b"BEGIN:VEVENT\r\nUID:%d\r\nDTSTART:20260101T000000Z\r\nEND:VEVENT\r\n"
    inside = b"".join(event % number for number in range(count))
    return b"BEGIN:VCALENDAR\r\n" + inside + b"END:VCALENDAR\r\n"


def cards(count: int) -> bytes:
    return b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:a\r\nEND:VCARD\r\n" * count


def phones(count: int) -> bytes:
    return b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:a\r\n" + b"TEL:1\r\n" * count + b"END:VCARD\r\n"


CROWDS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "attachments": ("stream", crowd),
    "attachments shown": ("shown", lambda count: open_stream(crowd(count)).content[:]),
    "names": ("stream", names),
    "parts": ("mime", crowd_of_parts),
    "headers": ("mime", header_without_end),
    "events": ("ics", events),
    "cards": ("vcard", cards),
    "telephones": ("vcard", phones),
}


@pytest.mark.parametrize("name", CROWDS)
def test_four_times_the_input_is_four_times_the_work(name: str) -> None:
    target, make = CROWDS[name]
    run = TARGETS[target]
    run(make(10))
    less, more = make(150), make(600)

    assert lines_run(lambda: run(more)) < GROWTH * lines_run(lambda: run(less))


@pytest.mark.parametrize(("target", "make"), [("stream", crowd), ("mime", crowd_of_parts)])
def test_ten_thousand_attachments_are_taken(target: str, make: Callable[[int], bytes]) -> None:
    TARGETS[target](make(10_000))


def nested(levels: int) -> bytes:
    item = Item([Property.of(tags.SUBJECT, UNICODE, "innermost")])
    for _ in range(levels):
        method = Property.of(tags.ATTACH_METHOD, INTEGER32, 5)
        item = Item(attachments=[Attachment([method], item)])
    return write_item(item, build=BUILD)


@pytest.mark.parametrize("levels", [99, 200, 5_000])
def test_deep_nesting_is_read_and_shown(levels: int) -> None:
    payload = nested(levels)

    assert validate(payload).embedded == levels
    TARGETS["stream"](payload)
    TARGETS["shown"](open_stream(payload).content[:])


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "C:\\windows\\x", "NUL", "a\0.txt", "exe.\u202egpj", "." * 300, "a" * 999],
)
def test_a_name_is_never_a_path(name: str) -> None:
    made = safe_name(name)

    assert not set(made) & set('/\\:*?"<>|\0\u202e')
    assert 0 < len(made.encode()) <= 255
    assert not made.startswith(".")
    assert made.upper() != "NUL"
    payload = write_item(
        Item([Property.of(tags.SUBJECT, UNICODE, name.replace("\0", ""))]), build=BUILD
    )
    assert b"".join(export_file(payload).pieces)
