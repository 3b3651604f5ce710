"""Every property of an item as JSON (docs/streams/export.md has the schema)."""

from __future__ import annotations

import codecs
import hashlib
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

import pybase64

from backups.streams.errors import StreamError
from backups.streams.native.content import PIECE, Content
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
    codec_of,
    decode_value,
    is_text,
)
from backups.streams.native.stream import open_stream
from backups.streams.native.tokens import Node, Owner
from backups.streams.native.walk import Found
from backups.streams.views.property_names import name_of

FORMAT: Final = "stowage-item-1"

LARGE: Final = 65_536
"""Bytes above which a binary value is given by its size and SHA-256, unless all is asked for."""

_LISTED: Final = 1024 * 1024
"""Bytes up to which a multi-value is listed; each element is an object of its own here."""

_BASE64_PIECE: Final = PIECE - PIECE % 3
_TYPES: Final = {
    INTEGER16: "Integer16",
    INTEGER32: "Integer32",
    FLOATING32: "Floating32",
    FLOATING64: "Floating64",
    CURRENCY: "Currency",
    FLOATING_TIME: "FloatingTime",
    ERROR_CODE: "ErrorCode",
    BOOLEAN: "Boolean",
    OBJECT: "Object",
    INTEGER64: "Integer64",
    STRING8: "String8",
    STRING: "String",
    TIME: "Time",
    GUID: "Guid",
    SERVER_ID: "ServerId",
    BINARY: "Binary",
}
_Json: TypeAlias = "str | int | float | bool | list[_Json] | dict[str, _Json] | None"
_Part: TypeAlias = "str | Iterator[_Part]"


def type_name(kind: int) -> str:
    """A property type as MS-OXCDATA 2.11.1 calls it, without Ptyp; any string is a String."""
    if is_text(kind):
        return "String8" if kind == STRING8 else "String"
    if kind & CODE_PAGE:
        return "MultipleString"
    base = _TYPES.get(kind & ~MULTIPLE, f"0x{kind:04X}")
    return f"Multiple{base}" if kind & MULTIPLE else base


def write_json(payload: bytes, *, whole: bool = False) -> Iterator[bytes]:
    """The item in UTF-8, in pieces; ``whole`` gives large binary values in full.

    A stream that ends early is written as far as it goes, and ``fault`` says where it ends.
    Raises StreamError for a broken container.
    """
    stream = open_stream(payload)
    scan, container = stream.scan, stream.container
    fault = container.unknown or scan.fault
    try:
        digest: _Json = stream.digest().hex()
    except StreamError:
        digest = None
    facts: dict[str, _Json] = {
        "format": FORMAT,
        "size": len(payload),
        "server_build": None if container.build is None else str(container.build),
        "digest": digest,
        "fault": None if fault is None else str(fault),
    }
    writer = _Writer(stream.content, whole)
    lines = (f"  {_text(key)}: {_text(value)},\n" for key, value in facts.items())
    yield ("{\n" + "".join(lines) + '  "message": ').encode()
    yield from _joined(writer.message(scan.root, 1))
    yield b"\n}\n"


def _joined(top: Iterator[_Part]) -> Iterator[bytes]:
    """The text in pieces of a fair size; a stack of iterators in place of recursion."""
    stack = [top]
    held: list[str] = []
    size = 0
    while stack:
        part = next(stack[-1], None)
        if part is None:
            stack.pop()
        elif isinstance(part, str):
            held.append(part)
            size += len(part)
            if size >= LARGE:
                yield "".join(held).encode("utf-8", "replace")
                held, size = [], 0
        else:
            stack.append(part)
    yield "".join(held).encode("utf-8", "replace")


class _Writer:
    def __init__(self, content: Content, whole: bool) -> None:
        self._content = content
        self._whole = whole

    def message(self, node: Node, level: int) -> Iterator[_Part]:
        """Properties, then recipients, then attachments, whatever their order in the stream."""
        margin = "\n" + "  " * level
        yield "{"
        yield from self._properties(node, level)
        for key, owner in (("recipients", Owner.RECIPIENT), ("attachments", Owner.ATTACHMENT)):
            nodes = list(node.nodes(owner))
            yield f',{margin}  "{key}": ['
            for number, child in enumerate(nodes):
                yield f"{',' if number else ''}{margin}    {{"
                yield self._child(child, level + 2)
                yield f"{margin}    }}"
            yield f"{margin}  ]" if nodes else "]"
        yield f"{margin}}}"

    def _child(self, node: Node, level: int) -> Iterator[_Part]:
        yield from self._properties(node, level)
        for message in node.nodes(Owner.MESSAGE):
            yield f',\n{"  " * level}  "message": '
            yield self.message(message, level + 1)

    def _properties(self, node: Node, level: int) -> Iterator[_Part]:
        margin = "\n" + "  " * (level + 1)
        yield f'{margin}"properties": ['
        for number, (tag, start, stop, raw_name) in enumerate(node.properties):
            name = PropertyName.from_wire(raw_name) if raw_name else None
            yield f"{',' if number else ''}{margin}  "
            yield from self._property(Found(tag, name, stop - start, self._content, start))
        yield f"{margin}]" if node.properties else "]"

    def _property(self, found: Found) -> Iterator[str]:
        facts: dict[str, _Json] = {
            "tag": f"0x{found.tag:08X}",
            "name": name_of(found.tag, found.name),
            "type": type_name(found.kind),
        }
        if found.kind & CODE_PAGE:
            facts["code_page"] = found.kind & (0x6FFF if found.kind & MULTIPLE else 0x7FFF)
        if found.name is not None:
            facts["set"] = str(found.name.guid)
            if found.name.name is not None:
                facts["string"] = found.name.name
            else:
                facts["number"] = f"0x{found.name.lid or 0:04X}"
        yield _text(facts)[:-1] + ", "
        yield from self._value(found)
        yield "}"

    def _value(self, found: Found) -> Iterator[str]:
        kind = found.kind
        try:
            if is_text(kind) and found.size > LARGE:
                codec = codec_of(kind)
            elif kind in (BINARY, OBJECT, SERVER_ID):
                yield from self._binary(found)
                return
            elif found.size > _LISTED:
                raise ValueError("too many values to be listed")
            else:
                value = _shown(kind, decode_value(kind, found.read().raw))
                yield f'"value": {_text(value)}'
                return
        except ValueError as error:
            yield f'"problem": {_text(str(error))}, '
            yield from self._binary(found)
            return
        yield from _long_text(found, codec)

    def _binary(self, found: Found) -> Iterator[str]:
        if found.size > LARGE and not self._whole:
            digest = hashlib.sha256()
            for piece in found.pieces():
                digest.update(piece)
            yield f'"size": {found.size}, "sha256": "{digest.hexdigest()}"'
            return
        yield '"base64": "'
        for piece in found.pieces(_BASE64_PIECE):
            yield pybase64.b64encode_as_string(piece)
        yield '"'


def _long_text(found: Found, codec: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(codec)("replace")
    held = ""
    yield '"value": "'
    for piece in found.pieces():
        text = held + decoder.decode(piece)
        text, held = text[:-1], text[-1:]
        yield _text(text)[1:-1]
    text = held + decoder.decode(b"", True)
    yield _text(text.removesuffix("\0"))[1:-1]
    yield '"'


def _shown(kind: int, value: Value) -> _Json:
    """A value in JSON's terms: nothing that a reader could lose digits of is a number."""
    if isinstance(value, list):
        return [_shown(kind & ~MULTIPLE, entry) for entry in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return pybase64.b64encode_as_string(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if kind == ERROR_CODE:
        return f"0x{value:08X}"
    if kind == INTEGER64:
        return str(value)
    if kind == CURRENCY and isinstance(value, int):
        sign, digits = "-" if value < 0 else "", f"{abs(value):05d}"
        return f"{sign}{digits[:-4]}.{digits[-4:]}"
    return value


def _text(value: _Json) -> str:
    return json.dumps(value, ensure_ascii=False)
