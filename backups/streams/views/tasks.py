"""What tasks (MS-OXOTASK), journal entries (MS-OXOJRNL) and notes (MS-OXONOTE) say."""

from __future__ import annotations

from datetime import date
from typing import Final

from backups.streams.native import names
from backups.streams.native.fields import Fields, span_of
from backups.streams.native.properties import PropertyName
from backups.streams.views.details import JournalView, Labelled, NoteView, TaskView
from backups.streams.views.recurrences import task_recurrence
from backups.streams.views.values import (
    chosen,
    day_of,
    kept_lines,
    named_binary,
    named_flag,
    named_number,
    named_text,
    named_texts,
    named_time,
)

_STATUSES: Final = ("Not started", "In progress", "Completed", "Waiting on others", "Deferred")
_COMPLETED: Final = 2
_ASSIGNMENTS: Final = ("", "assigned, not answered", "assigned, accepted", "assigned, declined")
_COLORS: Final = ("blue", "green", "pink", "yellow", "white")
_OTHER: Final = (("Mileage", names.MILEAGE), ("Billing", names.BILLING))
_LISTS: Final = (("Contacts", names.CONTACTS), ("Companies", names.COMPANIES))


def task_of(fields: Fields, notes: list[str]) -> TaskView:
    status = named_number(fields, names.TASK_STATUS)
    share = fields.named(names.PERCENT_COMPLETE)
    raw = named_binary(fields, names.TASK_RECURRENCE)
    reminder = named_flag(fields, names.REMINDER_SET)
    return TaskView(
        status=chosen(_STATUSES, status),
        percent=round(share * 100) if isinstance(share, float) and 0 <= share <= 1 else None,
        complete=named_flag(fields, names.TASK_COMPLETE) or status == _COMPLETED,
        start=_day(fields, names.TASK_START, names.COMMON_START),
        due=_day(fields, names.TASK_DUE, names.COMMON_END),
        completed=day_of(named_time(fields, names.TASK_COMPLETED)),
        owner=named_text(fields, names.TASK_OWNER),
        assigner=named_text(fields, names.TASK_ASSIGNER),
        assignment=chosen(_ASSIGNMENTS, named_number(fields, names.TASK_ACCEPTANCE_STATE)),
        estimated=named_number(fields, names.TASK_ESTIMATED_EFFORT) or None,
        actual=named_number(fields, names.TASK_ACTUAL_EFFORT) or None,
        reminder=named_time(fields, names.REMINDER_TIME) if reminder else None,
        recurrence=task_recurrence(raw, notes) if raw else None,
        other=_other(fields),
        kept=kept_lines(fields),
    )


def journal_of(fields: Fields) -> JournalView:
    start, end = span_of(fields)
    described = named_text(fields, names.LOG_TYPE_DESCRIPTION)
    return JournalView(
        type=described or named_text(fields, names.LOG_TYPE),
        start=start,
        end=end,
        minutes=named_number(fields, names.LOG_DURATION),
        other=_other(fields),
        kept=kept_lines(fields),
    )


def note_of(fields: Fields) -> NoteView:
    return NoteView(chosen(_COLORS, named_number(fields, names.NOTE_COLOR)))


def _day(fields: Fields, *choices: PropertyName) -> date | None:
    return next((day_of(day) for name in choices if (day := named_time(fields, name))), None)


def _other(fields: Fields) -> Labelled:
    single = [(label, named_text(fields, name)) for label, name in _OTHER]
    several = [(label, ", ".join(named_texts(fields, name))) for label, name in _LISTS]
    return tuple((label, text) for label, text in (*single, *several) if text)
