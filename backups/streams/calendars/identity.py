"""The UID of a calendar object and the global object id of an item (MS-OXOCAL 2.2.1.27)."""

from __future__ import annotations

import struct
from datetime import date

from backups.streams.native import names


def global_id(uid: str, day: date | None) -> bytes:
    """PidLidGlobalObjectId of a UID, or of its occurrence on ``day``."""
    when = struct.pack(">HBB", day.year, day.month, day.day) if day else bytes(4)
    prefix = names.GLOBAL_ID_PREFIX
    if uid.lower().startswith(prefix.hex()):
        try:
            known = bytes.fromhex(uid)
        except ValueError:
            known = b""
        if len(known) >= 40 and uid_of(known[:16] + bytes(4) + known[20:]) == uid:
            return known[:16] + when + known[20:]
    own = names.FOREIGN_UID + uid.encode("utf-8", "replace") + b"\0"
    return prefix + when + bytes(16) + struct.pack("<I", len(own)) + own


def uid_of(global_object_id: bytes) -> str:
    """The UID that a global object id stands for; empty for what is none."""
    if len(global_object_id) < 40 or not global_object_id.startswith(names.GLOBAL_ID_PREFIX):
        return ""
    own = global_object_id[40:]
    if own.startswith(names.FOREIGN_UID):
        return own[len(names.FOREIGN_UID) :].rstrip(b"\0").decode("utf-8", "replace")
    return (global_object_id[:16] + bytes(4) + global_object_id[20:]).hex().upper()


def occurrence_of(global_object_id: bytes) -> date | None:
    """The day of the occurrence that a global object id names; None when it is of a series."""
    if len(global_object_id) < 20:
        return None
    try:
        return date(*struct.unpack_from(">HBB", global_object_id, 16))
    except ValueError:
        return None
