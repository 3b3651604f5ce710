"""An item as a mail file (RFC 5322, MIME; MS-OXCMAIL 2.1).

The header block is the one the mail arrived with, where there is one; only the fields that
describe the MIME structure are written anew, because the structure is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from typing import Final

from backups.streams.calendars.meeting import invitation, method_of
from backups.streams.errors import MailError
from backups.streams.mail import signed
from backups.streams.mail.bodies import Bodies, bodies_of
from backups.streams.mail.files import OutgoingFile, attachment_range, files_of
from backups.streams.mail.headers import content_type
from backups.streams.mail.heads import Head, head_of
from backups.streams.mail.reports import STATUS_TYPES, report_type, write_report
from backups.streams.mail.wire import (
    Leaf,
    Multipart,
    Part,
    Piece,
    base64_pieces,
    parameter,
    text_part,
    write_parts,
)
from backups.streams.native import tags
from backups.streams.native.content import Content, pieces_of
from backups.streams.native.fields import Fields
from backups.streams.native.stream import open_cut_off, open_stream
from backups.streams.native.tokens import Node, Owner

_CALENDAR: Final = "text/calendar"
_ENCRYPTED: Final = "multipart/encrypted"


def to_eml(payload: bytes) -> bytes:
    """The item as a mail with CRLF line ends. What could not be read is left out.

    Raises StreamError for a broken container.
    """
    return b"".join(write_eml(payload))


def write_eml(payload: bytes) -> Iterator[bytes]:
    """The same in pieces: a large attachment is read and encoded a megabyte at a time."""
    stream = open_stream(payload)
    return write_parts(_Mail(stream.scan.root, stream.content, _Boundaries(payload)))


def attachment_content(payload: bytes, number: int) -> bytes:
    """The bytes of attachment ``number`` of the item; an embedded message as EML.

    Raises StreamError for what is no stream, LookupError when there is no such attachment.
    """
    return b"".join(attachment_pieces(payload, number))


def attachment_pieces(payload: bytes, number: int) -> Iterator[bytes]:
    """The same in pieces."""
    stream = open_cut_off(payload)
    nodes = list(stream.scan.root.nodes(Owner.ATTACHMENT))
    if not 0 <= number < len(nodes):
        raise LookupError(f"the item has no attachment {number}")
    for message in nodes[number].nodes(Owner.MESSAGE):
        return write_parts(_Mail(message, stream.content, _Boundaries(payload)))
    return pieces_of(stream.content, *attachment_range(nodes[number]))


class _Boundaries:
    """Boundaries that nothing in the item can hold: they are made of a digest of all of it."""

    def __init__(self, payload: bytes) -> None:
        self._digest = sha256(payload).hexdigest()[:24]
        self._numbers = count(1)

    def __next__(self) -> str:
        return f"=_{next(self._numbers)}_{self._digest}"


@dataclass(slots=True)
class _Mail:
    """The message at ``node``, from its first header field to its last line."""

    node: Node
    content: Content
    boundaries: _Boundaries

    def pieces(self) -> Iterator[Piece]:
        fields = Fields(self.node, self.content, [])
        item_class = fields.text(tags.MESSAGE_CLASS)
        head = head_of(self.node, self.content, fields)
        protected = self._protected(item_class, head)
        written = head.fields
        if isinstance(protected, _Untouched):
            own = protected.field_names()
            written = [field for field in written if field.partition(":")[0].lower() not in own]
        yield "".join(f"{field}\r\n" for field in written).encode("utf-8", "replace")
        if protected is not None:
            yield protected
            return
        bodies = bodies_of(fields)
        files = files_of(self.node, self.content, bodies.markup)
        if content_type(head.content_type)[0] == _ENCRYPTED and len(files) > 1:
            yield self._encrypted(files, head)
        elif report_type(item_class):
            yield self._report(bodies, files, item_class)
        else:
            yield self._message(bodies, files, item_class)

    def _message(self, bodies: Bodies, files: list[OutgoingFile], item_class: str) -> Part:
        """mixed(alternative(text, related(html, inline files), calendar), files), as needed."""
        every = len(files)
        calendar, files = self._calendar(files, item_class)
        if calendar is not None and bodies.derived and len(files) < every:
            bodies = Bodies(None, None, "", derived=True)
        body = self._body(bodies, files, calendar)
        rest = [self._file(file) for file in files if not file.related]
        return self._joined("mixed", [body, *rest])

    def _body(self, bodies: Bodies, files: list[OutgoingFile], calendar: Part | None) -> Part:
        forms: list[Part] = []
        if bodies.plain is not None or (bodies.html is None and not bodies.derived):
            forms.append(bodies.plain or text_part("plain", b"", "utf-8"))
        if bodies.html is not None:
            related = [self._file(file) for file in files if file.related]
            forms.append(self._joined("related", [bodies.html, *related]))
        if calendar is not None:
            forms.append(calendar)
        return self._joined("alternative", forms)

    def _joined(self, subtype: str, parts: list[Part], kind: str = "") -> Part:
        if len(parts) == 1:
            return parts[0]
        return Multipart(f"multipart/{subtype}{kind}", next(self.boundaries), parts)

    def _calendar(
        self, files: list[OutgoingFile], item_class: str
    ) -> tuple[Part | None, list[OutgoingFile]]:
        """The calendar part of a meeting, as it came where it was kept, and the other files."""
        method = method_of(item_class)
        if not method:
            return None, files
        kept = next((f for f in files if f.hidden and f.mime_type == _CALENDAR), None)
        if kept is not None:
            kind = f"{_CALENDAR}; method={method}"
            if kept.charset:
                kind += f"; {parameter('charset', kept.charset)}"
            fields = [f"Content-Type: {kind}", "Content-Transfer-Encoding: base64"]
            return Leaf(fields, kept.coded), [file for file in files if file is not kept]
        try:
            made = invitation(self.node, self.content, method)
        except MailError:
            return None, files
        fields = [
            f'Content-Type: {_CALENDAR}; method={method}; charset="utf-8"',
            "Content-Transfer-Encoding: base64",
        ]
        return Leaf(fields, lambda: base64_pieces([made])), files

    def _report(self, bodies: Bodies, files: list[OutgoingFile], item_class: str) -> Part:
        """report(body, status, files); the status as it came, else from the recipients."""
        kind = report_type(item_class)
        kept = next((file for file in files if STATUS_TYPES.get(file.mime_type) == kind), None)
        if kept is None:
            made = write_report(self.node, self.content)
            status: Part = Leaf([f"Content-Type: {kind}"], lambda: [made])
        else:
            status = self._file(kept)
        body = self._body(bodies, files, None)
        others = [self._file(f) for f in files if f is not kept and not f.related]
        subtype = kind.partition("/")[2]
        return self._joined("report", [body, status, *others], f"; report-type={subtype}")

    def _encrypted(self, files: list[OutgoingFile], head: Head) -> Part:
        """The two parts of a mail that is encrypted otherwise (RFC 1847), in their place."""
        protocol = content_type(head.content_type)[1].get("protocol", "")
        kind = f"; {parameter('protocol', protocol)}" if protocol else ""
        return self._joined("encrypted", [self._file(file) for file in files], kind)

    def _protected(self, item_class: str, head: Head) -> Part | None:
        """S/MIME as it came (MS-OXOSMIME); None for what only claims to be."""
        kind = item_class.upper()
        if not kind.endswith((".SMIME", ".SMIME.MULTIPARTSIGNED")):
            return None
        nodes = list(self.node.nodes(Owner.ATTACHMENT))
        if len(nodes) != 1:
            return None
        start, stop = attachment_range(nodes[0])
        first = self.content[start : min(start + signed.HEAD_SIZE, stop)]
        if signed.has_signed_head(first):
            return _Untouched(self.content, start, stop)
        if not signed.is_cms(first):
            return None
        file = files_of(self.node, self.content, "")[0]
        return Leaf(signed.opaque_fields(file, first, head.content_type), file.coded)

    def _file(self, file: OutgoingFile) -> Part:
        if file.embedded is not None:
            mail = _Mail(file.embedded, self.content, self.boundaries)
            kind = file.mime_type if file.mime_type == "message/global" else "message/rfc822"
            return Leaf(file.fields("8bit", kind), lambda: [mail])
        if file.mime_type.startswith("message/"):
            # These may not be encoded (RFC 2046 5.2).
            return Leaf(file.fields("7bit" if file.is_ascii() else "8bit"), file.pieces)
        if file.mime_type.startswith("multipart/"):
            return Leaf(file.fields("base64", "application/octet-stream"), file.coded)
        return Leaf(file.fields("base64"), file.coded)


@dataclass(slots=True)
class _Untouched:
    """A part whose header and content are the attachment's bytes."""

    content: Content
    start: int
    stop: int

    def pieces(self) -> Iterator[Piece]:
        yield from pieces_of(self.content, self.start, self.stop)

    def field_names(self) -> set[str]:
        """The fields that its header has, in lower case: they are not written twice."""
        first = self.content[self.start : min(self.start + signed.HEAD_SIZE, self.stop)]
        lines = first.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        return {line.partition(":")[0].lower() for line in lines if line[:1] not in (" ", "\t")}
