"""What events, contacts, tasks and journal entries say beside subject and body."""

from __future__ import annotations

from typing import Final

from backups.streams.calendars.recurrence import End, Pattern, decode
from backups.streams.calendars.zones import defined_name
from backups.streams.native import names, tags
from backups.streams.native.fields import Fields, clean, span_of
from backups.streams.native.properties import PropertyName, Value
from backups.streams.views.model import Facts

_BUSY: Final = ("Free", "Tentative", "Busy", "Out of office", "Working elsewhere")
_TASK: Final = ("Not started", "In progress", "Completed", "Waiting on others", "Deferred")
_CONTACT_TEXTS: Final = (
    ("Company", tags.COMPANY_NAME),
    ("Department", tags.DEPARTMENT_NAME),
    ("Job title", tags.TITLE),
    ("Profession", tags.PROFESSION),
    ("Business phone", tags.BUSINESS_TELEPHONE),
    ("Business phone 2", tags.BUSINESS_TELEPHONE_2),
    ("Mobile phone", tags.MOBILE_TELEPHONE),
    ("Home phone", tags.HOME_TELEPHONE),
    ("Home phone 2", tags.HOME_TELEPHONE_2),
    ("Primary phone", tags.PRIMARY_TELEPHONE),
    ("Other phone", tags.OTHER_TELEPHONE),
    ("Business fax", tags.BUSINESS_FAX),
    ("Home fax", tags.HOME_FAX),
    ("Nickname", tags.NICKNAME),
)
_CONTACT_ADDRESSES: Final = (
    ("Business address", names.WORK_ADDRESS),
    ("Home address", names.HOME_ADDRESS),
    ("Other address", names.OTHER_ADDRESS),
    ("Web page", names.WEB_PAGE),
    ("Instant messaging", names.INSTANT_MESSAGING),
)


def facts_of(fields: Fields) -> Facts:
    """(label, text) of what a preview shows above the body; empty for a mail. Times are in UTC."""
    kind = fields.text(tags.MESSAGE_CLASS).upper()
    found: list[tuple[str, str]] = []
    if kind.startswith(("IPM.APPOINTMENT", "IPM.OLE.CLASS.{00061055")):
        found = _event(fields)
    elif kind.startswith("IPM.CONTACT"):
        found = _contact(fields)
    elif kind.startswith("IPM.TASK"):
        found = _task(fields)
    elif kind.startswith("IPM.ACTIVITY"):
        found = _span(fields, ("Start", "End"))
    return tuple((label, value) for label, value in found if value)


def recurrence_text(pattern: Pattern) -> str:
    """A pattern in a few words, such as "weekly on MO, WE, 10 times"."""
    unit = pattern.frequency.name.lower()
    words = [unit if pattern.interval == 1 else f"{unit}, every {pattern.interval}"]
    days = [day for bit, day in enumerate(_DAYS) if pattern.weekdays >> bit & 1]
    if days:
        which = f" (number {pattern.nth})" if 0 < pattern.nth < 5 else " (last)" * bool(pattern.nth)
        words.append(f"on {', '.join(days)}{which}")
    if pattern.month_day:
        words.append(f"on day {pattern.month_day}")
    if pattern.end is End.COUNT:
        words.append(f"{pattern.count} times")
    elif pattern.last is not None:
        words.append(f"until {pattern.last.isoformat()}")
    return ", ".join(words)


_DAYS: Final = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")


def _event(fields: Fields) -> list[tuple[str, str]]:
    whole_day = fields.named(names.ALL_DAY)
    busy = fields.named(names.BUSY_STATUS)
    zone = fields.named(names.ZONE_START)
    return [
        *_span(fields, ("Start", "End")),
        ("All day", "yes" if whole_day else ""),
        ("Location", _text(fields, names.LOCATION)),
        ("Repeats", _repeats(fields)),
        ("Shown as", _BUSY[busy] if isinstance(busy, int) and 0 <= busy < len(_BUSY) else ""),
        ("Time zone", defined_name(zone) if isinstance(zone, bytes) else ""),
        ("Kept as text", _kept(fields)),
    ]


def _contact(fields: Fields) -> list[tuple[str, str]]:
    found = [("Name", fields.text(tags.DISPLAY_NAME))]
    for place in range(len(names.EMAILS)):
        found += [("E-mail", _text(fields, names.email(place, 3)))]
    found += [(label, fields.text(number)) for label, number in _CONTACT_TEXTS]
    found += [(label, _text(fields, name)) for label, name in _CONTACT_ADDRESSES]
    for label, number in (("Birthday", tags.BIRTHDAY), ("Anniversary", tags.WEDDING_ANNIVERSARY)):
        day = fields.time(number)
        found.append((label, day.date().isoformat() if day else ""))
    return [*found, ("Kept as text", _kept(fields))]


def _task(fields: Fields) -> list[tuple[str, str]]:
    status = fields.named(names.TASK_STATUS)
    share = fields.named(names.PERCENT_COMPLETE)
    return [
        *_span(fields, ("Start", "Due")),
        ("Status", _TASK[status] if isinstance(status, int) and 0 <= status < len(_TASK) else ""),
        ("Complete", f"{share:.0%}" if isinstance(share, float) and 0 <= share <= 1 else ""),
        ("Kept as text", _kept(fields)),
    ]


def _span(fields: Fields, labels: tuple[str, str]) -> list[tuple[str, str]]:
    whole_day = bool(fields.named(names.ALL_DAY))
    shown = []
    for label, moment in zip(labels, span_of(fields), strict=True):
        pattern = "%Y-%m-%d" if whole_day and moment and not moment.hour else "%Y-%m-%d %H:%M UTC"
        shown.append((label, moment.strftime(pattern) if moment else ""))
    return shown


def _repeats(fields: Fields) -> str:
    raw = fields.named(names.APPOINTMENT_RECUR)
    if not isinstance(raw, bytes):
        return ""
    try:
        series = decode(raw)
    except ValueError as error:
        return f"not readable: {error}"
    changed = f", {len(series.changes)} changed" if series.changes else ""
    left_out = f", {len(series.deleted)} left out" if series.deleted else ""
    return recurrence_text(series.pattern) + changed + left_out


def _kept(fields: Fields) -> str:
    value = fields.named(names.KEPT_LINES)
    lines = value if isinstance(value, list) else []
    return "\r\n".join(clean(str(line)) for line in lines)


def _text(fields: Fields, name: PropertyName) -> str:
    value: Value | None = fields.named(name)
    return clean(value) if isinstance(value, str) else ""
