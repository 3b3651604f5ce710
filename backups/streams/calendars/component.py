"""One component of a calendar file, with its dates in their zones (RFC 5545)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from icalendar import Component
from icalendar.prop import vBroken

from backups.streams.blocks import Block
from backups.streams.calendars.zones import to_utc, zone_named
from backups.streams.errors import MailError

_NAME = re.compile(r"[A-Za-z0-9-]+")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """A date of a component. ``local`` has no zone; ``whole_day`` says that it has no time,
    ``floating`` that it has one and names no zone."""

    local: datetime
    utc: datetime
    zone: tzinfo
    zone_name: str
    whole_day: bool
    floating: bool = False


@dataclass(slots=True)
class Entry:
    """A component and the lines it was read from. ``zones`` are those that its file defines,
    ``zone`` is the one of dates without any. ``kept`` are lines that stay as text although
    something was made of them."""

    block: Block
    component: Component
    label: str
    zones: Mapping[str, tzinfo] = field(default_factory=dict)
    zone: tuple[tzinfo, str] = (UTC, "UTC")
    notes: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    kept: list[str] = field(default_factory=list)

    def start_over(self) -> None:
        """Forget what was said of it in an earlier attempt."""
        self.notes, self.taken, self.kept = [], set(), []

    def text(self, name: str) -> str:
        """The first value of a property as text with CRLF line ends; empty when it is absent."""
        values = self.values(name)
        return re.sub(r"\r\n|\r|\n", "\r\n", str(values[0])) if values else ""

    def values(self, name: str) -> list[object]:
        """Every value of a property that could be read; the property counts as taken over."""
        found = self.component.get(name)
        self.taken.add(name)
        values = found if isinstance(found, list) else [] if found is None else [found]
        return [value for value in values if not isinstance(value, vBroken)]

    def moment(self, name: str) -> Moment | None:
        """A date, None when it is absent. Raises MailError when it is there and is none."""
        values = self.values(name)
        if not values:
            if self.component.get(name) is not None:
                raise MailError(f"{name} is no date: {str(self.component.get(name))[:40]}")
            return None
        return self.moment_of(values[0])

    def moments(self, name: str) -> list[Moment]:
        """The dates of all properties of the name, each of which may hold several."""
        found = []
        for value in self.values(name):
            for one in getattr(value, "dts", [value]):
                # A list's zone stands at the list, not at its members.
                one.params.setdefault("TZID", getattr(value, "params", {}).get("TZID"))
                found.append(self.moment_of(one))
        return found

    def moment_of(self, value: object) -> Moment:
        when = getattr(value, "dt", None)
        if isinstance(when, tuple):
            when = when[0]
        if isinstance(when, datetime):
            zone, name = self._zone(value, when)
            local = when.replace(tzinfo=None, microsecond=0)
            floating = when.tzinfo is None and name == self.zone[1] and not self._named(value)
            return Moment(local, to_utc(local, zone), zone, name, False, floating)
        if isinstance(when, date):
            local = datetime(when.year, when.month, when.day)
            zone, name = self.zone
            return Moment(local, to_utc(local, zone), zone, name, True)
        raise MailError(f"{str(value)[:40]} is no date")

    def lines(self, name: str) -> list[str]:
        """The content lines of a property, without those of blocks inside the component."""
        found: list[str] = []
        depth = 0
        for line in self.block.lines[1:-1]:
            start = line[:6].upper()
            depth += (start == "BEGIN:") - (start[:4] == "END:")
            head = _NAME.match(line)
            if not depth and head is not None and head[0].upper() == name:
                found.append(line)
        return found

    def keep_lines(self, name: str) -> None:
        """Keep the lines of a property that the item says only in part."""
        self.kept += self.lines(name)

    def kept_lines(self) -> list[str]:
        """The lines that nothing was made of, blocks inside the component among them."""
        broken = {name for name, _ in self.component.errors}
        for name in sorted(str(name) for name in broken & self.taken):
            self.notes.append(f"{name} can't be read and is kept as text")
        kept: list[str] = list(self.kept)
        inner: list[str] = []
        for line in self.block.lines[1:-1]:
            opened = line.upper().startswith("BEGIN:")
            if inner or opened:
                inner.append(line)
                if line.upper().strip() == inner[0].upper().strip().replace("BEGIN:", "END:"):
                    kept += [] if inner[0].upper().strip() in self.taken else inner
                    self.taken.discard(inner[0].upper().strip())
                    inner = []
                continue
            found = _NAME.match(line)
            name = found[0].upper() if found else ""
            if line.strip() and (name not in self.taken or name in broken):
                kept.append(line)
        return kept + inner

    def keep(self, name: str, reason: str) -> None:
        """Take a property back: it stays as text only, and a note says why."""
        self.taken.discard(name)
        self.notes.append(f"{name} is kept as text: {reason}")

    @staticmethod
    def _named(value: object) -> bool:
        return bool(getattr(value, "params", {}).get("TZID"))

    def _zone(self, value: object, when: datetime) -> tuple[tzinfo, str]:
        params = getattr(value, "params", {})
        name = str(params.get("TZID") or "")
        if name and name.upper() not in ("UTC", "GMT"):
            zone = zone_named(name, self.zones)
            if zone is not None:
                return zone, name
            self.notes.append(f"the time zone {name} is not known; read as {self.zone[1]}")
            return self.zone
        if when.tzinfo is not None:
            return UTC, "UTC"
        return self.zone


def length(entry: Entry, start: Moment, end_name: str) -> timedelta:
    """From the start to the end or by the duration; a day, or nothing, when neither is there."""
    try:
        end = entry.moment(end_name)
    except MailError:
        end = None
    duration = next(iter(entry.values("DURATION")), None)
    if end is not None and not (start.whole_day and end.whole_day):
        # An end that names no zone is by the clock of the start.
        until = to_utc(end.local, start.zone) if end.floating else end.utc
        return max(until - start.utc, timedelta())
    span = getattr(duration, "dt", None)
    if end is not None:
        span = end.local - start.local
    if not isinstance(span, timedelta):
        span = _DAY if start.whole_day else timedelta()
    if start.whole_day:  # days by the clock, of which one a year has 23 hours
        span = to_utc(start.local + span, start.zone) - start.utc
    return max(span, timedelta())
