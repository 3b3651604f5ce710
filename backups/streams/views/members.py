"""The members of a personal distribution list (MS-OXOCNTC 2.2.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

from backups.streams.native import names, tags
from backups.streams.native.entry_ids import WRAPPED, read_one_off
from backups.streams.native.fields import Fields, clean, note
from backups.streams.views.details import DistributionListView, MemberView
from backups.streams.views.values import named_binary, named_text

MAX_MEMBERS: Final = 10_000

_DIRECTORY: Final = bytes.fromhex("dca740c8c042101ab4b908002b2fe182")
"""Provider of an address book entry id (MS-OXCDATA 2.2.5.2)."""

_KINDS: Final = {0: "address", 3: "contact", 4: "list", 5: "user", 6: "group"}
"""What a wrapped entry id holds, by the lower four bits of its type (2.2.2.2.4.1.1)."""

_PROVIDER: Final = slice(4, 20)
_STREAM = struct.Struct("<HHIIIIII")
_SIZE = struct.Struct("<I")

Pair = tuple[bytes, bytes]
"""A member's entry id, and the one-off entry id that says its name and address."""


def list_of(fields: Fields, notes: list[str]) -> DistributionListView:
    """The list; members that can't be read are counted in a note."""
    stream = named_binary(fields, names.DISTRIBUTION_LIST_STREAM)
    pairs = list(_streamed(stream, notes) if stream else _listed(fields))
    if len(pairs) > MAX_MEMBERS:
        note(notes, f"{len(pairs) - MAX_MEMBERS} more members are not listed")
    found = [_member(*pair) for pair in pairs[:MAX_MEMBERS]]
    members = tuple(member for member in found if member is not None)
    if len(members) < len(found):
        note(notes, f"{len(found) - len(members)} members of the list can't be read")
    name = named_text(fields, names.DISTRIBUTION_LIST_NAME) or fields.text(tags.DISPLAY_NAME)
    return DistributionListView(name, members)


def _listed(fields: Fields) -> Iterator[Pair]:
    """PidLidDistributionListMembers and …OneOffMembers, which go together by place."""
    yield from zip_longest(
        _binaries(fields.named(names.DISTRIBUTION_LIST_MEMBERS)),
        _binaries(fields.named(names.DISTRIBUTION_LIST_ONE_OFF_MEMBERS)),
        fillvalue=b"",
    )


def _binaries(value: object) -> list[bytes]:
    return [one for one in value if isinstance(one, bytes)] if isinstance(value, list) else []


def _streamed(raw: bytes, notes: list[str]) -> Iterator[Pair]:
    """PidLidDistributionListStream (2.2.2.2.4), of a list that is too large for the others."""
    if len(raw) < _STREAM.size:
        note(notes, "list of members: it is shorter than its header")
        return
    count = _STREAM.unpack_from(raw)[4]
    position = _STREAM.size
    for _ in range(count):
        parts: list[bytes] = []
        for _part in range(3):
            if position + _SIZE.size > len(raw):
                break
            size = _SIZE.unpack_from(raw, position)[0]
            position += _SIZE.size
            parts.append(raw[position : position + size])
            position += size
        if len(parts) < 3 or position > len(raw):
            note(notes, "list of members: it ends early")
            return
        yield parts[0], parts[1]


def _member(entry_id: bytes, one_off: bytes) -> MemberView | None:
    kind, inner = "address", entry_id
    if entry_id[_PROVIDER] == WRAPPED:
        kind = _KINDS.get(entry_id[20] & 0xF if len(entry_id) > 20 else 0, "address")
        inner = entry_id[21:]
    known = read_one_off(one_off) or read_one_off(entry_id)
    if known is not None:
        name, _, address = known
        return MemberView(clean(name), clean(address), kind)
    if inner[_PROVIDER] == _DIRECTORY:
        name = clean(inner[28:].split(b"\0")[0].decode("latin-1"))
        return MemberView("", name, kind)
    return MemberView("", "", kind) if kind != "address" else None
