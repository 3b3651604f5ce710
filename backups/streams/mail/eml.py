"""An item as a mail file (RFC 5322, MIME).

The header block is the one the mail arrived with, where there is one; only the fields that
describe the MIME structure are written anew, because the structure is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.header import Header
from email.utils import format_datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

import pybase64

from backups.streams.native import tags
from backups.streams.native.content import Content
from backups.streams.native.fields import Fields
from backups.streams.native.stream import open_stream
from backups.streams.native.tokens import Node, Owner
from backups.streams.views.item import view_of
from backups.streams.views.model import AttachmentView, ItemView, Person

_MAX_LINE: Final = 998
_BASE64_LINE: Final = 57
_FIELD = re.compile(r"^([!-9;-~]+)[ \t]*:(.*(?:\n[ \t].*)*)", re.MULTILINE)
_STRUCTURE = re.compile(r"content-|mime-version$", re.IGNORECASE)
_MIME_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class _Entity:
    """A MIME part: its Content- fields and its encoded body."""

    fields: tuple[str, ...]
    body: bytes

    def encoded(self) -> bytes:
        return "".join(f"{field}\r\n" for field in self.fields).encode() + b"\r\n" + self.body


def to_eml(payload: bytes) -> bytes:
    """The item as a mail with CRLF line ends. What could not be read is left out.

    Raises StreamError for a broken container.
    """
    stream = open_stream(payload)
    return eml_of(stream.scan.root, stream.content)


def attachment_content(payload: bytes, number: int) -> bytes:
    """The bytes of attachment ``number`` of the item; an embedded message as EML.

    Raises StreamError for a broken container, LookupError when there is no such attachment.
    """
    stream = open_stream(payload)
    nodes = list(stream.scan.root.nodes(Owner.ATTACHMENT))
    if not 0 <= number < len(nodes):
        raise LookupError(f"the item has no attachment {number}")
    for message in nodes[number].nodes(Owner.MESSAGE):
        return eml_of(message, stream.content)
    return Fields(nodes[number], stream.content, []).binary(tags.ATTACH_DATA)


def eml_of(node: Node, content: Content) -> bytes:
    """The message at ``node`` as a mail."""
    fields = Fields(node, content, [])
    view = view_of(node, content, [])
    files = list(node.nodes(Owner.ATTACHMENT))
    boundary = sha256(content[node.start : node.start + 65_536]).hexdigest()[:24]
    entity = _structure(view, files, content, f"=_{node.start}_{boundary}")
    head = _head(fields, view)
    return "".join(f"{line}\r\n" for line in head).encode("utf-8", "replace") + entity.encoded()


def _structure(view: ItemView, files: list[Node], content: Content, boundary: str) -> _Entity:
    """mixed(alternative(text, related(html, inline files)), files), as far as it is needed."""
    entities = [
        (_file(shown, node, content), shown.inline and bool(view.html))
        for shown, node in zip(view.attachments, files, strict=True)
    ]
    bodies: list[_Entity] = []
    if view.text or not view.html:
        bodies.append(_text("plain", view.text))
    if view.html:
        html = _text("html", view.html)
        inline = [entity for entity, shown in entities if shown]
        bodies.append(_multipart("related", [html, *inline], f"{boundary}_r") if inline else html)
    body = bodies[0] if len(bodies) == 1 else _multipart("alternative", bodies, f"{boundary}_a")
    attached = [entity for entity, inline in entities if not inline]
    return _multipart("mixed", [body, *attached], f"{boundary}_m") if attached else body


def _head(fields: Fields, view: ItemView) -> Iterable[str]:
    original = fields.text(tags.TRANSPORT_MESSAGE_HEADERS)
    if original:
        for field in _FIELD.finditer(original.replace("\r\n", "\n").replace("\r", "\n")):
            if not _STRUCTURE.match(field[1]):
                yield f"{field[1]}:{field[2]}".replace("\n", "\r\n")
    else:
        yield from _made_head(fields, view)
    yield "MIME-Version: 1.0"


def _made_head(fields: Fields, view: ItemView) -> Iterable[str]:
    """Fields of an item that never travelled, such as a draft or a sent mail."""
    if view.sender != Person("", ""):
        yield f"From: {_person(view.sender)}"
    for name, people in (("To", view.to), ("Cc", view.cc), ("Bcc", view.bcc)):
        if people:
            yield f"{name}: " + ",\r\n ".join(_person(person) for person in people)
    yield f"Subject: {_words(view.subject)}"
    sent = view.sent_at or view.received_at
    if sent is not None:
        yield f"Date: {format_datetime(sent)}"
    for name, number in (
        ("Message-ID", tags.INTERNET_MESSAGE_ID),
        ("In-Reply-To", tags.IN_REPLY_TO_ID),
        ("References", tags.INTERNET_REFERENCES),
    ):
        text = _line(fields.text(number))
        if text:
            yield f"{name}: {text}"


def _text(subtype: str, text: str) -> _Entity:
    content = re.sub(r"\r\n|\r|\n", "\r\n", text).encode("utf-8", "replace")
    kind = f'Content-Type: text/{subtype}; charset="utf-8"'
    if content.isascii() and max(map(len, content.split(b"\r\n"))) <= _MAX_LINE:
        return _Entity((kind, "Content-Transfer-Encoding: 7bit"), content)
    return _Entity((kind, "Content-Transfer-Encoding: base64"), _base64(content))


def _file(shown: AttachmentView, node: Node, content: Content) -> _Entity:
    embedded = next(node.nodes(Owner.MESSAGE), None)
    if embedded is not None:
        return _message("message/rfc822", eml_of(embedded, content), shown)
    raw = Fields(node, content, []).binary(tags.ATTACH_DATA)
    kind = shown.mime_type.lower() if _MIME_TYPE.fullmatch(shown.mime_type) else _OCTETS
    if kind.startswith("message/"):
        return _message(kind, raw, shown)
    if kind.startswith("multipart/"):
        kind = _OCTETS
    fields = [f"Content-Type: {kind}", "Content-Transfer-Encoding: base64", _disposition(shown)]
    content_id = re.sub(r"[^!-~]|[<>]", "", shown.content_id)
    if content_id:
        fields.append(f"Content-ID: <{content_id}>")
    return _Entity(tuple(fields), _base64(raw))


def _message(kind: str, raw: bytes, shown: AttachmentView) -> _Entity:
    """message/… parts may not be base64 (RFC 2046 5.2)."""
    encoding = "7bit" if raw.isascii() else "8bit"
    fields = (f"Content-Type: {kind}", f"Content-Transfer-Encoding: {encoding}")
    return _Entity((*fields, _disposition(shown)), raw)


def _disposition(shown: AttachmentView) -> str:
    kind = "inline" if shown.inline else "attachment"
    name = _line(shown.name)
    if not name:
        return f"Content-Disposition: {kind}"
    if name.isascii():
        escaped = re.sub(r'(["\\])', r"\\\1", name)
        return f'Content-Disposition: {kind};\r\n filename="{escaped}"'
    return f"Content-Disposition: {kind};\r\n filename*=utf-8''{quote(name, safe='')}"


def _multipart(subtype: str, entities: list[_Entity], boundary: str) -> _Entity:
    line = b"\r\n--" + boundary.encode()
    body = b"".join(line + b"\r\n" + entity.encoded() for entity in entities) + line + b"--\r\n"
    kind = f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"'
    return _Entity((kind,), body)


def _base64(raw: bytes) -> bytes:
    encoded = pybase64.b64encode(raw)
    size = _BASE64_LINE // 3 * 4
    return b"\r\n".join(encoded[i : i + size] for i in range(0, len(encoded), size)) + b"\r\n"


def _person(person: Person) -> str:
    address = _line(person.address)
    name = _line(person.name)
    if not name or name == address:
        return f"<{address}>" if address else '""'
    if name.isascii():
        escaped = re.sub(r'(["\\])', r"\\\1", name)
        return f'"{escaped}" <{address}>'
    return f"{_words(name)} <{address}>"


def _words(text: str) -> str:
    """``text`` for a header field, in encoded words where it is not ASCII."""
    line = _line(text)
    return line if line.isascii() else Header(line, "utf-8").encode(linesep="\r\n")


def _line(text: str) -> str:
    """``text`` on one line: what stands in a property can't start a field of its own."""
    return re.sub(r"[\x00-\x1f\x7f\s]+", " ", text).strip()
