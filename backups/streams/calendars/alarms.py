"""Alarms and the reminder: Outlook has one, before the start of an event or at a time (MS-OXORMDR).

The first alarm that the reminder can say becomes it. Every alarm that says more, and all further
ones, stay with the item as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from icalendar import Alarm, Component
from icalendar.prop import vBroken

from backups.streams.calendars.component import Entry, Moment
from backups.streams.native import names
from backups.streams.native.assembly import Draft
from backups.streams.native.fields import Fields
from backups.streams.native.properties import PropertyName

_MINUTE: Final = timedelta(minutes=1)
_MAX: Final = 2**31 - 1
_PARAMS: Final = frozenset({"VALUE", "RELATED"})
_PLAIN: Final = frozenset({"ACTION", "TRIGGER", "DESCRIPTION"})


def add_reminder(entry: Entry, draft: Draft, start: Moment, end: datetime) -> None:
    """The reminder of an event."""
    alarms = entry.component.walk("VALARM")
    found = _first(alarms, start.utc, end, start)
    draft.name_flag(names.REMINDER_SET, found is not None)
    if found is not None:
        draft.name_integer(names.REMINDER_DELTA, found)
        draft.name_time(names.REMINDER_TIME, start.utc)
        draft.name_time(names.REMINDER_SIGNAL_TIME, start.utc - found * _MINUTE)
    _say(entry, alarms, made=found is not None)


def add_task_reminder(entry: Entry, draft: Draft, start: Moment | None, due: Moment | None) -> None:
    """The reminder of a task, which is a time and no distance."""
    alarms = entry.component.walk("VALARM")
    first, last = start or due, due or start
    when = None
    for alarm in alarms:
        trigger = _trigger(alarm)
        if isinstance(trigger, datetime):
            when = _utc(trigger, first)
        elif first is not None and last is not None and trigger is not None:
            when = (last if _of_end(alarm) else first).utc + trigger
        if when is not None:
            break
    draft.name_flag(names.REMINDER_SET, when is not None)
    if when is not None:
        draft.name_time(names.REMINDER_TIME, when)
        draft.name_time(names.REMINDER_SIGNAL_TIME, when)
    _say(entry, alarms, made=when is not None)


def write_reminder(component: Component, fields: Fields, kept: Sequence[Component]) -> None:
    """The alarm that the reminder of an event is; ``kept`` are the alarms it came with."""
    start = fields.named(names.START_WHOLE)
    end = fields.named(names.END_WHOLE)
    first = start if isinstance(start, datetime) else datetime(1970, 1, 1, tzinfo=UTC)
    last = end if isinstance(end, datetime) else first
    said = [_minutes(alarm, first, last, None) for alarm in kept]
    wanted = _number(fields, names.REMINDER_DELTA, 15) if _is_set(fields) else None
    if not isinstance(start, datetime):
        kept, said = [], []
    _write(component, kept, said, wanted, -(wanted or 0) * _MINUTE)


def write_task_reminder(component: Component, fields: Fields, kept: Sequence[Component]) -> None:
    """The alarm that the reminder of a task is."""
    when = fields.named(names.REMINDER_TIME)
    if not kept and _is_set(fields) and isinstance(when, datetime):
        component.add_component(_alarm(when))
    for alarm in kept:
        component.add_component(alarm)


def _write(
    component: Component,
    kept: Sequence[Component],
    said: list[int | None],
    wanted: int | None,
    trigger: timedelta,
) -> None:
    """Of the alarms that came with the item, the one that was the reminder goes when that is
    another now."""
    was = next((number for number, delta in enumerate(said) if delta is not None), None)
    changed = was is None or said[was] != wanted
    if wanted is not None and changed:
        component.add_component(_alarm(trigger))
    for number, alarm in enumerate(kept):
        if number != was or not changed:
            component.add_component(alarm)


def _alarm(trigger: timedelta | datetime) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", "Reminder")
    alarm.add("trigger", trigger)
    return alarm


def _first(
    alarms: Sequence[Component], start: datetime, end: datetime, local: Moment
) -> int | None:
    deltas = (_minutes(alarm, start, end, local) for alarm in alarms)
    return next((delta for delta in deltas if delta is not None), None)


def _minutes(alarm: Component, start: datetime, end: datetime, local: Moment | None) -> int | None:
    """Minutes before the start; None for an alarm after it or that can't be read."""
    trigger = _trigger(alarm)
    if trigger is None:
        return None
    if isinstance(trigger, datetime):
        before = start - _utc(trigger, local)
    else:
        before = -trigger if not _of_end(alarm) else start - end - trigger
    minutes = before // _MINUTE
    return minutes if 0 <= minutes <= _MAX else None


def _trigger(alarm: Component) -> timedelta | datetime | None:
    value = alarm.get("TRIGGER")
    found = None if isinstance(value, vBroken) else getattr(value, "dt", None)
    return found if isinstance(found, timedelta | datetime) else None


def _params(alarm: Component) -> dict[str, str]:
    params = getattr(alarm.get("TRIGGER"), "params", {})
    return {str(name).upper(): str(value) for name, value in params.items()}


def _of_end(alarm: Component) -> bool:
    return _params(alarm).get("RELATED", "START").upper() == "END"


def _utc(when: datetime, local: Moment | None) -> datetime:
    if when.tzinfo is None:
        when = when.replace(tzinfo=local.zone if local else UTC)
    return when.astimezone(UTC)


def _say(entry: Entry, alarms: Sequence[Component], *, made: bool) -> None:
    """Whether the alarms stay as text, and why."""
    if len(alarms) == 1 and made and _is_plain(alarms[0]):
        entry.taken.add("BEGIN:VALARM")
    elif len(alarms) > 1:
        entry.notes.append("Outlook has one reminder; the other alarms are kept as text")
    elif alarms and not made:
        entry.notes.append("VALARM is kept as text: a reminder is at the start or before it")


def _is_plain(alarm: Component) -> bool:
    """Whether a reminder says all that the alarm does."""
    params = _params(alarm)
    relative = isinstance(_trigger(alarm), timedelta)
    known = {str(name).upper() for name in alarm} <= _PLAIN and not alarm.subcomponents
    display = str(alarm.get("ACTION", "")).upper() == "DISPLAY"
    return relative and known and display and not _of_end(alarm) and set(params) <= _PARAMS


def _is_set(fields: Fields) -> bool:
    return bool(fields.named(names.REMINDER_SET))


def _number(fields: Fields, name: PropertyName, default: int) -> int:
    value = fields.named(name)
    return value if isinstance(value, int) and 0 <= value <= _MAX else default
