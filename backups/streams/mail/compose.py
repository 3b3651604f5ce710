"""From the facts of a mail to the properties of a message object (MS-OXCMAIL, MS-OXOMSG)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final

from backups.streams.mail.headers import Headers, first
from backups.streams.mail.letter import TEXT_LAYOUT, File, Letter
from backups.streams.native import tags
from backups.streams.native.assembly import (
    binary,
    flag,
    integer,
    named,
    recipient,
    representing,
    sender,
    text,
    time,
)
from backups.streams.native.charsets import UTF8_PAGE, code_page, decode_text
from backups.streams.native.fields import clean
from backups.streams.native.index import KEYWORDS
from backups.streams.native.item import Attachment, Item, Recipient
from backups.streams.native.properties import (
    MULTIPLE,
    STRING,
    UNICODE,
    Property,
    PropertyName,
    to_filetime,
)

FIRST_NAMED: Final = 0x8001
RIGHTS_PROTECTED: Final = "application/x-microsoft-rpmsg-message"
CONTENT_CLASS: Final = PropertyName(tags.PS_INTERNET_HEADERS, name="content-class")

_NORMAL_BODY_PLAIN, _NORMAL_BODY_HTML = 1, 3
_PREFIX = re.compile(r"^([^\s:]{1,3}): ?(?=\S)")
_IMPORTANCE = {"low": 0, "normal": 1, "high": 2, "non-urgent": 0, "urgent": 2}
_X_PRIORITY = {"1": 2, "2": 2, "4": 0, "5": 0}
_SENSITIVITY = {"personal": 1, "private": 2, "company-confidential": 3}
_KINDS = (
    (("to", "apparently-to"), tags.RECIPIENT_TO),
    (("cc",), tags.RECIPIENT_CC),
    (("bcc",), tags.RECIPIENT_BCC),
)
_EXTENSIONS = {"text/plain": ".txt", "text/html": ".html", "message/rfc822": ".eml"}


def compose(letter: Letter) -> Item:
    """The message object of ``letter``; depends on nothing but the letter."""
    headers = letter.headers
    subject = headers.text("subject")
    prefix = _PREFIX.match(subject)
    topic = subject[prefix.end() :] if prefix else subject
    properties = [
        text(tags.MESSAGE_CLASS, letter.item_class),
        text(tags.SUBJECT, subject),
        text(tags.SUBJECT_PREFIX, f"{prefix[1]}: " if prefix else ""),
        text(tags.NORMALIZED_SUBJECT, topic),
        text(tags.CONVERSATION_TOPIC, topic),
        text(tags.TRANSPORT_MESSAGE_HEADERS, letter.head),
        integer(tags.IMPORTANCE, _importance(headers)),
        integer(tags.PRIORITY, _importance(headers) - 1),
        integer(tags.SENSITIVITY, _SENSITIVITY.get(headers.text("sensitivity").lower(), 0)),
        flag(tags.ORIGINATOR_DELIVERY_REPORT_REQUESTED, False),
        flag(tags.READ_RECEIPT_REQUESTED, bool(headers.text("disposition-notification-to"))),
        integer(tags.MESSAGE_FLAGS, _message_flags(letter)),
        integer(tags.MESSAGE_CODEPAGE, UTF8_PAGE),
        binary(tags.SEARCH_KEY, letter.search_key or hashlib.sha256(_key(letter)).digest()[:16]),
    ]
    properties += _ids(headers)
    properties += _dates(headers)
    properties += _senders(headers)
    properties += _bodies(letter)
    files = [_attachment(number, file) for number, file in enumerate(letter.files)]
    return Item(
        properties=_merged(letter, properties, _named(letter)),
        recipients=letter.recipients or _recipients(headers),
        attachments=files + _renumbered(letter.attachments, len(files)),
    )


def _merged(letter: Letter, own: list[Property], names: list[Property]) -> list[Property]:
    """One property of each id and each name: the stronger, else the mail's own, else the weaker.

    Ids of named properties mean nothing but their order.
    """
    plain: dict[int, Property] = {}
    named_ones: dict[PropertyName, Property] = {}
    for prop in (*letter.stronger, *own, *names, *letter.weaker):
        if prop.name is None:
            plain.setdefault(prop.id, prop)
        else:
            named_ones.setdefault(prop.name, prop)
    ordered = sorted(plain.values(), key=lambda prop: prop.tag)
    return ordered + [
        Property(number << 16 | prop.kind, prop.raw, prop.name)
        for number, prop in enumerate(named_ones.values(), FIRST_NAMED)
    ]


def _renumbered(attachments: list[Attachment], start: int) -> list[Attachment]:
    """``attachments`` of another source behind ``start`` of the mail's own."""
    for number, attachment in enumerate(attachments, start):
        others = [prop for prop in attachment.properties if prop.id != tags.ATTACH_NUMBER]
        attachment.properties = [integer(tags.ATTACH_NUMBER, number), *others]
    return attachments


def _ids(headers: Headers) -> Iterable[Property]:
    for name, number in (
        ("message-id", tags.INTERNET_MESSAGE_ID),
        ("references", tags.INTERNET_REFERENCES),
        ("in-reply-to", tags.IN_REPLY_TO_ID),
    ):
        value = headers.text(name)
        if value:
            yield text(number, value)
    yield binary(tags.CONVERSATION_INDEX, _conversation_index(headers))


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
        yield time(tags.CLIENT_SUBMIT_TIME, sent)
    if received is not None:
        yield time(tags.MESSAGE_DELIVERY_TIME, received)
        yield time(tags.CREATION_TIME, received)
        yield time(tags.LAST_MODIFICATION_TIME, received)


def _senders(headers: Headers) -> Iterable[Property]:
    author = first(headers.people("from"))
    last_hand = first(headers.people("sender", "from"))
    if author == ("", ""):
        author = last_hand
    if author == ("", ""):
        return
    yield from representing(*author)
    yield from sender(*last_hand)


def _recipients(headers: Headers) -> list[Recipient]:
    found: list[Recipient] = []
    for names, kind in _KINDS:
        for name, address in headers.people(*names):
            found.append(recipient(len(found), kind, name, address))
    return found


def _bodies(letter: Letter) -> Iterable[Property]:
    if letter.text is not None:
        yield text(tags.BODY, decode_text(letter.text.raw, letter.text.charset))
    if letter.html is not None:
        page = code_page(letter.html.charset, letter.html.raw)
        raw = letter.html.raw
        if page is None:
            page = UTF8_PAGE
            raw = clean(decode_text(raw, letter.html.charset)).encode("utf-8")
        yield binary(tags.HTML, raw)
        yield integer(tags.INTERNET_CODEPAGE, page)
    for body in (letter.html, letter.text):
        if body is not None and (body.content_id or body.location):
            yield text(tags.BODY_CONTENT_ID, body.content_id)
            yield text(tags.BODY_CONTENT_LOCATION, body.location)
            break
    native = _NORMAL_BODY_PLAIN if letter.html is None else _NORMAL_BODY_HTML
    yield integer(tags.NATIVE_BODY, native)


def _named(letter: Letter) -> list[Property]:
    headers = letter.headers
    keywords = [word.strip() for word in headers.text("keywords").split(",") if word.strip()]
    entries: list[tuple[PropertyName, int, object]] = []
    if keywords:
        entries.append((KEYWORDS, MULTIPLE | STRING, [clean(word) for word in keywords]))
    mailer = headers.text("x-mailer") or headers.text("user-agent")
    if mailer:
        name = PropertyName(tags.PS_INTERNET_HEADERS, name="x-mailer")
        entries.append((name, UNICODE, clean(mailer)))
    content_class = headers.text("content-class")
    if not content_class and any(file.mime_type == RIGHTS_PROTECTED for file in letter.files):
        content_class = "rpmsg.message"
    if content_class:
        entries.append((CONTENT_CLASS, UNICODE, clean(content_class)))
    if letter.text is not None and letter.text.layout:
        entries.append((TEXT_LAYOUT, UNICODE, letter.text.layout))
    return named(entries)


def _attachment(number: int, file: File) -> Attachment:
    embedded = compose(file.embedded) if file.embedded is not None else None
    name = clean(file.name) or _made_up_name(number, file)
    method = tags.ATTACH_BY_VALUE if embedded is None else tags.ATTACH_EMBEDDED
    properties = [
        integer(tags.ATTACH_NUMBER, number),
        integer(tags.ATTACH_SIZE, len(file.content)),
        text(tags.DISPLAY_NAME, name),
        integer(tags.ATTACH_METHOD, method),
        text(tags.ATTACH_LONG_FILENAME, name),
        integer(tags.RENDERING_POSITION, -1),
        text(tags.ATTACH_MIME_TAG, file.mime_type),
        integer(tags.ATTACH_FLAGS, tags.ATTACH_RENDERED_IN_BODY if file.inline else 0),
        flag(tags.ATTACHMENT_HIDDEN, file.hidden),
    ]
    if not file.inline and not file.attached:
        properties.append(text(tags.ATTACH_DISPOSITION, "inline"))
    if file.charset and file.mime_type.startswith("text/"):
        properties.append(text(tags.TEXT_ATTACHMENT_CHARSET, file.charset))
    if embedded is None:
        properties.append(binary(tags.ATTACH_DATA, file.content))
        suffix = PurePosixPath(name).suffix
        if suffix:
            properties.append(text(tags.ATTACH_EXTENSION, suffix))
    if file.content_id:
        properties.append(text(tags.ATTACH_CONTENT_ID, file.content_id))
    if file.location:
        properties.append(text(tags.ATTACH_CONTENT_LOCATION, file.location))
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
    has_files = any(not file.hidden for file in letter.files) or bool(letter.attachments)
    return tags.FLAG_READ * read | tags.FLAG_HAS_ATTACHMENTS * has_files


def _key(letter: Letter) -> bytes:
    return letter.head.encode("utf-8", "replace")
