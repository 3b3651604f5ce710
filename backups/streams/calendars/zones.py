"""Time zones of calendar files, and the structures in which Outlook keeps them.

PidLidTimeZoneStruct (MS-OXOCAL 2.2.1.39) and PidLidAppointmentTimeZoneDefinition… (2.2.1.41 to
2.2.1.43).
"""

from __future__ import annotations

import functools
import struct
import warnings
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Timezone
from icalendar.timezone import tzp
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_NO_RULE: Final = bytes(16)
_REGISTRY = struct.Struct("<iiiH16sH16s")
_RULE = struct.Struct("<BBHHH14xiii16s16s")
_RULE_SIZE: Final = 0x3E
_FOR_ALL: Final = 0x0003
"""Flags of a rule: in effect, and the one to which PidLidTimeZoneStruct belongs."""


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


def zone_named(name: str, own: Mapping[str, Timezone]) -> tzinfo | None:
    """The zone of a TZID: by its IANA or Windows name, else as the file's ``own`` VTIMEZONE says.

    None when neither is known.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            known = None if name in own else tzp.timezone(name)
            for plain in (name, WINDOWS_TO_OLSON.get(name, "")):
                known = known or _iana(plain)
            if known is None and name in own:
                known = own[name].to_tz(lookup_tzid=False)
        except (ValueError, LookupError, TypeError, AttributeError, OSError):
            return None
    return known


def windows_name(name: str) -> str:
    """The Windows name of an IANA zone; ``name`` itself when it has none."""
    return _olson_to_windows().get(name, name)


def olson_name(name: str) -> str:
    """The IANA name of a Windows zone; empty when ``name`` is no zone that is known."""
    olson = WINDOWS_TO_OLSON.get(name, name)
    return olson if _iana(olson) is not None else ""


def offsets(zone: tzinfo, year: int) -> Offsets:
    """The zone's offsets in ``year``; of one that changes otherwise than twice, those of July."""
    middle = _offset(zone, datetime(year, 7, 1))
    changes = _changes(zone, year)
    if len(changes) != 2:
        return Offsets(-middle)
    low, high = sorted((changes[0][1], changes[1][1]))
    rules = {after: _system_time(moment) for moment, after in changes}
    return Offsets(-low, low - high, rules[low], rules[high]) if low != high else Offsets(-low)


def registry_entry(found: Offsets) -> bytes:
    """PidLidTimeZoneStruct: 48 bytes."""
    return _REGISTRY.pack(
        found.bias, 0, found.daylight_bias, 0, found.standard_from, 0, found.daylight_from
    )


def definition(found: Offsets, name: str, year: int) -> bytes:
    """PidLidAppointmentTimeZoneDefinition…: the zone's name and one rule."""
    key = name.encode("utf-16-le", "replace")
    header = struct.pack("<HH", 2, len(key) // 2) + key + struct.pack("<H", 1)
    rule = _RULE.pack(
        2,
        1,
        _RULE_SIZE,
        _FOR_ALL,
        year,
        found.bias,
        0,
        found.daylight_bias,
        found.standard_from,
        found.daylight_from,
    )
    return b"\x02\x01" + struct.pack("<H", len(header)) + header + rule


def defined_name(raw: bytes) -> str:
    """The name in a time zone definition; empty when there is none to be read."""
    if len(raw) < 8:
        return ""
    length = struct.unpack_from("<H", raw, 6)[0]
    return raw[8 : 8 + 2 * length].decode("utf-16-le", "replace").rstrip("\0")


def to_utc(moment: datetime, zone: tzinfo) -> datetime:
    """A local ``moment`` (without zone) in UTC; ValueError when UTC can't hold it."""
    try:
        return moment.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"no such date: {moment}") from error


@functools.cache
def _olson_to_windows() -> dict[str, str]:
    names: dict[str, str] = {}
    for windows, olson in WINDOWS_TO_OLSON.items():
        names.setdefault(olson, windows)
    return names


def _iana(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, LookupError, OSError):
        return None


def _offset(zone: tzinfo, local: datetime, fold: int = 0) -> int:
    """Minutes ahead of UTC."""
    moment = local.replace(tzinfo=zone, fold=fold)
    return int((zone.utcoffset(moment) or timedelta()) / _MINUTE)


def _changes(zone: tzinfo, year: int) -> list[tuple[datetime, int]]:
    """(local time by the old offset, new offset in minutes) of each change in ``year``."""
    found = []
    moment = datetime(year, 1, 1)
    before = _offset(zone, moment)
    while moment.year == year and moment < datetime.max - 2 * _DAY:
        following = moment + _DAY
        after = _offset(zone, following)
        if after != before:
            # A clock set forward skips an hour, which fold 1 reads by the new offset.
            fold = int(after > before)
            found.append((_change_between(zone, moment, before, fold), after))
            before = after
        moment = following
    return found


def _change_between(zone: tzinfo, day: datetime, before: int, fold: int) -> datetime:
    """The first minute in the 24 hours from ``day``, by the old clock, without the old offset."""
    low, high = 0, int(_DAY / _MINUTE)
    while low < high:
        middle = (low + high) // 2
        if _offset(zone, day + middle * _MINUTE, fold) == before:
            low = middle + 1
        else:
            high = middle
    return day + low * _MINUTE


def _system_time(moment: datetime) -> bytes:
    """SYSTEMTIME of a yearly change: month, weekday, which of them in the month (5: the last)."""
    last = moment.day + 7 > monthrange(moment.year, moment.month)[1]
    week = 5 if last else (moment.day - 1) // 7 + 1
    weekday = moment.isoweekday() % 7
    return struct.pack("<8H", 0, moment.month, weekday, week, moment.hour, moment.minute, 0, 0)
