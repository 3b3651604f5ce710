"""From a mail as it travels (RFC 5322, MIME) to an item stream (MS-OXCMAIL).

What the mail breaks is survived: the original header block stays with the item, undecodable text
is read as well as it can be, and what has no place in the model becomes an attachment.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from backups.streams.errors import MailError
from backups.streams.mail import enclosed, signed
from backups.streams.mail.compose import compose
from backups.streams.mail.entities import Entity, read_entities
from backups.streams.mail.headers import Headers, parameters
from backups.streams.mail.letter import Body, File, Letter
from backups.streams.native.assembly import SERVER_BUILD
from backups.streams.native.charsets import decode_header, decode_text
from backups.streams.native.item import write_item

MAX_NESTING: Final = 30
"""Mails inside mails that become embedded messages; a deeper one is attached as its bytes."""

_START = re.compile(rb"(?:\xef\xbb\xbf|[\r\n]+|>?From [^\r\n]*(?:\r\n|\r|\n))+")
_FIELD_END = re.compile(rb"\n(?![ \t])")
_LINE_END = re.compile(r"\r?\n")


def from_mime(raw: bytes) -> bytes:
    """The item stream of a mail; the same bytes for the same mail.

    Raises MailError for a mail that holds nothing.
    """
    mail = _START.sub(b"", raw, count=1) if _START.match(raw) else raw
    if b"\n" not in mail:
        mail = mail.replace(b"\r", b"\n")
    if not mail.strip():
        raise MailError("the mail is empty")
    letter = _letter(read_entities(mail), 0)
    letter.search_key = hashlib.sha256(raw).digest()[:16]
    return write_item(compose(letter), build=SERVER_BUILD)


def _letter(entity: Entity, depth: int) -> Letter:
    letter = Letter(entity.headers, _head(entity.head))
    if signed.is_clear_signed(entity):
        letter.item_class = signed.CLEAR_SIGNED
        _sort(entity.children[0], letter, depth)
        letter.files = [signed.clear_signed_file(entity)]
        return letter
    _sort(entity, letter, depth)
    if signed.is_opaque(entity, letter.files):
        letter.item_class = signed.OPAQUE
        return letter
    enclosed.apply(letter, entity)
    return letter


def _head(raw: bytes) -> str:
    """The header block as text; each field is decoded by itself, because one may be broken."""
    block = raw.strip(b"\r\n")
    fields = [block] if block.isascii() else _FIELD_END.split(block)
    text = "\n".join(decode_text(field) for field in fields)
    return _LINE_END.sub("\r\n", text) + "\r\n\r\n"


def _sort(entity: Entity, letter: Letter, depth: int) -> None:
    """Sort the leaves below ``entity`` into the two bodies and the attachments, in order."""
    waiting = [entity]
    while waiting:
        part = waiting.pop()
        if part.children and part.is_multipart:
            waiting += reversed(part.children)
        elif part.is_mail:
            letter.files.append(_attached_mail(part, depth))
        else:
            _take(part, letter)


def _take(part: Entity, letter: Letter) -> None:
    """A text that follows an HTML body and its files is a footer, not its other form."""
    file = _file(part)
    content = part.content()
    plain = part.kind == "text/plain" or part.is_multipart
    if part.is_multipart and not content.strip():
        return
    if not file.name and not file.attached:
        body = Body(content, file.charset, _layout(part), file.content_id, file.location)
        if part.kind == "text/html" and letter.html is None:
            letter.html = body
            return
        if plain and letter.text is None and (letter.html is None or not letter.files):
            letter.text = body
            return
    if part.is_multipart:
        file.mime_type = "text/plain"
    file.content = content
    letter.files.append(file)


def _attached_mail(part: Entity, depth: int) -> File:
    file = _file(part)
    inner = part.children[0] if part.children else None
    if inner is None and depth < MAX_NESTING:
        content = part.content()
        inner = read_entities(content) if content.strip() else None
    if inner is None or depth >= MAX_NESTING:
        file.content = part.content()
    else:
        file.embedded = _letter(inner, depth + 1)
    return file


def _file(part: Entity) -> File:
    headers = part.headers
    disposition = headers.raw("content-disposition")
    marked = parameters(disposition) if ";" in disposition else {}
    name = marked.get("filename") or part.parameters.get("name", "")
    return File(
        name=re.sub(r"\s+", " ", decode_header(name)).strip() if name else "",
        mime_type=part.kind,
        charset=part.parameters.get("charset", ""),
        content_id=headers.text("content-id").strip("<> "),
        location=re.sub(r"\s+", "", _location(headers)),
        attached=disposition.strip().lower().startswith("attachment"),
    )


def _location(headers: Headers) -> str:
    return headers.text("content-location")


def _layout(part: Entity) -> str:
    """How the lines of a text flow (RFC 3676); empty for text that is as it stands."""
    if part.parameters.get("format", "").lower() != "flowed":
        return ""
    delsp = part.parameters.get("delsp", "").lower() == "yes"
    return "format=flowed; delsp=yes" if delsp else "format=flowed"
