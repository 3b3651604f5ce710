"""Recurrences in words, and the occurrences that differ (MS-OXOCAL 2.2.1.44, 2.2.10)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from backups.streams.calendars.exceptions import Change
from backups.streams.calendars.recurrence import (
    End,
    Frequency,
    Pattern,
    Recurrence,
    Shape,
    decode,
    decode_pattern,
)
from backups.streams.native import names
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, is_exception, note
from backups.streams.native.tokens import Node, Owner
from backups.streams.views.body import body_of
from backups.streams.views.details import ExceptionView, RecurrenceView
from backups.streams.views.plain import plain_text
from backups.streams.views.values import named_time

MAX_EXCEPTION_TEXT: Final = 4_000
"""Characters kept of the text of an occurrence that differs."""

_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    *("October", "November", "December"),
)
_SETS: Final = {0x7F: "day", 0x3E: "weekday", 0x41: "weekend day"}
_NTHS: Final = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "last"}
_UNITS: Final = {
    Frequency.DAILY: "day",
    Frequency.WEEKLY: "week",
    Frequency.MONTHLY: "month",
    Frequency.YEARLY: "year",
}
_NTH_SHAPES: Final = frozenset({"MONTH_NTH", "HIJRI_NTH"})
_END_SHAPES: Final = frozenset({"MONTH_END", "HIJRI_END"})


def event_recurrence(
    raw: bytes, node: Node, content: Content, zone: tzinfo, notes: list[str]
) -> RecurrenceView | None:
    """The recurrence of the event at ``node``; None with a note when it can't be read."""
    try:
        series = decode(raw)
    except ValueError as error:
        note(notes, f"recurrence: {error}")
        return None
    texts = dict(_exception_texts(node, content))
    exceptions = []
    for change in series.changes:
        try:
            exceptions.append(_exception(change, series, zone, texts))
        except (ValueError, OverflowError) as error:
            note(notes, f"changed occurrence: {error}")
    return _view(series, tuple(exceptions))


def task_recurrence(raw: bytes, notes: list[str]) -> RecurrenceView | None:
    """The recurrence of a task; None with a note when it can't be read."""
    try:
        return _view(decode_pattern(raw), ())
    except ValueError as error:
        note(notes, f"recurrence: {error}")
        return None


def words_of(pattern: Pattern) -> str:
    """A pattern in words, such as "Every 2 weeks on Monday, Friday, 10 times"."""
    unit = _UNITS[pattern.frequency]
    if pattern.shape is Shape.WEEK and pattern.frequency is Frequency.DAILY:
        unit = "week"
    every = f"every {unit}" if pattern.interval == 1 else f"every {pattern.interval} {unit}s"
    words = f"{_which_days(pattern)} {every}" if _is_monthly(pattern) else every
    if pattern.shape is Shape.WEEK:
        words = _weekly(pattern, every)
    if pattern.calendar_name:
        words += f" of the calendar {pattern.calendar_name}"
    if pattern.end is End.COUNT:
        words += f", {pattern.count} times"
    elif pattern.last is not None:
        words += f", until {pattern.last.isoformat()}"
    return words[0].upper() + words[1:]


def _is_monthly(pattern: Pattern) -> bool:
    return pattern.shape not in (Shape.DAY, Shape.WEEK)


def _weekly(pattern: Pattern, every: str) -> str:
    if pattern.weekdays in (0x3E, 0x7F) and pattern.interval == 1:
        return f"every {_SETS[pattern.weekdays]}"
    days = _weekdays(pattern.weekdays)
    return f"{every} on {', '.join(days)}" if days else every


def _which_days(pattern: Pattern) -> str:
    of = "of"
    if pattern.frequency is Frequency.YEARLY:
        of = f"of {_MONTHS[pattern.first.month - 1]}"
    if pattern.shape.name in _NTH_SHAPES:
        days = _SETS.get(pattern.weekdays) or " or ".join(_weekdays(pattern.weekdays)) or "day"
        return f"the {_NTHS.get(pattern.nth, f'{pattern.nth}th')} {days} {of}"
    if pattern.shape.name in _END_SHAPES or pattern.month_day > 30:
        return f"the last day {of}"
    return f"day {pattern.month_day} {of}"


def _weekdays(mask: int) -> list[str]:
    return [day for bit, day in enumerate(_DAYS) if mask >> bit & 1]


def _view(series: Recurrence, exceptions: tuple[ExceptionView, ...]) -> RecurrenceView:
    pattern = series.pattern
    words = words_of(pattern)
    return RecurrenceView(words, pattern.first, pattern.last, exceptions, series.deleted)


def _exception(
    change: Change, series: Recurrence, zone: tzinfo, texts: dict[datetime, str]
) -> ExceptionView:
    original = _to_utc(change.original, zone)
    text = texts.get(original)
    length = timedelta(minutes=series.end - series.start)
    changed = (
        ("time", change.start != change.original or change.end - change.start != length),
        ("subject", change.subject is not None),
        ("location", change.location is not None),
        ("text", change.body or text is not None),
        ("reminder", change.reminder_delta is not None or change.reminder_set is not None),
        ("shown as", change.busy_status is not None),
        ("attachments", change.attachment is not None),
        ("whole day", change.sub_type is not None),
    )
    return ExceptionView(
        original=original,
        start=_to_utc(change.start, zone),
        end=_to_utc(change.end, zone),
        subject=change.subject,
        location=change.location,
        text=text,
        changed=tuple(name for name, differs in changed if differs),
    )


def _exception_texts(node: Node, content: Content) -> Iterator[tuple[datetime, str]]:
    """The texts of the embedded messages, by when their occurrence would have begun."""
    for attachment in node.nodes(Owner.ATTACHMENT):
        if not is_exception(attachment, content):
            continue
        for message in attachment.nodes(Owner.MESSAGE):
            fields = Fields(message, content, [])
            original = named_time(fields, names.EXCEPTION_REPLACE_TIME)
            if original is None:
                continue
            body = body_of(fields, [])
            text = body.text or plain_text(body.html)
            if text.strip():
                yield original.replace(second=0, microsecond=0), text[:MAX_EXCEPTION_TEXT]


def _to_utc(local: datetime, zone: tzinfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)
