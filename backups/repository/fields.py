"""Reading records that came from outside: each field is of its type, or the record is refused."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgpack

from backups.parts import RecipeError

HASH = 32

UNREADABLE = (
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    RecipeError,
    msgpack.UnpackException,
)
"""What strange bytes may raise while they are read as a record."""


def pack(value: object) -> bytes:
    """msgpack as the format has it. Raises ValueError, also for a datetime without zone."""
    packed: bytes = msgpack.packb(value, datetime=True, unicode_errors="surrogatepass")
    return packed


def unpack(content: bytes) -> object:
    """Raises one of ``UNREADABLE``."""
    value: object = msgpack.unpackb(content, timestamp=3, unicode_errors="surrogatepass")
    return value


def members(value: object, names: Collection[str]) -> dict[str, object]:
    """A map with exactly these members. Raises ValueError, TypeError."""
    record = {text(name): member for name, member in mapping(value).items()}
    if record.keys() != set(names):
        odd = sorted(record.keys() ^ set(names))
        raise ValueError(f"members that are missing or too many: {', '.join(odd):.200}")
    return record


def text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} where text should be")
    return value


def text_or_none(value: object) -> str | None:
    return None if value is None else text(value)


def text_or_number(value: object) -> str | int:
    return number(value) if isinstance(value, int) else text(value)


def number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{value!r:.40} where a number should be")
    return value


def octets(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"a {type(value).__name__} where bytes should be")
    return value


def digest(value: object) -> bytes:
    """A SHA-256."""
    if len(octets(value)) != HASH:
        raise ValueError("a hash of another length")
    return octets(value)


def uuid(value: object) -> UUID:
    return UUID(bytes=octets(value))


def moment(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"a {type(value).__name__} where a time should be")
    return value


def listing(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError(f"a {type(value).__name__} where a list should be")
    return value


def mapping(value: object) -> dict[object, object]:
    if not isinstance(value, dict):
        raise TypeError(f"a {type(value).__name__} where a map should be")
    return value


def interval(first: object, end: object) -> tuple[int, int | None]:
    """From commit ``first`` on, until before commit ``end``; None: it is there still."""
    start, stop = number(first), None if end is None else number(end)
    if start < 1 or (stop is not None and stop <= start):
        raise ValueError(f"from {start} to {stop}")
    return start, stop
