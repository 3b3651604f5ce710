"""The detail of an item as labelled values, and as plain text for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final, TypeAlias

from backups.streams.views.details import (
    ContactView,
    Detail,
    DistributionListView,
    EventView,
    JournalView,
    MeetingView,
    NoteView,
    RecurrenceView,
    ReportView,
    RightsProtectedView,
    SignedView,
    TaskView,
)
from backups.streams.views.model import Facts

Row: TypeAlias = tuple[str, str | date | datetime]
"""A label and a text, a day, or a moment in UTC."""

_SHOWN: Final = frozenset({"time", "subject", "location"})

Rows = Iterator[tuple[str, str | date | datetime | None]]


def facts_of(detail: Detail | None) -> Facts:
    """What a preview shows above the body, with times in UTC; empty for a mail and for a mere
    list of properties."""
    rows = [(label, _as_text(value)) for label, value in rows_of(detail)]
    return (*rows, *((label, text) for label, text in _listed(detail) if text))


def rows_of(detail: Detail | None) -> tuple[Row, ...]:
    """What a detail says, but for its people and its changed occurrences, which are tables."""
    return tuple((label, value) for label, value in _rows(detail) if value)


def person_text(name: str, address: str) -> str:
    """ "Name <address>", or what there is of it."""
    return f"{name} <{address}>" if name and address and name != address else name or address


def _rows(detail: Detail | None) -> Rows:
    if isinstance(detail, EventView):
        yield from _event(detail)
    elif isinstance(detail, MeetingView):
        yield from _meeting(detail)
    elif isinstance(detail, ContactView):
        yield from _contact(detail)
    elif isinstance(detail, DistributionListView):
        yield "Name", detail.name
    elif isinstance(detail, TaskView):
        yield from _task(detail)
    elif isinstance(detail, NoteView):
        yield "Color", detail.color
    elif isinstance(detail, JournalView):
        yield from _journal(detail)
    elif isinstance(detail, ReportView):
        yield from _report(detail)
    elif isinstance(detail, SignedView):
        yield "Protected", str(detail.protection)
        yield "Signed by", ", ".join(f"{name} (not verified)" for name in detail.signers)
        yield "Attached inside", ", ".join(detail.files)
    elif isinstance(detail, RightsProtectedView):
        yield "Protected", "by rights: only programs of its organization can open it"


def _event(event: EventView) -> Rows:
    if event.all_day and event.first_day and event.last_day:
        yield "First day", event.first_day
        yield "Last day", event.last_day
        yield "All day", "yes"
    else:
        yield "Start", event.start
        yield "End", event.end
    yield "Cancelled", "yes" if event.cancelled else ""
    yield "Location", event.location
    yield from _recurrence(event.recurrence)
    yield "Organizer", person_text(*event.organizer)
    yield "My answer", event.my_response
    yield "Shown as", event.busy
    yield "Private", "yes" if event.private else ""
    yield "Reminder", _reminder(event.reminder_minutes)
    if event.zone is not None:
        yield "Time zone", ": ".join(part for part in (event.zone.name, event.zone.rule) if part)
    yield from event.links
    yield "Kept as text", event.kept


def _recurrence(recurrence: RecurrenceView | None) -> Rows:
    if recurrence is not None:
        yield "Repeats", recurrence.words
        yield "Left out", ", ".join(day.isoformat() for day in recurrence.deleted)


def _meeting(meeting: MeetingView) -> Rows:
    yield "Meeting", f"{meeting.step}, an update" if meeting.is_update else str(meeting.step)
    if meeting.proposed is not None:
        yield "Proposed start", meeting.proposed[0]
        yield "Proposed end", meeting.proposed[1]
    yield from _event(meeting.event)


def _contact(contact: ContactView) -> Rows:
    yield "Name", contact.name
    yield "Filed as", contact.file_as if contact.file_as != contact.name else ""
    yield from contact.names
    yield from contact.work
    for shown, address in contact.emails:
        yield "E-mail", address or shown
    for group in (contact.phones, contact.addresses, contact.web, contact.people):
        yield from group
    yield "Birthday", contact.birthday
    yield "Anniversary", contact.anniversary
    yield from contact.other
    yield "Kept as text", contact.kept


def _task(task: TaskView) -> Rows:
    yield "Start", task.start
    yield "Due", task.due
    yield "Status", task.status
    yield "Complete", "" if task.percent is None else f"{task.percent}%"
    yield "Completed on", task.completed
    yield "Owner", task.owner
    yield "Assigned by", task.assigner
    yield "Assignment", task.assignment
    yield from _recurrence(task.recurrence)
    yield "Reminder", task.reminder
    yield "Estimated work", _duration(task.estimated)
    yield "Work so far", _duration(task.actual)
    yield from task.other
    yield "Kept as text", task.kept


def _journal(entry: JournalView) -> Rows:
    yield "Type", entry.type
    yield "Start", entry.start
    yield "End", entry.end
    yield "Duration", _duration(entry.minutes)
    yield from entry.other
    yield "Kept as text", entry.kept


def _report(report: ReportView) -> Rows:
    yield "Report", str(report.outcome)
    yield "Subject of the message", report.subject
    yield "Message id", report.message_id
    yield "Message sent", report.sent_at
    yield "Reported", report.reported_at


def _listed(detail: Detail | None) -> Iterator[tuple[str, str]]:
    """The tables of a detail, a line for each entry."""
    event = detail.event if isinstance(detail, MeetingView) else detail
    if isinstance(event, EventView | TaskView) and event.recurrence is not None:
        for change in event.recurrence.exceptions:
            parts = [f"begins {_as_text(change.start)}"] if "time" in change.changed else []
            parts += [text for text in (change.subject, change.location) if text]
            parts += [what for what in change.changed if what not in _SHOWN]
            yield (
                "Changed",
                f"{_as_text(change.original)}: {', '.join(parts) or 'no visible change'}",
            )
    if isinstance(event, EventView):
        for attendee in event.attendees:
            shown = person_text(attendee.name, attendee.address)
            answered = attendee.response and attendee.response != attendee.role
            response = f", {attendee.response}" if answered else ""
            yield "Attendee", f"{shown} ({attendee.role}{response})"
    if isinstance(detail, DistributionListView):
        for member in detail.members:
            yield "Member", person_text(member.name, member.address) or member.kind
    if isinstance(detail, ReportView):
        for person in detail.recipients:
            shown = person_text(person.name, person.address)
            said = (person.status, person.reason, person.diagnostic, person.server)
            yield "Recipient", "; ".join(part for part in (shown, *said) if part)


def _as_text(value: str | date | datetime) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M UTC")
    return value.isoformat() if isinstance(value, date) else value


def _reminder(minutes: int | None) -> str:
    return "" if minutes is None else f"{_duration(minutes)} before"


def _duration(minutes: int | None) -> str:
    if minutes is None or minutes < 0:
        return ""
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"
