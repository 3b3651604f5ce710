"""A second reader of .msg files, written from MS-OXMSG over olefile; shares nothing with ours.

An object is its properties, {(key, type): bytes or list of bytes}, and what is in it. A key is an
id, or (set, number or name). A string's bytes are without its last NUL.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from uuid import UUID

import olefile

from backups.streams import Attachment, Item, Property, Recipient

PS_MAPI = UUID("00020328-0000-0000-C000-000000000046")
PS_PUBLIC_STRINGS = UUID("00020329-0000-0000-C000-000000000046")
WIDTHS = {2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0xA: 4, 0xB: 2, 0x14: 8, 0x40: 8}
VARIABLE = (0x1E, 0x1F, 0x102, 0xD, 0x48)

Properties = dict[tuple[object, int], object]


@dataclass
class Seen:
    properties: Properties
    recipients: list[Properties] = field(default_factory=list)
    attachments: list[tuple[Properties, Seen | None]] = field(default_factory=list)


def seen_in_file(raw: bytes) -> Seen:
    with olefile.OleFileIO(io.BytesIO(raw)) as file:
        return _message(file, [], 32, _names(file))


def seen_in_item(item: Item) -> Seen:
    """The same of a decoded stream."""
    return Seen(
        _ours(item.properties),
        [_ours(recipient.properties) for recipient in item.recipients],
        [
            (_ours(a.properties), seen_in_item(a.embedded) if a.embedded else None)
            for a in item.attachments
        ],
    )


def in_unicode(item: Item) -> Item:
    """``item`` with every string in Unicode, as a written file has it."""
    return Item(
        _unicode(item.properties),
        [Recipient(_unicode(recipient.properties)) for recipient in item.recipients],
        attachments=[
            Attachment(_unicode(a.properties), in_unicode(a.embedded) if a.embedded else None)
            for a in item.attachments
        ],
    )


def _message(file: olefile.OleFileIO, path: list[str], header: int, names: dict) -> Seen:
    seen = Seen(_properties(file, path, header, names))
    below = {
        entry[len(path)]
        for entry in file.listdir(streams=False, storages=True)
        if entry[: len(path)] == path and len(entry) == len(path) + 1
    }
    for name in sorted(below):
        inside = [*path, name]
        if name.startswith("__recip"):
            seen.recipients.append(_properties(file, inside, 8, names))
        elif name.startswith("__attach"):
            inner = [*inside, "__substg1.0_3701000D"]
            is_message = file.exists([*inner, "__properties_version1.0"])
            message = _message(file, inner, 24, names) if is_message else None
            seen.attachments.append((_properties(file, inside, 8, names), message))
    return seen


def _properties(file: olefile.OleFileIO, path: list[str], header: int, names: dict) -> Properties:
    table = file.openstream([*path, "__properties_version1.0"]).read()
    found: Properties = {}
    for at in range(header, len(table) - 15, 16):
        kind, number = struct.unpack_from("<HH", table, at)
        key = names[number] if number >= 0x8000 else number
        stream = [*path, f"__substg1.0_{number:04X}{kind:04X}"]
        if kind in WIDTHS:
            found[key, kind] = table[at + 8 : at + 8 + WIDTHS[kind]]
        elif file.exists(stream) and file.get_type(stream) == olefile.STGTY_STREAM:
            # A stream has no multi-value of strings of bytes that says its code page.
            found[key, 0x101F if kind == 0x101E else kind] = _value(file, stream, kind)
    return found


def _value(file: olefile.OleFileIO, stream: list[str], kind: int) -> object:
    raw = file.openstream(stream).read()
    if kind in VARIABLE:
        return _text(kind, raw)
    base = kind & 0xFFF
    if base in WIDTHS or base == 0x48:
        return raw
    *above, last = stream
    count = len(raw) // (8 if base == 0x102 else 4)
    values = [file.openstream([*above, f"{last}-{n:08X}"]).read() for n in range(count)]
    for place, value in enumerate(values):
        assert struct.unpack_from("<I", raw, place * len(raw) // count)[0] == len(value)
    texts = [_text(base, value) for value in values]
    return [t.decode("cp1252").encode("utf-16-le") for t in texts] if base == 0x1E else texts


def _text(kind: int, raw: bytes) -> bytes:
    if kind == 0x1F:
        while raw.endswith(b"\0\0") and len(raw) % 2 == 0:
            raw = raw[:-2]
    return raw.rstrip(b"\0") if kind == 0x1E else raw


def _names(file: olefile.OleFileIO) -> dict[int, tuple[UUID, int | str]]:
    sets, entries, texts = (
        file.openstream(f"__nameid_version1.0/__substg1.0_000{n}0102").read() for n in (2, 3, 4)
    )
    names: dict[int, tuple[UUID, int | str]] = {}
    for at in range(0, len(entries), 8):
        value, kind, index = struct.unpack_from("<IHH", entries, at)
        known = {1: PS_MAPI, 2: PS_PUBLIC_STRINGS}
        place = (kind // 2 - 3) * 16
        guid = known.get(kind // 2) or UUID(bytes_le=sets[place : place + 16])
        if kind % 2:
            size = struct.unpack_from("<I", texts, value)[0]
            names[0x8000 + index] = (guid, texts[value + 4 : value + 4 + size].decode("utf-16-le"))
        else:
            names[0x8000 + index] = (guid, value)
    return names


def _ours(properties: list[Property]) -> Properties:
    found: Properties = {}
    for prop in properties:
        name = prop.name
        key = prop.id
        if name is not None:
            key = (name.guid, name.lid if name.name is None else name.name)
        found[key, _kind(prop.kind)] = _bytes(prop)
    return found


def _kind(kind: int) -> int:
    if kind == 0x84B0:
        return 0x1F
    return 0x1E if kind & 0x8000 else kind


def _bytes(prop: Property) -> object:
    if prop.kind == 0x84B0:
        return prop.raw[:-2]
    if prop.kind & 0x8000:
        return prop.raw[:-1]
    base = prop.kind & 0xFFF
    if not prop.kind & 0x1000:
        return prop.raw
    if base in WIDTHS or base == 0x48:
        return prop.raw[4:]
    values = prop.value
    assert isinstance(values, list)
    return [v.encode("utf-16-le") if isinstance(v, str) else v for v in values]


def _unicode(properties: list[Property]) -> list[Property]:
    return [
        Property.of(prop.id, 0x84B0, prop.value, prop.name) if _kind(prop.kind) == 0x1E else prop
        for prop in properties
    ]
