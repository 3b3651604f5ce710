"""The recurrence of an event as Outlook stores it, PidLidAppointmentRecur (MS-OXOCAL 2.2.1.44), and
of a task, PidLidTaskRecurrence (MS-OXOTASK 2.2.2.2.15), which is its first part.

All dates and times in it are local to the series' time zone, in minutes since 1601. What a reader
has no use for is kept, so that ``encode(decode(raw)) == raw``.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from backups.streams.calendars.exceptions import (
    Change,
    Reader,
    extended,
    minutes,
    moment,
    read_changes,
    short,
)

NEVER: Final = 0x5AE980DF
"""End date, in minutes, of a series without end."""

_ALWAYS: Final = 0xFFFFFFFF
_WRITER: Final = 0x3009
_UNUSED_COUNT: Final = 10
_GREGORIAN: Final = frozenset({0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12})
"""Calendars whose months are those of the Gregorian one (MS-OXOCAL 2.2.1.44.1, CalendarType)."""

CALENDARS: Final = {
    1: "Gregorian",
    2: "Gregorian_us",
    3: "Japan",
    4: "Taiwan",
    5: "Korea",
    6: "Hijri",
    7: "Thai",
    8: "Hebrew",
    9: "GregorianMeFrench",
    10: "GregorianArabic",
    11: "GregorianXlitEnglish",
    12: "GregorianXlitFrench",
    14: "JapanLunar",
    15: "ChineseLunar",
    16: "Saka",
    17: "LunarEtoChn",
    18: "LunarEtoKor",
    19: "LunarRokuyou",
    20: "KoreaLunar",
    23: "Umalqura",
}
"""CalendarType by its name in MS-OXCICAL 2.1.3.1.1.8; 0 is the default, which is Gregorian."""


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
    HIJRI_MONTH = 10
    HIJRI_NTH = 11
    HIJRI_END = 12


class End(enum.IntEnum):
    DATE = 0x2021
    COUNT = 0x2022
    NEVER = 0x2023


_NTHS: Final = frozenset({Shape.MONTH_NTH, Shape.HIJRI_NTH})


@dataclass(frozen=True, slots=True)
class Pattern:
    """On which days. ``interval`` counts days, weeks, months or years as ``frequency`` says.

    ``weekdays`` is a mask (Sunday 1, Monday 2, … Saturday 64), ``nth`` which of them in the month
    (5: the last), ``month_day`` 1 to 31 (in a shorter month: its last). ``week_start`` is 0 for
    Sunday. ``sliding`` says of a task that the next is due an interval after this one is done.
    ``calendar`` is the CalendarType. ``stored`` are numbers of the structure that are other than
    ours for the same pattern.
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
    sliding: int = 0
    calendar: int = 0
    stored: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False, hash=False)

    @property
    def calendar_name(self) -> str:
        """The calendar whose months are meant; empty when they are Gregorian."""
        if self.shape >= Shape.HIJRI_MONTH:
            return CALENDARS[6]
        if self.calendar in _GREGORIAN or self.shape in (Shape.DAY, Shape.WEEK):
            return ""
        return CALENDARS.get(self.calendar, f"calendar {self.calendar}")


@dataclass(frozen=True, slots=True)
class Recurrence:
    """``start`` and ``end`` are minutes from midnight of the first day; ``deleted`` are the days
    on which an occurrence is left out, without those that are changed.

    The rest is as it was read: the lists of days where they are not what ``deleted`` and
    ``changes`` give, the version of the writer, the reserved blocks and what follows them.
    ``parts`` counts what comes after ExceptionInfo: some writers leave out the last block, or the
    extended exceptions, too.
    """

    pattern: Pattern
    start: int
    end: int
    deleted: tuple[date, ...] = ()
    changes: tuple[Change, ...] = ()
    days: tuple[tuple[int, ...], tuple[int, ...]] | None = field(
        default=None, compare=False, repr=False
    )
    versions: tuple[int, int] = field(default=(0x3006, _WRITER), compare=False, repr=False)
    blocks: tuple[bytes, bytes] = field(default=(b"", b""), compare=False, repr=False)
    rest: bytes = field(default=b"", compare=False, repr=False)
    parts: int = field(default=2, compare=False, repr=False)


def encode(series: Recurrence) -> bytes:
    """The structure. ValueError for dates before 1601 or numbers beyond their field."""
    writer = series.versions[1]
    try:
        raw = encode_pattern(series) + b"".join(
            (
                struct.pack("<4I", *series.versions, series.start, series.end),
                struct.pack("<H", len(series.changes)),
                *(short(change) for change in series.changes),
            )
        )
        if series.parts:
            raw += _block(series.blocks[0])
            raw += b"".join(extended(change, writer) for change in series.changes)
        if series.parts > 1:
            raw += _block(series.blocks[1]) + series.rest
        return raw
    except struct.error as error:
        raise ValueError(f"the recurrence does not fit its structure: {error}") from error


def encode_pattern(series: Recurrence) -> bytes:
    """The part that a task has: RecurrencePattern (2.2.1.44.1)."""
    deleted, modified = series.days or _days(series)
    pattern = series.pattern
    first = pattern.stored.get("start", minutes(pattern.first))
    last = NEVER if pattern.last is None else minutes(pattern.last)
    try:
        return b"".join(
            (
                _head(pattern),
                struct.pack(f"<I{len(deleted)}I", len(deleted), *deleted),
                struct.pack(f"<I{len(modified)}I", len(modified), *modified),
                struct.pack("<II", first, pattern.stored.get("last", last)),
            )
        )
    except struct.error as error:
        raise ValueError(f"the recurrence does not fit its structure: {error}") from error


def decode(raw: bytes) -> Recurrence:
    """Read the structure; ValueError when it is damaged.

    A pattern of another calendar than the Gregorian is read; its ``calendar_name`` says so.
    """
    reader = Reader(raw)
    pattern, days = _read_pattern(reader)
    versions = reader.number(), reader.number()
    start, end = reader.number(), reader.number()
    changes, first_block = read_changes(reader, versions[1])
    parts = 0 if first_block is None else 2 if reader.left else 1
    last_block = reader.block() if reader.left else b""
    found = _left_out(days[0], changes)
    series = Recurrence(pattern, start, end, found, changes)
    return Recurrence(
        pattern,
        start,
        end,
        found,
        changes,
        None if _days(series) == days else days,
        versions,
        (first_block or b"", last_block),
        reader.rest(),
        parts,
    )


def decode_pattern(raw: bytes) -> Recurrence:
    """The recurrence of a task, which has no times of day; ValueError when it is damaged."""
    pattern, days = _read_pattern(Reader(raw))
    series = Recurrence(pattern, 0, 0, _left_out(days[0], ()))
    return Recurrence(pattern, 0, 0, series.deleted, (), None if _days(series) == days else days)


def _days(series: Recurrence) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The lists of deleted and of modified days: an original day counts as deleted."""
    originals = {change.original.date() for change in series.changes}
    deleted = sorted({*series.deleted, *originals})
    modified = sorted(change.start.date() for change in series.changes)
    return tuple(map(minutes, deleted)), tuple(map(minutes, modified))


def _left_out(deleted: tuple[int, ...], changes: tuple[Change, ...]) -> tuple[date, ...]:
    originals = {change.original.date() for change in changes}
    days = (moment(number).date() for number in deleted)
    return tuple(day for day in days if day not in originals)


def _block(raw: bytes) -> bytes:
    return struct.pack("<I", len(raw)) + raw


def _period(pattern: Pattern) -> int:
    if pattern.shape is Shape.WEEK:
        # "Every weekday" is daily by name and weekly by shape; its period counts weeks.
        return pattern.interval
    unit = {Frequency.DAILY: 1440, Frequency.YEARLY: 12}.get(pattern.frequency, 1)
    return pattern.interval * unit


def _head(pattern: Pattern) -> bytes:
    stored, shape, specific = pattern.stored, pattern.shape, b""
    period = stored.get("period", _period(pattern))
    first = stored["phase"] if "phase" in stored else _phase(pattern, period)
    if shape is Shape.WEEK:
        specific = struct.pack("<I", pattern.weekdays)
    elif shape in _NTHS:
        specific = struct.pack("<II", pattern.weekdays, pattern.nth)
    elif shape is not Shape.DAY:
        specific = struct.pack("<I", pattern.month_day)
    versions = stored.get("reader", 0x3004), stored.get("writer", 0x3004)
    kind = pattern.frequency, shape, pattern.calendar
    head = struct.pack("<5H3I", *versions, *kind, first, period, pattern.sliding)
    end = stored.get("end", pattern.end)
    return head + specific + struct.pack("<3I", end, pattern.count, pattern.week_start)


def _phase(pattern: Pattern, period: int) -> int:
    """FirstDateTime (2.2.1.44.1.1): the phase of the series, in minutes."""
    first, period = pattern.first, max(period, 1)
    if pattern.shape is Shape.WEEK:
        back = (first.isoweekday() % 7 - pattern.week_start) % 7
        return minutes(first - timedelta(days=back)) % (period * 10_080)
    if pattern.frequency is Frequency.DAILY:
        return minutes(first) % period
    months = ((first.year - 1601) * 12 + first.month - 1) % period
    return minutes(date(1601 + months // 12, months % 12 + 1, 1))


def _read_pattern(reader: Reader) -> tuple[Pattern, tuple[tuple[int, ...], tuple[int, ...]]]:
    """The pattern, and the deleted and modified days in minutes."""
    stored = {"reader": reader.number("<H"), "writer": reader.number("<H")}
    frequency, shape = Frequency(reader.number("<H")), Shape(reader.number("<H"))
    calendar = reader.number("<H")
    stored["phase"], stored["period"] = reader.number(), reader.number()
    sliding = reader.number()
    weekdays = reader.number() if shape is Shape.WEEK or shape in _NTHS else 0
    nth = reader.number() if shape in _NTHS else 0
    month_day = reader.number() if shape not in (Shape.DAY, Shape.WEEK, *_NTHS) else 0
    stored["end"], count, week_start = reader.number(), reader.number(), reader.number()
    days = reader.numbers(), reader.numbers()
    stored["start"], stored["last"] = reader.number(), reader.number()
    never = stored["last"] == NEVER or stored["end"] in (End.NEVER, _ALWAYS)
    unit = {Frequency.DAILY: 1440, Frequency.YEARLY: 12}.get(frequency, 1)
    pattern = Pattern(
        frequency,
        shape,
        max(stored["period"] // (unit if shape is not Shape.WEEK else 1), 1),
        moment(stored["start"]).date(),
        None if never else moment(stored["last"]).date(),
        End.NEVER if never else End(stored["end"]),
        count,
        weekdays,
        nth,
        month_day,
        week_start,
        sliding,
        calendar,
        stored,
    )
    return pattern, days


def start_of(series: Recurrence, day: date) -> datetime:
    """When the occurrence of ``day`` begins, local to the series' zone."""
    return datetime(day.year, day.month, day.day) + timedelta(minutes=series.start)
