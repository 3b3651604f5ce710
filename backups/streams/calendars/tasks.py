"""From tasks and journal entries of a calendar file to items (MS-OXOTASK, MS-OXOJRNL)."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from backups.streams.calendars.alarms import add_task_reminder
from backups.streams.calendars.common import add_files, begin, finish
from backups.streams.calendars.component import Entry, Moment
from backups.streams.calendars.people import person
from backups.streams.calendars.recurrence import Recurrence, encode_pattern
from backups.streams.calendars.rules import Inexpressible, pattern_of, says_the_same
from backups.streams.calendars.zones import FLOATING, add_registry_zone, add_zone
from backups.streams.native import names
from backups.streams.native.assembly import Draft, representing
from backups.streams.native.item import Item
from backups.streams.native.properties import FLOATING64

STATUSES: Final = {"NEEDS-ACTION": 0, "IN-PROCESS": 1, "COMPLETED": 2, "CANCELLED": 4}
"""PidLidTaskStatus of a STATUS; Outlook calls the last one deferred."""

_COMPLETED: Final = 2


def task(entry: Entry) -> Item:
    """The task of a VTODO.

    Outlook keeps days; of a date with a time, the item says the time also in PidLidCommonStart and
    PidLidCommonEnd, and its zone.
    """
    draft = begin(entry, "IPM.Task")
    start, due = entry.moment("DTSTART"), entry.moment("DUE")
    for names_of, moment in (
        ((names.TASK_START, names.COMMON_START), start),
        ((names.TASK_DUE, names.COMMON_END), due),
    ):
        if moment is not None:
            draft.name_time(names_of[0], moment.local.replace(tzinfo=UTC))
            draft.name_time(names_of[1], moment.utc)
    timed = next((moment for moment in (due, start) if moment and not moment.whole_day), None)
    if timed is not None:
        _add_zone(entry, draft, timed)
    _add_state(entry, draft)
    _repeat(entry, draft, start or due)
    for value in entry.values("ORGANIZER")[:1]:
        draft.add(*representing(*person(value)))
        entry.taken.discard("ORGANIZER")
    add_task_reminder(entry, draft, start, due)
    add_files(entry, draft)
    return finish(entry, draft)


def journal_entry(entry: Entry) -> Item:
    """The journal entry of a VJOURNAL, which has no end there."""
    draft = begin(entry, "IPM.Activity")
    start = entry.moment("DTSTART")
    draft.name_text(names.LOG_TYPE, "Journal")
    if start is not None:
        draft.name_time(names.LOG_START, start.utc)
        draft.name_time(names.COMMON_START, start.utc)
        if start.whole_day:
            draft.name_flag(names.ALL_DAY, True)
        _add_zone(entry, draft, start)
    add_files(entry, draft)
    return finish(entry, draft)


def _add_zone(entry: Entry, draft: Draft, moment: Moment) -> None:
    name = FLOATING if moment.floating else moment.zone_name
    if moment.floating:
        entry.notes.append(f"dates without a time zone are read as {moment.zone_name}")
    add_registry_zone(draft, moment.zone, name, moment.local)
    add_zone(draft, (names.ZONE_START,), moment.zone, moment.zone_name, moment.local)


def _add_state(entry: Entry, draft: Draft) -> None:
    done = entry.moment("COMPLETED")
    if done is not None:
        draft.name_time(names.TASK_COMPLETED, done.utc)
    said = entry.text("STATUS").strip().upper()
    status = STATUSES.get(said, _COMPLETED if done else 0)
    percent = entry.text("PERCENT-COMPLETE").strip()
    plain = percent.isascii() and percent.isdecimal()
    share = min(int(percent[:4]), 100) / 100 if plain else float(status == _COMPLETED)
    draft.name_integer(names.TASK_STATUS, status)
    draft.name_flag(names.TASK_COMPLETE, status == _COMPLETED)
    draft.named.append((names.PERCENT_COMPLETE, FLOATING64, share))
    if said == "CANCELLED":
        entry.keep_lines("STATUS")


def _repeat(entry: Entry, draft: Draft, start: Moment | None) -> None:
    rules = entry.values("RRULE")
    draft.name_flag(names.TASK_RECURRING, False)
    if not rules:
        entry.taken.discard("RRULE")
        return
    try:
        if len(rules) > 1 or start is None:
            raise Inexpressible("more than one rule, or no date")
        rule = {str(key): list(values) for key, values in rules[0].items()}  # type: ignore[attr-defined]
        pattern = pattern_of(rule, start.local, start.zone)
        raw = encode_pattern(Recurrence(pattern, 0, 0))
    except (Inexpressible, ValueError, TypeError) as error:
        entry.keep("RRULE", str(error))
        return
    draft.named = [named for named in draft.named if named[0] != names.TASK_RECURRING]
    draft.name_flag(names.TASK_RECURRING, True)
    draft.name_flag(names.TASK_DEAD_OCCURRENCE, False)
    draft.name_binary(names.TASK_RECURRENCE, raw)
    if not says_the_same(pattern, rule):
        entry.keep_lines("RRULE")
    if "EXDATE" in entry.component:
        entry.keep("EXDATE", "a recurring task leaves out no dates")
