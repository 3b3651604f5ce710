"""From the facts of a mail to the properties of a message object (MS-OXCMAIL, MS-OXOMSG)."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from backups.streams import tags
from backups.streams.charsets import UTF8_PAGE, code_page, decode_text
from backups.streams.fields import clean
from backups.streams.headers import Headers, first
from backups.streams.index import KEYWORDS
from backups.streams.item import Attachment, Item, Recipient
from backups.streams.properties import (
    BINARY,
    BOOLEAN,
    INTEGER32,
    MULTIPLE,
    STRING,
    TIME,
    UNICODE,
    Property,
    PropertyName,
    to_filetime,
)

_ONE_OFF: Final = bytes.fromhex("00000000812b1fa4bea310199d6e00dd010f5402")
_NORMAL_BODY_PLAIN, _NORMAL_BODY_HTML = 1, 3
_MAIL_USER = 6
_PREFIX = re.compile(r"^([^\s:]{1,3}): ?(?=\S)")
_IMPORTANCE = {"low": 0, "normal": 1, "high": 2, "non-urgent": 0, "urgent": 2}
_X_PRIORITY = {"1": 2, "2": 2, "4": 0, "5": 0}
_SENSITIVITY = {"personal": 1, "private": 2, "company-confidential": 3}
_KINDS = (
    (("to", "apparently-to"), tags.RECIPIENT_TO),
    (("cc",), tags.RECIPIENT_CC),
    (("bcc",), tags.RECIPIENT_BCC),
)
_FIRST_NAMED = 0x8001
_EXTENSIONS = {"text/plain": ".txt", "text/html": ".html", "message/rfc822": ".eml"}


@dataclass(slots=True)
class Body:
    raw: bytes
    charset: str


@dataclass(slots=True)
class File:
    """An attachment: its bytes, or the mail it is."""

    name: str = ""
    mime_type: str = ""
    content_id: str = ""
    location: str = ""
    inline: bool = False
    content: bytes = b""
    embedded: Letter | None = None


@dataclass(slots=True)
class Letter:
    """What a mail says. ``head`` is its header block as text, closed by an empty line."""

    headers: Headers
    head: str
    text: Body | None = None
    html: Body | None = None
    files: list[File] = field(default_factory=list)
    search_key: bytes = b""


def compose(letter: Letter) -> Item:
    """The message object of ``letter``; depends on nothing but the letter."""
    headers = letter.headers
    subject = headers.text("subject")
    prefix = _PREFIX.match(subject)
    topic = subject[prefix.end() :] if prefix else subject
    properties = [
        _text(tags.MESSAGE_CLASS, "IPM.Note"),
        _text(tags.SUBJECT, subject),
        _text(tags.SUBJECT_PREFIX, f"{prefix[1]}: " if prefix else ""),
        _text(tags.NORMALIZED_SUBJECT, topic),
        _text(tags.CONVERSATION_TOPIC, topic),
        _text(tags.TRANSPORT_MESSAGE_HEADERS, letter.head),
        _integer(tags.IMPORTANCE, _importance(headers)),
        _integer(tags.PRIORITY, _importance(headers) - 1),
        _integer(tags.SENSITIVITY, _SENSITIVITY.get(headers.text("sensitivity").lower(), 0)),
        _flag(tags.ORIGINATOR_DELIVERY_REPORT_REQUESTED, False),
        _flag(tags.READ_RECEIPT_REQUESTED, bool(headers.text("disposition-notification-to"))),
        _integer(tags.MESSAGE_FLAGS, _message_flags(letter)),
        _integer(tags.MESSAGE_CODEPAGE, UTF8_PAGE),
        _binary(tags.SEARCH_KEY, letter.search_key or hashlib.sha256(_key(letter)).digest()[:16]),
    ]
    properties += _ids(headers)
    properties += _dates(headers)
    properties += _senders(headers)
    properties += _bodies(letter)
    properties.sort(key=lambda prop: prop.tag)
    properties += _named(headers)
    return Item(
        properties=properties,
        recipients=_recipients(headers),
        attachments=[_attachment(number, file) for number, file in enumerate(letter.files)],
    )


def _ids(headers: Headers) -> Iterable[Property]:
    for name, number in (
        ("message-id", tags.INTERNET_MESSAGE_ID),
        ("references", tags.INTERNET_REFERENCES),
        ("in-reply-to", tags.IN_REPLY_TO_ID),
    ):
        text = headers.text(name)
        if text:
            yield _text(number, text)
    yield _binary(tags.CONVERSATION_INDEX, _conversation_index(headers))


def _conversation_index(headers: Headers) -> bytes:
    """A header block of PidTagConversationIndex (MS-OXOMSG 2.2.1.3) named after the first mail."""
    thread = headers.message_ids("references") or headers.message_ids("in-reply-to")
    thread = thread or headers.message_ids("message-id") or [headers.text("subject")]
    identity = hashlib.sha256(thread[0].encode("utf-8", "replace")).digest()[:16]
    date = headers.date("date")
    ticks = to_filetime(date) if date else 0
    return b"\x01" + ticks.to_bytes(8, "big")[1:6] + identity


def _dates(headers: Headers) -> Iterable[Property]:
    sent = headers.date("date") or headers.received()
    received = headers.received() or sent
    if sent is not None:
        yield _time(tags.CLIENT_SUBMIT_TIME, sent)
    if received is not None:
        yield _time(tags.MESSAGE_DELIVERY_TIME, received)
        yield _time(tags.CREATION_TIME, received)
        yield _time(tags.LAST_MODIFICATION_TIME, received)


def _senders(headers: Headers) -> Iterable[Property]:
    author = first(headers.people("from"))
    sender = first(headers.people("sender", "from"))
    if author == ("", ""):
        author = sender
    if author == ("", ""):
        return
    name, address = author
    yield _text(tags.SENT_REPRESENTING_NAME, name or address)
    yield _text(tags.SENT_REPRESENTING_ADDRESS_TYPE, "SMTP")
    yield _text(tags.SENT_REPRESENTING_EMAIL_ADDRESS, address)
    yield _text(tags.SENT_REPRESENTING_SMTP_ADDRESS, address)
    yield _binary(tags.SENT_REPRESENTING_SEARCH_KEY, _search_key(address))
    yield _binary(tags.SENT_REPRESENTING_ENTRY_ID, _one_off(name, address))
    name, address = sender
    yield _text(tags.SENDER_NAME, name or address)
    yield _text(tags.SENDER_ADDRESS_TYPE, "SMTP")
    yield _text(tags.SENDER_EMAIL_ADDRESS, address)
    yield _text(tags.SENDER_SMTP_ADDRESS, address)
    yield _binary(tags.SENDER_SEARCH_KEY, _search_key(address))
    yield _binary(tags.SENDER_ENTRY_ID, _one_off(name, address))


def _recipients(headers: Headers) -> list[Recipient]:
    found: list[Recipient] = []
    for names, kind in _KINDS:
        for name, address in headers.people(*names):
            properties = [
                _integer(tags.RECIPIENT_TYPE, kind),
                _flag(tags.RESPONSIBILITY, True),
                _integer(tags.OBJECT_TYPE, _MAIL_USER),
                _binary(tags.ENTRY_ID, _one_off(name, address)),
                _integer(tags.ROW_ID, len(found)),
                _text(tags.DISPLAY_NAME, name or address),
                _text(tags.ADDRESS_TYPE, "SMTP"),
                _text(tags.EMAIL_ADDRESS, address),
                _binary(tags.SEARCH_KEY, _search_key(address)),
                _integer(tags.DISPLAY_TYPE, 0),
                _text(tags.SMTP_ADDRESS, address),
                _text(tags.RECIPIENT_DISPLAY_NAME, name or address),
                _integer(tags.RECIPIENT_FLAGS, 1),
            ]
            found.append(Recipient(properties))
    return found


def _bodies(letter: Letter) -> Iterable[Property]:
    if letter.text is not None:
        yield _text(tags.BODY, decode_text(letter.text.raw, letter.text.charset))
    if letter.html is not None:
        page = code_page(letter.html.charset, letter.html.raw)
        raw = letter.html.raw
        if page is None:
            page = UTF8_PAGE
            raw = clean(decode_text(raw, letter.html.charset)).encode("utf-8")
        yield _binary(tags.HTML, raw)
        yield _integer(tags.INTERNET_CODEPAGE, page)
    native = _NORMAL_BODY_PLAIN if letter.html is None else _NORMAL_BODY_HTML
    yield _integer(tags.NATIVE_BODY, native)


def _named(headers: Headers) -> Iterable[Property]:
    keywords = [word.strip() for word in headers.text("keywords").split(",") if word.strip()]
    named: list[tuple[PropertyName, int, object]] = []
    if keywords:
        named.append((KEYWORDS, MULTIPLE | STRING, [clean(word) for word in keywords]))
    mailer = headers.text("x-mailer") or headers.text("user-agent")
    if mailer:
        name = PropertyName(tags.PS_INTERNET_HEADERS, name="x-mailer")
        named.append((name, UNICODE, clean(mailer)))
    for number, (name, kind, value) in enumerate(named, _FIRST_NAMED):
        yield Property.of(number, kind, value, name)


def _attachment(number: int, file: File) -> Attachment:
    embedded = compose(file.embedded) if file.embedded is not None else None
    name = clean(file.name) or _made_up_name(number, file)
    method = tags.ATTACH_BY_VALUE if embedded is None else tags.ATTACH_EMBEDDED
    properties = [
        _integer(tags.ATTACH_NUMBER, number),
        _integer(tags.ATTACH_SIZE, len(file.content)),
        _text(tags.DISPLAY_NAME, name),
        _integer(tags.ATTACH_METHOD, method),
        _text(tags.ATTACH_LONG_FILENAME, name),
        _integer(tags.RENDERING_POSITION, -1),
        _text(tags.ATTACH_MIME_TAG, file.mime_type),
        _integer(tags.ATTACH_FLAGS, tags.ATTACH_RENDERED_IN_BODY if file.inline else 0),
        _flag(tags.ATTACHMENT_HIDDEN, False),
    ]
    if embedded is None:
        properties.append(_binary(tags.ATTACH_DATA, file.content))
        suffix = PurePosixPath(name).suffix
        if suffix:
            properties.append(_text(tags.ATTACH_EXTENSION, suffix))
    if file.content_id:
        properties.append(_text(tags.ATTACH_CONTENT_ID, file.content_id))
    if file.location:
        properties.append(_text(tags.ATTACH_CONTENT_LOCATION, file.location))
    properties.sort(key=lambda prop: prop.tag)
    return Attachment(properties, embedded)


def _made_up_name(number: int, file: File) -> str:
    """Exchange's way of naming what has no name; an attached mail is named by its subject."""
    if file.embedded is not None:
        return clean(file.embedded.headers.text("subject")) or f"ATT{number + 1:05}"
    return f"ATT{number + 1:05}" + _EXTENSIONS.get(file.mime_type, ".dat")


def _importance(headers: Headers) -> int:
    word = (headers.text("importance") or headers.text("priority")).lower()
    if word in _IMPORTANCE:
        return _IMPORTANCE[word]
    return _X_PRIORITY.get(headers.text("x-priority")[:1], 1)


def _message_flags(letter: Letter) -> int:
    """Read state from the fields in which mbox programs keep it."""
    read = "R" in letter.headers.text("status")
    has_files = bool(letter.files)
    return tags.FLAG_READ * read | tags.FLAG_HAS_ATTACHMENTS * has_files


def _key(letter: Letter) -> bytes:
    return letter.head.encode("utf-8", "replace")


def _search_key(address: str) -> bytes:
    """PidTagSearchKey of a person (MS-OXCMSG): type, colon, address in capitals, NUL."""
    return b"SMTP:" + address.upper().encode("utf-8", "replace") + b"\0"


def _one_off(name: str, address: str) -> bytes:
    """A one-off EntryID with Unicode strings (MS-OXCDATA 2.2.5.1)."""
    strings = "".join(clean(part) + "\0" for part in (name or address, "SMTP", address))
    return _ONE_OFF + struct.pack("<HH", 0, 0x9001) + strings.encode("utf-16-le")


def _text(number: int, value: str) -> Property:
    return Property.of(number, UNICODE, clean(value))


def _integer(number: int, value: int) -> Property:
    return Property.of(number, INTEGER32, value)


def _flag(number: int, value: bool) -> Property:
    return Property.of(number, BOOLEAN, value)


def _time(number: int, value: datetime) -> Property:
    return Property.of(number, TIME, value)


def _binary(number: int, value: bytes) -> Property:
    return Property.of(number, BINARY, value)
