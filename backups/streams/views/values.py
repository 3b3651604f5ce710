"""Named properties in the types that views want; what has another type counts as absent."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from backups.streams.native import names
from backups.streams.native.fields import Fields, clean
from backups.streams.native.properties import PropertyName

_HALF_DAY: Final = timedelta(hours=12)


def named_text(fields: Fields, name: PropertyName) -> str:
    value = fields.named(name)
    return clean(value) if isinstance(value, str) else ""


def named_texts(fields: Fields, name: PropertyName) -> tuple[str, ...]:
    value = fields.named(name)
    return tuple(clean(str(one)) for one in value) if isinstance(value, list) else ()


def named_number(fields: Fields, name: PropertyName) -> int | None:
    value = fields.named(name)
    return value if isinstance(value, int) else None


def named_time(fields: Fields, name: PropertyName) -> datetime | None:
    value = fields.named(name)
    return value if isinstance(value, datetime) else None


def named_flag(fields: Fields, name: PropertyName) -> bool:
    return bool(named_number(fields, name))


def named_binary(fields: Fields, name: PropertyName) -> bytes:
    value = fields.named(name)
    return value if isinstance(value, bytes) else b""


def day_of(moment: datetime | None) -> date | None:
    """The day that ``moment`` means where a day is kept as its midnight somewhere on earth."""
    if moment is None:
        return None
    try:
        return (moment + _HALF_DAY).date()
    except OverflowError:
        return moment.date()


def kept_lines(fields: Fields) -> str:
    """What an import had no place for, as it stood in its file."""
    return "\r\n".join(named_texts(fields, names.KEPT_LINES))


def chosen(words: tuple[str, ...], number: int | None) -> str:
    """The word for an enumerated value; empty for one that has none."""
    return words[number] if number is not None and 0 <= number < len(words) else ""
