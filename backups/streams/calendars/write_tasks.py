"""Tasks and journal entries of a calendar file from items (MS-OXOTASK, MS-OXOJRNL)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from icalendar import Component, Journal, Todo, vCalAddress, vRecur

from backups.streams.calendars.alarms import write_task_reminder
from backups.streams.calendars.bodies import add_files
from backups.streams.calendars.dates import Clock
from backups.streams.calendars.lines import add_kept, kept_lines, kept_rules
from backups.streams.calendars.recurrence import Recurrence, decode_pattern
from backups.streams.calendars.write_common import add_common, integer_of, rule_for
from backups.streams.calendars.zones import is_floating, zone_of
from backups.streams.native import names
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, sender_of, span_of
from backups.streams.native.properties import PropertyName
from backups.streams.native.tokens import Node

_STATUS: Final = {
    0: "NEEDS-ACTION",
    1: "IN-PROCESS",
    2: "COMPLETED",
    3: "NEEDS-ACTION",
    4: "NEEDS-ACTION",
}
"""STATUS of a PidLidTaskStatus; one that waits or is deferred needs action still."""


def write_task(node: Node, content: Content) -> tuple[Component, Clock]:
    """The VTODO of the task at ``node``. A date is a day, unless the item has a zone for it."""
    fields = Fields(node, content, [])
    clock = Clock(zone_of(fields, names.ZONE_START), is_floating(fields))
    kept = kept_lines(fields, "VTODO")
    task = Todo()
    add_common(task, fields)
    dates = (
        ("dtstart", names.TASK_START, names.COMMON_START),
        ("due", names.TASK_DUE, names.COMMON_END),
    )
    for name, day, exact in dates:
        _add_date(task, name, fields, day, exact, clock)
    done = fields.named(names.TASK_COMPLETED)
    if isinstance(done, datetime):
        task.add("completed", done)
    task.add("status", _STATUS.get(integer_of(fields, names.TASK_STATUS, 0), "NEEDS-ACTION"))
    share = fields.named(names.PERCENT_COMPLETE)
    if isinstance(share, float) and 0 < share <= 1:
        task.add("percent-complete", round(share * 100))
    raw = fields.named(names.TASK_RECURRENCE)
    if isinstance(raw, bytes) and fields.named(names.TASK_RECURRING):
        _repeat(task, decode_pattern(raw), clock, kept)
    for rule in kept_rules(kept) if "RRULE" not in task else ():
        task.add("rrule", vRecur(rule))
    _add_people(task, fields, kept)
    write_task_reminder(task, fields, kept.walk("VALARM"))
    add_files(task, node, content)
    add_kept(task, fields, kept)
    return task, clock


def write_journal_entry(node: Node, content: Content) -> tuple[Component, Clock]:
    """The VJOURNAL of the journal entry at ``node``."""
    fields = Fields(node, content, [])
    clock = Clock(zone_of(fields, names.ZONE_START), is_floating(fields))
    kept = kept_lines(fields, "VJOURNAL")
    journal = Journal()
    add_common(journal, fields)
    start, _ = span_of(fields)
    if start is not None and fields.named(names.ALL_DAY):
        journal.add("dtstart", clock.day(start))
    elif start is not None:
        clock.add(journal, "dtstart", start)
    _add_people(journal, fields, kept)
    add_files(journal, node, content)
    add_kept(journal, fields, kept)
    return journal, clock


def _add_date(
    task: Todo,
    name: str,
    fields: Fields,
    day: PropertyName,
    exact: PropertyName,
    clock: Clock,
) -> None:
    shown, moment = fields.named(day), fields.named(exact)
    timed = isinstance(fields.named(names.ZONE_START), bytes)
    if timed and isinstance(moment, datetime):
        clock.add(task, name, moment)
    elif isinstance(shown, datetime):
        task.add(name, shown.date())
    elif isinstance(moment, datetime):
        task.add(name, moment)


def _repeat(task: Todo, series: Recurrence, clock: Clock, kept: Component) -> None:
    start = task.get("DTSTART") or task.get("DUE")
    first = getattr(start, "dt", None)
    if first is None:
        task.add("dtstart", series.pattern.first)
        first = series.pattern.first
    elif "DTSTART" not in task:
        # A rule counts from DTSTART, which Outlook does not ask for.
        task.add("dtstart", first)
    days = not isinstance(first, datetime)
    local = first if isinstance(first, datetime) else datetime(first.year, first.month, first.day)
    task.add("rrule", vRecur(rule_for(series, local.replace(tzinfo=None), clock, kept, days)))


def _add_people(component: Component, fields: Fields, kept: Component) -> None:
    """The lines of people that the item came with; Outlook has none for tasks but their owner."""
    for name in ("ORGANIZER", "ATTENDEE"):
        found = kept.get(name)
        for one in found if isinstance(found, list) else [found] if found is not None else []:
            component.add(name, one, encode=False)
    _, address = sender_of(fields)
    if "ORGANIZER" not in component and "@" in address:
        component.add("organizer", vCalAddress(f"mailto:{address}"), encode=False)
