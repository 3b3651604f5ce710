"""What a run of collection did, and how it can end early."""

from __future__ import annotations

from dataclasses import dataclass, field

NAMED = 20
"""Remarks that a run keeps; what is left out is counted all the same."""


class CollectionAborted(Exception):
    """Something is not as it must be before anything may be deleted; nothing more was done."""


class TooMuch(CollectionAborted):
    """Most of the packs would go. An operator may say that this is right."""


class TryAgainSoon(Exception):
    """A worker is in the way for a moment."""


@dataclass(slots=True)
class Collected:
    """What a run did; bytes are those of the packs."""

    packs: int = 0
    """All that are there."""
    spared: int = 0
    """Doomed earlier, and needed again."""
    deleted: int = 0
    deleted_bytes: int = 0
    doomed: int = 0
    repacked: int = 0
    waiting: int = 0
    """Doomed and not deleted yet."""
    damaged: int = 0
    """Needed blobs that are known to be damaged; their packs are kept."""
    refused: int = 0
    """Packs that the storage did not let go; a later run tries again."""
    remarks: list[str] = field(default_factory=list)

    def remark(self, text: str) -> None:
        if len(self.remarks) < NAMED and text not in self.remarks:
            self.remarks.append(text)
