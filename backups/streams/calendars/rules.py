"""RRULE of iCalendar (RFC 5545 3.3.10) as a recurrence pattern of Outlook, and back."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from itertools import islice
from typing import Final

from dateutil.rrule import rrulestr  # type: ignore[import-untyped]

from backups.streams.calendars.recurrence import End, Frequency, Pattern, Shape

MAX_OCCURRENCES: Final = 5_000
"""Occurrences that are counted to find the end of a series."""

_DAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
_KNOWN = frozenset(
    "FREQ INTERVAL COUNT UNTIL WKST BYDAY BYMONTHDAY BYMONTH BYSETPOS".split()  # noqa: SIM905
)
_BYDAY = re.compile(r"([+-]?\d+)?(SU|MO|TU|WE|TH|FR|SA)", re.IGNORECASE)
_NTH = {1: 1, 2: 2, 3: 3, 4: 4, -1: 5}
_MAX_INTERVAL: Final = 999

Rule = Mapping[str, list[object]]


class Inexpressible(ValueError):
    """A rule for which Outlook has no pattern; the text says what is in the way."""


def pattern_of(rule: Rule, start: datetime, zone: tzinfo) -> Pattern:
    """The pattern of ``rule`` for a series whose first event begins at ``start``, local to
    ``zone`` and without it. Raises Inexpressible."""
    extra = sorted(set(rule) - _KNOWN)
    if extra:
        raise Inexpressible(f"{', '.join(extra)} has no place in a pattern")
    name = str(_single(rule, "FREQ") or "").upper()
    if name not in Frequency.__members__:
        raise Inexpressible(f"a frequency of {name or 'nothing'}")
    frequency = Frequency[name]
    interval = _number(_single(rule, "INTERVAL") or 1)
    if not 1 <= interval <= _MAX_INTERVAL:
        raise Inexpressible(f"an interval of {interval}")
    shape, weekdays, nth, month_day = _shape(rule, frequency, start)
    if shape is Shape.WEEK:
        if frequency is Frequency.DAILY and interval != 1:
            raise Inexpressible("every few days on certain weekdays")
        frequency = Frequency.WEEKLY
    week_start = _DAYS.index(str(_single(rule, "WKST") or "MO").upper())
    end, count, last = _end(rule, start, zone)
    return Pattern(
        frequency,
        shape,
        interval,
        start.date(),
        last,
        end,
        count,
        weekdays,
        nth,
        month_day,
        week_start,
    )


def rule_of(pattern: Pattern) -> dict[str, object]:
    """The parts of the RRULE that says the same; UNTIL is a date. Its months are those of the
    pattern's calendar."""
    rule: dict[str, object] = {"FREQ": pattern.frequency.name, "INTERVAL": pattern.interval}
    weekdays = [day for bit, day in enumerate(_DAYS) if pattern.weekdays >> bit & 1]
    if pattern.shape is Shape.WEEK:
        rule |= {"FREQ": "WEEKLY", "BYDAY": weekdays, "WKST": _DAYS[pattern.week_start % 7]}
    elif pattern.shape is Shape.MONTH_NTH:
        rule |= {"BYDAY": weekdays, "BYSETPOS": -1 if pattern.nth == 5 else pattern.nth}
    elif pattern.shape in (Shape.MONTH, Shape.MONTH_END):
        rule |= _month_days(pattern)
    if pattern.frequency is Frequency.YEARLY:
        rule["BYMONTH"] = pattern.first.month
    if pattern.end is End.COUNT:
        rule["COUNT"] = pattern.count
    elif pattern.end is End.DATE and pattern.last is not None:
        rule["UNTIL"] = pattern.last
    return rule


def says_the_same(pattern: Pattern, rule: Rule) -> bool:
    """Whether ``pattern``, which was made of ``rule``, falls on the days of it: a rule leaves out
    a month without its day, a pattern takes that month's last day."""
    if pattern.shape is not Shape.MONTH or pattern.month_day < 29:
        return True
    if [str(day) for day in rule.get("BYMONTHDAY", [])] == ["-1"]:
        return True
    positions = [str(position) for position in rule.get("BYSETPOS", [])]
    return positions == ["-1"] or (
        pattern.frequency is Frequency.YEARLY
        and pattern.month_day <= monthrange(2001, pattern.first.month)[1]
    )


def _month_days(pattern: Pattern) -> dict[str, object]:
    """The days of the month that a pattern falls on; in a short month it is the last."""
    day = max(pattern.month_day, 1)
    longest = 31
    if pattern.frequency is Frequency.YEARLY:
        longest = monthrange(2001, pattern.first.month)[1]
    if day <= min(longest, 28) or (pattern.frequency is Frequency.YEARLY and day <= longest):
        return {"BYMONTHDAY": day}
    if day > 30:
        return {"BYMONTHDAY": -1}
    return {"BYMONTHDAY": list(range(28, day + 1)), "BYSETPOS": -1}


def _shape(rule: Rule, frequency: Frequency, start: datetime) -> tuple[Shape, int, int, int]:
    """(shape, weekdays, nth, day of the month)."""
    days = [_weekday(entry) for entry in rule.get("BYDAY", [])]
    month_days = [_number(entry) for entry in rule.get("BYMONTHDAY", [])]
    months = [_number(entry) for entry in rule.get("BYMONTH", [])]
    positions = [_number(entry) for entry in rule.get("BYSETPOS", [])]
    if days and month_days:
        raise Inexpressible("days of the week and of the month at once")
    if months and (frequency is not Frequency.YEARLY or months != [start.month]):
        raise Inexpressible("other months than that of the first event")
    mask = sum({1 << _DAYS.index(day) for _, day in days})
    if frequency in (Frequency.DAILY, Frequency.WEEKLY):
        if month_days or positions or any(nth for nth, _ in days):
            raise Inexpressible("a choice among days that only months have")
        if frequency is Frequency.DAILY and not days:
            return Shape.DAY, 0, 0, 0
        mask = mask or 1 << start.isoweekday() % 7
        _agrees(bool(mask >> start.isoweekday() % 7 & 1))
        return Shape.WEEK, mask, 0, 0
    if not days:
        return _month_day(month_days, positions, start)
    if frequency is Frequency.YEARLY and not months:
        raise Inexpressible("a weekday of the whole year")
    nth = {position for position, _ in days} | set(positions)
    nth.discard(0)
    if len(nth) != 1 or (len(days) > 1 and not positions) or not nth <= _NTH.keys():
        raise Inexpressible("weekdays of a month that no pattern names")
    _agrees(bool(mask >> start.isoweekday() % 7 & 1))
    return Shape.MONTH_NTH, mask, _NTH[nth.pop()], 0


def _month_day(
    month_days: list[int], positions: list[int], start: datetime
) -> tuple[Shape, int, int, int]:
    if positions == [-1] and sorted(month_days) == list(range(28, start.day + 1)):
        return Shape.MONTH, 0, 0, start.day
    if positions or len(month_days) > 1:
        raise Inexpressible("several days of a month")
    day = month_days[0] if month_days else start.day
    if day == -1:
        return Shape.MONTH, 0, 0, 31
    # A pattern takes the last day where a month is shorter; a rule leaves that month out.
    if not 1 <= day <= 28 and day != start.day:
        raise Inexpressible(f"day {day} of a month")
    _agrees(day == start.day)
    return Shape.MONTH, 0, 0, day


def _agrees(agrees: bool) -> None:
    if not agrees:
        raise Inexpressible("a first event on a day that the rule leaves out")


def _end(rule: Rule, start: datetime, zone: tzinfo) -> tuple[End, int, date | None]:
    count = _single(rule, "COUNT")
    until = _single(rule, "UNTIL")
    if count is None and until is None:
        return End.NEVER, 0, None
    last = None
    if isinstance(until, datetime):
        local = until.astimezone(zone) if until.tzinfo else until
        last = local.replace(tzinfo=None)
    elif isinstance(until, date):
        last = datetime(until.year, until.month, until.day, 23, 59, 59)
    if count is not None and not 1 <= _number(count) <= MAX_OCCURRENCES:
        raise Inexpressible(f"{count} occurrences")
    occurrences = _occurrences(rule, start, last)
    if count is not None:
        return End.COUNT, _number(count), occurrences[-1].date()
    if len(occurrences) == MAX_OCCURRENCES and last is not None:
        return End.DATE, MAX_OCCURRENCES, last.date()
    return End.DATE, len(occurrences), occurrences[-1].date()


def _occurrences(rule: Rule, start: datetime, last: datetime | None) -> list[datetime]:
    parts = [
        f"{key}={','.join(map(str, values))}" for key, values in rule.items() if key != "UNTIL"
    ]
    if last is not None:
        parts.append(f"UNTIL={last:%Y%m%dT%H%M%S}")
    found = list(islice(rrulestr(";".join(parts), dtstart=start), MAX_OCCURRENCES))
    if not found:
        raise Inexpressible("no occurrence")
    return found


def _weekday(entry: object) -> tuple[int, str]:
    found = _BYDAY.fullmatch(str(entry))
    if found is None:
        raise Inexpressible(f"the weekday {entry}")
    return int(found[1] or 0), found[2].upper()


def _single(rule: Rule, name: str) -> object | None:
    values = rule.get(name)
    if values is None:
        return None
    if len(values) != 1:
        raise Inexpressible(f"{name} more than once")
    return values[0]


def _number(value: object) -> int:
    try:
        return int(str(value))
    except ValueError as error:
        raise Inexpressible(f"{value} is no number") from error
