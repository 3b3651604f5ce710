"""Events, tasks and journal entries as iCalendar files (RFC 5545, MS-OXCICAL)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from hashlib import sha256
from typing import Final
from zoneinfo import ZoneInfo

from icalendar import Alarm, Calendar, Component, Event, Journal, Todo, vCalAddress, vRecur

from backups.streams.calendars.events import uid_of
from backups.streams.calendars.recurrence import Recurrence, decode
from backups.streams.calendars.rules import rule_of
from backups.streams.calendars.zones import defined_name, olson_name
from backups.streams.errors import MailError
from backups.streams.native import names, tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, clean, is_exception, sender_of, span_of
from backups.streams.native.index import KEYWORDS
from backups.streams.native.properties import PropertyName
from backups.streams.native.stream import open_stream
from backups.streams.native.tokens import Node, Owner

PRODUCT: Final = "-//Stowage//Mailbox backup//EN"

_BUSY: Final = {0: "FREE", 1: "TENTATIVE", 2: "BUSY", 3: "OOF", 4: "WORKINGELSEWHERE"}
_TASK: Final = {0: "NEEDS-ACTION", 1: "IN-PROCESS", 2: "COMPLETED", 4: "CANCELLED"}
_RESPONSES: Final = {2: "TENTATIVE", 3: "ACCEPTED", 4: "DECLINED"}
_CLASSES: Final = {2: "PRIVATE", 3: "CONFIDENTIAL"}
_PRIORITIES: Final = {0: 9, 2: 1}
_ROLES: Final = {1: "REQ-PARTICIPANT", 2: "OPT-PARTICIPANT", 3: "NON-PARTICIPANT"}
_ORGANIZER: Final = 2
_CANCELLED: Final = 4
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SINGLE: Final = frozenset({"DTSTART", "DTEND", "DUE", "DTSTAMP", "UID", "SUMMARY", "SEQUENCE"})
"""Properties of which a component has one."""


def write_ics(payload: bytes) -> bytes:
    """The calendar file of an event, a task or a journal entry, with CRLF line ends.

    Occurrences that differ follow the series with RECURRENCE-ID. Raises StreamError for a broken
    container, MailError for an item that is none of these or has no date.
    """
    stream = open_stream(payload)
    root, content = stream.scan.root, stream.content
    kind = Fields(root, content, []).text(tags.MESSAGE_CLASS).upper()
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    zone = _zone(Fields(root, content, []))
    if isinstance(zone, ZoneInfo):
        calendar.add("x-wr-timezone", zone.key)  # of the days that have no time
    try:
        for component in _components(kind, root, content):
            calendar.add_component(component)
        calendar.add_missing_timezones()
        written: bytes = calendar.to_ical()
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError) as error:
        raise MailError(f"the item can't be written as a calendar object: {error}") from error
    return written


def _components(kind: str, root: Node, content: Content) -> Iterator[Component]:
    fields = Fields(root, content, [])
    if kind.startswith("IPM.APPOINTMENT"):
        yield from _events(root, content)
    elif kind.startswith("IPM.TASK"):
        yield _task(fields)
    elif kind.startswith("IPM.ACTIVITY"):
        yield _journal_entry(fields)
    else:
        raise MailError(f"an item of class {kind or 'nothing'} is no calendar object")


def _events(root: Node, content: Content) -> Iterator[Component]:
    fields = Fields(root, content, [])
    zone = _zone(fields)
    event = _event(root, content, zone)
    raw = fields.named(names.APPOINTMENT_RECUR)
    series = decode(raw) if isinstance(raw, bytes) else None
    if series is not None:
        _repeat(event, series, zone, bool(fields.named(names.ALL_DAY)))
    yield event
    for inner in _exceptions(root, content):
        changed = _event(inner, content, zone)
        changed["UID"] = event["UID"]
        original = Fields(inner, content, []).named(names.EXCEPTION_REPLACE_TIME)
        if isinstance(original, datetime):
            local = original.astimezone(zone)
            whole_day = fields.named(names.ALL_DAY)
            changed.add("recurrence-id", local.date() if whole_day else local)
            yield changed


def _event(node: Node, content: Content, zone: tzinfo) -> Event:
    fields = Fields(node, content, [])
    event = Event()
    _common(event, fields)
    start, end = span_of(fields)
    if start is None:
        raise MailError("the event has no date")
    first, last = start.astimezone(zone), (end or start).astimezone(zone)
    whole_day = bool(fields.named(names.ALL_DAY))
    event.add("dtstart", first.date() if whole_day else first)
    event.add("dtend", last.date() if whole_day else last)
    _add_text(event, "location", fields.named(names.LOCATION))
    busy = _integer(fields, names.BUSY_STATUS, 2)
    event.add("transp", "TRANSPARENT" if busy == 0 else "OPAQUE")
    event.add("x-microsoft-cdo-busystatus", _BUSY.get(busy, "BUSY"))
    state = _integer(fields, names.STATE_FLAGS, 0)
    if state & _CANCELLED:
        event.add("status", "CANCELLED")
    event.add("sequence", max(_integer(fields, names.APPOINTMENT_SEQUENCE, 0), 0))
    _add_people(event, node, content)
    if fields.named(names.REMINDER_SET):
        event.add_component(_alarm(_integer(fields, names.REMINDER_DELTA, 15)))
    _add_kept(event, fields)
    return event


def _task(fields: Fields) -> Todo:
    task = Todo()
    _common(task, fields)
    start, due = span_of(fields)
    done = fields.named(names.TASK_COMPLETED)
    for name, moment in (("dtstart", start), ("due", due), ("completed", done)):
        if isinstance(moment, datetime):
            task.add(name, moment)
    task.add("status", _TASK.get(_integer(fields, names.TASK_STATUS, 0), "NEEDS-ACTION"))
    share = fields.named(names.PERCENT_COMPLETE)
    if isinstance(share, float) and 0 < share <= 1:
        task.add("percent-complete", round(share * 100))
    _add_kept(task, fields)
    return task


def _journal_entry(fields: Fields) -> Journal:
    journal = Journal()
    _common(journal, fields)
    start, _ = span_of(fields)
    if start is not None:
        journal.add("dtstart", start)
    _add_kept(journal, fields)
    return journal


def _common(component: Component, fields: Fields) -> None:
    identity = fields.named(names.CLEAN_GLOBAL_OBJECT_ID) or fields.named(names.GLOBAL_OBJECT_ID)
    uid = uid_of(identity) if isinstance(identity, bytes) else ""
    component.add("uid", uid or _made_up_uid(fields))
    stamp = fields.time(tags.LAST_MODIFICATION_TIME) or fields.time(tags.CREATION_TIME)
    component.add("dtstamp", stamp or span_of(fields)[0] or _EPOCH)
    for name, number in (
        ("created", tags.CREATION_TIME),
        ("last-modified", tags.LAST_MODIFICATION_TIME),
    ):
        moment = fields.time(number)
        if moment is not None:
            component.add(name, moment)
    component.add("summary", fields.text(tags.SUBJECT))
    _add_text(component, "description", fields.text(tags.BODY))
    sensitivity = fields.integer(tags.SENSITIVITY) or 0
    if sensitivity in _CLASSES:
        component.add("class", _CLASSES[sensitivity])
    importance = fields.integer(tags.IMPORTANCE)
    if importance in _PRIORITIES:
        component.add("priority", _PRIORITIES[importance])
    categories = fields.named(KEYWORDS)
    if isinstance(categories, list) and categories:
        component.add("categories", [clean(str(category)) for category in categories])


def _repeat(event: Event, series: Recurrence, zone: tzinfo, whole_day: bool) -> None:
    rule = rule_of(series.pattern)
    midnight = datetime.min.time()
    start = timedelta(minutes=series.start)
    until = rule.get("UNTIL")
    if isinstance(until, date) and not whole_day:
        # In UTC, as the standard wants it where the series has a zone.
        last = datetime.combine(until, midnight) + start
        rule["UNTIL"] = last.replace(tzinfo=zone).astimezone(UTC)
    event.add("rrule", vRecur(rule))
    for day in series.deleted:
        moment = (datetime.combine(day, midnight) + start).replace(tzinfo=zone)
        event.add("exdate", day if whole_day else moment)


def _exceptions(root: Node, content: Content) -> Iterator[Node]:
    """The embedded messages of occurrences that differ (MS-OXOCAL 2.2.10)."""
    for attachment in root.nodes(Owner.ATTACHMENT):
        if is_exception(attachment, content):
            yield from attachment.nodes(Owner.MESSAGE)


def _add_people(event: Event, node: Node, content: Content) -> None:
    name, address = sender_of(Fields(node, content, []))
    if address:
        event.add("organizer", _address(name, address))
    for child in node.nodes(Owner.RECIPIENT):
        fields = Fields(child, content, [])
        if (fields.integer(tags.RECIPIENT_FLAGS) or 0) & _ORGANIZER:
            continue
        address = fields.text(tags.SMTP_ADDRESS, tags.EMAIL_ADDRESS)
        person = _address(fields.text(tags.DISPLAY_NAME), address)
        role = (fields.integer(tags.RECIPIENT_TYPE) or 1) & 0xF
        if role == tags.RECIPIENT_RESOURCE:
            person.params["CUTYPE"] = "RESOURCE"
        person.params["ROLE"] = _ROLES.get(role, "REQ-PARTICIPANT")
        answer = fields.integer(tags.RECIPIENT_TRACK_STATUS) or 0
        person.params["PARTSTAT"] = _RESPONSES.get(answer, "NEEDS-ACTION")
        event.add("attendee", person)


def _address(name: str, address: str) -> vCalAddress:
    one_line = " ".join(address.split())
    person = vCalAddress(one_line if ":" in one_line else f"mailto:{one_line}")
    shown = "".join(letter for letter in name if letter.isprintable() and letter != '"')
    if shown and shown != address:
        person.params["CN"] = shown
    return person


def _alarm(minutes: int) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", "Reminder")
    alarm.add("trigger", -timedelta(minutes=minutes))
    return alarm


def _add_text(component: Component, name: str, value: object) -> None:
    if isinstance(value, str) and value:
        component.add(name, clean(value).replace("\r\n", "\n").replace("\r", "\n"))


def _add_kept(component: Component, fields: Fields) -> None:
    """Put back the lines that an import had no place for; what is no line stays away."""
    value = fields.named(names.KEPT_LINES)
    lines = [str(line) for line in value] if isinstance(value, list) else []
    if not lines:
        return
    text = "\r\n".join((f"BEGIN:{component.name}", *lines, f"END:{component.name}", ""))
    try:
        kept = Component.from_ical(clean(text))
    except (ValueError, LookupError, TypeError, AttributeError):
        return
    for name, found in kept.items():
        for one in found if isinstance(found, list) else [found]:
            if name not in _SINGLE or name not in component:
                component.add(name, one, encode=False)
    for inner in kept.subcomponents:
        component.add_component(inner)


def _zone(fields: Fields) -> tzinfo:
    """The zone of an event by the name that it has for it; UTC when that is not known."""
    for name in (names.ZONE_START, names.ZONE_RECUR):
        value = fields.named(name)
        olson = olson_name(defined_name(value)) if isinstance(value, bytes) else ""
        if olson and olson != "UTC":
            return ZoneInfo(olson)
    return UTC


def _integer(fields: Fields, name: PropertyName, default: int) -> int:
    value = fields.named(name)
    return value if isinstance(value, int) else default


def _made_up_uid(fields: Fields) -> str:
    text = f"{fields.text(tags.SUBJECT)} {span_of(fields)[0]}"
    return f"{sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}@stowage"
