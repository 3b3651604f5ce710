"""From the events of a calendar file to appointments (MS-OXOCAL, MS-OXCICAL)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from backups.streams.calendars.alarms import add_reminder
from backups.streams.calendars.common import add_files, begin
from backups.streams.calendars.component import Entry, Moment, length
from backups.streams.calendars.exceptions import Change
from backups.streams.calendars.identity import global_id
from backups.streams.calendars.people import add_people
from backups.streams.calendars.recurrence import Frequency, Recurrence, encode
from backups.streams.calendars.rules import Inexpressible, pattern_of, says_the_same
from backups.streams.calendars.zones import FLOATING, add_registry_zone, add_zone, to_utc
from backups.streams.errors import MailError
from backups.streams.native import names, tags
from backups.streams.native.assembly import Draft, flag, integer, text, time
from backups.streams.native.item import Attachment, Item
from backups.streams.native.properties import PropertyName

BUSY: Final = {
    "FREE": 0,
    "TENTATIVE": 1,
    "BUSY": 2,
    "OOF": 3,
    "OUTOFOFFICE": 3,
    "WORKINGELSEWHERE": 4,
}
"""PidLidBusyStatus by its name in X-MICROSOFT-CDO-BUSYSTATUS."""

_MINUTE: Final = timedelta(minutes=1)
_HALF_DAY: Final = timedelta(hours=12)
_EXCEPTION_CLASS: Final = "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}"
_RECURRENCE_TYPES: Final = {
    Frequency.DAILY: 1,
    Frequency.WEEKLY: 2,
    Frequency.MONTHLY: 3,
    Frequency.YEARLY: 4,
}
_MAX_SPAN: Final = 2**31 - 1


def appointment(
    entry: Entry, overrides: Iterable[Entry], item_class: str = "IPM.Appointment"
) -> Item:
    """The appointment of an event; ``overrides`` are the occurrences of it that differ.

    Raises MailError for an event without a date when it starts.
    """
    return appointment_draft(entry, overrides, item_class).item()


def appointment_draft(
    entry: Entry, overrides: Iterable[Entry], item_class: str = "IPM.Appointment"
) -> Draft:
    """``appointment`` before it is put in order."""
    start, span = _when(entry)
    draft = _appointment(entry, start, span, item_class)
    uid = entry.text("UID") or entry.label
    draft.name_binary(names.GLOBAL_OBJECT_ID, global_id(uid, None))
    draft.name_binary(names.CLEAN_GLOBAL_OBJECT_ID, global_id(uid, None))
    _repeat(entry, draft, start, span, list(overrides))
    draft.name_texts(names.KEPT_LINES, entry.kept_lines())
    return draft


def _when(entry: Entry) -> tuple[Moment, timedelta]:
    start = entry.moment("DTSTART")
    if start is None:
        raise MailError("it has no DTSTART")
    span = length(entry, start, "DTEND")
    if span > _MAX_SPAN * _MINUTE:
        raise MailError("it lasts longer than an item can say")
    return start, span


def _appointment(entry: Entry, start: Moment, span: timedelta, kind: str) -> Draft:
    draft = begin(entry, kind)
    draft.name_text(names.LOCATION, entry.text("LOCATION"))
    for name in (names.START_WHOLE, names.COMMON_START, names.CLIP_START):
        draft.name_time(name, start.utc)
    for name in (names.END_WHOLE, names.COMMON_END, names.CLIP_END):
        draft.name_time(name, start.utc + span)
    draft.name_integer(names.DURATION, int(span / _MINUTE))
    draft.name_flag(names.ALL_DAY, start.whole_day or _is_whole_day(entry, start, span))
    busy = _busy_status(entry)
    draft.name_integer(names.BUSY_STATUS, busy)
    intended = entry.text("X-MICROSOFT-CDO-INTENDEDSTATUS").strip().upper()
    if intended in BUSY:
        draft.name_integer(names.INTENDED_BUSY_STATUS, BUSY[intended])
    if entry.text("X-MICROSOFT-DISALLOW-COUNTER").strip().upper() == "TRUE":
        draft.name_flag(names.NO_PROPOSALS, True)
    if entry.text("STATUS").strip().upper() not in ("", "CANCELLED", "TENTATIVE"):
        entry.keep_lines("STATUS")
    sequence = entry.text("SEQUENCE").strip()
    plain = sequence.isascii() and sequence.isdecimal()
    draft.name_integer(names.APPOINTMENT_SEQUENCE, int(sequence[:9]) if plain else 0)
    _add_zones(entry, draft, start)
    add_people(entry, draft)
    add_reminder(entry, draft, start, start.utc + span)
    add_files(entry, draft)
    return draft


def _is_whole_day(entry: Entry, start: Moment, span: timedelta) -> bool:
    """Whether Outlook wrote a whole day as the times between which it lies."""
    said = entry.text("X-MICROSOFT-CDO-ALLDAYEVENT").strip().upper() == "TRUE"
    end = (start.utc + span).astimezone(start.zone)
    midnights = not start.local.time() and not end.time() and span > timedelta()
    return said and bool(midnights)


def _busy_status(entry: Entry) -> int:
    own = entry.text("X-MICROSOFT-CDO-BUSYSTATUS").strip().upper()
    transparent = entry.text("TRANSP").strip().upper() == "TRANSPARENT"
    status = entry.text("STATUS").strip().upper()
    if own in BUSY:
        return BUSY[own]
    if transparent:
        return BUSY["FREE"]
    return BUSY["TENTATIVE"] if status == "TENTATIVE" else BUSY["BUSY"]


def _add_zones(entry: Entry, draft: Draft, start: Moment) -> None:
    name = FLOATING if start.floating else start.zone_name
    if start.floating:
        entry.notes.append(f"dates without a time zone are read as {start.zone_name}")
    add_registry_zone(draft, start.zone, name, start.local)
    try:
        end = entry.moment("DTEND")
    except MailError:
        end = None
    places: tuple[PropertyName, ...] = (names.ZONE_START, names.ZONE_RECUR)
    if end is None or end.whole_day or end.floating or end.zone_name == start.zone_name:
        places = (names.ZONE_START, names.ZONE_END, names.ZONE_RECUR)
    else:
        add_zone(draft, (names.ZONE_END,), end.zone, end.zone_name, end.local)
    add_zone(draft, places, start.zone, start.zone_name, start.local)


def _repeat(
    entry: Entry, draft: Draft, start: Moment, span: timedelta, overrides: list[Entry]
) -> None:
    rules = entry.values("RRULE")
    excluded = entry.moments("EXDATE") if rules else []
    if not rules:
        entry.taken -= {"RRULE", "EXDATE"}
        draft.name_flag(names.RECURRING, False)
        if "RDATE" in entry.component:
            entry.keep("RDATE", "Outlook has no series of single dates")
        return
    files = len(draft.attachments)
    try:
        if len(rules) > 1 or "EXRULE" in entry.component:
            raise Inexpressible("more than one rule")
        rule = {str(key): list(values) for key, values in rules[0].items()}  # type: ignore[attr-defined]
        pattern = pattern_of(rule, start.local, start.zone)
        minutes = start.local.hour * 60 + start.local.minute
        changes = sorted(
            (_change(entry, start, override, draft) for override in overrides),
            key=lambda change: change.start,
        )
        days = [_original(moment, start).date() for moment in excluded]
        deleted = tuple(sorted(set(days) - {change.original.date() for change in changes}))
        series = Recurrence(pattern, minutes, minutes + span // _MINUTE, deleted, tuple(changes))
        raw = encode(series)
    except (Inexpressible, ValueError, TypeError) as error:
        del draft.attachments[files:]
        entry.keep("RRULE", str(error))
        entry.taken.discard("EXDATE")
        draft.name_flag(names.RECURRING, False)
        return
    draft.name_flag(names.RECURRING, True)
    draft.name_integer(names.RECURRENCE_TYPE, _RECURRENCE_TYPES[pattern.frequency])
    draft.name_binary(names.APPOINTMENT_RECUR, raw)
    if not says_the_same(pattern, rule):
        entry.keep_lines("RRULE")
        entry.notes.append("in a month without the day of RRULE, Outlook takes its last day")
    _keep_dates(entry, start, excluded)


def _keep_dates(entry: Entry, start: Moment, excluded: Sequence[Moment]) -> None:
    """Dates of a series that its pattern can't hold stay as text."""
    minutes = start.local.time()
    if any(not one.whole_day and _original(one, start).time() != minutes for one in excluded):
        entry.notes.append("EXDATE names times at which nothing begins; their days are left out")
    if "RDATE" in entry.component:
        entry.keep("RDATE", "a pattern holds no single dates")


def _local(moment: Moment, series: Moment) -> datetime:
    """``moment`` by the clock of the series."""
    if moment.whole_day or moment.floating:
        return moment.local
    return moment.utc.astimezone(series.zone).replace(tzinfo=None, fold=0)


def _original(moment: Moment, series: Moment) -> datetime:
    """The occurrence that ``moment`` names, by the clock of the series: of a whole day, the one
    nearest to a time; of an event with a time, the one on a day."""
    if series.whole_day:
        return datetime.combine((moment.local + _HALF_DAY).date(), series.local.time())
    if moment.whole_day:
        return datetime.combine(moment.local.date(), series.local.time())
    return _local(moment, series)


def _change(entry: Entry, series: Moment, override: Entry, draft: Draft) -> Change:
    """The change that an override makes to ``series``, the start of ``entry``, and its embedded
    message in ``draft``."""
    start, span = _when(override)
    original = override.moment("RECURRENCE-ID")
    if original is None:
        raise Inexpressible("an override without its date")
    local = _local(start, series)
    day = _original(original, series)
    inner = _appointment(override, start, span, _EXCEPTION_CLASS)
    inner.name_time(names.EXCEPTION_REPLACE_TIME, to_utc(day, series.zone))
    uid = override.text("UID") or override.label
    inner.name_binary(names.GLOBAL_OBJECT_ID, global_id(uid, day.date()))
    inner.name_binary(names.CLEAN_GLOBAL_OBJECT_ID, global_id(uid, None))
    inner.name_texts(names.KEPT_LINES, override.kept_lines())
    properties = [
        integer(tags.ATTACH_NUMBER, len(draft.attachments)),
        text(tags.DISPLAY_NAME, "Untitled"),
        integer(tags.ATTACH_METHOD, tags.ATTACH_EMBEDDED),
        integer(tags.RENDERING_POSITION, -1),
        time(tags.EXCEPTION_START, local.replace(tzinfo=series.utc.tzinfo)),
        time(tags.EXCEPTION_END, (local + span).replace(tzinfo=series.utc.tzinfo)),
        integer(tags.ATTACHMENT_FLAGS, tags.ATTACHMENT_IS_EXCEPTION),
        flag(tags.ATTACHMENT_HIDDEN, True),
    ]
    draft.attachments.append(Attachment(properties, inner.item()))
    busy = _busy_status(override)
    return Change(
        day,
        local,
        local + span,
        _other(override, entry, "SUMMARY"),
        _other(override, entry, "LOCATION"),
        busy_status=busy if busy != _busy_status(entry) else None,
        attachment=1 if inner.attachments else None,
        sub_type=int(start.whole_day) if start.whole_day != series.whole_day else None,
        body=_other(override, entry, "DESCRIPTION") is not None,
    )


def _other(override: Entry, entry: Entry, name: str) -> str | None:
    """What the occurrence says when that is not what the series says."""
    said = override.text(name)
    return said if said != entry.text(name) else None
