"""Attachments as parts of a mail: their names, types and places, read from their properties."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from backups.streams.mail.headers import content_type
from backups.streams.mail.wire import BLOCK, base64_pieces, one_line, parameter
from backups.streams.native import tags
from backups.streams.native.content import Content, pieces_of
from backups.streams.native.fields import Fields, is_exception
from backups.streams.native.index import attachment_name
from backups.streams.native.tokens import Node, Owner

_MIME_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
_CONTENT_ID = re.compile(r"cid:([^\s\"'<>()\\]{1,300})", re.IGNORECASE)
_SOURCE = re.compile(r"(?:src|background|url)\s*[=(]\s*[\"']?([^\s\"'<>()]{1,1000})", re.IGNORECASE)
_TYPES: Final = mimetypes.MimeTypes()
_OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """An attachment of the item; its bytes are ``content[start:stop]``, or the ``embedded`` mail.

    ``related`` says that the HTML body shows it.
    """

    name: str
    mime_type: str
    charset: str
    content_id: str
    location: str
    disposition: str
    related: bool
    hidden: bool
    embedded: Node | None
    content: Content
    start: int
    stop: int

    def raw(self) -> bytes:
        return self.content[self.start : self.stop]

    def pieces(self) -> Iterator[bytes]:
        return pieces_of(self.content, self.start, self.stop, BLOCK)

    def coded(self) -> Iterator[bytes]:
        return base64_pieces(self.pieces())

    def is_ascii(self) -> bool:
        return all(piece.isascii() for piece in self.pieces())

    def fields(self, encoding: str, kind: str = "") -> list[str]:
        """The header of the part, with its type or ``kind`` in its place."""
        written = f"Content-Type: {kind or self.mime_type}"
        if self.charset and not kind:
            written += f"; {parameter('charset', self.charset)}"
        fields = [written, f"Content-Transfer-Encoding: {encoding}"]
        disposition = f"Content-Disposition: {self.disposition}"
        if self.name:
            disposition += f";\r\n {parameter('filename', self.name)}"
        fields.append(disposition)
        if self.content_id:
            fields.append(f"Content-ID: <{self.content_id}>")
        if self.location:
            fields.append(f"Content-Location: {self.location}")
        return fields


def files_of(node: Node, content: Content, html: str) -> list[OutgoingFile]:
    """The attachments of the message at ``node`` but the changed occurrences of a series, which
    its calendar part speaks of."""
    shown = {unquote(found).casefold() for found in _CONTENT_ID.findall(html)}
    sources = set(_SOURCE.findall(html))
    return [
        _file(child, content, shown, sources, bool(html))
        for child in node.nodes(Owner.ATTACHMENT)
        if not is_exception(child, content)
    ]


def attachment_range(node: Node) -> tuple[int, int]:
    """Where the bytes of attachment ``node`` lie in the content."""
    for tag, start, stop, name in node.properties:
        if tag >> 16 == tags.ATTACH_DATA and name is None:
            return start, stop
    return 0, 0


def _file(
    node: Node, content: Content, shown: set[str], sources: set[str], has_html: bool
) -> OutgoingFile:
    fields = Fields(node, content, [])
    name = one_line(attachment_name(fields))
    identity = re.sub(r"[^!-~]|[<>]", "", fields.text(tags.ATTACH_CONTENT_ID))
    location = re.sub(r"[^!-~]", "", fields.text(tags.ATTACH_CONTENT_LOCATION))
    flags = fields.integer(tags.ATTACH_FLAGS) or 0
    marked = bool(flags & tags.ATTACH_RENDERED_IN_BODY and (identity or location))
    referred = unquote(identity).casefold() in shown or (location != "" and location in sources)
    related = has_html and (marked or referred)
    disposition = fields.text(tags.ATTACH_DISPOSITION).lower()
    if disposition not in ("inline", "attachment"):
        disposition = "inline" if related or marked else "attachment"
    kind, parameters = _type(fields.text(tags.ATTACH_MIME_TAG), name)
    charset = fields.text(tags.TEXT_ATTACHMENT_CHARSET) or parameters.get("charset", "")
    start, stop = attachment_range(node)
    return OutgoingFile(
        name=name,
        mime_type=kind,
        charset=charset if kind.startswith("text/") else "",
        content_id=identity,
        location=location,
        disposition=disposition,
        related=related,
        hidden=bool(fields.value(tags.ATTACHMENT_HIDDEN)),
        embedded=next(node.nodes(Owner.MESSAGE), None),
        content=content,
        start=start,
        stop=stop,
    )


def _type(tag: str, name: str) -> tuple[str, dict[str, str]]:
    """The type that the item names, else the one that the name's suffix stands for."""
    if tag:
        kind, parameters = content_type(one_line(tag), _OCTETS)
        if _MIME_TYPE.fullmatch(kind):
            return kind, parameters
    guessed, _ = _TYPES.guess_type(f"a{name[-20:]}", strict=True)
    return guessed or _OCTETS, {}
