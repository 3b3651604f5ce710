"""Meetings in mail: requests, answers and cancellations (RFC 5546, MS-OXCICAL, MS-OXOCAL 2.2.5)."""

from __future__ import annotations

from dataclasses import dataclass

from backups.streams.native.assembly import Draft
from backups.streams.native.content import Content
from backups.streams.native.tokens import Node


@dataclass(frozen=True, slots=True)
class Meeting:
    """What the text/calendar part of a mail asks for.

    ``draft`` is the meeting as a message object: its class (also in ``item_class``), dates,
    place, recurrence, organizer, attendees as recipients, exceptions as attachments, body. The
    mail it came in may override subject, bodies and recipients. ``method`` is in capitals,
    ``item_class`` such as IPM.Schedule.Meeting.Request.
    """

    method: str
    item_class: str
    draft: Draft
    notes: tuple[str, ...] = ()


def read_meeting(raw: bytes) -> Meeting | None:
    """The meeting in a text/calendar part; None when it is none that Outlook has an item for.

    That is: no METHOD that is known (a calendar file sent along is a file), or no event that can
    be read. Never raises.
    """
    return None


def invitation(node: Node, content: Content, method: str = "") -> bytes:
    """The text/calendar part of the meeting message (or appointment) at ``node``, CRLF line ends.

    ``method`` defaults to what the item's class says (``method_of``). Raises MailError for an
    item that has no date.
    """
    raise NotImplementedError


def method_of(item_class: str) -> str:
    """REQUEST, REPLY, CANCEL or PUBLISH for an item's class; empty for what is no meeting."""
    kind = item_class.upper()
    for prefix, method in _METHODS:
        if kind.startswith(prefix):
            return method
    return ""


_METHODS = (
    ("IPM.SCHEDULE.MEETING.REQUEST", "REQUEST"),
    ("IPM.SCHEDULE.MEETING.CANCELED", "CANCEL"),
    ("IPM.SCHEDULE.MEETING.RESP.", "REPLY"),
    ("IPM.APPOINTMENT", "PUBLISH"),
)
