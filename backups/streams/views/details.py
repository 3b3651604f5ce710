"""What each kind of item says beside subject, people and body.

All times are aware and in UTC. Of what an item doesn't say, texts and tuples are empty, anything
else is None.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias

Labelled: TypeAlias = tuple[tuple[str, str], ...]
"""(label, text), such as ("Mobile phone", "+49 30 1")."""


class Step(enum.StrEnum):
    """What a meeting message does, by its class (MS-OXOCAL 2.2.6 to 2.2.9)."""

    REQUEST = "request"
    CANCELLATION = "cancellation"
    ACCEPTED = "accepted"
    TENTATIVE = "tentatively accepted"
    DECLINED = "declined"
    FORWARDED = "forward notification"
    OTHER = "meeting message"


class Outcome(enum.StrEnum):
    """What a report says of a message, by its class (MS-OXOMSG 2.2.2)."""

    DELIVERED = "delivered"
    NOT_DELIVERED = "not delivered"
    DELAYED = "delayed"
    READ = "read"
    NOT_READ = "not read"
    RELAYED = "relayed"
    EXPANDED = "expanded"
    OTHER = "report"


class Protection(enum.StrEnum):
    """How an S/MIME message is protected."""

    SIGNED_CLEAR = "signed, text readable"
    SIGNED_OPAQUE = "signed, text inside the signature"
    ENCRYPTED = "encrypted"
    UNKNOWN = "S/MIME"


@dataclass(frozen=True, slots=True)
class ZoneView:
    """``rule`` is in words, such as "UTC+01:00, daylight saving UTC+02:00 from the last Sunday of
    March 02:00 to the last Sunday of October 03:00"."""

    name: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class AttendeeView:
    """``role`` is organizer, required, optional or resource."""

    name: str
    address: str
    role: str
    response: str
    responded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExceptionView:
    """An occurrence that differs; ``changed`` names in what, None leaves it as the series has it.

    ``original`` is when it would have begun.
    """

    original: datetime
    start: datetime
    end: datetime
    subject: str | None = None
    location: str | None = None
    text: str | None = None
    changed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecurrenceView:
    """``words`` describe the pattern; ``deleted`` are the days that are left out. ``first`` and
    ``last`` are days in the series' time zone."""

    words: str
    first: date
    last: date | None
    exceptions: tuple[ExceptionView, ...] = ()
    deleted: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class EventView:
    """Of an event that lasts whole days, ``first_day`` and ``last_day`` (inclusive) are its days
    in its own time zone."""

    start: datetime | None = None
    end: datetime | None = None
    all_day: bool = False
    first_day: date | None = None
    last_day: date | None = None
    zone: ZoneView | None = None
    location: str = ""
    organizer: tuple[str, str] = ("", "")
    attendees: tuple[AttendeeView, ...] = ()
    my_response: str = ""
    busy: str = ""
    cancelled: bool = False
    private: bool = False
    reminder_minutes: int | None = None
    recurrence: RecurrenceView | None = None
    links: Labelled = ()
    kept: str = ""


@dataclass(frozen=True, slots=True)
class MeetingView:
    """``proposed`` is a new time that a response asks for."""

    step: Step
    event: EventView
    is_update: bool = False
    proposed: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True)
class ContactView:
    """``photo`` is the number of the attachment that shows the person."""

    name: str = ""
    file_as: str = ""
    names: Labelled = ()
    work: Labelled = ()
    emails: tuple[tuple[str, str], ...] = ()
    phones: Labelled = ()
    addresses: Labelled = ()
    web: Labelled = ()
    people: Labelled = ()
    dates: Labelled = ()
    other: Labelled = ()
    birthday: date | None = None
    anniversary: date | None = None
    photo: int | None = None
    kept: str = ""


@dataclass(frozen=True, slots=True)
class MemberView:
    """``kind`` is address, contact, list, user or group; a contact's address is not in the list
    itself unless a one-off id beside it has it."""

    name: str
    address: str
    kind: str


@dataclass(frozen=True, slots=True)
class DistributionListView:
    name: str
    members: tuple[MemberView, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskView:
    """``percent`` is 0 to 100; efforts are in minutes."""

    status: str = ""
    percent: int | None = None
    complete: bool = False
    start: date | None = None
    due: date | None = None
    completed: date | None = None
    owner: str = ""
    assigner: str = ""
    assignment: str = ""
    estimated: int | None = None
    actual: int | None = None
    reminder: datetime | None = None
    recurrence: RecurrenceView | None = None
    other: Labelled = ()
    kept: str = ""


@dataclass(frozen=True, slots=True)
class NoteView:
    color: str = ""


@dataclass(frozen=True, slots=True)
class JournalView:
    """``minutes`` is how long what the entry is about took."""

    type: str = ""
    start: datetime | None = None
    end: datetime | None = None
    minutes: int | None = None
    other: Labelled = ()
    kept: str = ""


@dataclass(frozen=True, slots=True)
class ReportRecipientView:
    """``status`` is an enhanced status code (RFC 3463) such as 5.1.1 where there is one."""

    name: str
    address: str
    status: str = ""
    reason: str = ""
    diagnostic: str = ""
    server: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReportView:
    outcome: Outcome
    recipients: tuple[ReportRecipientView, ...] = ()
    subject: str = ""
    message_id: str = ""
    sent_at: datetime | None = None
    reported_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedView:
    """``signers`` are names out of the certificates in the message. Nothing is verified.

    ``files`` are the names of the attachments inside the signed part.
    """

    protection: Protection
    signers: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RightsProtectedView:
    """``attachment`` is the number of the attachment that holds the encrypted message."""

    attachment: int | None = None


@dataclass(frozen=True, slots=True)
class PropertyView:
    """``value`` is shortened for people."""

    tag: int
    name: str
    type: str
    value: str


@dataclass(frozen=True, slots=True)
class PropertiesView:
    """``left_out`` counts the properties beyond those that are listed."""

    properties: tuple[PropertyView, ...] = ()
    left_out: int = 0


Detail: TypeAlias = (
    EventView
    | MeetingView
    | ContactView
    | DistributionListView
    | TaskView
    | NoteView
    | JournalView
    | ReportView
    | SignedView
    | RightsProtectedView
    | PropertiesView
)
