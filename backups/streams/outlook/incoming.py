"""Values of Outlook's files as a stream has them: strings with their code page and their end."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from backups.streams.native import tags
from backups.streams.native.item import Item
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

_LAST_PAGE: Final = 0x7FFF
# Strings in Unicode or UTF-7 are never kept as bytes: the number speaks of the body alone.
_NEVER_BYTES: Final = (1200, 1201, 65000)
_MARKERS: Final = 0x40


def single(number: int, kind: int, raw: bytes, page: int, name: PropertyName | None) -> Property:
    """A property with one value; ``raw`` is the value, a string with or without its last NUL.

    Strings of bytes are of code page ``page``. ValueError for a type that no stream has, a value
    that is too short for it, and an id that would be taken for a marker.
    """
    if kind == STRING:
        raw = raw[: len(raw) // 2 * 2]
        prop = Property(number << 16 | UNICODE, _without_end(raw, b"\0\0") + b"\0\0", name)
    elif kind == STRING8:
        prop = Property(number << 16 | CODE_PAGE | page, _without_end(raw, b"\0") + b"\0", name)
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
        return Property.of(number, MULTIPLE | STRING, [t.removesuffix("\0") for t in texts], name)
    if base not in (STRING, BINARY) and base not in FIXED_SIZES:
        raise ValueError(f"its type 0x{kind:04X} is not known")
    wire = [struct.pack("<I", len(values))]
    for value in values:
        raw = single(0, base, value, page, None).raw
        wire += [raw] if base in FIXED_SIZES else [struct.pack("<I", len(raw)), raw]
    return Property(number << 16 | kind, b"".join(wire), name)


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


def is_named_page(number: int) -> bool:
    return number in (tags.MESSAGE_CODEPAGE, tags.INTERNET_CODEPAGE)


def without_twins(properties: Iterable[Property]) -> list[Property]:
    """The first of the properties that share id and type: an object has no two of them."""
    found: dict[tuple[int, PropertyName | None], Property] = {}
    for prop in properties:
        found.setdefault((prop.kind if prop.name else prop.tag, prop.name), prop)
    return list(found.values())


def label_of(item: Item) -> str:
    """The class of an item, to name it by."""
    found = item.find(tags.MESSAGE_CLASS)
    return str(found.value) if found and isinstance(found.value, str) else ""


def _without_end(raw: bytes, end: bytes) -> bytes:
    return raw[: -len(end)] if raw.endswith(end) else raw


def _is_marker(prop: Property) -> bool:
    found = scan(b"".join(prop.to_wire()))
    return found.fault is not None or not found.properties
