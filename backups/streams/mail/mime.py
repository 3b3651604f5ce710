"""From a mail as it travels (RFC 5322, MIME) to an item stream.

What the mail breaks is survived: the original header block stays with the item, undecodable text
is read as well as it can be, and what has no place in the model becomes an attachment.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import MessageError, MissingHeaderBodySeparatorDefect
from email.message import Message
from email.policy import compat32
from typing import Final

from backups.streams.errors import MailError
from backups.streams.mail.compose import Body, File, Letter, compose
from backups.streams.mail.headers import Headers
from backups.streams.native.assembly import SERVER_BUILD
from backups.streams.native.charsets import decode_header, decode_text, unescape
from backups.streams.native.item import Item, write_item

MAX_NESTING: Final = 30
"""Mails inside mails that become embedded messages; a deeper one is attached as its bytes."""

_START = re.compile(rb"(?:\xef\xbb\xbf|[\r\n]+|>?From [^\r\n]*(?:\r\n|\r|\n))+")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(r"\r\n|\r|\n")
_TOO_DEEP = "parts inside parts, deeper than can be read"


def from_mime(raw: bytes) -> bytes:
    """The item stream of a mail; the same bytes for the same mail.

    Raises MailError for a mail that holds nothing, or nests deeper than Python can follow.
    """
    mail = _START.sub(b"", raw, count=1) if _START.match(raw) else raw
    if b"\n" not in mail:
        mail = mail.replace(b"\r", b"\n")
    if not mail.strip():
        raise MailError("the mail is empty")
    try:
        message = message_from_bytes(mail, policy=compat32)
        letter = _letter(message, 0)
        if not _broken_head(message):
            head = decode_text(_BLANK_LINE.split(mail, maxsplit=1)[0])
            letter.head = _block(head)
        letter.search_key = hashlib.sha256(raw).digest()[:16]
        item: Item = compose(letter)
    except RecursionError as error:
        raise MailError(_TOO_DEEP) from error
    except (MessageError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise MailError(f"the mail can't be read: {error}") from error
    return write_item(item, build=SERVER_BUILD)


@dataclass(slots=True)
class _Contents:
    text: Body | None = None
    html: Body | None = None
    files: list[File] = field(default_factory=list)


def _letter(message: Message, depth: int) -> Letter:
    contents = _Contents()
    _collect(message, contents, depth)
    fields = "\r\n".join(f"{name}: {value}" for name, value in message.raw_items())
    return Letter(
        headers=Headers(message),
        head=_block(unescape(fields)),
        text=contents.text,
        html=contents.html,
        files=contents.files,
    )


def _collect(part: Message, contents: _Contents, depth: int) -> None:
    """Sort the leaves below ``part`` into the two bodies and the attachments, in order.

    A text that follows an HTML body and its files is a footer, not the other form of the body.
    """
    kind = part.get_content_maintype()
    payload = part.get_payload()
    if kind == "multipart" and isinstance(payload, list):
        for child in payload:
            if isinstance(child, Message):
                _collect(child, contents, depth)
        return
    headers = Headers(part)
    file = _file(part, headers)
    if kind == "message" and isinstance(payload, list):
        inner = payload[0] if payload else None
        if _is_mail(part) and isinstance(inner, Message) and depth < MAX_NESTING:
            file.embedded = _letter(inner, depth + 1)
        else:
            file.content = b"\n".join(_serialised(m) for m in payload if isinstance(m, Message))
        contents.files.append(file)
        return
    raw = _decoded(part)
    body = Body(raw, _parameter(part, "charset"))
    if not file.name and not _is_attachment(headers):
        subtype = part.get_content_type()
        if subtype == "text/html" and contents.html is None:
            contents.html = body
            return
        early = contents.html is None or not contents.files
        if (subtype == "text/plain" or kind == "multipart") and contents.text is None and early:
            contents.text = body
            return
    file.content = raw
    contents.files.append(file)


def _file(part: Message, headers: Headers) -> File:
    return File(
        name=_filename(part),
        mime_type=part.get_content_type(),
        content_id=headers.text("content-id").strip("<> "),
        location=headers.text("content-location"),
        inline=not _is_attachment(headers) and bool(headers.text("content-id")),
    )


def _is_attachment(headers: Headers) -> bool:
    return headers.text("content-disposition").lower().startswith("attachment")


def _is_mail(part: Message) -> bool:
    return part.get_content_subtype() in ("rfc822", "global", "news")


def _filename(part: Message) -> str:
    for name, header in (("filename", "content-disposition"), ("name", "content-type")):
        found = _parameter(part, name, header)
        if found:
            return re.sub(r"\s+", " ", found).strip()
    return ""


def _parameter(part: Message, name: str, header: str = "content-type") -> str:
    """A parameter as text: RFC 2231, or the encoded words that many programs write instead."""
    try:
        value = part.get_param(name, None, header)
    except (IndexError, ValueError, TypeError):
        return ""
    if isinstance(value, tuple):
        charset, _, text = value
        raw = text.encode("latin-1", "replace") if text.isascii() or charset else b""
        return decode_text(raw, charset) if raw else unescape(text)
    return decode_header(str(value)) if value is not None else ""


def _decoded(part: Message) -> bytes:
    """The bytes of a leaf without its transfer encoding; as they stand when that is broken."""
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError, TypeError, AssertionError):
        payload = None
    if isinstance(payload, bytes):
        return payload
    plain = part.get_payload()
    return plain.encode("utf-8", "surrogateescape") if isinstance(plain, str) else b""


def _serialised(message: Message) -> bytes:
    """A nested message as bytes, by hand where ``email`` can't write what it has read."""
    try:
        return message.as_bytes(policy=compat32)
    except (ValueError, LookupError, TypeError, AttributeError):
        head = "".join(f"{name}: {value}\n" for name, value in message.raw_items())
        return head.encode("utf-8", "surrogateescape") + b"\n" + _decoded(message)


def _broken_head(message: Message) -> bool:
    return any(isinstance(d, MissingHeaderBodySeparatorDefect) for d in message.defects)


def _block(head: str) -> str:
    """A header block with CRLF line ends and the empty line that closes it."""
    return _LINE_END.sub("\r\n", head.strip("\r\n")) + "\r\n\r\n"
