"""Pages by keyset: the cursor holds the last row's key, signed, and goes on behind it.

Rows that are added while somebody pages neither repeat a row nor hide one that was there before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.core import signing

from portal.api.problems import InvalidParameters, ParameterError

LIMIT = 100
MOST = 500
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """One page; ``next`` is the cursor of the one after it, None at the end."""

    results: Sequence[R]
    next: str | None


def write_cursor(listing: str, key: Sequence[str]) -> str:
    """``listing`` names the list and its filters: the cursor works for nothing else."""
    return signing.dumps(list(key), salt=f"portal.api.cursors/{listing}")


def read_cursor(listing: str, cursor: str) -> tuple[str, ...]:
    """Raises InvalidParameters for a cursor that was not made here for this listing."""
    try:
        return tuple(signing.loads(cursor, salt=f"portal.api.cursors/{listing}"))
    except signing.BadSignature as error:
        raise InvalidParameters(
            ParameterError(
                "cursor",
                "invalid",
                "Not a cursor of this list. Pass what next contained, with the same parameters.",
            )
        ) from error
