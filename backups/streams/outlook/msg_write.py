"""From an item stream to an Outlook message file (.msg, MS-OXMSG).

Every property is copied, also those of recipients, attachments and the messages inside them.
Strings become Unicode, which the file says of all its strings (STORE_UNICODE_OK). Left out are
the properties that belong to the transfer (MetaTag…), and the second of two of the same id and
type. Added where they are missing: what a message file must have to be opened.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from backups.streams.native import tags
from backups.streams.native.content import Content, pieces_of
from backups.streams.native.properties import (
    BINARY,
    BOOLEAN,
    CODE_PAGE,
    FIXED_SIZES,
    GUID,
    INTEGER32,
    MULTIPLE,
    OBJECT,
    STRING,
    STRING8,
    UNICODE,
    decode_text,
    is_multiple_code_page,
    is_text,
)
from backups.streams.native.stream import open_stream
from backups.streams.native.tokens import Node, Owner, Token
from backups.streams.outlook.compound import Storage, Stream, write_compound
from backups.streams.outlook.compound_read import is_whole, read_compound
from backups.streams.outlook.msg_names import NameListing
from backups.streams.outlook.msg_read import NAMES, TABLE, VALUE

CLASS_ID: Final = UUID("00020D0B-0000-0000-C000-000000000046").bytes_le
"""What Outlook writes as class of the root storage."""

STORE_UNICODE_OK: Final = 0x0004_0000
_OUTLOOKS_MASK: Final = 0x0004_0E79

_ENTRY = struct.Struct("<HHI8s")
_SIZED = struct.Struct("<II")
_INTEGER = struct.Struct("<I")
_READABLE_AND_WRITABLE: Final = 6
_A_MESSAGE, _A_STORAGE = 1, 4
_NO_SIZE: Final = 0xFFFFFFFF
_RECIPIENT = "__recip_version1.0_#{:08X}"
_ATTACHMENT = "__attach_version1.0_#{:08X}"
_WESTERN: Final = CODE_PAGE | 1252
_CLASS: Final = "IPM.Note"
_HELD: Final = 65_536
# MetaTags are instructions to a receiver of the transfer, not properties of the item.
_OF_THE_TRANSFER: Final = frozenset({0x4008, 0x400F, 0x4016})


def write_msg(payload: bytes) -> Iterator[bytes]:
    """The item as a .msg file, in pieces; large values are read from ``payload`` as they come.

    Raises StreamError for a payload that is not whole, and MailError for an item with more named
    properties than 32,767 or more than 2 GB.
    """
    stream = open_stream(payload)
    stream.summary()
    return write_compound(_Writer(stream.content).file(stream.scan.root))


def to_msg(payload: bytes) -> bytes:
    """The same as one piece."""
    return b"".join(write_msg(payload))


class _Writer:
    def __init__(self, content: Content) -> None:
        self._content = content
        self._names = NameListing()

    def file(self, root: Node) -> Storage:
        top = Storage(CLASS_ID)
        waiting = [(root, top, bytes(8))]
        while waiting:
            message, storage, end = waiting.pop()
            table = self._properties(message, storage)
            self._add_mask(table)
            self._add_class(table, storage)
            recipients = list(message.nodes(Owner.RECIPIENT))
            attachments = list(message.nodes(Owner.ATTACHMENT))
            for number, node in enumerate(recipients):
                inner = Storage()
                rows = self._properties(node, inner)
                rows.add_integer(tags.ROW_ID, number)
                inner.add_bytes(TABLE, bytes(8) + rows.packed())
                storage.add(_RECIPIENT.format(number), inner)
            for number, node in enumerate(attachments):
                inner = Storage()
                embedded = self._attachment(node, inner, number)
                if embedded is not None:
                    waiting.append((*embedded, b""))
                storage.add(_ATTACHMENT.format(number), inner)
            counts = (len(recipients), len(attachments))
            header = bytes(8) + struct.pack("<4I", *counts, *counts) + end
            storage.add_bytes(TABLE, header + table.packed())
        top.add(NAMES, self._names.storage())
        return top

    def _attachment(self, node: Node, storage: Storage, number: int) -> tuple[Node, Storage] | None:
        """Write an attachment; the message in it and where it goes, when there is one."""
        table = self._properties(node, storage)
        embedded = next(node.nodes(Owner.MESSAGE), None)
        inner = Storage()
        if embedded is not None:
            storage.add(VALUE.format(tags.ATTACH_DATA << 16 | OBJECT), inner)
        method = tags.ATTACH_BY_VALUE if embedded is None else tags.ATTACH_EMBEDDED
        table.add_integer(tags.ATTACH_METHOD, method)
        table.add_integer(tags.ATTACH_NUMBER, number)
        self._add_mask(table)
        if embedded is not None:
            table.add_object(_A_MESSAGE)
        storage.add_bytes(TABLE, bytes(8) + table.packed())
        return (embedded, inner) if embedded is not None else None

    def _add_mask(self, table: _Table) -> None:
        table.raise_bits(tags.STORE_SUPPORT_MASK, STORE_UNICODE_OK, _OUTLOOKS_MASK)

    def _add_class(self, table: _Table, storage: Storage) -> None:
        """Without a class no program takes the file for a message."""
        if not table.has(tags.MESSAGE_CLASS, STRING):
            text = _CLASS.encode("utf-16-le")
            storage.add_bytes(VALUE.format(tags.MESSAGE_CLASS << 16 | STRING), text)
            table.add(tags.MESSAGE_CLASS, STRING, _SIZED.pack(len(text) + 2, 0))

    def _properties(self, node: Node, storage: Storage) -> _Table:
        """The entries of a node's properties, whose values go into ``storage``."""
        table = _Table()
        for token in node.properties:
            tag, start, stop, name = token
            number, kind = tag >> 16, _kind_in_file(tag & 0xFFFF)
            if number in _OF_THE_TRANSFER and name is None:
                continue
            if name is not None:
                number = self._names.id_of(name)
            if table.has(number, kind):
                continue
            if kind in FIXED_SIZES and kind != GUID:
                raw = self._content[start:stop]
                table.add(number, kind, b"\x01" if kind == BOOLEAN and any(raw) else raw)
            elif kind & MULTIPLE:
                self._add_values(table, storage, number, token)
            elif kind == OBJECT and number == tags.ATTACH_DATA:
                # Where a message is, it takes the place of an object.
                if not any(node.nodes(Owner.MESSAGE)):
                    self._add_object(table, storage, self._content[start:stop])
            else:
                value = self._value(token)
                storage.add(VALUE.format(number << 16 | kind), value)
                # An entry counts the end of a string, which its stream does not have.
                table.add(number, kind, _SIZED.pack(value.size + 2 * (kind == STRING), 0))
        return table

    def _value(self, token: Token) -> Stream:
        tag, start, stop, _ = token
        kind = tag & 0xFFFF
        if kind in (STRING, UNICODE):
            end = self._content[max(stop - 2, start) : stop]
            stop -= 2 if end == b"\0\0" and (stop - start) % 2 == 0 else 0
        elif is_text(kind):
            return Stream.of(_unicode(kind, self._content[start:stop]))
        if stop - start <= _HELD:
            return Stream.of(self._content[start:stop])
        return Stream(stop - start, lambda: pieces_of(self._content, start, stop))

    def _add_object(self, table: _Table, storage: Storage, raw: bytes) -> None:
        """An OLE object: the storage that its bytes are, or its bytes when they are none."""
        if is_whole(raw):
            storage.add(VALUE.format(tags.ATTACH_DATA << 16 | OBJECT), read_compound(raw))
            table.add_object(_A_STORAGE)
        elif not table.has(tags.ATTACH_DATA, BINARY):
            storage.add_bytes(VALUE.format(tags.ATTACH_DATA << 16 | BINARY), raw)
            table.add(tags.ATTACH_DATA, BINARY, _SIZED.pack(len(raw), 0))

    def _add_values(self, table: _Table, storage: Storage, number: int, token: Token) -> None:
        """A multi-value: one array, or a stream for each value and one of their lengths."""
        tag, start, stop, _ = token
        wire, kind = tag & 0xFFFF, _kind_in_file(tag & 0xFFFF)
        name = VALUE.format(number << 16 | kind)
        raw = self._content[start:stop]
        base = kind & ~MULTIPLE
        if base in FIXED_SIZES:
            listing = raw[4:]
        else:
            values = list(_elements(raw))
            if base == STRING:
                values = [_unicode(wire & ~MULTIPLE, value) + b"\0\0" for value in values]
            for place, value in enumerate(values):
                storage.add_bytes(f"{name}-{place:08X}", value)
            lengths = (_INTEGER.pack(len(v)) + bytes(4 * (base == BINARY)) for v in values)
            listing = b"".join(lengths)
        storage.add_bytes(name, listing)
        table.add(number, kind, _SIZED.pack(len(listing), 0))


class _Table:
    """The entries of one property stream, by id and type."""

    def __init__(self) -> None:
        self._entries: dict[tuple[int, int], bytes] = {}

    def has(self, number: int, kind: int) -> bool:
        return (number, kind) in self._entries

    def add(self, number: int, kind: int, value: bytes) -> None:
        self._entries[number, kind] = value.ljust(8, b"\0")

    def add_integer(self, number: int, value: int) -> None:
        """Only where the property is missing."""
        if not self.has(number, INTEGER32):
            self.add(number, INTEGER32, _INTEGER.pack(value))

    def add_object(self, kind: int) -> None:
        self.add(tags.ATTACH_DATA, OBJECT, _SIZED.pack(_NO_SIZE, kind))

    def raise_bits(self, number: int, bits: int, default: int) -> None:
        """Set ``bits`` of an integer; ``default`` where the property is missing."""
        raw = self._entries.get((number, INTEGER32))
        value = _INTEGER.unpack_from(raw)[0] | bits if raw else default
        self.add(number, INTEGER32, _INTEGER.pack(value))

    def packed(self) -> bytes:
        return b"".join(
            _ENTRY.pack(kind, number, _READABLE_AND_WRITABLE, value)
            for (number, kind), value in self._entries.items()
        )


def _kind_in_file(kind: int) -> int:
    """The type in the file of a type in the stream: a string is Unicode whatever it was."""
    if is_multiple_code_page(kind) or kind == MULTIPLE | STRING8:
        return MULTIPLE | STRING
    return STRING if is_text(kind) else kind


def _elements(raw: bytes) -> Iterator[bytes]:
    """The values of a multi-value whose values have their lengths before them."""
    at = 4
    for _ in range(_INTEGER.unpack_from(raw)[0]):
        size = _INTEGER.unpack_from(raw, at)[0]
        yield raw[at + 4 : at + 4 + size]
        at += 4 + size


def _unicode(kind: int, raw: bytes) -> bytes:
    """A string as UTF-16 without its last NUL; one of an unknown code page as Windows-1252."""
    if kind in (STRING, UNICODE):
        return raw[:-2] if raw.endswith(b"\0\0") and len(raw) % 2 == 0 else raw
    try:
        text = decode_text(kind, raw)
    except ValueError:
        text = decode_text(_WESTERN, raw)
    return text.encode("utf-16-le", "surrogatepass")
