"""Events, tasks and journal entries as iCalendar files (RFC 5545, MS-OXCICAL)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Calendar, Component, Timezone

from backups.streams.calendars.dates import Clock
from backups.streams.calendars.write_events import Written, write_events
from backups.streams.calendars.write_tasks import write_journal_entry, write_task
from backups.streams.calendars.zone_rules import RuleZone, vtimezone
from backups.streams.errors import MailError
from backups.streams.native import tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields
from backups.streams.native.stream import open_stream
from backups.streams.native.tokens import Node

PRODUCT: Final = "-//Stowage//Mailbox backup//EN"

_DAMAGE: Final = (ValueError, TypeError, LookupError, OverflowError, AttributeError)
"""What the library raises for values that no calendar file can hold."""
_LAST_YEAR: Final = 2037
"""Until when the changes of a zone are written out; a rule goes on."""


def write_ics(payload: bytes) -> bytes:
    """The calendar file of an event, a task or a journal entry, with CRLF line ends.

    Occurrences that differ follow the series with RECURRENCE-ID. Raises StreamError for a broken
    container, MailError for an item that is none of these or has no date.
    """
    return write_calendar([payload])


def write_calendar(payloads: Iterable[bytes]) -> bytes:
    """One calendar file of all items, each zone in it once; raises as ``write_ics``."""
    draft = Draft()
    for payload in payloads:
        stream = open_stream(payload)
        draft.add(_written(stream.scan.root, stream.content))
    return draft.to_bytes()


@dataclass(slots=True)
class Draft:
    """A calendar file while it is put together."""

    calendar: Calendar = field(default_factory=Calendar)
    clocks: list[Clock] = field(default_factory=list)
    scales: set[str] = field(default_factory=set)
    components: list[Component] = field(default_factory=list)

    def add(self, written: Written) -> None:
        self.clocks += written.clocks
        self.scales.add(written.calendar)
        self.components += written.components

    def to_bytes(self, method: str = "") -> bytes:
        """The file. Raises MailError for what the format can't hold."""
        calendar = self.calendar
        calendar.add("prodid", PRODUCT)
        calendar.add("version", "2.0")
        if method:
            calendar.add("method", method)
        for scale in sorted(self.scales - {""})[:1]:
            calendar.add("x-microsoft-calscale", scale)
        names = {clock.zone.key for clock in self.clocks if isinstance(clock.zone, ZoneInfo)}
        if len(names) == 1 and not method:
            calendar.add("x-wr-timezone", names.pop())  # of the days that have no time
        try:
            self._add_zones()
            for component in self.components:
                calendar.add_component(component)
            written: bytes = calendar.to_ical()
        except _DAMAGE as error:
            raise MailError(f"the item can't be written as a calendar object: {error}") from error
        return written

    def _add_zones(self) -> None:
        used = {tzid for component in self.components for tzid in _zone_ids(component)}
        known: dict[str, Timezone] = {}
        first = min((day for c in self.components for day in _years(c)), default=1970)
        for clock in self.clocks:
            zone = clock.zone
            if isinstance(zone, RuleZone) and zone.name in used:
                known.setdefault(zone.name, vtimezone(zone))
            elif isinstance(zone, ZoneInfo) and zone.key in used and zone.key not in known:
                until = date(max(first + 2, _LAST_YEAR), 12, 31)
                known[zone.key] = Timezone.from_tzinfo(
                    zone, zone.key, first_date=date(max(first - 1, 1), 1, 1), last_date=until
                )
        for name in sorted(known):
            self.calendar.add_component(known[name])


def _written(node: Node, content: Content) -> Written:
    kind = Fields(node, content, []).text(tags.MESSAGE_CLASS).upper()
    try:
        if kind.startswith(("IPM.APPOINTMENT", "IPM.SCHEDULE.MEETING")):
            return write_events(node, content)
        if kind.startswith("IPM.TASK"):
            task, clock = write_task(node, content)
            return Written([task], (clock,))
        if kind.startswith("IPM.ACTIVITY"):
            entry, clock = write_journal_entry(node, content)
            return Written([entry], (clock,))
    except _DAMAGE as error:
        raise MailError(f"the item can't be written as a calendar object: {error}") from error
    raise MailError(f"an item of class {kind or 'nothing'} is no calendar object")


def _zone_ids(component: Component) -> set[str]:
    found = set()
    for _, value in component.property_items():
        params = getattr(value, "params", None)
        if params and params.get("TZID"):
            found.add(str(params["TZID"]))
    return found


def _years(component: Component) -> list[int]:
    moment = getattr(component.get("DTSTART"), "dt", None)
    return [moment.year] if isinstance(moment, date | datetime) else []
