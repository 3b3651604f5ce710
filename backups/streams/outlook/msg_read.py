"""From an Outlook message file (.msg, MS-OXMSG) to an item stream.

Nearly a copy: both hold the same properties. A .msg keeps fixed values in a table and every
other value in a stream of its own, and names of named properties once for the whole file. An
embedded message is a storage inside its attachment; so is an OLE object, which becomes a compound
file of its own in PidTagAttachDataObject, as a stream has it (MS-OXCMSG 2.2.2.8).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from backups.streams.errors import MailError
from backups.streams.made import Made
from backups.streams.native import tags
from backups.streams.native.fields import note
from backups.streams.native.item import Attachment, Item, Recipient
from backups.streams.native.properties import (
    BINARY,
    FIXED_SIZES,
    GUID,
    MULTIPLE,
    OBJECT,
    STRING,
    STRING8,
    Property,
    PropertyName,
)
from backups.streams.outlook.compound import Storage, Stream, write_compound
from backups.streams.outlook.compound_read import read_compound
from backups.streams.outlook.incoming import (
    FIRST_NAMED,
    PAGE_IDS,
    WESTERN,
    declared_page,
    multiple,
    single,
    stream_of,
    without_twins,
)

TABLE: Final = "__properties_version1.0"
NAMES: Final = "__nameid_version1.0"
VALUE: Final = "__substg1.0_{:08X}"
ROOT_HEADER, EMBEDDED_HEADER, OTHER_HEADER = 32, 24, 8
"""Bytes before the entries of a table: of the file, an embedded message, anything else."""

KNOWN_SETS: Final = {1: tags.PS_MAPI, 2: tags.PS_PUBLIC_STRINGS}
"""Property sets that have a number without being listed (MS-OXMSG 2.2.3.1.2)."""
FIRST_LISTED_SET: Final = 3

_ENTRY = struct.Struct("<HHI8s")
_NAME_ENTRY = struct.Struct("<IHH")
_INTEGER = struct.Struct("<I")
_LAST_NAMED: Final = 0xFFFE
_RECIPIENT = re.compile(r"__recip_version1\.0_#[0-9A-F]+", re.IGNORECASE)
_VALUE = re.compile(r"__substg1\.0_([0-9A-F]{4})([0-9A-F]{4})", re.IGNORECASE)
_ATTACHMENT = re.compile(r"__attach_version1\.0_#[0-9A-F]+", re.IGNORECASE)


def from_msg(raw: bytes) -> bytes:
    """The item stream of a .msg file; raises MailError for a file that is none."""
    made = read_msg(raw)
    if made.payload is None:
        raise MailError(made.reason)
    return made.payload


def read_msg(raw: bytes) -> Made:
    """The same, with notes of what the stream could not take over; never raises."""
    try:
        reader = _Reader(read_compound(raw))
        payload = stream_of(reader.item())
    except MailError as error:
        return Made("message", reason=str(error))
    return Made("message", payload, notes=tuple(reader.notes))


class _Reader:
    def __init__(self, root: Storage) -> None:
        if root.stream(TABLE) is None:
            raise MailError("the file holds no message")
        self.notes: list[str] = []
        self._root = root
        self._names = dict(self._read_names(root.storage(NAMES) or Storage()))

    def item(self) -> Item:
        """The message with all below it; the embedded ones are filled after those around them."""
        top = Item()
        waiting = [(self._root, ROOT_HEADER, WESTERN, top)]
        while waiting:
            storage, header, page, item = waiting.pop()
            entries = self._entries(storage, header, "the message")
            page = _declared_page(entries) or page
            item.properties += self._properties(storage, entries, page)
            for name, child in storage.children():
                if not isinstance(child, Storage):
                    continue
                if _RECIPIENT.fullmatch(name):
                    found = self._entries(child, OTHER_HEADER, name)
                    item.recipients.append(Recipient(self._properties(child, found, page)))
                elif _ATTACHMENT.fullmatch(name):
                    found = self._entries(child, OTHER_HEADER, name)
                    attachment = Attachment(self._properties(child, found, page))
                    inner = _object_of(child)
                    if inner is not None and inner.stream(TABLE) is not None:
                        attachment.embedded = Item()
                        waiting.append((inner, EMBEDDED_HEADER, page, attachment.embedded))
                    item.attachments.append(attachment)
        return top

    def _entries(self, storage: Storage, header: int, owner: str) -> list[tuple[int, int, bytes]]:
        """(type, id, 8 bytes of value) of each property in the table."""
        table = storage.stream(TABLE)
        try:
            raw = table.read()[header:] if table else b""
        except MailError as error:
            raw = b""
            note(self.notes, f"{owner}: {error}")
        if not raw:
            note(self.notes, f"{owner} holds no properties")
        whole = raw[: len(raw) // 16 * 16]
        return [(kind, number, value) for kind, number, _, value in _ENTRY.iter_unpack(whole)]

    def _properties(
        self, storage: Storage, entries: list[tuple[int, int, bytes]], page: int
    ) -> list[Property]:
        """Those of ``entries``; strings of bytes are of ``page`` unless they say so themselves."""
        found = []
        page = _declared_page(entries) or page
        unlisted = _unlisted(storage, entries)
        if unlisted:
            note(self.notes, "the list of properties is damaged: values beside it are read")
        for kind, number, value in dict.fromkeys(entries + unlisted):
            try:
                prop = self._property(storage, kind, number, value, page)
            except (MailError, ValueError) as error:
                note(self.notes, f"property 0x{number:04X}{kind:04X} is left out: {error}")
                continue
            if prop is not None:
                found.append(prop)
        return without_twins(found)

    def _property(
        self, storage: Storage, kind: int, number: int, value: bytes, page: int
    ) -> Property | None:
        name = None
        if number >= FIRST_NAMED:
            name = self._names.get(number)
            if name is None:
                raise ValueError("it has no name")
        stream = VALUE.format(number << 16 | kind)
        if kind in FIXED_SIZES and kind != GUID:
            return single(number, kind, value, page, name)
        if kind & MULTIPLE:
            return multiple(number, kind, _values(storage, stream, kind), page, name)
        if kind == OBJECT and (inner := storage.storage(stream)) is not None:
            if inner.stream(TABLE) is not None:
                return None
            return single(number, kind, b"".join(write_compound(inner)), page, name)
        return single(number, kind, _read(storage, stream), page, name)

    def _read_names(self, storage: Storage) -> Iterator[tuple[int, PropertyName]]:
        """Property ids and names (MS-OXMSG 2.2.3): sets, entries and the texts of names."""
        sets, entries, texts = (self._listing(storage, number) for number in (2, 3, 4))
        for value, kind, index in _NAME_ENTRY.iter_unpack(entries[: len(entries) // 8 * 8]):
            number = FIRST_NAMED + index
            guid = KNOWN_SETS.get(kind >> 1) or _set_at(sets, (kind >> 1) - FIRST_LISTED_SET)
            if number > _LAST_NAMED:
                note(self.notes, f"a named property has the number {index}")
            elif guid is None:
                note(self.notes, f"named property 0x{number:04X} is of no set")
            elif not kind & 1:
                yield number, PropertyName(guid, lid=value)
            elif value + 4 <= len(texts):
                size = _INTEGER.unpack_from(texts, value)[0]
                text = texts[value + 4 : value + 4 + size]
                name = text.decode("utf-16-le", "replace").partition("\0")[0]
                yield number, PropertyName(guid, name=name)
            else:
                note(self.notes, f"named property 0x{number:04X} has lost its name")

    def _listing(self, storage: Storage, number: int) -> bytes:
        stream = storage.stream(VALUE.format(number << 16 | BINARY))
        try:
            return stream.read() if stream else b""
        except MailError as error:
            note(self.notes, f"names of properties: {error}")
            return b""


def _unlisted(
    storage: Storage, entries: list[tuple[int, int, bytes]]
) -> list[tuple[int, int, bytes]]:
    """Entries of values that are there without one, which only damage makes."""
    listed = {(kind, number) for kind, number, _ in entries}
    names = (
        _VALUE.fullmatch(name) for name, child in storage.children() if isinstance(child, Stream)
    )
    found = [(int(name[2], 16), int(name[1], 16)) for name in names if name]
    return [(kind, number, b"") for kind, number in found if (kind, number) not in listed]


def _object_of(attachment: Storage) -> Storage | None:
    return attachment.storage(VALUE.format(tags.ATTACH_DATA << 16 | OBJECT))


def _values(storage: Storage, stream: str, kind: int) -> list[bytes]:
    """The values of a multi-value: one array, or a stream for each and one of their lengths."""
    raw = _read(storage, stream)
    base = kind & ~MULTIPLE
    size = FIXED_SIZES.get(base)
    if size:
        return [raw[at : at + size] for at in range(0, len(raw) - size + 1, size)]
    if base not in (STRING, STRING8, BINARY):
        raise ValueError(f"its type 0x{kind:04X} is not known")
    count = len(raw) // (8 if base == BINARY else 4)
    return [_read(storage, f"{stream}-{place:08X}") for place in range(count)]


def _read(storage: Storage, name: str) -> bytes:
    stream = storage.stream(name)
    if stream is None:
        raise ValueError(f"{name} is missing")
    return stream.read()


def _set_at(sets: bytes, place: int) -> UUID | None:
    raw = sets[place * 16 : place * 16 + 16] if place >= 0 else b""
    return UUID(bytes_le=raw) if len(raw) == 16 else None


def _declared_page(entries: list[tuple[int, int, bytes]]) -> int | None:
    """The code page that an object names for its strings of bytes, if Python knows it."""
    return declared_page(
        {
            number: _INTEGER.unpack_from(value)[0]
            for _, number, value in entries
            if number in PAGE_IDS
        }
    )
