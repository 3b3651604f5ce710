"""An occurrence of a series that differs, read over the series (MS-OXOCAL 2.2.10).

The message inside an exception says what is its own; what it doesn't say is as the recurrence
says of this change, else as the series has it.
"""

from __future__ import annotations

from typing import Final

from backups.streams.calendars.exceptions import Change
from backups.streams.native import names, tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields
from backups.streams.native.properties import PropertyName, Value
from backups.streams.native.tokens import Node

_BODIES: Final = (tags.BODY, tags.HTML)
_INHERITED: Final = frozenset(
    {
        tags.SUBJECT,
        tags.SENSITIVITY,
        tags.IMPORTANCE,
        tags.INTERNET_CODEPAGE,
        tags.SENT_REPRESENTING_NAME,
        tags.SENT_REPRESENTING_EMAIL_ADDRESS,
        tags.SENT_REPRESENTING_SMTP_ADDRESS,
        *_BODIES,
    }
)
_INHERITED_NAMES: Final = frozenset(
    {
        names.LOCATION,
        names.BUSY_STATUS,
        names.ALL_DAY,
        names.REMINDER_SET,
        names.REMINDER_DELTA,
        names.APPOINTMENT_SEQUENCE,
        names.CLEAN_GLOBAL_OBJECT_ID,
    }
)


class Occurrence(Fields):
    """The properties of the exception's message at ``node``, over those of its ``series``."""

    def __init__(self, node: Node, content: Content, series: Fields, change: Change | None) -> None:
        super().__init__(node, content, [])
        self._series = series
        self._change = change
        own = any(self.has(number) for number in (*_BODIES, tags.RTF_COMPRESSED))
        self._own_body = own or (change is not None and change.body)

    def value(self, number: int) -> Value | None:
        own = super().value(number)
        if own is not None or number not in _INHERITED:
            return own
        if number in _BODIES and self._own_body:
            return None
        changed = self._change.subject if self._change is not None else None
        if number == tags.SUBJECT and changed is not None:
            return changed
        return self._series.value(number)

    def named(self, name: PropertyName) -> Value | None:
        own = super().named(name)
        if own is not None or name not in _INHERITED_NAMES:
            return own
        said = self._said(name)
        return self._series.named(name) if said is None else said

    def _said(self, name: PropertyName) -> Value | None:
        change = self._change
        if change is None:
            return None
        if name == names.REMINDER_SET and change.reminder_set is not None:
            return bool(change.reminder_set)
        if name == names.ALL_DAY and change.sub_type is not None:
            return bool(change.sub_type)
        values: dict[PropertyName, Value | None] = {
            names.LOCATION: change.location,
            names.BUSY_STATUS: change.busy_status,
            names.REMINDER_DELTA: change.reminder_delta,
        }
        return values.get(name)
