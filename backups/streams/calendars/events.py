"""From the events of a calendar file to appointments (MS-OXOCAL, MS-OXCICAL)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final

from backups.streams.calendars.component import Entry, Moment, length
from backups.streams.calendars.recurrence import Change, Frequency, Recurrence, encode
from backups.streams.calendars.rules import Inexpressible, pattern_of
from backups.streams.calendars.zones import definition, offsets, registry_entry, windows_name
from backups.streams.errors import MailError
from backups.streams.native import names, tags
from backups.streams.native.assembly import (
    Draft,
    file_attachment,
    flag,
    integer,
    recipient,
    representing,
    sender,
    text,
    time,
)
from backups.streams.native.index import KEYWORDS
from backups.streams.native.item import Attachment, Item

_MAILTO = re.compile(r"(?:\s*mailto:)+", re.IGNORECASE)
_MINUTE: Final = timedelta(minutes=1)
_STAMPS: Final = (
    ("CREATED", tags.CREATION_TIME),
    ("LAST-MODIFIED", tags.LAST_MODIFICATION_TIME),
)
_BUSY: Final = {"FREE": 0, "TENTATIVE": 1, "BUSY": 2, "OOF": 3, "WORKINGELSEWHERE": 4}
_SENSITIVITY: Final = {"PRIVATE": 2, "CONFIDENTIAL": 3}
_RESPONSES: Final = {"TENTATIVE": 2, "ACCEPTED": 3, "DECLINED": 4, "NEEDS-ACTION": 5}
_ROLES: Final = {"OPT-PARTICIPANT": tags.RECIPIENT_CC, "NON-PARTICIPANT": tags.RECIPIENT_CC}
_RESOURCES: Final = frozenset({"RESOURCE", "ROOM"})
_ORGANIZER_FLAGS: Final = 3
_MEETING, _CANCELLED = 1, 4
_EXCEPTION_CLASS: Final = "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}"
_RECURRENCE_TYPES: Final = {
    Frequency.DAILY: 1,
    Frequency.WEEKLY: 2,
    Frequency.MONTHLY: 3,
    Frequency.YEARLY: 4,
}
_MAX_SPAN: Final = 2**31 - 1


def appointment(entry: Entry, overrides: Iterable[Entry]) -> Item:
    """The appointment of an event; ``overrides`` are the occurrences of it that differ.

    Raises MailError for an event without a date when it starts.
    """
    start, span = _when(entry)
    draft = _appointment(entry, start, span, "IPM.Appointment")
    uid = entry.text("UID") or entry.label
    draft.name_binary(names.GLOBAL_OBJECT_ID, global_id(uid, None))
    draft.name_binary(names.CLEAN_GLOBAL_OBJECT_ID, global_id(uid, None))
    _repeat(entry, draft, start, span, list(overrides))
    draft.name_texts(names.KEPT_LINES, entry.kept_lines())
    return draft.item()


def common(entry: Entry, draft: Draft) -> None:
    """What events, tasks and journal entries have in common."""
    draft.add_text(tags.BODY, entry.text("DESCRIPTION"))
    subject = entry.text("SUMMARY")
    draft.add(text(tags.SUBJECT, subject), text(tags.NORMALIZED_SUBJECT, subject))
    private = entry.text("CLASS").upper()
    draft.add(integer(tags.SENSITIVITY, _SENSITIVITY.get(private, 0)))
    draft.name_flag(names.PRIVATE, private in _SENSITIVITY)
    priority = entry.text("PRIORITY").strip()
    number = int(priority) if priority.isdecimal() else 0
    draft.add(integer(tags.IMPORTANCE, 2 if 0 < number < 5 else 0 if number > 5 else 1))
    for name, tag in (
        ("CREATED", tags.CREATION_TIME),
        ("LAST-MODIFIED", tags.LAST_MODIFICATION_TIME),
    ):
        stamp = entry.moment(name) if entry.values(name) else None
        if stamp is not None:
            draft.add(time(tag, stamp.utc))
    entry.taken.add("DTSTAMP")
    categories = [
        str(c) for value in entry.values("CATEGORIES") for c in getattr(value, "cats", [value])
    ]
    draft.name_texts(KEYWORDS, [category for category in categories if category.strip()])


def global_id(uid: str, day: date | None) -> bytes:
    """PidLidGlobalObjectId (MS-OXOCAL 2.2.1.27) of a UID, or of its occurrence on ``day``."""
    when = struct.pack(">HBB", day.year, day.month, day.day) if day else bytes(4)
    prefix = names.GLOBAL_ID_PREFIX
    if uid.lower().startswith(prefix.hex()):
        try:
            known = bytes.fromhex(uid)
        except ValueError:
            known = b""
        if len(known) >= 40:
            return known[:16] + when + known[20:]
    own = names.FOREIGN_UID + uid.encode("utf-8", "replace") + b"\0"
    return prefix + when + bytes(16) + struct.pack("<I", len(own)) + own


def uid_of(global_object_id: bytes) -> str:
    """The UID that a global object id stands for; empty for what is none."""
    if len(global_object_id) < 40 or not global_object_id.startswith(names.GLOBAL_ID_PREFIX):
        return ""
    own = global_object_id[40:]
    if own.startswith(names.FOREIGN_UID):
        return own[len(names.FOREIGN_UID) :].rstrip(b"\0").decode("utf-8", "replace")
    return (global_object_id[:16] + bytes(4) + global_object_id[20:]).hex().upper()


def _when(entry: Entry) -> tuple[Moment, timedelta]:
    start = entry.moment("DTSTART")
    if start is None:
        raise MailError("it has no DTSTART")
    span = length(entry, start, "DTEND")
    if span > _MAX_SPAN * _MINUTE:
        raise MailError("it lasts longer than an item can say")
    return start, span


def _appointment(entry: Entry, start: Moment, span: timedelta, kind: str) -> Draft:
    draft = Draft()
    draft.add(text(tags.MESSAGE_CLASS, kind), integer(tags.MESSAGE_FLAGS, tags.FLAG_READ))
    common(entry, draft)
    for value in entry.values("X-ALT-DESC"):
        draft.add_html(str(value))
    draft.name_text(names.LOCATION, entry.text("LOCATION"))
    for name in (names.START_WHOLE, names.COMMON_START, names.CLIP_START):
        draft.name_time(name, start.utc)
    for name in (names.END_WHOLE, names.COMMON_END, names.CLIP_END):
        draft.name_time(name, start.utc + span)
    draft.name_integer(names.DURATION, int(span / _MINUTE))
    draft.name_flag(names.ALL_DAY, start.whole_day)
    draft.name_integer(names.BUSY_STATUS, _busy_status(entry))
    sequence = entry.text("SEQUENCE").strip()
    draft.name_integer(names.APPOINTMENT_SEQUENCE, int(sequence[:9]) if sequence.isdecimal() else 0)
    _zone(draft, start)
    _people(entry, draft)
    _remind(entry, draft, start)
    _attach(entry, draft)
    return draft


def _busy_status(entry: Entry) -> int:
    own = entry.text("X-MICROSOFT-CDO-BUSYSTATUS").upper()
    if own in _BUSY:
        return _BUSY[own]
    if entry.text("TRANSP").upper() == "TRANSPARENT":
        return _BUSY["FREE"]
    status = entry.text("STATUS").upper()
    return _BUSY["TENTATIVE"] if status == "TENTATIVE" else _BUSY["BUSY"]


def _zone(draft: Draft, start: Moment) -> None:
    found = offsets(start.zone, start.local.year)
    name = windows_name(start.zone_name)
    whole = definition(found, name, start.local.year)
    draft.name_binary(names.TIME_ZONE_STRUCT, registry_entry(found))
    draft.name_text(names.TIME_ZONE_DESCRIPTION, start.zone_name)
    for place in (names.ZONE_START, names.ZONE_END, names.ZONE_RECUR):
        draft.name_binary(place, whole)


def _people(entry: Entry, draft: Draft) -> None:
    organizer = ("", "")
    for value in entry.values("ORGANIZER")[:1]:
        organizer = _person(value)
        draft.add(*representing(*organizer), *sender(*organizer))
        row = recipient(0, tags.RECIPIENT_TO, *organizer, flags=_ORGANIZER_FLAGS)
        row.properties.append(integer(tags.RECIPIENT_TRACK_STATUS, 1))
        draft.recipients.append(row)
    attendees = entry.values("ATTENDEE")
    for value in attendees:
        name, address = _person(value)
        if address and address.lower() == organizer[1].lower():
            continue
        params = getattr(value, "params", {})
        role = _ROLES.get(str(params.get("ROLE", "")).upper(), tags.RECIPIENT_TO)
        if str(params.get("CUTYPE", "")).upper() in _RESOURCES:
            role = tags.RECIPIENT_RESOURCE
        row = recipient(len(draft.recipients), role, name, address)
        answer = _RESPONSES.get(str(params.get("PARTSTAT", "")).upper(), 0)
        row.properties.append(integer(tags.RECIPIENT_TRACK_STATUS, answer))
        draft.recipients.append(row)
    cancelled = entry.text("STATUS").upper() == "CANCELLED"
    state = _MEETING * bool(attendees) | _CANCELLED * cancelled
    draft.name_integer(names.STATE_FLAGS, state)
    draft.name_integer(names.RESPONSE_STATUS, 1 if organizer != ("", "") else 0)


def _person(value: object) -> tuple[str, str]:
    address = _MAILTO.sub("", str(value))
    return str(getattr(value, "params", {}).get("CN", "")), address.strip()


def _remind(entry: Entry, draft: Draft, start: Moment) -> None:
    """The first alarm that is set before the start; Outlook has one, the others stay as text."""
    for alarm in entry.component.subcomponents:
        trigger = getattr(alarm.get("TRIGGER"), "dt", None)
        related = str(getattr(alarm.get("TRIGGER"), "params", {}).get("RELATED", "START")).upper()
        first = alarm is entry.component.subcomponents[0]
        if isinstance(trigger, timedelta) and related == "START" and first:
            minutes = int(-trigger / _MINUTE)
            if 0 <= minutes < 2**31:
                entry.taken.add("BEGIN:VALARM")
                draft.name_flag(names.REMINDER_SET, True)
                draft.name_integer(names.REMINDER_DELTA, minutes)
                draft.name_time(names.REMINDER_TIME, start.utc)
                draft.name_time(names.REMINDER_SIGNAL_TIME, start.utc + trigger)
                return
    draft.name_flag(names.REMINDER_SET, False)


def _attach(entry: Entry, draft: Draft) -> None:
    values = entry.values("ATTACH")
    entry.taken.discard("ATTACH")
    if not values or any(not hasattr(value, "obj") for value in values):
        return  # links, which stay as text
    entry.taken.add("ATTACH")
    for number, value in enumerate(values):
        params = getattr(value, "params", {})
        name = str(params.get("FILENAME") or params.get("X-FILENAME") or f"ATT{number + 1:05}.dat")
        kind = str(params.get("FMTTYPE") or "application/octet-stream")
        content: bytes = value.bytes if hasattr(value, "bytes") else b""
        draft.attachments.append(file_attachment(number, name, kind, content))


def _repeat(
    entry: Entry, draft: Draft, start: Moment, span: timedelta, overrides: list[Entry]
) -> None:
    rules = entry.values("RRULE")
    excluded = entry.moments("EXDATE") if rules else []
    draft.name_flag(names.RECURRING, False)
    if not rules:
        entry.taken -= {"RRULE", "EXDATE"}
        return
    try:
        if len(rules) > 1 or "EXRULE" in entry.component:
            raise Inexpressible("more than one rule")
        rule = {str(key): list(values) for key, values in rules[0].items()}  # type: ignore[attr-defined]
        pattern = pattern_of(rule, start.local, start.zone)
        changes = [_change(start, override, draft) for override in overrides]
        minutes = start.local.hour * 60 + start.local.minute
        deleted = tuple(moment.local.date() for moment in excluded)
        series = Recurrence(
            pattern, minutes, minutes + int(span / _MINUTE), deleted, tuple(changes)
        )
        raw = encode(series)
    except (Inexpressible, ValueError, TypeError) as error:
        entry.keep("RRULE", str(error))
        entry.taken.discard("EXDATE")
        return
    draft.named = [named for named in draft.named if named[0] != names.RECURRING]
    draft.name_flag(names.RECURRING, True)
    draft.name_integer(names.RECURRENCE_TYPE, _RECURRENCE_TYPES[pattern.frequency])
    draft.name_binary(names.APPOINTMENT_RECUR, raw)
    if "RDATE" in entry.component:
        entry.keep("RDATE", "a pattern holds no single dates")


def _change(series: Moment, override: Entry, draft: Draft) -> Change:
    """The change that an override makes to ``series``, and its embedded message in ``draft``."""
    start, span = _when(override)
    original = override.moment("RECURRENCE-ID")
    if original is None:
        raise Inexpressible("an override without its date")
    local = start.utc.astimezone(series.zone).replace(tzinfo=None)
    day = original.local if original.whole_day else _in_zone(original, series)
    if original.whole_day and not series.whole_day:
        day = datetime.combine(original.local.date(), series.local.time())
    inner = _appointment(override, start, span, _EXCEPTION_CLASS)
    inner.name_time(names.EXCEPTION_REPLACE_TIME, original.utc)
    inner.name_texts(names.KEPT_LINES, override.kept_lines())
    number = len(draft.attachments)
    properties = [
        integer(tags.ATTACH_NUMBER, number),
        text(tags.DISPLAY_NAME, "Untitled"),
        integer(tags.ATTACH_METHOD, tags.ATTACH_EMBEDDED),
        integer(tags.RENDERING_POSITION, -1),
        time(tags.EXCEPTION_START, local.replace(tzinfo=series.utc.tzinfo)),
        time(tags.EXCEPTION_END, (local + span).replace(tzinfo=series.utc.tzinfo)),
        integer(tags.ATTACHMENT_FLAGS, tags.ATTACHMENT_IS_EXCEPTION),
        flag(tags.ATTACHMENT_HIDDEN, True),
    ]
    draft.attachments.append(Attachment(properties, inner.item()))
    return Change(day, local, local + span, override.text("SUMMARY"), override.text("LOCATION"))


def _in_zone(moment: Moment, series: Moment) -> datetime:
    return moment.utc.astimezone(series.zone).replace(tzinfo=None)
