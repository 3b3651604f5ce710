"""Time zones by the names that calendar files and Outlook have for them, and as rules."""

from __future__ import annotations

import functools
import re
import struct
import warnings
from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Timezone
from icalendar.timezone import tzp
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from backups.streams.calendars.zone_rules import (
    Offsets,
    Rules,
    RuleZone,
    defined_name,
    defined_rules,
    definition_of,
    has_daylight,
    registered_rules,
    registry_entry,
)
from backups.streams.native import names
from backups.streams.native.assembly import Draft
from backups.streams.native.fields import Fields, clean
from backups.streams.native.properties import PropertyName

FLOATING: Final = "Floating"
"""PidLidTimeZoneDescription of an item whose dates in the calendar file had no zone."""

_OFFSET = re.compile(r"(?:UTC|GMT) ?([+-])(\d{1,2})(?::?([0-5]\d))?(?!\d)", re.IGNORECASE)
_YEARS: Final = 20
"""Years from the first for which the rules of a zone without a name are written."""

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)
"""Within which no zone changes twice."""


def zone_named(name: str, own: Mapping[str, tzinfo]) -> tzinfo | None:
    """The zone of a TZID: by its IANA or Windows name, by the IANA name that it ends with, else as
    the file's ``own`` VTIMEZONE says, else by the offset that it is (GMT+0100).

    None when none of these is known.
    """
    known = _iana(name) or _iana(WINDOWS_TO_OLSON.get(name, ""))
    parts = name.split("/")
    for count in (3, 2):
        if known is None and len(parts) > count:
            known = _iana("/".join(parts[-count:]))
    if known is not None:
        return known
    return own[name] if name in own else _looked_up(name)


def zone_defined(component: Timezone) -> tzinfo | None:
    """The zone that a VTIMEZONE defines; None when it can't be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found: tzinfo = component.to_tz(lookup_tzid=False)
            return found
        except (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError):
            return None


def windows_name(name: str) -> str:
    """The Windows name of an IANA zone; ``name`` itself when it has none."""
    return _olson_to_windows().get(name, name)


def olson_name(name: str) -> str:
    """The IANA name of a Windows zone; empty when ``name`` is no zone that is known."""
    olson = WINDOWS_TO_OLSON.get(name, name)
    return olson if _iana(olson) is not None else ""


@functools.lru_cache(maxsize=1024)
def offsets(zone: tzinfo, year: int) -> Offsets:
    """The zone's offsets in ``year``; of one that changes otherwise than twice, those of July."""
    changes = _changes(zone, year)
    if len(changes) != 2:
        return Offsets(-_offset(zone, datetime(year, 7, 1)))
    low, high = sorted((changes[0][1], changes[1][1]))
    rules = {after: _system_time(moment) for moment, after in changes}
    return Offsets(-low, low - high, rules[low], rules[high]) if low != high else Offsets(-low)


def rules_at(zone: tzinfo, name: str, when: datetime) -> Rules:
    """The rules of ``zone`` for an item that begins at ``when``, local to it: that of its year,
    and those of later years when the zone has no name that others know."""
    one = offsets(zone, when.year)
    if not has_daylight(one):
        one = Offsets(-_offset(zone, when))
    found = [(when.year, one)]
    if olson_name(name):
        return found
    for year in range(when.year + 1, min(when.year + _YEARS, 9999)):
        one = offsets(zone, year)
        if one != found[-1][1]:
            found.append((year, one))
    return found


def add_zone(
    draft: Draft, places: tuple[PropertyName, ...], zone: tzinfo, name: str, when: datetime
) -> None:
    """Write ``zone`` into the definitions ``places`` of an item that begins at ``when``."""
    whole = definition_of(windows_name(name), rules_at(zone, name, when))
    for place in places:
        draft.name_binary(place, whole)


def add_registry_zone(draft: Draft, zone: tzinfo, name: str, when: datetime) -> None:
    """Write ``zone`` as it was known before there were definitions."""
    draft.name_binary(names.TIME_ZONE_STRUCT, registry_entry(rules_at(zone, name, when)[0][1]))
    draft.name_text(names.TIME_ZONE_DESCRIPTION, name)


def zone_of(fields: Fields, *places: PropertyName) -> tzinfo:
    """The zone of an item: by the name in the first of the definitions ``places`` that has one,
    else by the rules there; UTC when there is nothing.

    It is a ZoneInfo, a RuleZone or UTC.
    """
    for place in places:
        raw = fields.named(place)
        if not isinstance(raw, bytes):
            continue
        name = defined_name(raw)
        olson = olson_name(name)
        if olson:
            return UTC if olson in ("UTC", "Etc/UTC") else ZoneInfo(olson)
        rules = defined_rules(raw)
        if rules:
            return _by_rules(name, rules)
    description = fields.named(names.TIME_ZONE_DESCRIPTION)
    name = clean(description) if isinstance(description, str) else ""
    olson = olson_name(name)
    if olson:
        return UTC if olson in ("UTC", "Etc/UTC") else ZoneInfo(olson)
    raw = fields.named(names.TIME_ZONE_STRUCT)
    rules = registered_rules(raw) if isinstance(raw, bytes) else []
    return _by_rules(name, rules) if rules else UTC


def is_floating(fields: Fields) -> bool:
    """Whether the dates of an item had no zone in the calendar file it was made from."""
    return fields.named(names.TIME_ZONE_DESCRIPTION) == FLOATING


def _by_rules(name: str, rules: Rules) -> tzinfo:
    # Readers disagree on whether a TZID is escaped; without these letters they needn't.
    shown = "".join(letter for letter in name if letter.isprintable() and letter not in '",;\\')
    shown = shown.strip()
    if len(rules) == 1 and rules[0][1] == Offsets(0) and shown in ("", "UTC", FLOATING):
        return UTC
    return RuleZone(shown or "Customized Time Zone", rules)


def _looked_up(name: str) -> tzinfo | None:
    found = _OFFSET.search(name)
    if found is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return tzp.timezone(name)
            except (ValueError, LookupError, OSError):
                return None
    ahead = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    if ahead >= _DAY:
        return None
    return timezone(ahead if found[1] == "+" else -ahead)


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


@functools.lru_cache(maxsize=256)
def _iana(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name) if name and name.isascii() else None
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
    while moment.year == year and moment < datetime.max - 2 * _WEEK:
        following = moment + _WEEK
        after = _offset(zone, following)
        if after != before:
            # A clock set forward skips an hour, which fold 1 reads by the new offset.
            fold = int(after > before)
            change = _change_between(zone, moment, before, fold)
            if change.year == year:
                found.append((change, after))
            before = after
        moment = following
    return found


def _change_between(zone: tzinfo, day: datetime, before: int, fold: int) -> datetime:
    """The first minute in the week from ``day``, by the old clock, without the old offset."""
    low, high = 0, int(_WEEK / _MINUTE)
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
