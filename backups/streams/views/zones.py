"""The time zone of an event in words."""

from __future__ import annotations

import struct
from typing import Final

from backups.streams.calendars.zone_rules import (
    Offsets,
    defined_name,
    defined_rules,
    has_daylight,
    registered_rules,
)
from backups.streams.native import names
from backups.streams.native.fields import Fields, clean
from backups.streams.views.details import ZoneView
from backups.streams.views.values import named_binary, named_text

_SYSTEM_TIME = struct.Struct("<8H")
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
_WEEKS: Final = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "last"}


def zone_view(fields: Fields) -> ZoneView | None:
    """The zone by the newest rule of its definition, else by PidLidTimeZoneStruct; None when the
    event names no zone."""
    for name in (names.ZONE_START, names.ZONE_RECUR):
        raw = named_binary(fields, name)
        known = clean(defined_name(raw))
        if known:
            rules = defined_rules(raw)
            return ZoneView(known, rule_text(rules[-1][1]) if rules else "")
    described = named_text(fields, names.TIME_ZONE_DESCRIPTION)
    rules = registered_rules(named_binary(fields, names.TIME_ZONE_STRUCT))
    if not described and not rules:
        return None
    return ZoneView(described, rule_text(rules[-1][1]) if rules else "")


def rule_text(offsets: Offsets) -> str:
    """Such as "UTC+01:00; UTC+02:00 from the last Sunday of March 02:00 to …"."""
    standard = _offset(-offsets.bias)
    if not has_daylight(offsets):
        return standard
    start, end = _moment(offsets.daylight_from), _moment(offsets.standard_from)
    if not start or not end:
        return standard
    return f"{standard}; {_offset(-offsets.bias - offsets.daylight_bias)} from {start} to {end}"


def _offset(minutes: int) -> str:
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


def _moment(raw: bytes) -> str:
    """A SYSTEMTIME (MS-OXOCAL 2.2.1.41.1): of every year, or of the one it names."""
    if len(raw) != _SYSTEM_TIME.size:
        return ""
    year, month, weekday, day, hour, minute, _, _ = _SYSTEM_TIME.unpack(raw)
    if not 1 <= month <= 12 or weekday > 6:
        return ""
    time = f"{hour:02}:{minute:02}"
    if year:
        return f"{year:04}-{month:02}-{day:02} {time}"
    week = _WEEKS.get(day)
    return f"the {week} {_DAYS[weekday]} of {_MONTHS[month - 1]} {time}" if week else ""
