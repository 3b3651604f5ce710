"""Meetings in mail: requests, answers and cancellations (RFC 5546, MS-OXCICAL 2.1.3.1.1.1,
MS-OXOCAL 2.2.5 to 2.2.9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from icalendar import Component, vCalAddress

from backups.streams.calendars.component import Entry
from backups.streams.calendars.events import appointment_draft
from backups.streams.calendars.read import DAMAGE, read_entries
from backups.streams.calendars.write import Draft as CalendarDraft
from backups.streams.calendars.write_events import write_events
from backups.streams.errors import MailError
from backups.streams.native import names, tags
from backups.streams.native.assembly import Draft, integer, time
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields
from backups.streams.native.tokens import Node, Owner

_METHODS: Final = (
    ("IPM.SCHEDULE.MEETING.REQUEST", "REQUEST"),
    ("IPM.SCHEDULE.MEETING.CANCELED", "CANCEL"),
    ("IPM.SCHEDULE.MEETING.RESP.", "REPLY"),
    ("IPM.APPOINTMENT", "PUBLISH"),
)
_CLASSES: Final = {
    "REQUEST": "IPM.Schedule.Meeting.Request",
    "CANCEL": "IPM.Schedule.Meeting.Canceled",
    "COUNTER": "IPM.Schedule.Meeting.Resp.Tent",
    "PUBLISH": "IPM.Appointment",
}
_ANSWERS: Final = {
    "ACCEPTED": "IPM.Schedule.Meeting.Resp.Pos",
    "DECLINED": "IPM.Schedule.Meeting.Resp.Neg",
    "TENTATIVE": "IPM.Schedule.Meeting.Resp.Tent",
}
_PARTSTATS: Final = (
    ("RESP.POS", "ACCEPTED"),
    ("RESP.NEG", "DECLINED"),
    ("RESP.TENT", "TENTATIVE"),
)
_REQUEST: Final = 1
"""PidLidMeetingType of a request."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """What the text/calendar part of a mail asks for.

    ``draft`` is the meeting as a message object: its class (also in ``item_class``), dates,
    place, recurrence, organizer, attendees as recipients, exceptions as attachments, body. The
    mail it came in may override subject, bodies and recipients. ``method`` is in capitals,
    ``item_class`` such as IPM.Schedule.Meeting.Request.
    """

    method: str
    item_class: str
    draft: Draft
    notes: tuple[str, ...] = ()


def read_meeting(raw: bytes) -> Meeting | None:
    """The meeting in a text/calendar part; None when it is none that Outlook has an item for.

    That is: no METHOD that is known (a calendar file sent along is a file), or no event that can
    be read. Of several events the first is taken, with the occurrences that differ from it.
    Never raises.
    """
    try:
        method, entries = read_entries(raw)
    except DAMAGE:
        return None
    events = [entry for entry in entries if entry.block.name == "VEVENT"]
    masters = [entry for entry in events if "RECURRENCE-ID" not in entry.component]
    first = (masters or events)[:1]
    if not first:
        return None
    main = first[0]
    item_class = _class_of(method, main)
    if not item_class:
        return None
    uid = str(main.component.get("UID"))
    overrides = [e for e in events if e is not main and str(e.component.get("UID")) == uid]
    for candidates in (overrides if "RRULE" in main.component else [], []):
        for entry in (main, *candidates):
            entry.start_over()
        try:
            draft = appointment_draft(main, candidates, item_class)
            _add_meeting(main, draft, method)
        except DAMAGE:
            continue
        return Meeting(method, item_class, draft, tuple(dict.fromkeys(main.notes)))
    return None


def invitation(node: Node, content: Content, method: str = "") -> bytes:
    """The text/calendar part of the meeting message (or appointment) at ``node``, CRLF line ends.

    ``method`` defaults to what the item's class says (``method_of``). Raises MailError for an
    item that has no date.
    """
    fields = Fields(node, content, [])
    kind = fields.text(tags.MESSAGE_CLASS)
    proposed = bool(fields.named(names.COUNTER_PROPOSAL))
    method = method.upper() or method_of(kind) or "PUBLISH"
    if method == "REPLY" and proposed:
        method = "COUNTER"
    try:
        written = write_events(node, content, alone=method in ("REPLY", "COUNTER"))
    except (ValueError, TypeError, LookupError, OverflowError, AttributeError) as error:
        raise MailError(f"the meeting can't be written: {error}") from error
    for event in written.components:
        if method in ("REPLY", "COUNTER"):
            _answer(event, node, content, kind)
        if method == "CANCEL":
            event["STATUS"] = "CANCELLED"
        stamp = fields.named(
            names.ATTENDEE_CRITICAL_CHANGE if method == "REPLY" else names.OWNER_CRITICAL_CHANGE
        )
        if isinstance(stamp, datetime):
            event.pop("DTSTAMP", None)
            event.add("dtstamp", stamp)
    if method == "COUNTER":
        _propose(written.components[0], fields)
    draft = CalendarDraft()
    draft.add(written)
    return draft.to_bytes(method)


def method_of(item_class: str) -> str:
    """REQUEST, REPLY, CANCEL or PUBLISH for an item's class; empty for what is no meeting."""
    kind = item_class.upper()
    for prefix, method in _METHODS:
        if kind.startswith(prefix):
            return method
    return ""


def _class_of(method: str, entry: Entry) -> str:
    if method != "REPLY":
        return _CLASSES.get(method, "")
    answers = [
        str(getattr(value, "params", {}).get("PARTSTAT", "")).upper()
        for value in entry.values("ATTENDEE")
    ]
    return next((_ANSWERS[answer] for answer in answers if answer in _ANSWERS), "")


def _add_meeting(entry: Entry, draft: Draft, method: str) -> None:
    """What a meeting message says beyond the appointment it asks for."""
    named = {name: value for name, _, value in draft.named}
    start, end = named.get(names.START_WHOLE), named.get(names.END_WHOLE)
    if isinstance(start, datetime) and isinstance(end, datetime):
        draft.add(time(tags.START_DATE, start), time(tags.END_DATE, end))
    draft.name_flag(names.IS_RECURRING, bool(named.get(names.RECURRING)))
    draft.name_text(names.WHERE, entry.text("LOCATION"))
    stamp = entry.moment("DTSTAMP")
    if stamp is not None:
        answers = method in ("REPLY", "COUNTER")
        place = names.ATTENDEE_CRITICAL_CHANGE if answers else names.OWNER_CRITICAL_CHANGE
        draft.name_time(place, stamp.utc)
    owner = entry.text("X-MICROSOFT-CDO-OWNERAPPTID").strip()
    if owner.lstrip("-").isdecimal() and owner.isascii() and abs(int(owner[:11])) < 2**31:
        draft.add(integer(tags.OWNER_APPOINTMENT_ID, int(owner[:11])))
    original = entry.moment("RECURRENCE-ID")
    draft.name_flag(names.IS_EXCEPTION, original is not None)
    if original is not None:
        draft.name_time(names.EXCEPTION_REPLACE_TIME, original.utc)
    if method == "REQUEST":
        draft.name_integer(names.MEETING_TYPE, _REQUEST)
    if method == "COUNTER" and isinstance(start, datetime) and isinstance(end, datetime):
        draft.name_flag(names.COUNTER_PROPOSAL, True)
        draft.name_time(names.PROPOSED_START, start)
        draft.name_time(names.PROPOSED_END, end)


def _answer(event: Component, node: Node, content: Content, kind: str) -> None:
    """Of a reply: the sender is the attendee who answers, the mail goes to the organizer."""
    fields = Fields(node, content, [])
    answer = next((said for mark, said in _PARTSTATS if mark in kind.upper()), "NEEDS-ACTION")
    attendee = event.get("ORGANIZER")
    event.pop("ATTENDEE", None)
    event.pop("ORGANIZER", None)
    if isinstance(attendee, vCalAddress):
        attendee.params["PARTSTAT"] = answer
        event.add("attendee", attendee, encode=False)
    for child in node.nodes(Owner.RECIPIENT):
        row = Fields(child, content, [])
        address = " ".join(row.text(tags.SMTP_ADDRESS, tags.EMAIL_ADDRESS).split())
        if address and (row.integer(tags.RECIPIENT_TYPE) or 1) & 0xF == tags.RECIPIENT_TO:
            event.add("organizer", vCalAddress(f"mailto:{address}"), encode=False)
            break
    comment = fields.text(tags.BODY)
    if comment:
        event.add("comment", comment.replace("\r\n", "\n"))


def _propose(event: Component, fields: Fields) -> None:
    """A counter-proposal asks for its own dates."""
    for name, place in (("DTSTART", names.PROPOSED_START), ("DTEND", names.PROPOSED_END)):
        when = fields.named(place)
        if isinstance(when, datetime):
            event.pop(name, None)
            event.add(name, when)
