"""What events, tasks and journal entries of a calendar file have in common, from an item."""

from __future__ import annotations

from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Final

from icalendar import Component

from backups.streams.calendars.bodies import add_bodies, one_newline
from backups.streams.calendars.dates import Clock
from backups.streams.calendars.identity import uid_of
from backups.streams.calendars.lines import kept_rules
from backups.streams.calendars.recurrence import Recurrence
from backups.streams.calendars.rules import Inexpressible, pattern_of, rule_of
from backups.streams.native import names, tags
from backups.streams.native.fields import Fields, clean, span_of
from backups.streams.native.index import KEYWORDS
from backups.streams.native.properties import PropertyName

_CLASSES: Final = {1: "PRIVATE", 2: "PRIVATE", 3: "CONFIDENTIAL"}
_PRIORITIES: Final = {0: 9, 2: 1}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STAMPS: Final = (
    ("created", tags.CREATION_TIME),
    ("last-modified", tags.LAST_MODIFICATION_TIME),
)


def add_common(component: Component, fields: Fields) -> None:
    """UID, stamps, subject, bodies, class, importance and categories."""
    identity = fields.named(names.CLEAN_GLOBAL_OBJECT_ID) or fields.named(names.GLOBAL_OBJECT_ID)
    uid = uid_of(identity) if isinstance(identity, bytes) else ""
    component.add("uid", uid or _made_up_uid(fields))
    stamp = fields.time(tags.LAST_MODIFICATION_TIME) or fields.time(tags.CREATION_TIME)
    component.add("dtstamp", stamp or span_of(fields)[0] or _EPOCH)
    for name, number in _STAMPS:
        moment = fields.time(number)
        if moment is not None:
            component.add(name, moment)
    component.add("summary", fields.text(tags.SUBJECT))
    add_bodies(component, fields)
    sensitivity = fields.integer(tags.SENSITIVITY) or 0
    if sensitivity in _CLASSES:
        component.add("class", _CLASSES[sensitivity])
    importance = fields.integer(tags.IMPORTANCE)
    if importance in _PRIORITIES:
        component.add("priority", _PRIORITIES[importance])
    categories = fields.named(KEYWORDS)
    if isinstance(categories, list) and categories:
        component.add("categories", [clean(str(category)) for category in categories])


def add_text(component: Component, name: str, value: object) -> None:
    if isinstance(value, str) and value:
        component.add(name, one_newline(clean(value)))


def integer_of(fields: Fields, name: PropertyName, default: int) -> int:
    value = fields.named(name)
    return value if isinstance(value, int) else default


def rule_for(
    series: Recurrence, start: datetime, clock: Clock, kept: Component, whole_day: bool
) -> dict[str, object]:
    """The RRULE of a series whose first event begins at ``start``, local to ``clock``: the one
    that it came with, as long as that gives the pattern that the item has."""
    for known in kept_rules(kept):
        try:
            if pattern_of(known, start, clock.zone) == series.pattern:
                return dict(known)
        except (Inexpressible, ValueError, TypeError):
            continue
    rule = rule_of(series.pattern)
    until = rule.get("UNTIL")
    if isinstance(until, date) and not whole_day:
        last = datetime.combine(until, start.time())
        # In UTC, as the standard wants it where the series has a zone.
        rule["UNTIL"] = last if clock.floating else last.replace(tzinfo=clock.zone).astimezone(UTC)
    return rule


def _made_up_uid(fields: Fields) -> str:
    text = f"{fields.text(tags.SUBJECT)} {span_of(fields)[0]}"
    return f"{sha256(text.encode('utf-8', 'replace')).hexdigest()[:32]}@stowage"
