"""What an event says, and a meeting request or its answer (MS-OXOCAL)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from backups.streams.calendars.zones import zone_of
from backups.streams.native import names, tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, address_of, sender_of, span_of
from backups.streams.native.tokens import Node, Owner
from backups.streams.views.details import (
    AttendeeView,
    EventView,
    Labelled,
    MeetingView,
    RecurrenceView,
    Step,
)
from backups.streams.views.recurrences import event_recurrence
from backups.streams.views.values import (
    chosen,
    kept_lines,
    named_binary,
    named_flag,
    named_number,
    named_text,
    named_time,
)
from backups.streams.views.zones import zone_view

_BUSY: Final = ("Free", "Tentative", "Busy", "Out of office", "Working elsewhere")
_RESPONSES: Final = ("", "organizer", "tentative", "accepted", "declined", "no answer")
_ROLES: Final = {1: "required", 2: "optional", 3: "resource"}
_STEPS: Final = (
    ("IPM.SCHEDULE.MEETING.REQUEST", Step.REQUEST),
    ("IPM.SCHEDULE.MEETING.CANCELED", Step.CANCELLATION),
    ("IPM.SCHEDULE.MEETING.RESP.POS", Step.ACCEPTED),
    ("IPM.SCHEDULE.MEETING.RESP.TENT", Step.TENTATIVE),
    ("IPM.SCHEDULE.MEETING.RESP.NEG", Step.DECLINED),
    ("IPM.SCHEDULE.MEETING.NOTIFICATION.FORWARD", Step.FORWARDED),
)
_ORGANIZER: Final = 0x0002
_CANCELLED: Final = 0x0004
_UPDATES: Final = 0x0001_0000 | 0x0002_0000
"""PidLidMeetingType of a full and of an informational update (MS-OXOCAL 2.2.6.5)."""
_DEFAULT_REMINDER: Final = 0x5AE980E1
_FIFTEEN: Final = 15
_LINKS: Final = (
    *(("Online meeting", name) for name in names.MEETING_LINKS),
    ("Online meeting", names.NET_SHOW),
    ("Meeting workspace", names.MEETING_WORKSPACE),
    ("Shared document", names.COLLABORATE_DOCUMENT),
)


def event_of(node: Node, content: Content, fields: Fields, notes: list[str]) -> EventView:
    """The event at ``node``; ``fields`` are its properties."""
    start, end = span_of(fields)
    zone = zone_of(fields, names.ZONE_START, names.ZONE_RECUR)
    whole_day = named_flag(fields, names.ALL_DAY)
    first, last = _days(start, end, zone) if whole_day else (None, None)
    return EventView(
        start=start,
        end=end,
        all_day=whole_day,
        first_day=first,
        last_day=last,
        zone=zone_view(fields),
        location=named_text(fields, names.LOCATION) or named_text(fields, names.WHERE),
        organizer=_organizer(node, content, fields),
        attendees=tuple(_attendees(node, content)),
        my_response=chosen(_RESPONSES, named_number(fields, names.RESPONSE_STATUS)),
        busy=chosen(_BUSY, named_number(fields, names.BUSY_STATUS)),
        cancelled=bool((named_number(fields, names.STATE_FLAGS) or 0) & _CANCELLED),
        private=named_flag(fields, names.PRIVATE) or (fields.integer(tags.SENSITIVITY) or 0) > 1,
        reminder_minutes=_reminder(fields),
        recurrence=_recurrence(node, content, fields, notes),
        links=_links(fields),
        kept=kept_lines(fields),
    )


def meeting_of(node: Node, content: Content, fields: Fields, notes: list[str]) -> MeetingView:
    """The meeting message at ``node`` with the event that it is about."""
    item_class = fields.text(tags.MESSAGE_CLASS).upper()
    step = next((step for prefix, step in _STEPS if item_class.startswith(prefix)), Step.OTHER)
    proposed = None
    start = named_time(fields, names.PROPOSED_START)
    end = named_time(fields, names.PROPOSED_END)
    if named_flag(fields, names.COUNTER_PROPOSAL) and start is not None and end is not None:
        proposed = (start, end)
    return MeetingView(
        step=step,
        event=event_of(node, content, fields, notes),
        is_update=bool((named_number(fields, names.MEETING_TYPE) or 0) & _UPDATES),
        proposed=proposed,
    )


def _days(
    start: datetime | None, end: datetime | None, zone: tzinfo
) -> tuple[date | None, date | None]:
    """The first and the last whole day, which ends at midnight."""
    if start is None:
        return None, None
    try:
        first = start.astimezone(zone).date()
        last = ((end or start) - timedelta(seconds=1)).astimezone(zone).date()
    except (OverflowError, ValueError):
        return start.date(), start.date()
    return first, max(first, last)


def _organizer(node: Node, content: Content, fields: Fields) -> tuple[str, str]:
    for child in node.nodes(Owner.RECIPIENT):
        person = Fields(child, content, [])
        if (person.integer(tags.RECIPIENT_FLAGS) or 0) & _ORGANIZER:
            return _person(person)
    item_class = fields.text(tags.MESSAGE_CLASS).upper()
    answer = item_class.startswith("IPM.SCHEDULE.MEETING.RESP")
    return ("", "") if answer else sender_of(fields)


def _attendees(node: Node, content: Content) -> Iterator[AttendeeView]:
    for child in node.nodes(Owner.RECIPIENT):
        fields = Fields(child, content, [])
        name, address = _person(fields)
        role = _ROLES.get((fields.integer(tags.RECIPIENT_TYPE) or 1) & 0xF, "required")
        if (fields.integer(tags.RECIPIENT_FLAGS) or 0) & _ORGANIZER:
            role = "organizer"
        response = chosen(_RESPONSES, fields.integer(tags.RECIPIENT_TRACK_STATUS))
        at = fields.time(tags.RECIPIENT_TRACK_STATUS_TIME)
        yield AttendeeView(name, address, role, response, at)


def _person(fields: Fields) -> tuple[str, str]:
    name = fields.text(tags.DISPLAY_NAME, tags.RECIPIENT_DISPLAY_NAME)
    return name, address_of(fields, tags.SMTP_ADDRESS, tags.EMAIL_ADDRESS)


def _reminder(fields: Fields) -> int | None:
    if not named_flag(fields, names.REMINDER_SET):
        return None
    minutes = named_number(fields, names.REMINDER_DELTA)
    return _FIFTEEN if minutes in (None, _DEFAULT_REMINDER) else minutes


def _recurrence(
    node: Node, content: Content, fields: Fields, notes: list[str]
) -> RecurrenceView | None:
    raw = named_binary(fields, names.APPOINTMENT_RECUR)
    if not raw:
        return None
    zone = zone_of(fields, names.ZONE_RECUR, names.ZONE_START)
    return event_recurrence(raw, node, content, zone, notes)


def _links(fields: Fields) -> Labelled:
    found: dict[str, str] = {}
    for label, name in _LINKS:
        link = named_text(fields, name).strip()
        if link:
            found.setdefault(link, label)
    return tuple((label, link) for link, label in found.items())
