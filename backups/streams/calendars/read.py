"""From calendar files (iCalendar, RFC 5545) to appointments, tasks and journal entries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, tzinfo
from typing import Final

from icalendar import Component, Timezone

from backups.streams.blocks import Block, Outline, outline
from backups.streams.calendars.component import Entry
from backups.streams.calendars.events import appointment
from backups.streams.calendars.tasks import journal_entry, task
from backups.streams.calendars.zones import zone_defined, zone_named
from backups.streams.errors import MailError, StreamError
from backups.streams.made import Made, payloads
from backups.streams.native.assembly import SERVER_BUILD
from backups.streams.native.item import Item, write_item

_KINDS: Final = {"VEVENT": "event", "VTODO": "task", "VJOURNAL": "journal entry"}
_MAX_LABEL: Final = 60
DAMAGE: Final = (StreamError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What a component that can't be read raises; the library behind it has no error of its own."""


def from_ics(raw: bytes) -> list[bytes]:
    """The item streams of a calendar file; raises MailError for the first object without one."""
    return payloads(read_ics(raw))


def read_ics(raw: bytes) -> Iterator[Made]:
    """Every object of a file with its stream or the reason why it has none.

    A series is one object with the occurrences of it that differ. Raises MailError for a file
    that holds no object.
    """
    found = outline(raw, "VCALENDAR")
    blocks = [block for block in found.blocks if block.name != "VTIMEZONE"]
    if not blocks:
        raise MailError("the file holds no calendar object")
    entries: list[Entry] = []
    for label, entry in _entries(found, blocks):
        if isinstance(entry, Entry):
            entries.append(entry)
        else:
            yield Made(label, reason=entry)
    yield from _made_of(entries)


def read_entries(raw: bytes) -> tuple[str, list[Entry]]:
    """METHOD in capitals and the objects of a file that can be read, without their items."""
    found = outline(raw, "VCALENDAR")
    method = ""
    for line in found.outside:
        name, _, value = line.partition(":")
        if name.strip().upper() == "METHOD":
            method = value.strip().upper()
    blocks = [block for block in found.blocks if block.name != "VTIMEZONE"]
    return method, [entry for _, entry in _entries(found, blocks) if isinstance(entry, Entry)]


def _entries(found: Outline, blocks: list[Block]) -> Iterator[tuple[str, Entry | str]]:
    """Label and entry of each object, or the reason why it can't be read."""
    zones = _zones(found.blocks)
    zone = _default_zone(found.outside, zones)
    counts: dict[str, int] = {}
    for block in blocks:
        counts[block.name] = counts.get(block.name, 0) + 1
        label = f"{_KINDS.get(block.name, block.name)} {counts[block.name]}"
        try:
            yield label, _entry(block, label, zones, zone)
        except DAMAGE as error:
            yield label, str(error) or type(error).__name__


def _made_of(entries: list[Entry]) -> Iterator[Made]:
    series = {
        str(entry.component.get("UID")): entry
        for entry in reversed(entries)
        if "RRULE" in entry.component and "RECURRENCE-ID" not in entry.component
    }
    overrides: dict[int, list[Entry]] = {}
    for entry in entries:
        master = series.get(str(entry.component.get("UID")))
        if master is not None and "RECURRENCE-ID" in entry.component and not _onwards(entry):
            overrides.setdefault(id(master), []).append(entry)
    merged = {id(entry) for group in overrides.values() for entry in group}
    for entry in entries:
        if id(entry) not in merged:
            yield from _made(entry, overrides.get(id(entry), []))


def _onwards(entry: Entry) -> bool:
    """Whether an override is of all later occurrences, too, which Outlook has nothing for."""
    return "RANGE" in getattr(entry.component.get("RECURRENCE-ID"), "params", {})


def _made(entry: Entry, overrides: list[Entry]) -> Iterator[Made]:
    """The object, and before it those of its overrides that are damaged or have no series."""
    usable = []
    for override in overrides:
        alone = _single(override)
        if alone.payload is None:
            yield alone
        else:
            usable.append(override)
    made = _single(entry, usable)
    yield made
    # Where no pattern was found, the occurrences that differ are appointments of their own.
    if made.payload is None or any(note.startswith("RRULE ") for note in made.notes):
        for override in usable:
            yield _single(override)


def _single(entry: Entry, overrides: list[Entry] | None = None) -> Made:
    for one in (entry, *(overrides or ())):
        one.start_over()
    try:
        payload = write_item(_item(entry, overrides or []), build=SERVER_BUILD)
    except DAMAGE as error:
        return Made(entry.label, reason=str(error) or type(error).__name__)
    if _onwards(entry):
        entry.notes.append("RECURRENCE-ID changes all later occurrences; kept as text")
    notes = [*entry.notes, *(note for override in overrides or () for note in override.notes)]
    return Made(entry.label, payload, notes=tuple(dict.fromkeys(notes)))


def _item(entry: Entry, overrides: list[Entry]) -> Item:
    if entry.block.name == "VTODO":
        return task(entry)
    if entry.block.name == "VJOURNAL":
        return journal_entry(entry)
    return appointment(entry, overrides)


def _entry(block: Block, label: str, zones: dict[str, tzinfo], zone: tuple[tzinfo, str]) -> Entry:
    if block.name not in _KINDS:
        raise MailError(f"a {block.name} is no item")
    if not block.closed:
        raise MailError(f"it ends before END:{block.name}")
    component = Component.from_ical(block.text)
    if not isinstance(component, Component):
        raise MailError("it is more than one component")
    summary = str(component.get("SUMMARY", ""))[:_MAX_LABEL]
    return Entry(block, component, f"{label}, {summary}" if summary else label, zones, zone)


def _zones(blocks: list[Block]) -> dict[str, tzinfo]:
    """The zones that the file defines; one that can't be read is as if it were not there."""
    found: dict[str, tzinfo] = {}
    for block in blocks:
        if block.name != "VTIMEZONE" or not block.closed:
            continue
        try:
            zone = Timezone.from_ical(block.text)
        except DAMAGE:
            continue
        defined = zone_defined(zone) if isinstance(zone, Timezone) else None
        if defined is not None and zone.get("TZID"):
            found[str(zone.get("TZID"))] = defined
    return found


def _default_zone(lines: list[str], zones: dict[str, tzinfo]) -> tuple[tzinfo, str]:
    """The zone of dates that name none: the calendar's, else UTC."""
    for line in lines:
        name, _, value = line.partition(":")
        if name.upper() == "X-WR-TIMEZONE":
            zone = zone_named(value.strip(), zones)
            if zone is not None:
                return zone, value.strip()
    return UTC, "UTC"
