"""The properties of an item of which nothing else is known, for people."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from backups.streams.native.content import Content
from backups.streams.native.fields import clean, note
from backups.streams.native.properties import (
    BINARY,
    BOOLEAN,
    CODE_PAGE,
    CURRENCY,
    ERROR_CODE,
    FLOATING32,
    FLOATING64,
    FLOATING_TIME,
    GUID,
    INTEGER16,
    INTEGER32,
    INTEGER64,
    MULTIPLE,
    OBJECT,
    SERVER_ID,
    STRING,
    STRING8,
    TIME,
    PropertyName,
    Value,
    decode_value,
    is_multiple_code_page,
    is_text,
)
from backups.streams.native.tokens import Node
from backups.streams.views.details import PropertiesView, PropertyView
from backups.streams.views.property_names import name_of

MAX_PROPERTIES: Final = 500
MAX_VALUE: Final = 200
"""Characters of a value that are shown."""

_MAX_DECODED: Final = 16_384
_SHOWN_BYTES: Final = 32
_TYPES: Final = {
    INTEGER16: "integer, 16 bits",
    INTEGER32: "integer",
    FLOATING32: "number, 32 bits",
    FLOATING64: "number",
    CURRENCY: "currency",
    FLOATING_TIME: "date as a number",
    ERROR_CODE: "error code",
    BOOLEAN: "yes or no",
    OBJECT: "object",
    INTEGER64: "integer, 64 bits",
    STRING8: "text",
    STRING: "text",
    TIME: "time",
    GUID: "GUID",
    SERVER_ID: "server id",
    BINARY: "bytes",
}


def properties_of(node: Node, content: Content, notes: list[str]) -> PropertiesView:
    """The properties of the message at ``node``, in the order of the stream."""
    shown = []
    for tag, start, stop, raw_name in node.properties[:MAX_PROPERTIES]:
        name = PropertyName.from_wire(raw_name) if raw_name else None
        kind = tag & 0xFFFF
        shown_name = clean(name_of(tag, name))
        try:
            text = value_text(kind, content[start : min(stop, start + _MAX_DECODED)], stop - start)
        except ValueError as error:
            note(notes, f"property 0x{tag:08X}: {error}")
            text = f"{stop - start} bytes that can't be read"
        shown.append(PropertyView(tag, shown_name, type_name(kind), text))
    return PropertiesView(tuple(shown), max(len(node.properties) - MAX_PROPERTIES, 0))


def type_name(kind: int) -> str:
    """A property type in words, such as "texts" for several strings."""
    if is_text(kind):
        return "text"
    if is_multiple_code_page(kind):
        return "texts"
    base = _TYPES.get(kind & ~MULTIPLE, f"type 0x{kind:04X}")
    if not kind & MULTIPLE or kind & CODE_PAGE:
        return base
    return "texts" if base == "text" else f"several: {base}"


def value_text(kind: int, raw: bytes, size: int) -> str:
    """The value for people, at most ``MAX_VALUE`` characters; ``raw`` is its beginning when it
    has more than that. ValueError when it does not fit the type."""
    if is_text(kind):
        return _shortened(str(decode_value(kind, raw)))
    base = kind & ~MULTIPLE
    if is_multiple_code_page(kind) or (kind & MULTIPLE and len(raw) < size):
        return f"{size} bytes"
    if base in (BINARY, OBJECT, SERVER_ID) and not kind & MULTIPLE:
        return _bytes(raw, size)
    return _shortened(_text(decode_value(kind, raw)))


def _text(value: Value) -> str:
    if isinstance(value, list):
        return ", ".join(_text(one) for one in value[:MAX_VALUE])
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S UTC")
    if isinstance(value, bytes):
        return _bytes(value, len(value))
    return str(value)


def _bytes(raw: bytes, size: int) -> str:
    more = " …" if size > _SHOWN_BYTES else ""
    return f"{size} bytes: {raw[:_SHOWN_BYTES].hex()}{more}" if size else "0 bytes"


def _shortened(text: str) -> str:
    text = clean(text)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"
