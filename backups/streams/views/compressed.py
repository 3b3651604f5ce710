"""RTF bodies as they lie in PidTagRtfCompressed (MS-OXRTFCP)."""

from __future__ import annotations

import struct
import zlib
from typing import Final

import compressed_rtf

from backups.streams.native.fields import note

MAX_COMPRESSED: Final = 4 * 1024 * 1024
"""Bytes of a compressed body that are unpacked; they give at most 8.5 times as many."""

_HEADER = struct.Struct("<II4sI")
_COMPRESSED: Final = b"LZFu"
_PLAIN: Final = b"MELA"


def unpack(raw: bytes, notes: list[str]) -> bytes:
    """The RTF in ``raw``; what is wrong with it is noted, as much as can be read is returned."""
    if len(raw) < _HEADER.size:
        note(notes, "RTF body: it is shorter than its header")
        return b""
    size, claimed, kind, checksum = _HEADER.unpack_from(raw)
    # COMPSIZE counts all after itself: 12 bytes of header and the contents.
    contents = raw[_HEADER.size : 4 + max(size, 12)]
    if kind == _PLAIN:
        return contents[:claimed]
    if kind != _COMPRESSED:
        note(notes, f"RTF body: compressed in the unknown way {kind!r}")
        return b""
    if len(contents) > MAX_COMPRESSED:
        note(notes, f"RTF body: {len(contents)} bytes are more than is unpacked")
        return b""
    if _checksum(contents) != checksum:
        note(notes, "RTF body: its checksum is wrong, it may be damaged")
    unpacked = _unpacked(contents)
    if len(unpacked) < claimed:
        note(notes, f"RTF body: {len(unpacked)} of {claimed} bytes are there")
    return unpacked


def _unpacked(contents: bytes) -> bytes:
    """The library refuses a wrong checksum and a reference cut in half; the rest is good."""
    for end in (len(contents), len(contents) - 1):
        cut = contents[: max(end, 0)]
        header = _HEADER.pack(len(cut) + 12, 0, _COMPRESSED, _checksum(cut))
        try:
            unpacked: bytes = compressed_rtf.decompress(header + cut)
        except struct.error:
            continue
        return unpacked
    return b""


def _checksum(contents: bytes) -> int:
    """The CRC of MS-OXRTFCP 2.1.3.2: that of zlib without its inversions."""
    return zlib.crc32(contents, 0xFFFFFFFF) ^ 0xFFFFFFFF
