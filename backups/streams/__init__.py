"""Item streams: what Exchange exports of an item, read, indexed, cut and made (docs/streams.md).

Knows neither Django nor where the bytes come from or go to.
"""

from backups.streams.container import ServerBuild, decode_export
from backups.streams.errors import StreamError, StreamTruncated, StreamUnknown
from backups.streams.index import IndexRecord
from backups.streams.item import Attachment, Item, Recipient, write_item
from backups.streams.mime import from_mime
from backups.streams.properties import Property, PropertyName
from backups.streams.stream import (
    ItemStream,
    StreamSummary,
    cut,
    index_record,
    normalised_digest,
    open_stream,
    read_item,
    validate,
)

__all__ = [
    "Attachment",
    "IndexRecord",
    "Item",
    "ItemStream",
    "Property",
    "PropertyName",
    "Recipient",
    "ServerBuild",
    "StreamError",
    "StreamSummary",
    "StreamTruncated",
    "StreamUnknown",
    "cut",
    "decode_export",
    "from_mime",
    "index_record",
    "normalised_digest",
    "open_stream",
    "read_item",
    "validate",
    "write_item",
]
