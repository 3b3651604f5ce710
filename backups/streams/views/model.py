"""What is shown of any item: people, dates, body, attachments, and the detail of its kind."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from backups.streams.views.details import Detail

Facts = tuple[tuple[str, str], ...]


class Kind(enum.StrEnum):
    """What an item is, by its class and, of a mail, by what is attached to it."""

    MESSAGE = "message"
    MEETING = "meeting"
    EVENT = "event"
    CONTACT = "contact"
    DISTRIBUTION_LIST = "distribution_list"
    TASK = "task"
    NOTE = "note"
    JOURNAL = "journal"
    REPORT = "report"
    SMIME = "smime"
    RIGHTS_PROTECTED = "rights_protected"
    OTHER = "other"

    @property
    def is_mail(self) -> bool:
        """Whether somebody sent it to somebody."""
        return self in (
            Kind.MESSAGE,
            Kind.MEETING,
            Kind.REPORT,
            Kind.SMIME,
            Kind.RIGHTS_PROTECTED,
        )


class Origin(enum.StrEnum):
    """The property that the shown body was taken from."""

    HTML = "html"
    RTF_HTML = "rtf-html"
    RTF_TEXT = "rtf-text"
    RTF = "rtf"
    PLAIN = "plain"
    SIGNED_PART = "signed-part"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Body:
    """``html`` is as the sender wrote it: only safe inside a sandboxed frame.

    Either may be empty. ``origin`` says where the one that is to be shown came from: ``html``
    where there is one, else ``text``.
    """

    text: str = ""
    html: str = ""
    origin: Origin = Origin.NONE


@dataclass(frozen=True, slots=True)
class AttachmentView:
    """``number`` is the attachment's place in its message, from 0; ``size`` is in bytes.

    ``name`` is what the sender wrote: never a path to use on a disk. ``inline`` says that the
    HTML body shows it by its content id or location.
    """

    number: int
    name: str
    mime_type: str
    size: int
    content_id: str
    inline: bool
    embedded: bool
    content_location: str = ""


@dataclass(frozen=True, slots=True)
class ItemView:
    """``detail`` is that of the kind, None for a plain message or where nothing could be read.

    ``facts`` say the same in (label, text) for people, to be shown above the body, with times in
    UTC. ``notes`` say what could not be read.
    """

    item_class: str
    kind: Kind
    subject: str
    sender: Person
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    bcc: tuple[Person, ...]
    sent_at: datetime | None
    received_at: datetime | None
    body: Body
    attachments: tuple[AttachmentView, ...]
    detail: Detail | None = None
    facts: Facts = ()
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.body.text

    @property
    def html(self) -> str:
        return self.body.html
