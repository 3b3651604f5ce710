"""Values of Outlook's files as a stream has them: strings with their code page and their end."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from backups.streams.errors import MailError
from backups.streams.native import tags
from backups.streams.native.assembly import SERVER_BUILD
from backups.streams.native.item import Item, write_item
from backups.streams.native.properties import (
    BINARY,
    CODE_PAGE,
    FIXED_SIZES,
    INTEGER32,
    MULTIPLE,
    STRING,
    STRING8,
    UNICODE,
    VARIABLE,
    Property,
    PropertyName,
    codec_of,
)
from backups.streams.native.tokens import scan

WESTERN: Final = 1252
"""The page of strings of bytes when nothing names another one."""

FIRST_NAMED: Final = 0x8000
PAGE_IDS: Final = (tags.MESSAGE_CODEPAGE, tags.MESSAGE_LOCALE_ID, tags.INTERNET_CODEPAGE)
"""What ``declared_page`` looks at."""

_LAST_PAGE: Final = 0x7FFF
# Strings in Unicode or UTF-7 are never kept as bytes: the number speaks of the body alone.
_NEVER_BYTES: Final = (1200, 1201, 65000)
_MARKERS: Final = 0x40
_LANGUAGE: Final = 0x3FF
_SIMPLIFIED: Final = (0x0804, 0x1004)
# The ANSI code page of each language of Windows (primary language id of an LCID, MS-LCID 2.2).
_PAGES_OF_LANGUAGES: Final = {
    **dict.fromkeys((0x05, 0x0E, 0x15, 0x18, 0x1A, 0x1B, 0x1C, 0x24), 1250),
    **dict.fromkeys((0x02, 0x19, 0x22, 0x23, 0x2F, 0x3F, 0x40, 0x44, 0x50), 1251),
    **dict.fromkeys((0x06, 0x07, 0x09, 0x0A, 0x0B, 0x0C, 0x10, 0x13, 0x14, 0x16, 0x1D), 1252),
    **dict.fromkeys((0x1F, 0x2C, 0x43), 1254),
    **dict.fromkeys((0x01, 0x20, 0x29), 1256),
    **dict.fromkeys((0x25, 0x26, 0x27), 1257),
    0x04: 950,
    0x08: 1253,
    0x0D: 1255,
    0x11: 932,
    0x12: 949,
    0x1E: 874,
    0x2A: 1258,
}


def single(number: int, kind: int, raw: bytes, page: int, name: PropertyName | None) -> Property:
    """A property with one value; ``raw`` is the value, a string with or without its last NUL.

    Strings of bytes are of code page ``page``. ValueError for a type that no stream has, a value
    that is too short for it, and an id that would be taken for a marker.
    """
    if kind == STRING:
        text = raw[: len(raw) // 2 * 2].rstrip(b"\0")
        prop = Property(number << 16 | UNICODE, text + bytes(2 + len(text) % 2), name)
    elif kind == STRING8:
        prop = Property(number << 16 | CODE_PAGE | page, raw.rstrip(b"\0") + b"\0", name)
    elif kind in VARIABLE:
        prop = Property(number << 16 | kind, raw, name)
    elif kind in FIXED_SIZES:
        if len(raw) < FIXED_SIZES[kind]:
            raise ValueError(f"{len(raw)} bytes for type 0x{kind:04X}")
        prop = Property(number << 16 | kind, raw[: FIXED_SIZES[kind]], name)
    else:
        raise ValueError(f"its type 0x{kind:04X} is not known")
    if number >> 8 == _MARKERS and kind == INTEGER32 and _is_marker(prop):
        raise ValueError("a stream has a marker of this number")
    return prop


def multiple(
    number: int, kind: int, values: Sequence[bytes], page: int, name: PropertyName | None
) -> Property:
    """A property with several values, each as ``single`` takes it."""
    base = kind & ~MULTIPLE
    if base == STRING8:
        texts = [value.decode(codec_of(CODE_PAGE | page), "replace") for value in values]
        return Property.of(number, MULTIPLE | STRING, [t.rstrip("\0") for t in texts], name)
    if base not in (STRING, BINARY) and base not in FIXED_SIZES:
        raise ValueError(f"its type 0x{kind:04X} is not known")
    wire = [struct.pack("<I", len(values))]
    for value in values:
        raw = single(0, base, value, page, None).raw
        wire += [raw] if base in FIXED_SIZES else [struct.pack("<I", len(raw)), raw]
    return Property(number << 16 | kind, b"".join(wire), name)


def declared_page(values: Mapping[int, int]) -> int | None:
    """The code page of an object's strings of bytes, as its integers (by id) say it.

    PidTagMessageCodepage speaks of them, else the page that Windows uses for the language; what
    PidTagInternetCodepage says of the body is the last guess. None when nothing is said that
    Python knows; else the lower 15 bits of the page, as in a type.
    """
    language = _PAGES_OF_LANGUAGES.get(values.get(tags.MESSAGE_LOCALE_ID, 0) & _LANGUAGE)
    if values.get(tags.MESSAGE_LOCALE_ID) in _SIMPLIFIED:
        language = 936
    claims = (values.get(tags.MESSAGE_CODEPAGE), language, values.get(tags.INTERNET_CODEPAGE))
    return page_named(claim or 0 for claim in claims)


def page_named(pages: Iterable[int]) -> int | None:
    """The first of ``pages`` that strings of bytes can be of; its lower 15 bits, as in a type."""
    for page in pages:
        if 0 < page <= 0x1_0000 and page not in _NEVER_BYTES:
            try:
                codec_of(CODE_PAGE | page & _LAST_PAGE)
            except ValueError:
                continue
            return page & _LAST_PAGE
    return None


def without_twins(properties: Iterable[Property]) -> list[Property]:
    """The first of the properties that share id and type: an object has no two of them."""
    found: dict[tuple[int, PropertyName | None], Property] = {}
    for prop in properties:
        found.setdefault((prop.kind if prop.name else prop.tag, prop.name), prop)
    return list(found.values())


def stream_of(item: Item) -> bytes:
    """The stream of an item; MailError when there is nothing in it."""
    if not (item.properties or item.recipients or item.attachments):
        raise MailError("it holds nothing that can be read")
    return write_item(item, build=SERVER_BUILD)


def label_of(item: Item) -> str:
    """The class of an item, to name it by."""
    found = item.find(tags.MESSAGE_CLASS)
    return str(found.value) if found and isinstance(found.value, str) else ""


def _is_marker(prop: Property) -> bool:
    found = scan(b"".join(prop.to_wire()))
    return found.fault is not None or not found.properties
