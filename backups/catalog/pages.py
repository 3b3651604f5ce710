"""Pages of items, newest first, each beginning behind the last row of the one before.

A page is found by its place and not by counting rows, so the thousandth takes as long as the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from backups.catalog.models import ItemVersion

EARLIEST: Final = datetime(1601, 1, 1, tzinfo=UTC)
"""Stands for the date of an item that has none, where items are put in order."""

SIZE: Final = 50
"""Items of a page."""

_IDS_END: Final = 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class After:
    """The last row of the page before."""

    date: datetime
    id: int

    @classmethod
    def of(cls, version: ItemVersion) -> After:
        return cls(version.received_at or EARLIEST, version.pk)

    @classmethod
    def read(cls, text: str) -> After | None:
        """From an address; None for the first page and for what is no place."""
        date, _, number = text.partition(".")
        try:
            place = cls(_EPOCH + int(date) * _MICROSECOND, int(number))
        except (ValueError, OverflowError):
            return None
        return place if abs(place.id) < _IDS_END else None

    def __str__(self) -> str:
        return f"{(self.date - _EPOCH) // _MICROSECOND}.{self.id}"


@dataclass(frozen=True, slots=True)
class ItemPage:
    """``older`` is the address of the next page, empty on the last; ``first`` says that this is
    the first."""

    items: Sequence[ItemVersion]
    older: str
    first: bool

    @classmethod
    def of(cls, found: Sequence[ItemVersion], after: After | None) -> ItemPage:
        """From one row more than a page holds."""
        shown = found[:SIZE]
        older = str(After.of(shown[-1])) if len(found) > SIZE else ""
        return cls(shown, older, after is None)
