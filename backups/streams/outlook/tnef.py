"""From TNEF (winmail.dat, MS-OXTNEF) to an item stream.

Attributes of the message and its attachments one after another; nearly everything worth having
is in those that hold a list of MAPI properties, which are copied as they are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from backups.streams.errors import MailError
from backups.streams.made import Made
from backups.streams.native import tags
from backups.streams.native.assembly import SERVER_BUILD, integer, text, time
from backups.streams.native.assembly import sender as sender_properties
from backups.streams.native.item import Attachment, Item, Recipient, write_item
from backups.streams.native.properties import (
    BINARY,
    FIXED_SIZES,
    MULTIPLE,
    OBJECT,
    STRING8,
    VARIABLE,
    Property,
    PropertyName,
)
from backups.streams.outlook.incoming import WESTERN, multiple, page_named, single, without_twins

MAX_NESTING: Final = 30
"""Messages inside messages that are read; a deeper one is attached as its bytes."""

SIGNATURE: Final = b"\x78\x9f\x3e\x22"

_ATTRIBUTE = struct.Struct("<BII")
_U32 = struct.Struct("<I")
_TAG = struct.Struct("<HH")
_DATE = struct.Struct("<6H")
_TRIPLE = struct.Struct("<4H")
_CHECKSUM: Final = 2
_MESSAGE_LEVEL: Final = 1
_IS_MESSAGE: Final = UUID("00020307-0000-0000-C000-000000000046").bytes_le
_FIRST_NAMED: Final = 0x8000

# Attributes by the lower half of their numbers (MS-OXTNEF 2.1.3.2); the upper half is a type.
_FROM: Final = 0x8000
_SUBJECT: Final = 0x8004
_DATE_SENT: Final = 0x8005
_DATE_RECEIVED: Final = 0x8006
_CLASS: Final = 0x8008
_BODY: Final = 0x800C
_FILE_DATA: Final = 0x800F
_FILE_TITLE: Final = 0x8010
_RENDERING: Final = 0x9002
_PROPERTIES: Final = 0x9003
_RECIPIENTS: Final = 0x9004
_FILE_PROPERTIES: Final = 0x9005
_PAGE: Final = 0x9007

_OLD_CLASSES: Final = {
    "IPM.Microsoft Mail.Note": "IPM.Note",
    "IPM.Microsoft Mail.Read Receipt": "REPORT.IPM.Note.IPNRN",
    "IPM.Microsoft Mail.Non-Delivery": "REPORT.IPM.Note.NDR",
    "IPM.Microsoft Schedule.MtgRespP": "IPM.Schedule.Meeting.Resp.Pos",
    "IPM.Microsoft Schedule.MtgRespN": "IPM.Schedule.Meeting.Resp.Neg",
    "IPM.Microsoft Schedule.MtgRespA": "IPM.Schedule.Meeting.Resp.Tent",
    "IPM.Microsoft Schedule.MtgReq": "IPM.Schedule.Meeting.Request",
    "IPM.Microsoft Schedule.MtgCncl": "IPM.Schedule.Meeting.Canceled",
}
"""Classes of Microsoft Mail, by which TNEF names today's (MS-OXTNEF 2.1.3.3.5)."""


def is_tnef(raw: bytes) -> bool:
    return raw.startswith(SIGNATURE)


def read_tnef(raw: bytes) -> Made:
    """The item in a TNEF file, with notes of what could not be read; never raises."""
    try:
        reader = _Reader()
        item = reader.item(raw, 0)
    except MailError as error:
        return Made("message", reason=str(error))
    return Made("message", write_item(item, build=SERVER_BUILD), notes=tuple(reader.notes))


def open_tnef(raw: bytes) -> Item:
    """The item in TNEF as a tree, as far as it can be read; MailError when it is none."""
    return _Reader().item(raw, 0)


class _End(Exception):
    """The bytes end before the value does."""


@dataclass(slots=True)
class _Parts:
    """What the attributes of one message have given so far."""

    page: int = WESTERN
    listed: list[Property] = field(default_factory=list)
    old: list[Property] = field(default_factory=list)
    recipients: list[Recipient] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)


class _Reader:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def item(self, raw: bytes, depth: int) -> Item:
        if not is_tnef(raw):
            raise MailError("not a TNEF file")
        parts = _Parts()
        for level, number, value in self._attributes(raw):
            if level == _MESSAGE_LEVEL:
                self._of_message(parts, number, value, depth)
            else:
                self._of_attachment(parts, number, value, depth)
        if not parts.listed and not parts.old and not parts.attachments:
            raise MailError("the TNEF file holds nothing that can be read")
        return Item(
            properties=_ordered([*parts.listed, *parts.old]),
            recipients=parts.recipients,
            attachments=[_whole(a, number) for number, a in enumerate(parts.attachments)],
        )

    def _attributes(self, raw: bytes) -> Iterator[tuple[int, int, bytes]]:
        """(level, lower half of the number, value) of each attribute that is whole."""
        position = len(SIGNATURE) + 2
        while position + _ATTRIBUTE.size <= len(raw):
            level, number, size = _ATTRIBUTE.unpack_from(raw, position)
            start = position + _ATTRIBUTE.size
            if level not in (1, 2):
                self.notes.append(f"what follows byte {position} is no TNEF")
                return
            if start + size > len(raw):
                self.notes.append(f"attribute 0x{number:08X} is cut short")
                return
            yield level, number & 0xFFFF, raw[start : start + size]
            position = start + size + _CHECKSUM

    def _of_message(self, parts: _Parts, number: int, value: bytes, depth: int) -> None:
        if number == _PAGE and len(value) >= 4:
            parts.page = page_named([_U32.unpack_from(value)[0]]) or WESTERN
        elif number == _PROPERTIES:
            parts.listed += _List(self, value, parts.page, depth).read()[0]
        elif number == _RECIPIENTS:
            parts.recipients += self._rows(value, parts.page)
        elif number == _CLASS:
            name = _string(value, parts.page)
            parts.old.append(text(tags.MESSAGE_CLASS, _OLD_CLASSES.get(name, name)))
        elif number == _SUBJECT:
            parts.old.append(text(tags.SUBJECT, _string(value, parts.page)))
        elif number == _BODY:
            parts.old.append(text(tags.BODY, _string(value, parts.page)))
        elif number == _FROM:
            parts.old += _sender(value, parts.page)
        elif number in (_DATE_SENT, _DATE_RECEIVED):
            date = _date(value)
            sent = number == _DATE_SENT
            if date is not None:
                parts.old.append(
                    time(tags.CLIENT_SUBMIT_TIME if sent else tags.MESSAGE_DELIVERY_TIME, date)
                )

    def _of_attachment(self, parts: _Parts, number: int, value: bytes, depth: int) -> None:
        if number == _RENDERING or not parts.attachments:
            parts.attachments.append(Attachment())
        attachment = parts.attachments[-1]
        if number == _FILE_PROPERTIES:
            found, embedded = _List(self, value, parts.page, depth).read()
            # The list is the newer and the fuller word on what the attributes before it say.
            attachment.properties = [*found, *attachment.properties]
            attachment.embedded = embedded
        elif number == _FILE_DATA:
            attachment.properties.append(single(tags.ATTACH_DATA, BINARY, value, parts.page, None))
        elif number == _FILE_TITLE:
            name = _string(value, parts.page)
            for tag in (tags.ATTACH_FILENAME, tags.ATTACH_LONG_FILENAME, tags.DISPLAY_NAME):
                attachment.properties.append(text(tag, name))

    def _rows(self, value: bytes, page: int) -> Iterator[Recipient]:
        rows = _List(self, value, page, MAX_NESTING)
        try:
            count = rows.u32()
        except _End:
            return
        for row in range(count):
            if rows.at_end:
                return
            found, _ = rows.read()
            if found:
                ordered = _ordered([*found, integer(tags.ROW_ID, row)])
                yield Recipient(ordered)


class _List:
    """A counted list of MAPI properties (MS-OXTNEF 2.1.3.4)."""

    def __init__(self, reader: _Reader, raw: bytes, page: int, depth: int) -> None:
        self._reader = reader
        self._raw = raw
        self._page = page
        self._depth = depth
        self._position = 0

    @property
    def at_end(self) -> bool:
        return self._position >= len(self._raw)

    def read(self) -> tuple[list[Property], Item | None]:
        """The properties as far as they can be read, and the message that one of them is."""
        found: list[Property] = []
        embedded: Item | None = None
        try:
            for _ in range(self.u32()):
                kind, number = _TAG.unpack(self._take(4))
                name = self._name() if number >= _FIRST_NAMED else None
                values = self._values(kind)
                if kind == OBJECT and number == tags.ATTACH_DATA and values:
                    message = self._message(values[0])
                    if message is not None:
                        embedded = message
                        continue
                try:
                    found.append(self._property(number, kind, values, name))
                except ValueError as error:
                    self._note(f"property 0x{number:04X}{kind:04X} is left out: {error}")
        except _End:
            self._position = len(self._raw)
            self._note("a list of properties is cut short")
        return found, embedded

    def u32(self) -> int:
        return int(_U32.unpack(self._take(4))[0])

    def _property(
        self, number: int, kind: int, values: list[bytes], name: PropertyName | None
    ) -> Property:
        if kind & MULTIPLE:
            return multiple(number, kind, values, self._page, name)
        if not values:
            raise ValueError("it has no value")
        value = values[0][16:] if kind == OBJECT else values[0]
        return single(number, kind, value, self._page, name)

    def _values(self, kind: int) -> list[bytes]:
        base = kind & ~MULTIPLE
        size = FIXED_SIZES.get(base)
        if size is not None:
            count = self.u32() if kind & MULTIPLE else 1
            if count * size > len(self._raw) - self._position:
                raise _End
            values = [self._take(size) for _ in range(count)]
            if size < 4:
                self._pad()
            return values
        if base not in VARIABLE:
            raise _End
        count = self.u32()
        values = []
        for _ in range(count):
            values.append(self._take(self.u32()))
            self._pad()
        return values

    def _name(self) -> PropertyName:
        guid = UUID(bytes_le=self._take(16))
        if self.u32() == 0:
            return PropertyName(guid, lid=self.u32())
        name = self._take(self.u32())
        self._pad()
        letters = name[: len(name) // 2 * 2].decode("utf-16-le", "replace")
        return PropertyName(guid, name=letters.split("\0", 1)[0])

    def _message(self, value: bytes) -> Item | None:
        """The message that an attached object is; None for another object."""
        if value[:16] != _IS_MESSAGE or self._depth >= MAX_NESTING:
            return None
        try:
            return self._reader.item(value[16:], self._depth + 1)
        except MailError as error:
            self._note(f"an attached message can't be read: {error}")
            return None

    def _take(self, size: int) -> bytes:
        stop = self._position + size
        if stop > len(self._raw):
            raise _End
        value = self._raw[self._position : stop]
        self._position = stop
        return value

    def _pad(self) -> None:
        self._position = min(self._position + -self._position % 4, len(self._raw))

    def _note(self, said: str) -> None:
        self._reader.notes.append(said)


def _ordered(properties: list[Property]) -> list[Property]:
    """One of each property, in the order of a server; ids of names mean nothing."""
    seen: dict[int, Property] = {}
    for prop in properties:
        if prop.name is None:
            seen.setdefault(prop.id, prop)
    plain = sorted(seen.values(), key=lambda prop: prop.tag)
    return plain + without_twins(prop for prop in properties if prop.name is not None)


def _whole(attachment: Attachment, number: int) -> Attachment:
    """``attachment`` with what every attachment has, and without the bytes that stand in for a
    message where a reader knows none."""
    embedded = attachment.embedded
    method = tags.ATTACH_EMBEDDED if embedded is not None else tags.ATTACH_BY_VALUE
    left = {tags.ATTACH_NUMBER} | ({tags.ATTACH_DATA} if embedded is not None else set())
    found = [prop for prop in attachment.properties if prop.id not in left]
    added = [integer(tags.ATTACH_NUMBER, number), integer(tags.ATTACH_METHOD, method)]
    return Attachment(_ordered([*found, *added]), embedded)


def _string(value: bytes, page: int) -> str:
    prop = single(tags.BODY, STRING8, value, page, None)
    try:
        found = prop.value
    except ValueError:
        return ""
    return found.split("\0", 1)[0] if isinstance(found, str) else ""


def _date(value: bytes) -> datetime | None:
    """A date of year, month, day, hour, minute, second and day of the week."""
    if len(value) < _DATE.size:
        return None
    try:
        year, month, day, hour, minute, second = _DATE.unpack_from(value)
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _sender(value: bytes, page: int) -> list[Property]:
    """The sender as a one-off triple: lengths, then name and ``type:address`` (2.1.3.3.7)."""
    if len(value) < _TRIPLE.size:
        return []
    _, _, name_size, address_size = _TRIPLE.unpack_from(value)
    start = _TRIPLE.size + name_size
    name = _string(value[_TRIPLE.size : start], page)
    address = _string(value[start : start + address_size], page).partition(":")[2]
    return sender_properties(name, address) if name or address else []
