"""Recurrences byte by byte, put together from MS-OXOCAL 2.2.1.44."""

from __future__ import annotations

import struct
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.streams.calendars.exceptions import Change
from backups.streams.calendars.recurrence import (
    End,
    Frequency,
    Pattern,
    Recurrence,
    Shape,
    decode,
    decode_pattern,
    encode,
    encode_pattern,
)
from backups.streams.calendars.rules import Inexpressible, pattern_of, rule_of

HEBREW = bytes.fromhex(
    "043004300D200200080080750A000C0000000000000003000000232000000A0000000000000001000000207EDC0C"
    "01000000207EDC0C6074C40CDF80E95A0630000009300000E0010000FE01000001000080DC0C1E80DC0C0080DC0C"
    "24023C000000010000000000000004000000000000000000000000000000"
)
"""MS-OXOCAL 4.1.1.6: yearly on a day of the Hebrew calendar, one occurrence changed."""


def u16(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}H", *numbers)


def u32(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def minutes(*parts: int) -> int:
    return int((datetime(*parts) - datetime(1601, 1, 1)).total_seconds()) // 60


DAY = minutes(2026, 3, 2)
WEEKLY = (
    u16(0x3004, 0x3004, 0x200B, 1, 0)
    + u32(8640, 1, 0, 0b10, 0x2022, 10, 0)
    # one day left out and one changed: both count as deleted, one as modified
    + u32(2, DAY + 7 * 1440, DAY + 14 * 1440)
    + u32(1, DAY + 15 * 1440)
    + u32(DAY, DAY + 63 * 1440)
)
TIMES = u32(DAY + 15 * 1440 + 600, DAY + 15 * 1440 + 660, DAY + 14 * 1440 + 540)
FULL = (
    WEEKLY
    + u32(0x3006, 0x3009, 540, 600)
    + u16(1)
    + TIMES
    + u16(0x03FF)
    + u16(4, 3) + b"New"
    + u32(1, 30, 1)
    + u16(5, 4) + b"Room"
    + u32(3, 1, 0, 9)
    + u32(3) + b"abc"  # ReservedBlock1
    + u32(7, 0x1003) + b"xyz"  # ChangeHighlight with reserved bytes
    + u32(2) + b"e1"  # ReservedBlockEE1
    + TIMES
    + u16(3) + "Nëw".encode("utf-16-le")
    + u16(4) + "Roöm".encode("utf-16-le")
    + u32(2) + b"e2"
    + u32(1) + b"r"  # ReservedBlock2
)  # fmt: skip


def test_every_field_of_an_exception_is_read():
    series = decode(FULL)
    assert series.pattern.weekdays == 0b10
    assert (series.pattern.first, series.pattern.last) == (date(2026, 3, 2), date(2026, 5, 4))
    assert series.deleted == (date(2026, 3, 9),)
    assert series.changes == (
        Change(
            datetime(2026, 3, 16, 9),
            datetime(2026, 3, 17, 10),
            datetime(2026, 3, 17, 11),
            "Nëw",
            "Roöm",
            meeting_type=1,
            reminder_delta=30,
            reminder_set=1,
            busy_status=3,
            attachment=1,
            sub_type=0,
            colour=9,
            body=True,
            highlight=0x1003,
        ),
    )


OLDER = (
    WEEKLY
    + u32(0x3006, 0x3008, 540, 600)
    + u16(1) + TIMES + u16(0x0001) + u16(4, 3) + b"New"
    + u32(0)
    + u32(0) + TIMES + u16(3) + "New".encode("utf-16-le") + u32(0)
    + u32(0)
)  # fmt: skip
SHORTEST = WEEKLY + u32(0x3006, 0x3006, 540, 600) + u16(1) + TIMES + u16(0x0020) + u32(0)


@pytest.mark.parametrize(
    "raw",
    [HEBREW, FULL, OLDER, SHORTEST, OLDER + b"what follows", FULL.replace(b"New", b"N?w")],
    ids=["hebrew", "every field", "0x3008", "ends after ExceptionInfo", "more after it", "short"],
)
def test_what_is_read_is_written_again_byte_by_byte(raw: bytes):
    assert encode(decode(raw)) == raw


def test_a_writer_before_0x3009_has_no_change_highlight():
    assert decode(OLDER).changes[0].subject == "New"


def test_a_pattern_of_another_calendar_says_which():
    series = decode(HEBREW)
    assert series.pattern.calendar_name == "Hebrew"
    (change,) = series.changes
    assert (change.busy_status, change.reminder_delta, change.body) == (1, 60, True)


def test_the_recurrence_of_a_task_is_the_pattern_alone():
    raw = u16(0x3004, 0x3004, 0x200A, 0, 0) + u32(0, 3 * 1440, 1, 0x2023, 10, 0, 0, 0)
    raw += u32(DAY, 0x5AE980DF)
    series = decode_pattern(raw)
    assert series.pattern.interval == 3
    assert series.pattern.sliding == 1
    assert series.pattern.end is End.NEVER
    assert encode_pattern(series) == raw


@pytest.mark.parametrize("at", [38, 50, len(WEEKLY) + 16])
def test_a_count_beyond_the_bytes_is_refused(at: int):
    raw = FULL[:at] + b"\xff" * 4 + FULL[at + 4 :]
    with pytest.raises(ValueError, match=r"recurrence|not a valid|End"):
        decode(raw)


@given(st.binary(max_size=200), st.integers(0, len(FULL)))
def test_no_bytes_raise_anything_but_a_value_error(junk: bytes, keep: int):
    for raw in (junk, FULL[:keep] + junk):
        try:
            series = decode(raw)
        except ValueError:
            continue
        assert encode(series) == raw


@pytest.mark.parametrize(
    ("shape", "day", "rule"),
    [
        (Shape.MONTH, 31, {"BYMONTHDAY": -1}),
        (Shape.MONTH, 30, {"BYMONTHDAY": [28, 29, 30], "BYSETPOS": -1}),
        (Shape.MONTH, 15, {"BYMONTHDAY": 15}),
    ],
)
def test_a_day_that_a_month_lacks_is_its_last(shape: Shape, day: int, rule: dict[str, object]):
    start = datetime(2026, 3, day, 9)
    pattern = Pattern(
        Frequency.MONTHLY, shape, 1, start.date(), None, End.NEVER, 0, month_day=day, week_start=1
    )
    found = rule_of(pattern)
    assert {key: found[key] for key in rule} == rule
    values = {k: v if isinstance(v, list) else [v] for k, v in found.items()}
    again = pattern_of(values, start, datetime.now().astimezone().tzinfo)
    assert again == pattern


def test_a_rule_without_an_occurrence_is_no_pattern():
    rule = {"FREQ": ["DAILY"], "UNTIL": [datetime(2020, 1, 1)]}
    with pytest.raises(Inexpressible, match="no occurrence"):
        pattern_of(rule, datetime(2026, 1, 1), datetime.now().astimezone().tzinfo)


def test_numbers_beyond_their_field_are_a_value_error():
    pattern = Pattern(Frequency.DAILY, Shape.DAY, 1, date(2026, 1, 1), None, End.NEVER, 2**40)
    with pytest.raises(ValueError, match="does not fit"):
        encode(Recurrence(pattern, 0, 0))
