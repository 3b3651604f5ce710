"""From an Outlook message file (.msg, MS-OXMSG) to an item stream.

Nearly a copy: both hold the same properties. A .msg keeps fixed values in a table and every
other value in a stream of its own, and names of named properties once for the whole file.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import olefile

from backups.streams.errors import MailError
from backups.streams.made import Made
from backups.streams.native import tags
from backups.streams.native.assembly import SERVER_BUILD
from backups.streams.native.item import Attachment, Item, Recipient, write_item
from backups.streams.native.properties import (
    BINARY,
    CODE_PAGE,
    FIXED_SIZES,
    MULTIPLE,
    OBJECT,
    SERVER_ID,
    STRING,
    STRING8,
    UNICODE,
    Property,
    PropertyName,
    codec_of,
)

MAX_NESTING: Final = 30
"""Messages inside messages that are read."""

_TABLE: Final = "__properties_version1.0"
_NAMES: Final = "__nameid_version1.0"
_VALUE = "__substg1.0_{:08X}"
_ROOT_HEADER, _EMBEDDED_HEADER, _OTHER_HEADER = 32, 24, 8
_ENTRY = struct.Struct("<HHI8s")
_NAME_ENTRY = struct.Struct("<II")
_KNOWN_SETS = {1: tags.PS_MAPI, 2: tags.PS_PUBLIC_STRINGS}
_FIRST_NAMED: Final = 0x8000
_WESTERN: Final = 1252
_LAST_PAGE: Final = 0x7FFF
_RECIPIENT = re.compile(r"__recip_version1\.0_#[0-9A-F]+", re.IGNORECASE)
_ATTACHMENT = re.compile(r"__attach_version1\.0_#[0-9A-F]+", re.IGNORECASE)

Path = tuple[str, ...]


def from_msg(raw: bytes) -> bytes:
    """The item stream of a .msg file; raises MailError for a file that is none."""
    made = read_msg(raw)
    if made.payload is None:
        raise MailError(made.reason)
    return made.payload


def read_msg(raw: bytes) -> Made:
    """The same, with notes of what the stream could not take over; never raises."""
    try:
        if not olefile.isOleFile(data=raw):
            raise MailError("not an Outlook message file")
        with olefile.OleFileIO(io.BytesIO(raw)) as file:
            reader = _Reader(file)
            payload = write_item(reader.message((), _ROOT_HEADER, 0), build=SERVER_BUILD)
            return Made("message", payload, notes=tuple(reader.notes))
    except MailError as error:
        return Made("message", reason=str(error))
    except (OSError, ValueError, IndexError, KeyError, TypeError, struct.error) as error:
        return Made("message", reason=f"the file is damaged: {error}")
    except (RecursionError, MemoryError) as error:
        return Made("message", reason=f"the file is damaged: {type(error).__name__}")


@dataclass(slots=True)
class _Reader:
    file: olefile.OleFileIO
    notes: list[str] = field(default_factory=list)
    names: dict[int, PropertyName] = field(default_factory=dict)
    storages: dict[Path, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self.file.listdir(streams=False, storages=True):
            self.storages.setdefault(tuple(path[:-1]), []).append(path[-1])
        if not self.file.exists(_TABLE):
            raise MailError("the file holds no message")
        self.names = dict(self._names())

    def message(self, path: Path, header: int, depth: int) -> Item:
        properties = list(self.properties(path, header, _WESTERN))
        children = self.storages.get(path, [])
        item = Item(properties=properties)
        page = _page_of(properties)
        for name in sorted(filter(_RECIPIENT.fullmatch, children)):
            found = list(self.properties((*path, name), _OTHER_HEADER, page))
            item.recipients.append(Recipient(found))
        for name in sorted(filter(_ATTACHMENT.fullmatch, children)):
            item.attachments.append(self.attachment((*path, name), page, depth))
        return item

    def attachment(self, path: Path, page: int, depth: int) -> Attachment:
        properties = list(self.properties(path, _OTHER_HEADER, page))
        inner = _VALUE.format(tags.ATTACH_DATA << 16 | OBJECT)
        if inner not in self.storages.get(path, []):
            return Attachment(properties)
        if not self.file.exists("/".join((*path, inner, _TABLE))):
            self.notes.append(f"{path[-1]}: an OLE object, whose storage a stream can't hold")
            return Attachment(properties)
        if depth >= MAX_NESTING:
            raise MailError("messages inside messages, deeper than is read")
        return Attachment(properties, self.message((*path, inner), _EMBEDDED_HEADER, depth + 1))

    def properties(self, path: Path, header: int, page: int) -> Iterator[Property]:
        """The properties below ``path``; strings of bytes are of ``page`` unless they say so."""
        if path and not self.file.exists("/".join((*path, _TABLE))):
            self.notes.append(f"{path[-1]} holds no properties")
            return
        table = self.stream((*path, _TABLE))[header:]
        entries = [_ENTRY.unpack_from(table, at) for at in range(0, len(table) - 15, 16)]
        page = _declared_page(entries) or page
        for kind, number, _flags, value in entries:
            try:
                prop = self.read(path, number, kind, value, page)
            except (OSError, ValueError, struct.error) as error:
                self.notes.append(f"property 0x{number:04X}{kind:04X} is left out: {error}")
                continue
            if prop is not None:
                yield prop

    def read(self, path: Path, number: int, kind: int, value: bytes, page: int) -> Property | None:
        name = None
        if number >= _FIRST_NAMED:
            name = self.names.get(number)
            if name is None:
                raise ValueError("it has no name")
        if kind in FIXED_SIZES:
            raw = value[: FIXED_SIZES[kind]]
            if FIXED_SIZES[kind] > len(value):
                raw = self.stream((*path, _VALUE.format(number << 16 | kind)))
            return _sized(number, kind, raw, name)
        if kind == OBJECT and number == tags.ATTACH_DATA:
            return None
        stream = (*path, _VALUE.format(number << 16 | kind))
        if kind & MULTIPLE:
            return self.multiple(stream, number, kind, name, page)
        raw = self.stream(stream)
        if kind == STRING:
            return Property(number << 16 | UNICODE, raw + b"\0\0", name)
        if kind == STRING8:
            return Property(number << 16 | CODE_PAGE | page, raw + b"\0", name)
        if kind in (BINARY, SERVER_ID, OBJECT):
            return Property(number << 16 | kind, raw, name)
        raise ValueError(f"its type 0x{kind:04X} is not known")

    def multiple(
        self, stream: Path, number: int, kind: int, name: PropertyName | None, page: int
    ) -> Property:
        """A multi-value: one array of fixed values, or a stream for each and one of lengths."""
        base = kind & ~MULTIPLE
        raw = self.stream(stream)
        if base in FIXED_SIZES:
            count = len(raw) // FIXED_SIZES[base]
            whole = raw[: count * FIXED_SIZES[base]]
            return Property(number << 16 | kind, struct.pack("<I", count) + whole, name)
        if base not in (STRING, STRING8, BINARY):
            raise ValueError(f"its type 0x{kind:04X} is not known")
        count = len(raw) // (8 if base == BINARY else 4)
        *above, last = stream
        values = [self.stream((*above, f"{last}-{place:08X}")) for place in range(count)]
        if base == STRING8:
            texts = [value.decode(codec_of(CODE_PAGE | page), "replace") for value in values]
            return Property.of(number, MULTIPLE | STRING, [t.rstrip("\0") for t in texts], name)
        ends = b"\0\0" if base == STRING else b""
        wire = b"".join(struct.pack("<I", len(v) + len(ends)) + v + ends for v in values)
        return Property(number << 16 | kind, struct.pack("<I", count) + wire, name)

    def stream(self, path: Path) -> bytes:
        name = "/".join(path)
        if not self.file.exists(name):
            raise ValueError(f"{path[-1]} is missing")
        with self.file.openstream(name) as opened:
            return bytes(opened.read())

    def _names(self) -> Iterator[tuple[int, PropertyName]]:
        """Property ids and names (MS-OXMSG 2.2.3): sets, entries and the texts of names."""
        streams = [(_NAMES, _VALUE.format(number << 16 | BINARY)) for number in (2, 3, 4)]
        sets, entries, texts = (
            self.stream(path) if self.file.exists("/".join(path)) else b"" for path in streams
        )
        for at in range(0, len(entries) - 7, 8):
            value, kind = _NAME_ENTRY.unpack_from(entries, at)
            index = kind >> 1 & 0x7FFF
            number = _FIRST_NAMED + (kind >> 16)
            guid = _KNOWN_SETS.get(index) or _set_at(sets, index - 3)
            if guid is None:
                self.notes.append(f"named property 0x{number:04X} is of no set")
            elif not kind & 1:
                yield number, PropertyName(guid, lid=value)
            elif value + 4 <= len(texts):
                length = struct.unpack_from("<I", texts, value)[0]
                text = texts[value + 4 : value + 4 + length].decode("utf-16-le", "replace")
                yield number, PropertyName(guid, name=text.replace("\0", ""))


def _sized(number: int, kind: int, raw: bytes, name: PropertyName | None) -> Property:
    if len(raw) != FIXED_SIZES[kind]:
        raise ValueError(f"{len(raw)} bytes of {FIXED_SIZES[kind]}")
    return Property(number << 16 | kind, raw, name)


def _set_at(sets: bytes, place: int) -> UUID | None:
    raw = sets[place * 16 : place * 16 + 16] if place >= 0 else b""
    return UUID(bytes_le=raw) if len(raw) == 16 else None


def _declared_page(entries: list[tuple[int, int, int, bytes]]) -> int | None:
    """The code page that a message names for its strings of bytes, if Python knows it."""
    numbers = {number: value for _, number, _, value in entries}
    for number in (tags.MESSAGE_CODEPAGE, tags.INTERNET_CODEPAGE):
        page = struct.unpack_from("<I", numbers[number])[0] if number in numbers else 0
        # Strings in Unicode or UTF-7 are never kept as bytes; the number speaks of the body.
        if page and page <= 0x1_0000 and page not in (1200, 1201, 65000) and _known(page):
            return int(page) & _LAST_PAGE
    return None


def _page_of(properties: list[Property]) -> int:
    """The page that a message's strings were read by, for those of its recipients and files."""
    for prop in properties:
        if prop.kind & CODE_PAGE and prop.kind not in (UNICODE,) and not prop.kind & MULTIPLE:
            return prop.kind & _LAST_PAGE
    return _WESTERN


def _known(page: int) -> bool:
    try:
        codec_of(CODE_PAGE | page & _LAST_PAGE)
    except ValueError:
        return False
    return True
