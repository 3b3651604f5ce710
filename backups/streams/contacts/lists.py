"""The members of a distribution list (MS-OXOCNTC 2.2.2.2)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

from backups.streams.native import names
from backups.streams.native.assembly import Draft
from backups.streams.native.entry_ids import one_off, read_one_off
from backups.streams.native.fields import Fields, clean
from backups.streams.native.properties import BINARY, MULTIPLE, Value

MAX_LISTED: Final = 15_000
"""Bytes from which on the members are in PidLidDistributionListStream instead."""

_STREAM_HEAD = struct.Struct("<HHIIIIII")
_SIZE = struct.Struct("<I")
_ALWAYS_A_STREAM: Final = 1
_INVERTED: Final = 0xFFFFFFFF


def add_members(draft: Draft, members: Sequence[tuple[str, str]]) -> None:
    """Put (name, mail address) of each member into the list, as one-off entry ids."""
    ids = [one_off(clean(name or address), "SMTP", clean(address)) for name, address in members]
    if sum(map(len, ids)) >= MAX_LISTED:
        draft.name_binary(names.DISTRIBUTION_LIST_STREAM, _stream(ids))
        return
    draft.name_integer(names.DISTRIBUTION_LIST_CHECKSUM, checksum(ids))
    for name in (names.DISTRIBUTION_LIST_MEMBERS, names.DISTRIBUTION_LIST_ONE_OFF_MEMBERS):
        draft.named.append((name, MULTIPLE | BINARY, ids))


def checksum(ids: Sequence[bytes]) -> int:
    """PidLidDistributionListChecksum of the members' entry ids, as a signed integer.

    CRC-32 that begins with zero and is not inverted at its end, as Outlook has it.
    """
    crc = _INVERTED
    for entry in ids:
        crc = zlib.crc32(entry, crc)
    crc ^= _INVERTED
    return crc - (1 << 32) if crc >> 31 else crc


def members_of(fields: Fields) -> Iterator[tuple[str, str]]:
    """(name, address) of each member that says who it is by itself.

    The entry id of a contact or a user only names an object of the mailbox; such a member is
    known where a one-off entry id stands beside it.
    """
    stream = fields.named(names.DISTRIBUTION_LIST_STREAM)
    if isinstance(stream, bytes) and len(stream) > _STREAM_HEAD.size:
        pairs = list(_from_stream(stream))
    else:
        members = _binaries(fields.named(names.DISTRIBUTION_LIST_MEMBERS))
        others = _binaries(fields.named(names.DISTRIBUTION_LIST_ONE_OFF_MEMBERS))
        pairs = list(zip_longest(members, others, fillvalue=b""))
    for member, beside in pairs:
        found = read_one_off(beside) or read_one_off(member)
        if found is not None:
            yield clean(found[0]), clean(found[2])


def _binaries(value: Value | None) -> list[bytes]:
    return [entry for entry in value if isinstance(entry, bytes)] if isinstance(value, list) else []


def _stream(ids: Sequence[bytes]) -> bytes:
    """PidLidDistributionListStream: a head, three sized values for each member, eight zeros."""
    total = sum(map(len, ids))
    head = _STREAM_HEAD.pack(1, 0, 0, _ALWAYS_A_STREAM, len(ids), total, total, 0)
    pieces: list[bytes] = []
    for entry in ids:
        sized = _SIZE.pack(len(entry)) + entry
        pieces += (sized, sized, _SIZE.pack(0))
    return head + b"".join(pieces) + bytes(8)


def _from_stream(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(entry id, one-off entry id) of each member, as far as the bytes go."""
    count = _STREAM_HEAD.unpack_from(raw)[4]
    position = _STREAM_HEAD.size
    for _ in range(count):
        values = []
        for _ in range(3):
            if position + _SIZE.size > len(raw):
                return
            size = _SIZE.unpack_from(raw, position)[0]
            position += _SIZE.size
            values.append(raw[position : position + size])
            position += size
        yield values[0], values[1]
