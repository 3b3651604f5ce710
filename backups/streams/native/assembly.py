"""Making message objects by hand: properties, people and files in the form a server gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from backups.streams.native import tags
from backups.streams.native.charsets import UTF8_PAGE
from backups.streams.native.entry_ids import one_off
from backups.streams.native.fields import clean
from backups.streams.native.item import Attachment, Item, Recipient
from backups.streams.native.properties import (
    BINARY,
    BOOLEAN,
    INTEGER32,
    MULTIPLE,
    STRING,
    TIME,
    UNICODE,
    Property,
    PropertyName,
)

SERVER_BUILD: Final = (15, 20, 9412, 0)
"""Build of the server as which we write what no server has written."""

_MAIL_USER: Final = 6
_FIRST_NAMED: Final = 0x8001


@dataclass(slots=True)
class Draft:
    """A message object while it is put together; ``item`` gives it the order of a server."""

    properties: list[Property] = field(default_factory=list)
    named: list[tuple[PropertyName, int, object]] = field(default_factory=list)
    recipients: list[Recipient] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)

    def add(self, *properties: Property) -> None:
        self.properties += properties

    def add_text(self, number: int, value: str) -> None:
        """Nothing is added for an empty text."""
        if value:
            self.properties.append(text(number, value))

    def name_text(self, name: PropertyName, value: str) -> None:
        """Nothing is added for an empty text."""
        if value:
            self.named.append((name, UNICODE, clean(value)))

    def name_texts(self, name: PropertyName, values: Sequence[str]) -> None:
        if values:
            self.named.append((name, MULTIPLE | STRING, [clean(value) for value in values]))

    def name_integer(self, name: PropertyName, value: int) -> None:
        self.named.append((name, INTEGER32, value))

    def name_flag(self, name: PropertyName, value: bool) -> None:
        self.named.append((name, BOOLEAN, value))

    def name_time(self, name: PropertyName, value: datetime) -> None:
        self.named.append((name, TIME, value))

    def name_binary(self, name: PropertyName, value: bytes) -> None:
        self.named.append((name, BINARY, value))

    def add_html(self, html: str) -> None:
        if html:
            self.add(binary(tags.HTML, clean(html).encode("utf-8")))
            self.add(integer(tags.INTERNET_CODEPAGE, UTF8_PAGE))

    def item(self) -> Item:
        ordered = sorted(self.properties, key=lambda prop: prop.tag)
        return Item(
            properties=[*ordered, *named(self.named)],
            recipients=self.recipients,
            attachments=self.attachments,
        )


def text(number: int, value: str) -> Property:
    return Property.of(number, UNICODE, clean(value))


def integer(number: int, value: int) -> Property:
    return Property.of(number, INTEGER32, value)


def flag(number: int, value: bool) -> Property:
    return Property.of(number, BOOLEAN, value)


def time(number: int, value: datetime) -> Property:
    return Property.of(number, TIME, value)


def binary(number: int, value: bytes) -> Property:
    return Property.of(number, BINARY, value)


def named(entries: Iterable[tuple[PropertyName, int, object]]) -> list[Property]:
    """Named properties of (name, type, value), with ids that mean nothing but their order."""
    return [
        Property.of(number, kind, value, name)
        for number, (name, kind, value) in enumerate(entries, _FIRST_NAMED)
    ]


def search_key(address: str) -> bytes:
    """PidTagSearchKey of a person (MS-OXCMSG): type, colon, address in capitals, NUL."""
    return b"SMTP:" + address.upper().encode("utf-8", "replace") + b"\0"


def _smtp_entry(name: str, address: str) -> bytes:
    return one_off(clean(name or address), "SMTP", clean(address))


def representing(name: str, address: str) -> list[Property]:
    """PidTagSentRepresenting…: who an item is from."""
    return [
        text(tags.SENT_REPRESENTING_NAME, name or address),
        text(tags.SENT_REPRESENTING_ADDRESS_TYPE, "SMTP"),
        text(tags.SENT_REPRESENTING_EMAIL_ADDRESS, address),
        text(tags.SENT_REPRESENTING_SMTP_ADDRESS, address),
        binary(tags.SENT_REPRESENTING_SEARCH_KEY, search_key(address)),
        binary(tags.SENT_REPRESENTING_ENTRY_ID, _smtp_entry(name, address)),
    ]


def sender(name: str, address: str) -> list[Property]:
    """PidTagSender…: who sent an item on behalf of whom it is from."""
    return [
        text(tags.SENDER_NAME, name or address),
        text(tags.SENDER_ADDRESS_TYPE, "SMTP"),
        text(tags.SENDER_EMAIL_ADDRESS, address),
        text(tags.SENDER_SMTP_ADDRESS, address),
        binary(tags.SENDER_SEARCH_KEY, search_key(address)),
        binary(tags.SENDER_ENTRY_ID, _smtp_entry(name, address)),
    ]


def recipient(row: int, kind: int, name: str, address: str, *, flags: int = 1) -> Recipient:
    """The ``row``-th person (from 0) of an item; ``flags`` is PidTagRecipientFlags."""
    return Recipient(
        [
            integer(tags.RECIPIENT_TYPE, kind),
            flag(tags.RESPONSIBILITY, True),
            integer(tags.OBJECT_TYPE, _MAIL_USER),
            binary(tags.ENTRY_ID, _smtp_entry(name, address)),
            integer(tags.ROW_ID, row),
            text(tags.DISPLAY_NAME, name or address),
            text(tags.ADDRESS_TYPE, "SMTP"),
            text(tags.EMAIL_ADDRESS, address),
            binary(tags.SEARCH_KEY, search_key(address)),
            integer(tags.DISPLAY_TYPE, 0),
            text(tags.SMTP_ADDRESS, address),
            text(tags.RECIPIENT_DISPLAY_NAME, name or address),
            integer(tags.RECIPIENT_FLAGS, flags),
        ]
    )


def file_attachment(number: int, name: str, mime_type: str, content: bytes) -> Attachment:
    """The ``number``-th attachment (from 0) of an item: a file."""
    properties = [
        integer(tags.ATTACH_NUMBER, number),
        integer(tags.ATTACH_SIZE, len(content)),
        text(tags.DISPLAY_NAME, name),
        binary(tags.ATTACH_DATA, content),
        integer(tags.ATTACH_METHOD, tags.ATTACH_BY_VALUE),
        text(tags.ATTACH_LONG_FILENAME, name),
        integer(tags.RENDERING_POSITION, -1),
        text(tags.ATTACH_MIME_TAG, mime_type),
        integer(tags.ATTACH_FLAGS, 0),
        flag(tags.ATTACHMENT_HIDDEN, False),
    ]
    suffix = PurePosixPath(name).suffix
    if suffix:
        properties.append(text(tags.ATTACH_EXTENSION, suffix))
    return Attachment(sorted(properties, key=lambda prop: prop.tag))
