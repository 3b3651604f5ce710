"""Real calendar files: what is written of them says what they said, to two other parsers."""

from __future__ import annotations

import warnings
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path

import icalendar
import pytest
import vobject
from dateutil.rrule import rruleset, rrulestr
from icalendar.prop import vBroken

from backups.parts import join
from backups.streams import MailError, open_stream, read_ics, write_calendar, write_item

from .conftest import corpus_files

pytestmark = pytest.mark.corpus

Event = icalendar.Component
Key = tuple[str, str]

YEARS = 3
MOST = 400


@cache
def made() -> dict[Path, list[bytes]]:
    """The streams of every file that holds an object."""
    found = {}
    for path in corpus_files("ics"):
        try:
            streams = [entry.payload for entry in read_ics(path.read_bytes())]
        except MailError:
            continue
        found[path] = [payload for payload in streams if payload is not None]
    return {path: streams for path, streams in found.items() if streams}


@cache
def written() -> dict[Path, bytes]:
    return {path: write_calendar(streams) for path, streams in made().items()}


def parsed(raw: bytes) -> list[Event]:
    """Events and tasks of the calendars in a file; none of a file that icalendar refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            calendars = icalendar.Calendar.from_ical(raw, multiple=True)
        except (ValueError, LookupError, TypeError, AttributeError):
            return []
    return [event for calendar in calendars for event in calendar.walk("VEVENT")]


def keyed(events: list[Event]) -> dict[Key, Event]:
    """By UID and occurrence; what is there twice, or has no date, is left out."""
    found: dict[Key, Event] = {}
    twice = set()
    days = {str(event.get("UID")) for event in events if "RRULE" in event and is_day(event)}
    for event in events:
        moment = instant(event, "RECURRENCE-ID")
        if isinstance(moment, datetime) and str(event.get("UID")) in days:
            moment = (plain(date_of(event, "RECURRENCE-ID"), None) + timedelta(hours=12)).date()
        key = (str(event.get("UID", "")).strip(), str(moment) if moment else "")
        if key in found:
            twice.add(key)
        found[key] = event
    return {key: event for key, event in found.items() if key not in twice and key[0]}


def is_day(event: Event) -> bool:
    return not isinstance(date_of(event, "DTSTART"), datetime)


def instant(event: Event, name: str) -> datetime | date | None:
    """A day as it is, a date without zone as it is, any other in UTC."""
    return absolute(date_of(event, name))


def date_of(event: Event, name: str) -> object:
    """The value of a date or duration; None when it is absent or can't be read."""
    value = event.get(name)
    return None if isinstance(value, vBroken) else getattr(value, "dt", None)


def absolute(moment: object) -> datetime | date | None:
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return moment if isinstance(moment, date) else None


def end_of(event: Event) -> object:
    """When it ends: by DTEND or DURATION; None for what says neither or what makes no sense."""
    start, end = date_of(event, "DTSTART"), date_of(event, "DTEND")
    duration = date_of(event, "DURATION")
    if end is None and isinstance(duration, timedelta):
        end = start + duration
    if absolute(start) is None or isinstance(start, datetime) != isinstance(end, datetime):
        return None
    if isinstance(end, datetime) and end.tzinfo is None:
        return absolute(end.replace(tzinfo=start.tzinfo))
    if not isinstance(end, date):
        return None
    # A day that ends as it begins is one day.
    return absolute(end) if isinstance(end, datetime) else max(end, start + timedelta(days=1))


def attendees(event: Event) -> Counter[tuple[str, str]]:
    """(address, answer) of the attendees."""
    found = event.get("ATTENDEE", [])
    people = found if isinstance(found, list) else [found]
    return Counter(
        (
            str(person).strip().lower().rpartition("mailto:")[2].strip(),
            str(person.params.get("PARTSTAT", "NEEDS-ACTION")).upper(),
        )
        for person in people
    )


def occurrences(event: Event, others: list[Event]) -> list[object]:
    """When a series begins, ``YEARS`` on, without the occurrences that are left out or differ.

    Counted by dateutil from the lines of the event, by the clock of its start.
    """
    start = event["DTSTART"].dt
    zone = start.tzinfo if isinstance(start, datetime) else None
    local = plain(start, zone)
    days = rruleset()
    for rule in listed(event, "RRULE"):
        text = rule.to_ical().decode()
        parts = [part for part in text.split(";") if not part.startswith("UNTIL")]
        for until in rule.get("UNTIL", []):
            last = plain(until, zone)
            if not isinstance(until, datetime):
                last = last.replace(hour=23, minute=59, second=59)
            parts.append(f"UNTIL={last:%Y%m%dT%H%M%S}")
        days.rrule(rrulestr(";".join(parts), dtstart=local))
    days.rdate(local)
    for name, add in (("RDATE", days.rdate), ("EXDATE", days.exdate)):
        for dates in listed(event, name):
            for one in getattr(dates, "dts", [dates]):
                value = one.dt[0] if isinstance(one.dt, tuple) else one.dt
                # A day leaves out what begins on it, as Outlook understands it.
                day = not isinstance(value, datetime) and name == "EXDATE"
                when = plain(value, zone)
                add(datetime.combine(when.date(), local.time()) if day else when)
    for other in others:
        when = plain(other["RECURRENCE-ID"].dt, zone)
        whole = not isinstance(start, datetime)
        days.exdate(midnight(when + timedelta(hours=12)) if whole else when)
    until = local + timedelta(days=365 * YEARS)
    found = (one for one in islice(days, MOST) if one < until)
    return [absolute(one.replace(tzinfo=zone)) for one in found]


def plain(moment: date, zone: object) -> datetime:
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day)
    if moment.tzinfo is not None and zone is not None:
        moment = moment.astimezone(zone)
    return moment.replace(tzinfo=None, fold=0)


def midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), datetime.min.time())


def listed(event: Event, name: str) -> list[object]:
    found = event.get(name, [])
    return found if isinstance(found, list) else [found]


Pair = tuple[Path, Key, Event, Event | None, dict[Key, Event], dict[Key, Event]]


@cache
def pairs() -> list[Pair]:
    """Each event of the corpus and what was written of it, with all others of its file."""
    found: list[Pair] = []
    for path, raw in written().items():
        original, ours = keyed(parsed(path.read_bytes())), keyed(parsed(raw))
        for key, event in original.items():
            if instant(event, "DTSTART") is not None:
                found.append((path, key, event, ours.get(key), original, ours))
    return found


UNKNOWN_ZONE = {
    "ics_with_error.ics",
    "bad_custom_ms_tz.ics",
    "bad_custom_ms_tz2.ics",
    "germany_at_end_of_day_repeating.ics",
    "music-school-weekly-until.ics",
    "test_with_int_tzid.ics",
    "test_with_tz_list.ics",
    "windows-quoted-tz-rrule.ics",
}
"""Their TZID is no zone and has no VTIMEZONE; a note says as what it is read."""

END_BEFORE_START = {"daily-count-exdate-recurrence-id.ics"}

OTHER_DAYS = {"CalendarDataFile.ics", "biweekly-exdate-until.ics"}
"""EXDATE at a time at which nothing begins: its day is left out (MS-OXCICAL 2.1.3.1.1.20.13)."""

TWICE = {"multiple_calendar_components.ics"}
"""The same UID is there again, in another calendar of the file."""


def test_every_object_is_made_valid_cut_joined_and_written():
    for path, streams in made().items():
        for payload in streams:
            stream = open_stream(payload)
            stream.summary()
            item = stream.cut()
            assert join(item.recipe, [part.data for part in item.parts]) == payload, path
            assert write_item(stream.item()) == payload, path
            assert stream.index().notes == (), path
    assert sum(map(len, made().values())) == 4159


def test_another_parser_accepts_every_calendar_that_is_written():
    for path, raw in written().items():
        calendar = vobject.readOne(raw.decode())
        ours = sum(len(calendar.contents.get(kind, [])) for kind in ("vevent", "vtodo", "vjournal"))
        theirs = sum(
            component.name in ("VEVENT", "VTODO", "VJOURNAL")
            for component in icalendar.Calendar.from_ical(raw).walk()
        )
        assert ours == theirs, path


def test_events_keep_their_dates_and_people():
    compared = 0
    for path, key, event, ours, _, _ in pairs():
        if path.name in UNKNOWN_ZONE | TWICE and (ours is None or path.name in UNKNOWN_ZONE):
            continue
        assert ours is not None, (path, key)
        compared += 1
        assert instant(event, "DTSTART") == instant(ours, "DTSTART"), (path, key)
        assert attendees(event) == attendees(ours), (path, key)
        end = end_of(event)
        if end is not None and path.name not in END_BEFORE_START:
            assert end == end_of(ours), (path, key)
    assert compared > 3700


def test_series_fall_on_the_same_days():
    compared = 0
    skipped = UNKNOWN_ZONE | OTHER_DAYS | TWICE
    for path, key, event, ours, originals, all_ours in pairs():
        if key[1] or path.name in skipped or "RRULE" not in event or ours is None:
            continue
        if any(isinstance(one, vBroken) for name in RULES for one in listed(event, name)):
            continue
        if b"RSCALE" in event.to_ical():
            continue  # a calendar that dateutil does not know
        expected = occurrences(event, changed(originals, key))
        assert occurrences(ours, changed(all_ours, key)) == expected, (path, key)
        compared += 1
    assert compared > 250


RULES = ("RRULE", "RDATE", "EXDATE")


def changed(events: dict[Key, Event], series: Key) -> list[Event]:
    """The occurrences of a series that differ, without changes of all that follow."""
    found = (event for key, event in events.items() if key[0] == series[0] and key[1])
    return [event for event in found if "RANGE" not in event["RECURRENCE-ID"].params]
