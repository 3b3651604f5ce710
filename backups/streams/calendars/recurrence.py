"""The recurrence of an event as Outlook stores it: PidLidAppointmentRecur (MS-OXOCAL 2.2.1.44).

All dates and times in it are local to the series' time zone, in minutes since 1601.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

NEVER: Final = 0x5AE980DF
"""End date, in minutes, of a series without end."""

_EPOCH: Final = datetime(1601, 1, 1)
_MINUTE: Final = timedelta(minutes=1)
_SUBJECT, _LOCATION = 0x0001, 0x0010
_SKIPPED = {0x0004: 4, 0x0008: 4, 0x0020: 4, 0x0040: 4, 0x0080: 4, 0x0002: 4, 0x0100: 4}


class Frequency(enum.IntEnum):
    DAILY = 0x200A
    WEEKLY = 0x200B
    MONTHLY = 0x200C
    YEARLY = 0x200D


class Shape(enum.IntEnum):
    """PatternType: which fields say on which days."""

    DAY = 0
    WEEK = 1
    MONTH = 2
    MONTH_NTH = 3
    MONTH_END = 4


class End(enum.IntEnum):
    DATE = 0x2021
    COUNT = 0x2022
    NEVER = 0x2023


@dataclass(frozen=True, slots=True)
class Pattern:
    """On which days. ``interval`` counts days, weeks, months or years as ``frequency`` says.

    ``weekdays`` is a mask (Sunday 1, Monday 2, … Saturday 64), ``nth`` which of them in the month
    (5: the last), ``month_day`` 1 to 31. ``week_start`` is 0 for Sunday.
    """

    frequency: Frequency
    shape: Shape
    interval: int
    first: date
    last: date | None
    end: End
    count: int
    weekdays: int = 0
    nth: int = 0
    month_day: int = 0
    week_start: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """An occurrence that differs; None leaves subject or location as the series has it."""

    original: datetime
    start: datetime
    end: datetime
    subject: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Recurrence:
    """``start`` and ``end`` are minutes from midnight of the first day; ``deleted`` are the days
    on which an occurrence is left out, without those that are changed."""

    pattern: Pattern
    start: int
    end: int
    deleted: tuple[date, ...] = ()
    changes: tuple[Change, ...] = field(default=())


def encode(series: Recurrence) -> bytes:
    """The structure. ValueError for dates before 1601 or numbers beyond their field."""
    changes = sorted(series.changes, key=lambda change: change.start)
    originals = {change.original.date() for change in changes}
    try:
        return b"".join(
            (
                _pattern(series.pattern),
                _dates(sorted({*series.deleted, *originals})),
                _dates(sorted(change.start.date() for change in changes)),
                struct.pack("<I", _minutes(series.pattern.first)),
                struct.pack("<I", _last(series.pattern)),
                struct.pack("<4I", 0x3006, 0x3009, series.start, series.end),
                struct.pack("<H", len(changes)),
                *(_short(change) for change in changes),
                struct.pack("<I", 0),
                *(_extended(change) for change in changes),
                struct.pack("<I", 0),
            )
        )
    except struct.error as error:
        raise ValueError(f"the recurrence does not fit its structure: {error}") from error


def decode(raw: bytes) -> Recurrence:
    """Read the structure; ValueError when it is damaged or of a calendar other than ours."""
    reader = _Reader(raw)
    try:
        return _read(reader)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"the recurrence ends early or holds no date: {error}") from error


def _pattern(pattern: Pattern) -> bytes:
    shape, specific = pattern.shape, b""
    period = pattern.interval
    if pattern.frequency is Frequency.YEARLY:
        period *= 12
    first = _first_date(pattern, period)
    if pattern.frequency is Frequency.DAILY:
        period *= 1440
    if shape is Shape.WEEK:
        specific = struct.pack("<I", pattern.weekdays)
    elif shape is Shape.MONTH_NTH:
        specific = struct.pack("<II", pattern.weekdays, pattern.nth)
    elif shape is not Shape.DAY:
        specific = struct.pack("<I", pattern.month_day)
    head = struct.pack("<5H3I", 0x3004, 0x3004, pattern.frequency, shape, 0, first, period, 0)
    return head + specific + struct.pack("<3I", pattern.end, pattern.count, pattern.week_start)


def _first_date(pattern: Pattern, period: int) -> int:
    """FirstDateTime (2.2.1.44.1): the phase of the series, in minutes."""
    first = pattern.first
    if pattern.frequency is Frequency.DAILY:
        return _minutes(first) % (period * 1440)
    if pattern.frequency is Frequency.WEEKLY:
        back = (first.isoweekday() % 7 - pattern.week_start) % 7
        return _minutes(first - timedelta(days=back)) % (period * 10_080)
    months = ((first.year - 1601) * 12 + first.month - 1) % period
    return _minutes(date(1601 + months // 12, months % 12 + 1, 1))


def _last(pattern: Pattern) -> int:
    return NEVER if pattern.last is None else _minutes(pattern.last)


def _minutes(moment: date | datetime) -> int:
    whole = moment if isinstance(moment, datetime) else datetime(*moment.timetuple()[:3])
    return (whole - _EPOCH) // _MINUTE


def _dates(days: list[date]) -> bytes:
    return struct.pack(f"<I{len(days)}I", len(days), *map(_minutes, days))


def _times(change: Change) -> bytes:
    return struct.pack("<3I", *map(_minutes, (change.start, change.end, change.original)))


def _short(change: Change) -> bytes:
    """ExceptionInfo, whose texts are in Windows-1252; the whole ones follow in the extended."""
    flags = _SUBJECT * (change.subject is not None) | _LOCATION * (change.location is not None)
    texts = [text.encode("cp1252", "replace") for text in _texts(change)]
    lengths = b"".join(struct.pack("<HH", len(text) + 1, len(text)) + text for text in texts)
    return _times(change) + struct.pack("<H", flags) + lengths


def _extended(change: Change) -> bytes:
    head = struct.pack("<III", 4, 0, 0)
    texts = [text.encode("utf-16-le", "replace") for text in _texts(change)]
    if not texts:
        return head
    wide = b"".join(struct.pack("<H", len(text) // 2) + text for text in texts)
    return head + _times(change) + wide + struct.pack("<I", 0)


def _texts(change: Change) -> Iterator[str]:
    for text in (change.subject, change.location):
        if text is not None:
            yield text


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._position = 0

    def number(self, layout: str = "<I") -> int:
        value: int = struct.unpack_from(layout, self._raw, self._position)[0]
        self._position += struct.calcsize(layout)
        return value

    def text(self, length: int) -> bytes:
        if self._position + length > len(self._raw):
            raise ValueError("the recurrence ends early")
        self._position += length
        return self._raw[self._position - length : self._position]

    def moment(self) -> datetime:
        return _EPOCH + self.number() * _MINUTE

    def days(self) -> list[date]:
        count = self.number()
        if count * 4 > len(self._raw):
            raise ValueError("the recurrence names more days than it holds")
        return [self.moment().date() for _ in range(count)]


def _read(reader: _Reader) -> Recurrence:
    reader.number()
    frequency, shape = Frequency(reader.number("<H")), Shape(reader.number("<H"))
    if reader.number("<H") > 1:
        raise ValueError("the recurrence follows another calendar")
    reader.number()
    period = reader.number()
    reader.number()
    weekdays = reader.number() if shape in (Shape.WEEK, Shape.MONTH_NTH) else 0
    nth = reader.number() if shape is Shape.MONTH_NTH else 0
    month_day = reader.number() if shape in (Shape.MONTH, Shape.MONTH_END) else 0
    end_kind, count, week_start = reader.number(), reader.number(), reader.number()
    deleted, _modified = reader.days(), reader.days()
    first, last = reader.moment().date(), reader.number()
    never = last == NEVER or end_kind in (End.NEVER, 0xFFFFFFFF)
    unit = {Frequency.DAILY: 1440, Frequency.YEARLY: 12}.get(frequency, 1)
    pattern = Pattern(
        frequency,
        shape,
        # "Every weekday" is daily by name and weekly by shape; its period counts weeks.
        max(period // (unit if shape is not Shape.WEEK else 1), 1),
        first,
        None if never else (_EPOCH + last * _MINUTE).date(),
        End.NEVER if never else End(end_kind),
        count,
        weekdays,
        nth,
        month_day,
        week_start,
    )
    reader.number("<Q")
    start, end = reader.number(), reader.number()
    changes = _changes(reader)
    originals = {change.original.date() for change in changes}
    return Recurrence(
        pattern, start, end, tuple(day for day in deleted if day not in originals), changes
    )


def _changes(reader: _Reader) -> tuple[Change, ...]:
    found: list[Change] = []
    flags: list[int] = []
    for _ in range(reader.number("<H")):
        start, end, original = reader.moment(), reader.moment(), reader.moment()
        flags.append(reader.number("<H"))
        texts: dict[int, str] = {}
        for bit in (_SUBJECT, 2, 4, 8, _LOCATION, 0x20, 0x40, 0x80, 0x100):
            if not flags[-1] & bit:
                continue
            if bit in (_SUBJECT, _LOCATION):
                reader.number("<H")
                texts[bit] = reader.text(reader.number("<H")).decode("cp1252", "replace")
            else:
                reader.text(_SKIPPED[bit])
        found.append(Change(original, start, end, texts.get(_SUBJECT), texts.get(_LOCATION)))
    return tuple(_widened(reader, found, flags))


def _widened(reader: _Reader, found: list[Change], flags: list[int]) -> Iterator[Change]:
    """The changes with their texts in Unicode."""
    if found:
        reader.text(reader.number())
    for change, given in zip(found, flags, strict=True):
        reader.text(reader.number())
        reader.text(reader.number())
        texts = {_SUBJECT: change.subject, _LOCATION: change.location}
        if given & (_SUBJECT | _LOCATION):
            reader.text(12)
            for bit in (_SUBJECT, _LOCATION):
                if given & bit:
                    raw = reader.text(2 * reader.number("<H"))
                    texts[bit] = raw.decode("utf-16-le", "replace")
            reader.text(reader.number())
        yield Change(change.original, change.start, change.end, texts[_SUBJECT], texts[_LOCATION])
