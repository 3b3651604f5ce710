"""What a mail says, between its bytes and the message object that is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from backups.streams.mail.headers import Headers
from backups.streams.native.item import Attachment, Recipient
from backups.streams.native.properties import Property, PropertyName
from backups.streams.native.tags import PS_PUBLIC_STRINGS

TEXT_LAYOUT: Final = PropertyName(PS_PUBLIC_STRINGS, name="stowage:text-layout")
"""The RFC 3676 format of the plain body, for which Outlook has no property."""

FROM_CALENDAR: Final = "calendar"
"""In its place says that the mail had no text: the body is the description of its meeting."""


@dataclass(slots=True)
class Body:
    """A text as its bytes. ``layout`` is its RFC 3676 format, such as ``format=flowed``."""

    raw: bytes
    charset: str
    layout: str = ""
    content_id: str = ""
    location: str = ""


@dataclass(slots=True)
class File:
    """An attachment: its bytes, or the mail it is.

    ``attached`` says that the sender marked it as an attachment; ``hidden`` that the item says
    the same in its own words.
    """

    name: str = ""
    mime_type: str = ""
    charset: str = ""
    content_id: str = ""
    location: str = ""
    attached: bool = False
    hidden: bool = False
    content: bytes = b""
    embedded: Letter | None = None

    @property
    def inline(self) -> bool:
        """Whether a body may show it."""
        return bool(self.content_id) and not self.attached


@dataclass(slots=True)
class Letter:
    """A mail. ``head`` is its header block as text, closed by an empty line.

    What a part of it says in properties (a report, a meeting, a winmail.dat) comes in
    ``stronger``, which wins over what the header says, and ``weaker``, which does not.
    ``recipients`` replace those of the header when there are any.
    """

    headers: Headers
    head: str
    item_class: str = "IPM.Note"
    text: Body | None = None
    html: Body | None = None
    files: list[File] = field(default_factory=list)
    search_key: bytes = b""
    stronger: list[Property] = field(default_factory=list)
    weaker: list[Property] = field(default_factory=list)
    recipients: list[Recipient] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
