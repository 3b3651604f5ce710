"""Restore points and what is in them, from the commits alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .chain import MailboxState, StoredCommit
from .errors import RepositoryError
from .records import CommitKind
from .vault import Vault


class NoSuchPoint(RepositoryError):
    """The commit that was asked for is not a restore point."""


@dataclass(frozen=True, slots=True)
class Point:
    """A restore point: a complete commit, and the mailbox as it was after it."""

    sequence: int
    taken_at: datetime
    run: UUID
    items: int
    bytes: int
    faults: int
    coverage: dict[str, int | str]


def points(vault: Vault, mailbox: UUID) -> list[Point]:
    """Oldest first. Raises Damaged."""
    return [_point(stored, state) for stored, state in _replay(vault, mailbox)]


def state_at(vault: Vault, mailbox: UUID, sequence: int | None) -> MailboxState | None:
    """The mailbox at a restore point; None: at the latest, and None when there is none.

    Raises NoSuchPoint, Damaged.
    """
    latest = None
    for stored, state in _replay(vault, mailbox):
        if stored.commit.sequence == sequence:
            return state
        latest = state
    if sequence is not None:
        raise NoSuchPoint(f"mailbox {mailbox}: {sequence} is not a restore point")
    return latest


def folder_path(state: MailboxState, folder_id: str) -> str:
    """Names from the root down, with "/" between them; a "/" in a name becomes "\\/"."""
    names: list[str] = []
    seen: set[str] = set()
    while folder_id in state.folders and folder_id not in seen:
        seen.add(folder_id)
        folder = state.folders[folder_id]
        names.append(folder.name.replace("\\", "\\\\").replace("/", "\\/"))
        folder_id = folder.parent_id or ""
    return "/".join(reversed(names))


def _replay(vault: Vault, mailbox: UUID) -> Iterator[tuple[StoredCommit, MailboxState]]:
    """Every complete commit with the state after it; the state is one object that moves on.

    A run that never completed leaves commits at the end, which no point contains: they are held
    back until a complete commit follows.
    """
    state = MailboxState()
    held: list[StoredCommit] = []
    for stored in vault.commits(mailbox):
        held.append(stored)
        if stored.commit.kind is CommitKind.COMPLETE:
            for earlier in held:
                state.apply(earlier.commit)
            held.clear()
            yield stored, state


def _point(stored: StoredCommit, state: MailboxState) -> Point:
    return Point(
        stored.commit.sequence,
        stored.commit.taken_at,
        stored.commit.run,
        len(state.items),
        sum(item.size for item in state.items.values()),
        len(stored.commit.faults),
        stored.commit.coverage,
    )
