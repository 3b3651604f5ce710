"""Content lines that an import had no place for, put back where the item does not say otherwise."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from icalendar import Component, vRecur, vText
from icalendar.prop import vBroken

from backups.streams.calendars.common import importance_of
from backups.streams.native import names, tags
from backups.streams.native.fields import Fields, clean

_ELSEWHERE: Final = frozenset({"ATTENDEE", "ORGANIZER", "RRULE"})
"""Kept lines that supplement what is written of the item itself, and are written with it."""
_SINGLE: Final = frozenset(
    {
        *("CLASS", "COMPLETED", "CREATED", "DESCRIPTION", "DTEND", "DTSTAMP", "DTSTART", "DUE"),
        *("DURATION", "GEO", "LAST-MODIFIED", "LOCATION", "PERCENT-COMPLETE", "PRIORITY"),
        *("RECURRENCE-ID", "SEQUENCE", "STATUS", "SUMMARY", "TRANSP", "UID", "URL"),
    }
)
"""Properties of which a component has one."""


def kept_lines(fields: Fields, kind: str) -> Component:
    """The lines as a component ``kind``; an empty one when they can't be read."""
    value = fields.named(names.KEPT_LINES)
    lines = [str(line) for line in value] if isinstance(value, list) else []
    for tried in (lines, [line for line in lines if _reads(kind, [line])]):
        found = _component(kind, tried)
        if found is not None:
            return found
    return Component()


def kept_rules(kept: Component) -> list[dict[str, list[object]]]:
    """The RRULEs among the kept lines."""
    found = kept.get("RRULE")
    rules = found if isinstance(found, list) else [found]
    return [
        {str(key): list(values) for key, values in rule.items()}
        for rule in rules
        if isinstance(rule, vRecur)
    ]


def add_kept(component: Component, fields: Fields, kept: Component) -> None:
    """Put the lines back; what the item says of the same thing comes first."""
    _agree(component, fields, kept)
    for name, found in kept.items():
        if name in _ELSEWHERE:
            continue
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, vBroken):
                # As it stands, other readers would refuse the whole file.
                component.add(f"x-stowage-{name}", vText(str(one)), encode=False)
            elif name not in _SINGLE or name not in component:
                _say_days(one)
                component.add(name, one, encode=False)
    for inner in kept.subcomponents:
        if inner.name != "VALARM":
            component.add_component(inner)


def _say_days(value: object) -> None:
    """A list of days says that it is one, which lines of some writers leave out."""
    days = [getattr(one, "dt", None) for one in getattr(value, "dts", [])]
    if days and all(isinstance(day, date) and not isinstance(day, datetime) for day in days):
        getattr(value, "params", {})["VALUE"] = "DATE"


def _agree(component: Component, fields: Fields, kept: Component) -> None:
    """The finer word of a line, where it means what the item says."""
    priority = str(kept.get("PRIORITY", "")).strip()
    importance = fields.integer(tags.IMPORTANCE)
    if priority.isdecimal() and importance_of(int(priority)) == (
        1 if importance is None else importance
    ):
        component.pop("PRIORITY", None)
    if "CLASS" in kept and not fields.integer(tags.SENSITIVITY):
        component.pop("CLASS", None)


def _reads(kind: str, lines: list[str]) -> bool:
    return _component(kind, lines) is not None


def _component(kind: str, lines: list[str]) -> Component | None:
    text = "\r\n".join((f"BEGIN:{kind}", *lines, f"END:{kind}", ""))
    try:
        found = Component.from_ical(clean(text))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return found if isinstance(found, Component) else None
