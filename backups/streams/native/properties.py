"""Property values: their types on the wire and what they mean.

Types and sizes: MS-OXCDATA 2.11.1; how FastTransfer writes them: MS-OXCFXICS 2.2.4.1. A boolean
takes two bytes, a variable value has a u32 length before it, a multi-value a u32 count. A string
may carry its code page as type: 0x8000 | code page (0x84B0 is UTF-16, 0x84E4 is Windows-1252).
"""

from __future__ import annotations

import codecs
import functools
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

INTEGER16: Final = 0x0002
INTEGER32: Final = 0x0003
FLOATING32: Final = 0x0004
FLOATING64: Final = 0x0005
CURRENCY: Final = 0x0006
FLOATING_TIME: Final = 0x0007
ERROR_CODE: Final = 0x000A
BOOLEAN: Final = 0x000B
OBJECT: Final = 0x000D
INTEGER64: Final = 0x0014
STRING8: Final = 0x001E
STRING: Final = 0x001F
TIME: Final = 0x0040
GUID: Final = 0x0048
SERVER_ID: Final = 0x00FB
BINARY: Final = 0x0102
MULTIPLE: Final = 0x1000
CODE_PAGE: Final = 0x8000
UNICODE: Final = CODE_PAGE | 1200

FIXED_SIZES: Final = {
    INTEGER16: 2,
    INTEGER32: 4,
    FLOATING32: 4,
    FLOATING64: 8,
    CURRENCY: 8,
    FLOATING_TIME: 8,
    ERROR_CODE: 4,
    BOOLEAN: 2,
    INTEGER64: 8,
    TIME: 8,
    GUID: 16,
}
"""Bytes of a value whose type fixes its size."""

VARIABLE: Final = frozenset({OBJECT, STRING8, STRING, SERVER_ID, BINARY})
"""Types whose value has its length before it; code-page strings have too."""

Value: TypeAlias = "int | float | bool | str | bytes | datetime | UUID | list[Value]"

_NUMBERS = {
    INTEGER16: struct.Struct("<h"),
    INTEGER32: struct.Struct("<i"),
    FLOATING32: struct.Struct("<f"),
    FLOATING64: struct.Struct("<d"),
    CURRENCY: struct.Struct("<q"),
    FLOATING_TIME: struct.Struct("<d"),
    ERROR_CODE: struct.Struct("<I"),
    INTEGER64: struct.Struct("<q"),
}
_FILETIME = struct.Struct("<Q")
_LENGTH = struct.Struct("<I")
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_CODECS = {
    1200: "utf-16-le",
    1201: "utf-16-be",
    20127: "ascii",
    20866: "koi8_r",
    21866: "koi8_u",
    20932: "euc_jp",
    936: "gb18030",
    54936 & 0x7FFF: "gb18030",
    50220 & 0x7FFF: "iso2022_jp",
    51932 & 0x7FFF: "euc_jp",
    51949 & 0x7FFF: "euc_kr",
    65001 & 0x7FFF: "utf-8",
}


def is_multiple_code_page(kind: int) -> bool:
    """Whether ``kind`` is a code-page string type with the multi-value bit.

    No code page has a number from 4096 to 8191, so 0x9xxx can only be that.
    """
    return kind & 0xF000 == CODE_PAGE | MULTIPLE


def is_text(kind: int) -> bool:
    """Whether ``kind`` is a single string, of whatever encoding."""
    if kind & CODE_PAGE:
        return not is_multiple_code_page(kind)
    return kind in (STRING, STRING8)


@functools.lru_cache(maxsize=256)
def codec_of(kind: int) -> str:
    """Python's name of the encoding of string type ``kind``; ValueError for an unknown page.

    PtypString8 does not say its page; Windows-1252 is what Outlook in the West means by it.
    """
    if kind == STRING:
        return "utf-16-le"
    if kind == STRING8:
        return "cp1252"
    page = kind & 0x7FFF
    if page in _CODECS:
        return _CODECS[page]
    if 28591 <= page <= 28606:
        return f"iso8859_{page - 28590}"
    try:
        return codecs.lookup(f"cp{page}").name
    except LookupError as error:
        raise ValueError(f"unknown code page {page}") from error


def decode_text(kind: int, raw: bytes | memoryview) -> str:
    """The string, without its terminating NUL. What does not decode becomes U+FFFD.

    Raises ValueError for a code page that Python does not know.
    """
    text = codecs.decode(raw, codec_of(kind), "replace")
    return text[:-1] if text.endswith("\0") else text


def decode_value(kind: int, raw: bytes | memoryview) -> Value:
    """The value in Python's terms; currency as an integer of 1/10,000.

    ``raw`` is what ``Property.raw`` holds. Raises ValueError when it does not fit the type, or
    for a date that Python can't hold.
    """
    if is_text(kind):
        return decode_text(kind, raw)
    if kind & MULTIPLE:
        base = kind & ~MULTIPLE
        return [decode_value(base, piece) for piece in _elements(base, raw)]
    if kind in VARIABLE:
        return bytes(raw)
    if len(raw) != FIXED_SIZES.get(kind, -1):
        raise ValueError(f"{len(raw)} bytes for type 0x{kind:04X}")
    if kind == BOOLEAN:
        return any(raw)
    if kind == TIME:
        return from_filetime(_FILETIME.unpack(raw)[0])
    if kind == GUID:
        return UUID(bytes_le=bytes(raw))
    number: int | float = _NUMBERS[kind].unpack(raw)[0]
    return number


def encode_value(kind: int, value: object) -> bytes:
    """``value`` as ``Property.raw``; the inverse of ``decode_value``.

    Raises ValueError or TypeError when the value does not fit the type.
    """
    if is_text(kind):
        return (str(value) + "\0").encode(codec_of(kind))
    if kind & MULTIPLE:
        if not isinstance(value, Sequence):
            raise TypeError("a multi-value is a list")
        base = kind & ~MULTIPLE
        return b"".join(_encoded_elements(base, value))
    if kind in VARIABLE:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError("a binary value is bytes")
        return bytes(value)
    if kind == BOOLEAN:
        return b"\x01\x00" if value else b"\x00\x00"
    if kind == TIME and isinstance(value, datetime):
        return _FILETIME.pack(to_filetime(value))
    if kind == GUID and isinstance(value, UUID):
        return value.bytes_le
    if kind in _NUMBERS:
        try:
            return _NUMBERS[kind].pack(value)
        except struct.error as error:
            raise ValueError(f"{value!r} is not a value of type 0x{kind:04X}") from error
    raise TypeError(f"{type(value).__name__} is not a value of type 0x{kind:04X}")


def from_filetime(ticks: int) -> datetime:
    """Time of ``ticks`` of 100 ns since 1601, in UTC; ValueError beyond the year 9999."""
    try:
        return _EPOCH + timedelta(microseconds=ticks // 10)
    except OverflowError as error:
        raise ValueError(f"no such date: {ticks}") from error


def to_filetime(moment: datetime) -> int:
    """Ticks of 100 ns since 1601 for an aware ``moment``; ValueError before 1601."""
    ticks = (moment - _EPOCH) // timedelta(microseconds=1) * 10
    if ticks < 0:
        raise ValueError(f"no such date: {moment}")
    return ticks


@dataclass(frozen=True, slots=True)
class PropertyName:
    """Name of a property with an id of 0x8000 or more: a set, and a number or a string in it."""

    guid: UUID
    lid: int | None = None
    name: str | None = None

    @classmethod
    def from_wire(cls, raw: bytes) -> PropertyName:
        """Read set, kind and number or zero-terminated UTF-16 name (MS-OXCFXICS 2.2.4.1)."""
        guid = UUID(bytes_le=raw[:16])
        if raw[16] == 0:
            return cls(guid, lid=_LENGTH.unpack(raw[17:21])[0])
        return cls(guid, name=raw[17:-2].decode("utf-16-le", "surrogatepass"))

    def to_wire(self) -> bytes:
        """The bytes that stand between the tag and the value."""
        if self.name is not None:
            text = self.name.encode("utf-16-le", "surrogatepass")
            return self.guid.bytes_le + b"\x01" + text + b"\0\0"
        return self.guid.bytes_le + b"\x00" + _LENGTH.pack(self.lid or 0)


@dataclass(frozen=True, slots=True)
class Property:
    """One property. ``tag`` is id << 16 | type; ``name`` is there when the id is >= 0x8000.

    ``raw`` is the value as it stands on the wire, without the length of a variable value, with
    the count (and lengths) of a multi-value. It is kept so that writing gives the same bytes.
    """

    tag: int
    raw: bytes
    name: PropertyName | None = None

    @property
    def id(self) -> int:
        return self.tag >> 16

    @property
    def kind(self) -> int:
        return self.tag & 0xFFFF

    @property
    def value(self) -> Value:
        """The value; ValueError when the bytes don't fit the type."""
        return decode_value(self.kind, self.raw)

    @classmethod
    def of(
        cls, number: int, kind: int, value: object, name: PropertyName | None = None
    ) -> Property:
        """A property with id ``number`` and type ``kind`` from a Python value."""
        return cls(number << 16 | kind, encode_value(kind, value), name)

    def to_wire(self) -> Iterator[bytes]:
        """The pieces of the property as the transfer content has them."""
        yield _LENGTH.pack(self.tag)
        if self.name is not None:
            yield self.name.to_wire()
        if self.kind in VARIABLE or is_text(self.kind):
            yield _LENGTH.pack(len(self.raw))
        yield self.raw


def _elements(base: int, raw: bytes | memoryview) -> Iterator[bytes | memoryview]:
    if len(raw) < 4:
        raise ValueError("a multi-value without its count")
    count = _LENGTH.unpack_from(raw)[0]
    position = 4
    for _ in range(count):
        size = FIXED_SIZES.get(base)
        if size is None:
            if position + 4 > len(raw):
                raise ValueError("a multi-value is shorter than its count")
            size = _LENGTH.unpack_from(raw, position)[0]
            position += 4
        if position + size > len(raw):
            raise ValueError("a multi-value is shorter than its count")
        yield raw[position : position + size]
        position += size


def _encoded_elements(base: int, values: Sequence[object]) -> Iterator[bytes]:
    yield _LENGTH.pack(len(values))
    for value in values:
        raw = encode_value(base, value)
        if base not in FIXED_SIZES:
            yield _LENGTH.pack(len(raw))
        yield raw
