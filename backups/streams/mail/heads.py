"""The header of a mail that is written: the one it came with, else one from its properties."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Final

import pybase64

from backups.streams.mail.wire import one_line
from backups.streams.native import tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields, address_of
from backups.streams.native.index import KEYWORDS
from backups.streams.native.tokens import Node, Owner

_FIELD = re.compile(r"^([^\x00-\x20:\x7f]+)([ \t]*:.*(?:\n[ \t].*)*)", re.MULTILINE)
_STRUCTURE: Final = frozenset(
    {
        "mime-version",
        "content-type",
        "content-transfer-encoding",
        "content-disposition",
        "content-id",
        "content-location",
        "content-length",
        "content-md5",
    }
)
"""Fields that speak of the parts of a mail, which are written anew."""

_MAX_TEXT: Final = 500
_WORD_BYTES: Final = 45
_IMPORTANCE: Final = {0: "Low", 2: "High"}
_SENSITIVITY: Final = {1: "Personal", 2: "Private", 3: "Company-Confidential"}
_KINDS: Final = (
    ("To", tags.RECIPIENT_TO),
    ("Cc", tags.RECIPIENT_CC),
    ("Bcc", tags.RECIPIENT_BCC),
)
_SENDER: Final = (tags.SENDER_NAME, tags.SENDER_SMTP_ADDRESS, tags.SENDER_EMAIL_ADDRESS)
_AUTHOR: Final = (
    tags.SENT_REPRESENTING_NAME,
    tags.SENT_REPRESENTING_SMTP_ADDRESS,
    tags.SENT_REPRESENTING_EMAIL_ADDRESS,
)


@dataclass(frozen=True, slots=True)
class Head:
    """``fields`` without those of the MIME structure, and the ``content_type`` it had."""

    fields: list[str]
    content_type: str = ""


def head_of(node: Node, content: Content, fields: Fields) -> Head:
    original = fields.text(tags.TRANSPORT_MESSAGE_HEADERS)
    kept: list[str] = []
    content_type = ""
    for match in _FIELD.finditer(original.replace("\r\n", "\n").replace("\r", " ")):
        name = match[1].lower()
        if name == "content-type" and not content_type:
            content_type = match[2].partition(":")[2]
        if name not in _STRUCTURE:
            kept.append(match[0].replace("\n", "\r\n"))
    if not original.strip():
        kept = list(_made(node, content, fields))
    return Head([*kept, "MIME-Version: 1.0"], content_type)


def _made(node: Node, content: Content, fields: Fields) -> Iterator[str]:
    """Fields of an item that never travelled, such as a draft or a sent mail.

    Bcc is among them: the item is its sender's own copy, and who got it is part of it.
    """
    author = _person_of(fields, *_AUTHOR)
    sender = _person_of(fields, *_SENDER)
    if author or sender:
        yield f"From: {author or sender}"
    if sender and author and sender != author:
        yield f"Sender: {sender}"
    people = _recipients(node, content)
    for name, kind in _KINDS:
        if people.get(kind):
            yield f"{name}: " + ",\r\n ".join(people[kind])
    subject = words(fields.text(tags.SUBJECT, tags.DISPLAY_NAME))
    if subject:
        yield f"Subject: {subject}"
    sent = fields.time(tags.CLIENT_SUBMIT_TIME) or fields.time(tags.MESSAGE_DELIVERY_TIME)
    sent = sent or fields.time(tags.LAST_MODIFICATION_TIME) or fields.time(tags.CREATION_TIME)
    if sent is not None:
        yield f"Date: {format_datetime(sent.replace(microsecond=0))}"
    yield from _said(fields)


def _said(fields: Fields) -> Iterator[str]:
    for name, number in (
        ("Message-ID", tags.INTERNET_MESSAGE_ID),
        ("In-Reply-To", tags.IN_REPLY_TO_ID),
        ("References", tags.INTERNET_REFERENCES),
        ("Thread-Topic", tags.CONVERSATION_TOPIC),
    ):
        value = fields.text(number)
        if value:
            yield f"{name}: {words(value)}"
    index = fields.binary(tags.CONVERSATION_INDEX)
    if 22 <= len(index) <= _MAX_TEXT:
        yield f"Thread-Index: {pybase64.b64encode(index).decode()}"
    importance = fields.integer(tags.IMPORTANCE)
    if importance in _IMPORTANCE:
        yield f"Importance: {_IMPORTANCE[importance]}"
    sensitivity = fields.integer(tags.SENSITIVITY)
    if sensitivity in _SENSITIVITY:
        yield f"Sensitivity: {_SENSITIVITY[sensitivity]}"
    keywords = fields.named(KEYWORDS)
    if isinstance(keywords, list) and keywords:
        yield "Keywords: " + words(", ".join(str(word) for word in keywords))
    if (fields.integer(tags.MESSAGE_FLAGS) or 0) & tags.FLAG_UNSENT:
        yield "X-Unsent: 1"


def _recipients(node: Node, content: Content) -> dict[int, list[str]]:
    people: dict[int, list[str]] = {}
    for child in node.nodes(Owner.RECIPIENT):
        fields = Fields(child, content, [])
        kind = (fields.integer(tags.RECIPIENT_TYPE) or 0) & 0xF
        name = fields.text(tags.DISPLAY_NAME, tags.RECIPIENT_DISPLAY_NAME)
        address = address_of(fields, tags.SMTP_ADDRESS, tags.EMAIL_ADDRESS)
        person = written_person(name, address)
        if person:
            people.setdefault(kind, []).append(person)
    return people


def _person_of(fields: Fields, name: int, smtp: int, address: int) -> str:
    return written_person(fields.text(name), address_of(fields, smtp, address))


def written_person(name: str, address: str) -> str:
    """A person as a header has them; without a mail address as a group of nobody (RFC 5322 3.4).

    Empty for nobody at all.
    """
    name = one_line(name)
    address = re.sub(r"[\x00-\x20\x7f<>\"(),;]", "", address)
    if "@" not in address:
        name = name or address
        return f"{_phrase(name)}:;" if name else ""
    if not name or name == address:
        return address if re.fullmatch(r"[\w.+-]+@[\w.-]+", address, re.ASCII) else f"<{address}>"
    return f"{_phrase(name)} <{address}>"


def _phrase(name: str) -> str:
    if not name.isascii() or "=?" in name or len(name) > _MAX_TEXT:
        return words(name)
    escaped = re.sub(r'(["\\])', r"\\\1", name)
    return f'"{escaped}"'


def words(text: str) -> str:
    """``text`` for a header field; in encoded words (RFC 2047) where it needs them."""
    line = one_line(text)
    if line.isascii() and len(line) <= _MAX_TEXT and "=?" not in line:
        return line
    return "\r\n ".join(
        f"=?utf-8?b?{pybase64.b64encode(piece).decode()}?=" for piece in _characters(line)
    )


def _characters(line: str) -> Iterable[bytes]:
    """``line`` in UTF-8, in pieces that cut no character."""
    raw = line.encode("utf-8", "replace")
    start = 0
    while start < len(raw):
        stop = min(start + _WORD_BYTES, len(raw))
        while stop < len(raw) and raw[stop] & 0xC0 == 0x80:
            stop -= 1
        yield raw[start:stop]
        start = stop
