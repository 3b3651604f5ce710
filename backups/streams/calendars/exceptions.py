"""Occurrences that differ, inside PidLidAppointmentRecur: ExceptionInfo (MS-OXOCAL 2.2.1.44.2) and
ExtendedException (2.2.1.44.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1601, 1, 1)
MINUTE: Final = timedelta(minutes=1)
HIGHLIGHTED: Final = 0x3009
"""WriterVersion2 from which on an extended exception begins with a ChangeHighlight."""

_SUBJECT, _LOCATION, _BODY = 0x0001, 0x0010, 0x0200
_KNOWN: Final = 0x03FF
_NUMBERS: Final = (
    (0x0002, "meeting_type"),
    (0x0004, "reminder_delta"),
    (0x0008, "reminder_set"),
    (_LOCATION, "location"),
    (0x0020, "busy_status"),
    (0x0040, "attachment"),
    (0x0080, "sub_type"),
    (0x0100, "colour"),
)
"""Override flags and what they bring, in the order of the structure after the subject."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """Of an exception, what says nothing (of which writers disagree) and is written as it was."""

    short_subject: bytes | None = None
    short_location: bytes | None = None
    highlight_reserved: bytes = b""
    first_block: bytes = b""
    second_block: bytes = b""
    times: bytes | None = None
    highlight_size: int | None = None
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """An occurrence that differs; None leaves a value as the series has it.

    Dates are local to the series' zone. ``reminder_delta`` is minutes before the start,
    ``reminder_set``, ``attachment`` and ``sub_type`` (1: all day) are 0 or 1, ``busy_status`` is
    that of PidLidBusyStatus, ``meeting_type`` of PidLidAppointmentStateFlags, ``body`` says that
    the embedded message has its own text, ``highlight`` is PidLidChangeHighlight.
    """

    original: datetime
    start: datetime
    end: datetime
    subject: str | None = None
    location: str | None = None
    meeting_type: int | None = None
    reminder_delta: int | None = None
    reminder_set: int | None = None
    busy_status: int | None = None
    attachment: int | None = None
    sub_type: int | None = None
    colour: int | None = None
    body: bool = False
    highlight: int = 0
    leftover: Leftover = field(default=Leftover(), compare=False, repr=False)


class Reader:
    """Numbers and bytes one after another; ValueError where they end early."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._position = 0

    def number(self, layout: str = "<I") -> int:
        size = struct.calcsize(layout)
        value: int = struct.unpack(layout, self.take(size))[0]
        return value

    def take(self, length: int) -> bytes:
        stop = self._position + length
        if stop > len(self._raw):
            raise ValueError("the recurrence ends early")
        found = self._raw[self._position : stop]
        self._position = stop
        return found

    def block(self) -> bytes:
        """Bytes with their length before them."""
        return self.take(self.number())

    def moment(self) -> datetime:
        return moment(self.number())

    def rest(self) -> bytes:
        return self.take(len(self._raw) - self._position)

    def numbers(self) -> tuple[int, ...]:
        """A count and as many numbers."""
        count = self.number()
        return struct.unpack(f"<{count}I", self.take(4 * count))

    @property
    def left(self) -> int:
        return len(self._raw) - self._position


def minutes(when: date | datetime) -> int:
    """Minutes since 1601."""
    whole = when if isinstance(when, datetime) else datetime(when.year, when.month, when.day)
    return (whole - EPOCH) // MINUTE


def moment(number: int) -> datetime:
    """The date of ``number`` minutes since 1601; ValueError when there is none."""
    try:
        return EPOCH + number * MINUTE
    except OverflowError as error:
        raise ValueError("the recurrence holds no date") from error


def short(change: Change) -> bytes:
    """ExceptionInfo, whose texts are in Windows-1252; the whole ones follow in the extended."""
    left = change.leftover
    flags = _flags(change)
    body = _short_text(change.subject, left.short_subject)
    for bit, name in _NUMBERS:
        if bit == _LOCATION:
            body += _short_text(change.location, left.short_location)
        elif flags & bit:
            body += struct.pack("<I", getattr(change, name))
    return _times(change) + struct.pack("<H", flags | left.flags) + body


def extended(change: Change, writer: int) -> bytes:
    """ExtendedException as writer version ``writer`` has it."""
    left = change.leftover
    raw = b""
    if writer >= HIGHLIGHTED:
        value = struct.pack("<I", change.highlight) + left.highlight_reserved
        size = len(value) if left.highlight_size is None else left.highlight_size
        raw = struct.pack("<I", size) + value[: max(size, 0)]
    raw += struct.pack("<I", len(left.first_block)) + left.first_block
    texts = [text for text in (change.subject, change.location) if text is not None]
    if not texts:
        return raw
    raw += left.times or _times(change)
    for text in texts:
        wide = text.encode("utf-16-le", "surrogatepass")
        raw += struct.pack("<H", len(wide) // 2) + wide
    return raw + struct.pack("<I", len(left.second_block)) + left.second_block


def read_changes(reader: Reader, writer: int) -> tuple[tuple[Change, ...], bytes | None]:
    """The exceptions and ReservedBlock1; None for it where a writer ends after ExceptionInfo."""
    found = [_read_short(reader) for _ in range(reader.number("<H"))]
    if not reader.left:
        return tuple(_change(known, {}, {}) for known in found), None
    block = reader.block()
    return tuple(_read_extended(reader, known, writer) for known in found), block


@dataclass(slots=True)
class _Short:
    original: datetime
    start: datetime
    end: datetime
    flags: int
    numbers: dict[str, int] = field(default_factory=dict)
    subject: bytes | None = None
    location: bytes | None = None


def _read_short(reader: Reader) -> _Short:
    start, end, original = reader.moment(), reader.moment(), reader.moment()
    known = _Short(original, start, end, reader.number("<H"))
    if known.flags & _SUBJECT:
        known.subject = _read_text(reader)
    for bit, name in _NUMBERS:
        if not known.flags & bit:
            continue
        if bit == _LOCATION:
            known.location = _read_text(reader)
        else:
            known.numbers[name] = reader.number()
    return known


def _read_text(reader: Reader) -> bytes:
    """Both lengths are kept with the text: the first counts a zero character more."""
    outer, inner = reader.number("<H"), reader.number("<H")
    return struct.pack("<HH", outer, inner) + reader.take(inner)


def _read_extended(reader: Reader, known: _Short, writer: int) -> Change:
    texts: dict[str, str] = {}
    highlight, left = 0, {"first_block": b"", "highlight_reserved": b"", "second_block": b""}
    size = None
    if writer >= HIGHLIGHTED:
        raw = reader.block()
        highlight = int.from_bytes(raw[:4], "little")
        left["highlight_reserved"] = raw[4:]
        size = len(raw) if len(raw) < 4 else None
    left["first_block"] = reader.block()
    times = b""
    if known.subject is not None or known.location is not None:
        times = reader.take(12)
        for name in ("subject", "location"):
            if getattr(known, name) is not None:
                wide = reader.take(2 * reader.number("<H"))
                texts[name] = wide.decode("utf-16-le", "surrogatepass")
        left["second_block"] = reader.block()
    return _change(known, texts, left, times, highlight, size)


def _change(
    known: _Short,
    texts: dict[str, str],
    left: dict[str, bytes],
    times: bytes = b"",
    highlight: int = 0,
    size: int | None = None,
) -> Change:
    subject = texts.get("subject", _plain(known.subject))
    location = texts.get("location", _plain(known.location))
    numbers = known.numbers
    usual = struct.pack("<3I", *map(minutes, (known.start, known.end, known.original)))
    return Change(
        known.original,
        known.start,
        known.end,
        subject,
        location,
        numbers.get("meeting_type"),
        numbers.get("reminder_delta"),
        numbers.get("reminder_set"),
        numbers.get("busy_status"),
        numbers.get("attachment"),
        numbers.get("sub_type"),
        numbers.get("colour"),
        bool(known.flags & _BODY),
        highlight,
        Leftover(
            _unless(known.subject, _short_text(subject, None)),
            _unless(known.location, _short_text(location, None)),
            left.get("highlight_reserved", b""),
            left.get("first_block", b""),
            left.get("second_block", b""),
            _unless(times or None, usual),
            size,
            known.flags & ~_KNOWN,
        ),
    )


def _unless(found: bytes | None, usual: bytes) -> bytes | None:
    return None if found == usual else found


def _plain(short_text: bytes | None) -> str | None:
    return None if short_text is None else short_text[4:].decode("cp1252", "replace")


def _short_text(text: str | None, stored: bytes | None) -> bytes:
    if text is None:
        return b""
    if stored is not None:
        return stored
    raw = text.encode("cp1252", "replace")
    return struct.pack("<HH", len(raw) + 1, len(raw)) + raw


def _flags(change: Change) -> int:
    given = [bit for bit, name in _flagged() if getattr(change, name) is not None]
    return sum(given) | _BODY * change.body


def _flagged() -> Iterator[tuple[int, str]]:
    yield _SUBJECT, "subject"
    yield from _NUMBERS


def _times(change: Change) -> bytes:
    return struct.pack("<3I", *map(minutes, (change.start, change.end, change.original)))
