"""An item as the file that people open: which formats make sense of it, and what is in it."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from backups.mime_items import is_mime_item
from backups.streams.calendars.write import write_ics
from backups.streams.contacts.write import write_vcf
from backups.streams.errors import StreamError
from backups.streams.export.properties import write_json
from backups.streams.mail.eml import write_eml
from backups.streams.mail.mime_item import MimeItem, native_form
from backups.streams.native.content import pieces_of
from backups.streams.native.stream import index_record
from backups.streams.outlook.msg_write import write_msg
from backups.streams.views.item import item_view


class Format(enum.StrEnum):
    """What one item can be written as. ``FTS`` are the stored bytes themselves, also of an item
    that is stored as MIME."""

    EML = "eml"
    MSG = "msg"
    ICS = "ics"
    VCF = "vcf"
    VCF4 = "vcf4"
    JSON = "json"
    FTS = "fts"

    @property
    def suffix(self) -> str:
        return ".vcf" if self is Format.VCF4 else f".{self.value}"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]

    @property
    def label(self) -> str:
        """For people who choose."""
        return _LABELS[self]


_MEDIA_TYPES: Final = {
    Format.EML: "message/rfc822",
    Format.MSG: "application/vnd.ms-outlook",
    Format.ICS: "text/calendar; charset=utf-8",
    Format.VCF: "text/vcard; charset=utf-8",
    Format.VCF4: "text/vcard; charset=utf-8",
    Format.JSON: "application/json",
    Format.FTS: "application/octet-stream",
}
_LABELS: Final = {
    Format.EML: "Mail (.eml)",
    Format.MSG: "Outlook message (.msg)",
    Format.ICS: "Calendar (.ics)",
    Format.VCF: "Contact, vCard 3.0 (.vcf)",
    Format.VCF4: "Contact, vCard 4.0 (.vcf)",
    Format.JSON: "All properties (.json)",
    Format.FTS: "Stored bytes (.fts)",
}
_ANY: Final = (Format.MSG, Format.JSON, Format.FTS)
_CLASSES: Final = (
    (("IPM.APPOINTMENT", "IPM.TASK", "IPM.ACTIVITY"), (Format.ICS, Format.EML, *_ANY)),
    (("IPM.CONTACT", "IPM.DISTLIST"), (Format.VCF, Format.VCF4, *_ANY)),
)


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """A file that an item becomes. ``suffix`` has its dot; ``pieces`` can be read once."""

    suffix: str
    media_type: str
    pieces: Iterator[bytes]

    def content(self) -> bytes:
        """All pieces joined; there is nothing left in ``pieces`` then."""
        return b"".join(self.pieces)


def formats_for(item_class: str) -> tuple[Format, ...]:
    """The formats that make sense of an item of this class, the usual one first."""
    wanted = item_class.upper()
    for classes, formats in _CLASSES:
        if any(wanted == known or wanted.startswith(f"{known}.") for known in classes):
            return formats
    return (Format.EML, *_ANY)


def export_file(payload: bytes, format: Format | None = None) -> ExportedFile:
    """The file that an item becomes in ``format``.

    Without one it is the first of ``formats_for`` its class that can be written, in the end the
    stored bytes: that never raises. With one, StreamError says why the item can't be written so.
    """
    if format is not None:
        return _written(payload, format)
    for choice in formats_for(_class_of(payload)):
        # Properties of something that is no whole stream say less than its bytes.
        if choice is not Format.JSON:
            try:
                return _written(payload, choice)
            except StreamError:
                continue
    return _written(payload, Format.FTS)


def _written(payload: bytes, format: Format) -> ExportedFile:
    """Begins to write, so that what can't be written raises here and not in mid-file."""
    pieces = _pieces(payload, format)
    first = next(pieces, b"")
    return ExportedFile(format.suffix, format.media_type, chain((first,), pieces))


def _class_of(payload: bytes) -> str:
    if not is_mime_item(payload):
        return index_record(payload).item_class
    try:
        return index_record(native_form(payload)).item_class
    except StreamError:
        return ""


def _pieces(payload: bytes, format: Format) -> Iterator[bytes]:
    if format is not Format.FTS and is_mime_item(payload):
        item = MimeItem(payload)
        if item.is_a(format.suffix) and format is not Format.VCF4:
            yield from pieces_of(item.mime, 0, len(item.mime))
            return
        payload = item.native
    match format:
        case Format.EML:
            yield from write_eml(payload)
        case Format.MSG:
            yield from write_msg(payload)
        case Format.ICS:
            yield write_ics(payload)
        case Format.VCF:
            yield write_vcf(payload, note=item_view(payload).text)
        case Format.VCF4:
            yield write_vcf(payload, version="4.0", note=item_view(payload).text)
        case Format.JSON:
            yield from write_json(payload)
        case Format.FTS:
            yield payload
