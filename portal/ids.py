"""Identifiers that sort by the time they were made."""

from __future__ import annotations

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """A version 7 UUID (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then random bits.

    New rows then land at the end of an index, and an identifier tells nobody how many there are.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (2**48 - 1)) << 80 | random
    value &= ~(0xF << 76) & ~(0x3 << 62)
    return uuid.UUID(int=value | 7 << 76 | 2 << 62)
