"""The structures in which Outlook keeps a time zone, and a zone that goes by their rules.

PidLidTimeZoneStruct (MS-OXOCAL 2.2.1.39) and PidLidAppointmentTimeZoneDefinition… (2.2.1.41 to
2.2.1.43).
"""

from __future__ import annotations

import struct
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard, vRecur

_MINUTE: Final = timedelta(minutes=1)
_NO_RULE: Final = bytes(16)
_REGISTRY = struct.Struct("<iiiH16sH16s")
_RULE = struct.Struct("<BBHHH14xiii16s16s")
_RULE_SIZE: Final = 0x3E
_FOR_ALL: Final = 0x0003
"""Flags of a rule: in effect, and the one to which PidLidTimeZoneStruct belongs."""
_MAX_RULES: Final = 1024
_MAX_BIAS: Final = 24 * 60
_SINCE: Final = 1970
_DAYS: Final = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")


@dataclass(frozen=True, slots=True)
class Offsets:
    """A zone in one year: minutes to add to local time for UTC, and when they change.

    ``daylight_bias`` is relative to ``bias``; the changes are SYSTEMTIME structures, zero
    without daylight saving time.
    """

    bias: int
    daylight_bias: int = 0
    standard_from: bytes = _NO_RULE
    daylight_from: bytes = _NO_RULE


Rules = Sequence[tuple[int, Offsets]]
"""(first year, offsets) in order of year; the first is that of the years before, too."""


def registry_entry(found: Offsets) -> bytes:
    """PidLidTimeZoneStruct: 48 bytes."""
    return _REGISTRY.pack(
        found.bias, 0, found.daylight_bias, 0, found.standard_from, 0, found.daylight_from
    )


def definition(found: Offsets, name: str, year: int) -> bytes:
    """PidLidAppointmentTimeZoneDefinition…: the zone's name and one rule."""
    return definition_of(name, [(year, found)])


def definition_of(name: str, rules: Rules) -> bytes:
    """PidLidAppointmentTimeZoneDefinition…: the zone's name and its rules by year."""
    key = name.encode("utf-16-le", "replace")[:510]
    header = struct.pack("<HH", 2, len(key) // 2) + key + struct.pack("<H", len(rules))
    raw = b"\x02\x01" + struct.pack("<H", len(header)) + header
    for number, (year, found) in enumerate(rules):
        flags = 0 if number else _FOR_ALL
        biases = found.bias, 0, found.daylight_bias
        dates = found.standard_from, found.daylight_from
        raw += _RULE.pack(2, 1, _RULE_SIZE, flags, year, *biases, *dates)
    return raw


def defined_name(raw: bytes) -> str:
    """The name in a time zone definition; empty when there is none to be read."""
    if len(raw) < 8:
        return ""
    length = struct.unpack_from("<H", raw, 6)[0]
    return raw[8 : 8 + 2 * length].decode("utf-16-le", "replace").rstrip("\0")


def defined_rules(raw: bytes) -> list[tuple[int, Offsets]]:
    """The rules in a time zone definition in order of year; none when it is damaged."""
    if len(raw) < 10:
        return []
    length = struct.unpack_from("<H", raw, 6)[0]
    at = 8 + 2 * length + 2
    if at > len(raw):
        return []
    count = min(struct.unpack_from("<H", raw, at - 2)[0], _MAX_RULES)
    found = {}
    for number in range(count):
        start = at + number * _RULE.size
        if start + _RULE.size > len(raw):
            break
        *_, year, bias, standard, daylight, winter, summer = _RULE.unpack_from(raw, start)
        found[year] = Offsets(bias + standard, daylight - standard, winter, summer)
    return [(year, one) for year, one in sorted(found.items()) if _plausible(one)]


def registered_rules(raw: bytes) -> list[tuple[int, Offsets]]:
    """The rule in a PidLidTimeZoneStruct; none when it is damaged."""
    if len(raw) != _REGISTRY.size:
        return []
    bias, standard, daylight, _, winter, _, summer = _REGISTRY.unpack(raw)
    one = Offsets(bias + standard, daylight - standard, winter, summer)
    return [(_SINCE, one)] if _plausible(one) else []


def _plausible(one: Offsets) -> bool:
    return abs(one.bias) < _MAX_BIAS and abs(one.bias + one.daylight_bias) < _MAX_BIAS


class RuleZone(tzinfo):
    """A zone by the ``rules`` of an item; ``name`` is what the item calls it."""

    def __init__(self, name: str, rules: Rules) -> None:
        self.name = name
        self.rules = tuple(rules)

    def utcoffset(self, when: datetime | None) -> timedelta:
        if when is None:
            return timedelta(minutes=-self.rules[0][1].bias)
        offsets = self._offsets(when.year)
        daylight = self.dst(when)
        return timedelta(minutes=-offsets.bias) + daylight

    def dst(self, when: datetime | None) -> timedelta:
        offsets = self._offsets(when.year) if when else self.rules[0][1]
        if when is None or not has_daylight(offsets):
            return timedelta()
        summer = _change(offsets.daylight_from, when.year)
        winter = _change(offsets.standard_from, when.year)
        if summer is None or winter is None:
            return timedelta()
        saved = timedelta(minutes=-offsets.daylight_bias)
        wall = when.replace(tzinfo=None, fold=0)
        summer += timedelta() if when.fold else saved
        winter -= saved if when.fold else timedelta()
        if summer < winter:
            return saved if summer <= wall < winter else timedelta()
        return timedelta() if winter <= wall < summer else saved

    def fromutc(self, when: datetime) -> datetime:
        offsets = self._offsets(when.year)
        standard = timedelta(minutes=-offsets.bias)
        for fold in (0, 1):
            for offset in (standard - timedelta(minutes=offsets.daylight_bias), standard):
                local = (when + offset).replace(fold=fold)
                if self.utcoffset(local) == offset:
                    return local
        return when + standard

    def tzname(self, when: datetime | None) -> str:
        return self.name

    def _offsets(self, year: int) -> Offsets:
        known = self.rules[0][1]
        for first, offsets in self.rules:
            if first <= year:
                known = offsets
        return known


def has_daylight(offsets: Offsets) -> bool:
    """Whether the offset changes in the year."""
    rules = (offsets.standard_from, offsets.daylight_from)
    return bool(offsets.daylight_bias) and all(rule[2:4] != b"\0\0" for rule in rules)


def vtimezone(zone: RuleZone) -> Timezone:
    """The VTIMEZONE component of ``zone``, its first rule in effect since 1970."""
    component = Timezone()
    component.add("tzid", zone.name)
    for number, (year, offsets) in enumerate(zone.rules):
        following = zone.rules[number + 1][0] if number + 1 < len(zone.rules) else None
        first = year if number else min(year, _SINCE) or _SINCE
        for part in _observances(offsets, max(first, 1601), following):
            component.add_component(part)
    return component


def _observances(
    offsets: Offsets, year: int, following: int | None
) -> Iterator[TimezoneStandard | TimezoneDaylight]:
    standard = timedelta(minutes=-offsets.bias)
    daylight = standard - timedelta(minutes=offsets.daylight_bias)
    changes = (
        (TimezoneStandard(), offsets.standard_from, daylight, standard),
        (TimezoneDaylight(), offsets.daylight_from, standard, daylight),
    )
    if not has_daylight(offsets):
        only = TimezoneStandard()
        only.add("dtstart", datetime(year, 1, 1))
        only.add("tzoffsetfrom", standard)
        only.add("tzoffsetto", standard)
        yield only
        return
    for part, raw, before, after in changes:
        when = _change(raw, year)
        if when is None:
            continue
        part.add("dtstart", when)
        part.add("tzoffsetfrom", before)
        part.add("tzoffsetto", after)
        fixed, month, weekday, week = struct.unpack_from("<4H", raw)
        if not fixed:
            which = -1 if week >= 5 else week
            rule: dict[str, object] = {"FREQ": "YEARLY", "BYMONTH": month}
            rule["BYDAY"] = f"{which}{_DAYS[weekday % 7]}"
            if following is not None:
                rule["UNTIL"] = datetime(following, 1, 1) - timedelta(seconds=1)
            part.add("rrule", vRecur(rule))
        yield part


def _change(raw: bytes, year: int) -> datetime | None:
    """When the SYSTEMTIME of a yearly change is in ``year``; None when it is none."""
    fixed, month, weekday, day, hour, minute, second, _ = struct.unpack("<8H", raw)
    try:
        weekly = not fixed
        found = (
            _nth_weekday(year, month, weekday % 7, day) if weekly else datetime(year, month, day)
        )
        # A change at the last second of a day is meant to be at midnight.
        return found + timedelta(hours=hour, minutes=minute + (second == 59))
    except (ValueError, OverflowError):
        return None


def _nth_weekday(year: int, month: int, weekday: int, week: int) -> datetime:
    first = datetime(year, month, 1)
    found = 1 + (weekday - first.isoweekday() % 7) % 7 + 7 * (min(max(week, 1), 5) - 1)
    while found > monthrange(year, month)[1]:
        found -= 7
    return datetime(year, month, found)
