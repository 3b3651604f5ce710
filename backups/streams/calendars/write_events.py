"""Events of a calendar file from appointments and meeting messages (MS-OXCICAL)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from icalendar import Component, Event, vRecur

from backups.streams.calendars.alarms import write_reminder
from backups.streams.calendars.bodies import add_files
from backups.streams.calendars.dates import Clock
from backups.streams.calendars.exceptions import Change
from backups.streams.calendars.identity import occurrence_of
from backups.streams.calendars.lines import add_kept, kept_lines, kept_rules
from backups.streams.calendars.occurrence import Occurrence
from backups.streams.calendars.people import CANCELLED, write_people
from backups.streams.calendars.recurrence import Recurrence, decode, start_of
from backups.streams.calendars.write_common import add_common, add_text, integer_of, rule_for
from backups.streams.calendars.zones import is_floating, zone_of
from backups.streams.errors import MailError
from backups.streams.native import names
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, is_exception, span_of
from backups.streams.native.tokens import Node, Owner

BUSY: Final = {0: "FREE", 1: "TENTATIVE", 2: "BUSY", 3: "OOF", 4: "WORKINGELSEWHERE"}


@dataclass(frozen=True, slots=True)
class Written:
    """The components of an item, what their dates go by, and the calendar of their rules."""

    components: list[Component]
    clocks: tuple[Clock, ...]
    calendar: str = ""


def write_events(node: Node, content: Content, *, alone: bool = False) -> Written:
    """The event at ``node`` and the occurrences of it that differ; ``alone`` without these.

    Raises MailError for an event without a date, ValueError for a damaged recurrence.
    """
    fields = Fields(node, content, [])
    floating = is_floating(fields)
    clock = Clock(zone_of(fields, names.ZONE_START, names.ZONE_RECUR, names.ZONE_END), floating)
    raw = fields.named(names.APPOINTMENT_RECUR)
    series = decode(raw) if isinstance(raw, bytes) and not alone else None
    if series is not None:
        # A series repeats by the clock of its own zone, in whichever it is shown.
        clock = Clock(zone_of(fields, names.ZONE_RECUR, names.ZONE_START), floating)
    end_clock = Clock(zone_of(fields, names.ZONE_END), floating)
    if series is not None or not isinstance(fields.named(names.ZONE_END), bytes):
        end_clock = clock
    event, kept = _event(fields, node, content, clock, end_clock)
    components: list[Component] = [event]
    calendar = ""
    if series is not None:
        _repeat(event, series, clock, kept, bool(fields.named(names.ALL_DAY)))
        calendar = series.pattern.calendar_name
        components += _occurrences(node, content, fields, event, series, clock)
    else:
        _add_occurrence_of(event, fields, clock)
    for rule in kept_rules(kept) if "RRULE" not in event else ():
        event.add("rrule", vRecur(rule))
    return Written(components, (clock, end_clock), calendar)


def _event(
    fields: Fields, node: Node, content: Content, clock: Clock, end_clock: Clock
) -> tuple[Event, Component]:
    event = Event()
    kept = kept_lines(fields, "VEVENT")
    add_common(event, fields)
    start, end = span_of(fields)
    if start is None:
        raise MailError("the event has no date")
    end = end or start
    if fields.named(names.ALL_DAY):
        first, last = clock.day(start), clock.day(end)
        event.add("dtstart", first)
        event.add("dtend", max(last, first + timedelta(days=1)))
    else:
        clock.add(event, "dtstart", start)
        end_clock.add(event, "dtend", max(end, start))
    add_text(event, "location", fields.named(names.LOCATION))
    _add_state(event, fields)
    write_people(event, node, content, kept)
    write_reminder(event, fields, kept.walk("VALARM"))
    add_files(event, node, content)
    add_kept(event, fields, kept)
    return event, kept


def _add_state(event: Event, fields: Fields) -> None:
    busy = integer_of(fields, names.BUSY_STATUS, 2)
    event.add("transp", "TRANSPARENT" if busy == 0 else "OPAQUE")
    event.add("x-microsoft-cdo-busystatus", BUSY.get(busy, "BUSY"))
    intended = fields.named(names.INTENDED_BUSY_STATUS)
    if isinstance(intended, int) and intended in BUSY:
        event.add("x-microsoft-cdo-intendedstatus", BUSY[intended])
    if fields.named(names.NO_PROPOSALS):
        event.add("x-microsoft-disallow-counter", "TRUE")
    if integer_of(fields, names.STATE_FLAGS, 0) & CANCELLED:
        event.add("status", "CANCELLED")
    elif busy == 1:
        event.add("status", "TENTATIVE")
    event.add("sequence", max(integer_of(fields, names.APPOINTMENT_SEQUENCE, 0), 0))


def _repeat(
    event: Event, series: Recurrence, clock: Clock, kept: Component, whole_day: bool
) -> None:
    start = start_of(series, series.pattern.first)
    rule = rule_for(series, start, clock, kept, whole_day)
    foreign = "x-microsoft-" if series.pattern.calendar_name else ""
    event.add(f"{foreign}rrule", vRecur(rule))
    for day in series.deleted:
        if whole_day:
            event.add(f"{foreign}exdate", day, parameters={"VALUE": "DATE"})
        else:
            clock.add_local(event, f"{foreign}exdate", start_of(series, day))


def _occurrences(
    node: Node, content: Content, fields: Fields, event: Event, series: Recurrence, clock: Clock
) -> Iterator[Event]:
    """The occurrences that differ: those with a message of their own, then those without."""
    changes = {change.original: change for change in series.changes}
    for attachment in node.nodes(Owner.ATTACHMENT):
        if not is_exception(attachment, content):
            continue
        for message in attachment.nodes(Owner.MESSAGE):
            change = _change_of(message, content, changes, clock)
            if change is not None:
                changes.pop(change.original, None)
            inner = Occurrence(message, content, fields, change)
            changed, _ = _event(inner, message, content, clock, clock)
            changed["UID"] = event["UID"]
            if _add_replaced(changed, inner, change, clock, whole_day=_is_day(event)):
                yield changed
    for change in changes.values():
        yield _without_message(event, change, clock)


def _change_of(
    message: Node, content: Content, changes: dict[datetime, Change], clock: Clock
) -> Change | None:
    replaced = Fields(message, content, []).named(names.EXCEPTION_REPLACE_TIME)
    if not isinstance(replaced, datetime):
        return None
    local = clock.local(replaced)
    same_day = (one for one in changes.values() if one.original.date() == local.date())
    return changes.get(local) or next(same_day, None)


def _add_replaced(
    changed: Event, inner: Fields, change: Change | None, clock: Clock, *, whole_day: bool
) -> bool:
    """RECURRENCE-ID; False when nothing says which occurrence it is."""
    replaced = inner.named(names.EXCEPTION_REPLACE_TIME)
    if change is not None:
        original = change.original
    elif isinstance(replaced, datetime):
        original = clock.local(replaced)
    else:
        return False
    if whole_day:
        changed.add("recurrence-id", original.date())
    else:
        clock.add_local(changed, "recurrence-id", original)
    return True


def _without_message(event: Event, change: Change, clock: Clock) -> Event:
    """An occurrence of which the recurrence alone says what is different."""
    changed = Event()
    left_out = ("DTSTART", "DTEND", "RRULE", "EXDATE", "RDATE", "RECURRENCE-ID", "ATTACH")
    for name, value in event.items():
        if name not in left_out:
            changed[name] = value
    for name, said in (("SUMMARY", change.subject), ("LOCATION", change.location)):
        if said is not None:
            changed.pop(name, None)
            add_text(changed, name, said)
    if change.busy_status is not None:
        changed["X-MICROSOFT-CDO-BUSYSTATUS"] = BUSY.get(change.busy_status, "BUSY")
        changed["TRANSP"] = "TRANSPARENT" if change.busy_status == 0 else "OPAQUE"
    if _is_day(event):
        changed.add("dtstart", change.start.date())
        changed.add("dtend", change.end.date())
        changed.add("recurrence-id", change.original.date())
    else:
        clock.add_local(changed, "dtstart", change.start)
        clock.add_local(changed, "dtend", change.end)
        clock.add_local(changed, "recurrence-id", change.original)
    return changed


def _is_day(event: Event) -> bool:
    return not isinstance(getattr(event.get("DTSTART"), "dt", None), datetime)


def _add_occurrence_of(event: Event, fields: Fields, clock: Clock) -> None:
    """RECURRENCE-ID of an item that is itself an occurrence, as meeting messages may be."""
    replaced = fields.named(names.EXCEPTION_REPLACE_TIME)
    identity = fields.named(names.GLOBAL_OBJECT_ID)
    day = occurrence_of(identity) if isinstance(identity, bytes) else None
    if "RECURRENCE-ID" in event or (day is None and not isinstance(replaced, datetime)):
        return
    if isinstance(replaced, datetime):
        if _is_day(event):
            event.add("recurrence-id", clock.day(replaced))
        else:
            clock.add(event, "recurrence-id", replaced)
    elif day is not None:
        start = getattr(event.get("DTSTART"), "dt", None)
        if isinstance(start, datetime):
            clock.add_local(event, "recurrence-id", datetime.combine(day, start.time()))
        else:
            event.add("recurrence-id", day)
