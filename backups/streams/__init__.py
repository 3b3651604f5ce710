"""Item streams: what Exchange exports of an item, read, indexed, cut and made (docs/streams.md).

Knows neither Django nor where the bytes come from or go to. A name's module is imported when the
name is first asked for: a backup needs few of them, and calendars and certificates take long.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backups.streams.calendars.read import from_ics, read_ics
    from backups.streams.calendars.write import write_calendar, write_ics
    from backups.streams.contacts.read import from_vcard, read_vcard
    from backups.streams.contacts.write import write_vcf
    from backups.streams.errors import MailError, StreamError, StreamTruncated, StreamUnknown
    from backups.streams.export.archive import Entry, Unavailable, write_zip
    from backups.streams.export.files import ExportedFile, Format, export_file, formats_for
    from backups.streams.export.names import safe_name
    from backups.streams.export.properties import write_json
    from backups.streams.made import Made
    from backups.streams.mail.cut import cut_mime
    from backups.streams.mail.eml import attachment_content, attachment_pieces, to_eml, write_eml
    from backups.streams.mail.mbox import split_mbox, write_mbox
    from backups.streams.mail.mime import from_mime
    from backups.streams.mail.mime_item import MimeItem, mime_form, native_form, open_item
    from backups.streams.native.container import ServerBuild, decode_export
    from backups.streams.native.cut import cut_whole
    from backups.streams.native.index import IndexRecord
    from backups.streams.native.item import Attachment, Item, Recipient, write_item
    from backups.streams.native.properties import Property, PropertyName
    from backups.streams.native.stream import (
        ItemStream,
        StreamSummary,
        cut,
        index_record,
        normalised_digest,
        open_stream,
        read_item,
        validate,
    )
    from backups.streams.outlook.msg_read import from_msg, read_msg
    from backups.streams.outlook.msg_write import to_msg, write_msg
    from backups.streams.outlook.pst import StoreItem, read_store
    from backups.streams.outlook.tnef import read_tnef
    from backups.streams.views import details, property_names
    from backups.streams.views.facts import rows_of
    from backups.streams.views.inline import inline_numbers, with_references
    from backups.streams.views.item import item_view
    from backups.streams.views.model import AttachmentView, Body, ItemView, Kind, Origin, Person

__all__ = [
    "Attachment",
    "AttachmentView",
    "Body",
    "Entry",
    "ExportedFile",
    "Format",
    "IndexRecord",
    "Item",
    "ItemStream",
    "ItemView",
    "Kind",
    "Made",
    "MailError",
    "MimeItem",
    "Origin",
    "Person",
    "Property",
    "PropertyName",
    "Recipient",
    "ServerBuild",
    "StoreItem",
    "StreamError",
    "StreamSummary",
    "StreamTruncated",
    "StreamUnknown",
    "Unavailable",
    "attachment_content",
    "attachment_pieces",
    "cut",
    "cut_mime",
    "cut_whole",
    "decode_export",
    "details",
    "export_file",
    "formats_for",
    "from_ics",
    "from_mime",
    "from_msg",
    "from_vcard",
    "index_record",
    "inline_numbers",
    "item_view",
    "mime_form",
    "native_form",
    "normalised_digest",
    "open_item",
    "open_stream",
    "property_names",
    "read_ics",
    "read_item",
    "read_msg",
    "read_store",
    "read_tnef",
    "read_vcard",
    "rows_of",
    "safe_name",
    "split_mbox",
    "to_eml",
    "to_msg",
    "validate",
    "with_references",
    "write_calendar",
    "write_eml",
    "write_ics",
    "write_item",
    "write_json",
    "write_mbox",
    "write_msg",
    "write_vcf",
    "write_zip",
]

_MODULES = {
    "calendars.read": ("from_ics", "read_ics"),
    "calendars.write": ("write_calendar", "write_ics"),
    "contacts.read": ("from_vcard", "read_vcard"),
    "contacts.write": ("write_vcf",),
    "errors": ("MailError", "StreamError", "StreamTruncated", "StreamUnknown"),
    "export.archive": ("Entry", "Unavailable", "write_zip"),
    "export.files": ("ExportedFile", "Format", "export_file", "formats_for"),
    "export.names": ("safe_name",),
    "export.properties": ("write_json",),
    "made": ("Made",),
    "mail.cut": ("cut_mime",),
    "mail.eml": ("attachment_content", "attachment_pieces", "to_eml", "write_eml"),
    "mail.mbox": ("split_mbox", "write_mbox"),
    "mail.mime": ("from_mime",),
    "mail.mime_item": ("MimeItem", "mime_form", "native_form", "open_item"),
    "native.container": ("ServerBuild", "decode_export"),
    "native.cut": ("cut_whole",),
    "native.index": ("IndexRecord",),
    "native.item": ("Attachment", "Item", "Recipient", "write_item"),
    "native.properties": ("Property", "PropertyName"),
    "native.stream": (
        "ItemStream",
        "StreamSummary",
        "cut",
        "index_record",
        "normalised_digest",
        "open_stream",
        "read_item",
        "validate",
    ),
    "outlook.msg_read": ("from_msg", "read_msg"),
    "outlook.msg_write": ("to_msg", "write_msg"),
    "outlook.pst": ("StoreItem", "read_store"),
    "outlook.tnef": ("read_tnef",),
    "views.facts": ("rows_of",),
    "views.inline": ("inline_numbers", "with_references"),
    "views.item": ("item_view",),
    "views.model": ("AttachmentView", "Body", "ItemView", "Kind", "Origin", "Person"),
}

_HOMES = {name: f"{__name__}.{module}" for module, names in _MODULES.items() for name in names}
_ROOMS = ("details", "property_names")
"""Modules of ``views`` that are public themselves."""


def __getattr__(name: str) -> object:
    """Raises AttributeError for what is no public name."""
    if name in _ROOMS:
        found: object = import_module(f"{__name__}.views.{name}")
    elif name in _HOMES:
        found = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found
