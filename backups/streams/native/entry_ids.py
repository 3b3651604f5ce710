"""Entry ids that say who somebody is by themselves (MS-OXCDATA 2.2.5.1, MS-OXOCNTC 2.2.2.2.1)."""

from __future__ import annotations

import struct
from typing import Final

ONE_OFF: Final = bytes.fromhex("812b1fa4bea310199d6e00dd010f5402")
"""Provider of a one-off entry id: name, type and address are in it."""

WRAPPED: Final = bytes.fromhex("c091add3519dcf11a4a900aa0047faa4")
"""Provider of a distribution list's member: a type byte, then another entry id."""

_HEAD: Final = 4 + 16
_UNICODE: Final = 0x8000
_FLAGS: Final = struct.Struct("<HH")


def one_off(name: str, kind: str, address: str) -> bytes:
    """The one-off entry id of a person in Unicode; ``kind`` is the address type, as SMTP."""
    strings = "".join(part.replace("\0", "") + "\0" for part in (name, kind, address))
    head = bytes(4) + ONE_OFF + _FLAGS.pack(0, 0x9001)
    return head + strings.encode("utf-16-le", "replace")


def read_one_off(entry_id: bytes) -> tuple[str, str, str] | None:
    """(name, address type, address) of a one-off entry id, also a wrapped one; else None."""
    if entry_id[4:_HEAD] == WRAPPED:
        entry_id = entry_id[_HEAD + 1 :]
    if entry_id[4:_HEAD] != ONE_OFF or len(entry_id) < _HEAD + _FLAGS.size:
        return None
    _, flags = _FLAGS.unpack_from(entry_id, _HEAD)
    raw = entry_id[_HEAD + _FLAGS.size :]
    text = raw.decode("utf-16-le" if flags & _UNICODE else "cp1252", "replace")
    parts = text.split("\0")
    if len(parts) < 3:
        return None
    return parts[0], parts[1], parts[2]
