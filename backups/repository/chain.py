"""A mailbox's chain of commits: writing the next one, reading, verifying, replaying."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from . import commits, envelope, layout
from .checkpoints import Checkpoint, NextCheckpoint
from .commits import NO_COMMIT, Base, Commit, CommitKind
from .errors import AlreadyExists, ChainBroken, CommitExists, Damaged, NotFound, Unreadable
from .records import ItemRecord
from .segments import Segments
from .state import MailboxState

if TYPE_CHECKING:
    from .backend import Backend

MAGIC = b"STWC"

CHANGES_PER_CHECKPOINT = 1_000
"""A checkpoint is due when so many items were named since the last, and half as many as it had."""
COMMITS_PER_CHECKPOINT = 200
"""It is due in any case after so many commits."""


@dataclass(frozen=True, slots=True)
class StoredCommit:
    commit: Commit
    hash: bytes
    """SHA-256 of the object, which the next commit names as ``previous``."""


@dataclass(frozen=True, slots=True)
class Tip:
    """What the next commit must know of the last one."""

    sequence: int
    hash: bytes
    base: Base
    """The next commit's, before its own items are counted."""


class Chain:
    """The commits of one mailbox, under its mailbox key."""

    def __init__(self, backend: Backend, tenant: UUID, mailbox: UUID, key: bytes) -> None:
        self._backend = backend
        self._tenant = tenant
        self._mailbox = mailbox
        self._key = key
        self._segments = Segments(backend, tenant, mailbox, key)

    def write(self, commit: Commit, tip: Tip | None = None) -> Tip:
        """Write the next commit, with a checkpoint when one is due; gives its place in the chain.

        ``tip``: what an earlier call gave; it spares reading the commit before. Raises
        CommitExists, ChainBroken, and ValueError; Damaged when the commit before is.
        """
        if commit.mailbox != self._mailbox:
            raise ValueError(f"commit of mailbox {commit.mailbox} in the chain of {self._mailbox}")
        commits.require_place(commit)
        if tip is None or tip.sequence != commit.sequence - 1:
            tip = self._tip(commit.sequence)
        if commit.previous != tip.hash:
            reason = f"its previous is not the hash of commit {commit.sequence - 1}"
            raise ChainBroken(f"{self.name(commit.sequence)}: {reason}")
        named = tip.base.named + len(commit.items) + len(commit.removed_items)
        commit = replace(commit, base=replace(tip.base, named=named), checkpoint=None)
        if _is_due(commit) and not self._backend.exists(self.name(commit.sequence)):
            commit = replace(commit, checkpoint=self._checkpoint(commit))
        content = commits.encode(commit)
        sealed = envelope.seal(MAGIC, self._key, self._context(commit.sequence), content)
        try:
            self._backend.put_immutable(self.name(commit.sequence), sealed)
        except AlreadyExists as error:
            raise CommitExists(self._mailbox, commit.sequence) from error
        return _tip_of(StoredCommit(commit, hashlib.sha256(sealed).digest()))

    def read(self, sequence: int) -> StoredCommit | None:
        """None when the number is not filled. Raises Damaged; does not look at the chain."""
        name = self.name(sequence)
        try:
            sealed = self._backend.get(name)
        except NotFound:
            return None
        content = envelope.unseal(MAGIC, self._key, self._context(sequence), sealed, name)
        commit = commits.decode(content, name)
        if commit.mailbox != self._mailbox or commit.sequence != sequence:
            raise Damaged(name, f"says it is commit {commit.sequence} of {commit.mailbox}")
        return StoredCommit(commit, hashlib.sha256(sealed).digest())

    def commits(self, after: int = 0) -> Iterator[StoredCommit]:
        """All commits behind ``after``, in order. Raises Damaged at a gap or a forged link.

        A chain whose start is gone begins at the oldest commit with a checkpoint behind which
        nothing is missing.
        """
        start = after + 1 if after else self._beginning()
        previous = self.hash_of(after) if start == after + 1 else None
        yield from self._follow(start, previous)

    def sequences(self) -> list[int]:
        """The numbers that a listing shows, in order."""
        prefix = layout.commits_prefix(self._tenant, self._mailbox)
        found = (layout.commit_of(key) for key in self._backend.list(prefix))
        return sorted(place[1] for place in found if place is not None)

    def state(self, sequence: int | None = None) -> MailboxState:
        """The mailbox after that commit, or after all, less what has expired since.

        A commit before the newest checkpoint must be a restore point that is still offered.
        Raises Damaged, NotFound.
        """
        failure: Unreadable | None = None
        for start in self._starts(sequence):
            try:
                return self._replay(start, sequence)
            except Unreadable as error:
                # An older checkpoint, or the first commit, may still lead there.
                failure = failure or error
        raise failure or NotFound(self.name(sequence or 1))

    def latest_point(self) -> int | None:
        """The newest restore point that is still offered. Raises Damaged."""
        start = next(self._starts(None))
        previous, points = NO_COMMIT, set[int]()
        if start:
            stored, checkpoint = self._at_checkpoint(start)
            previous, points = stored.hash, {point.sequence for point in checkpoint.points}
        for stored in self._follow(start + 1, previous):
            if stored.commit.is_point:
                points.add(stored.commit.sequence)
            if stored.commit.expired is not None:
                points.difference_update(stored.commit.expired.points)
        return max(points, default=None)

    def versions(self, checkpoint: Checkpoint) -> Iterator[tuple[int, int | None, ItemRecord]]:
        """Each item version of a checkpoint: from which commit on, before which one, and what.

        In order of item ids, one segment in memory at a time. Raises Damaged.
        """
        for entry, name in self._segments.entries(checkpoint.segments):
            yield entry.first, entry.end, entry.item(name)

    def name(self, sequence: int) -> str:
        return layout.commit_key(self._tenant, self._mailbox, sequence)

    def _follow(self, start: int, previous: bytes | None) -> Iterator[StoredCommit]:
        """Commits from ``start`` on; ``previous`` None: the first one's link can't be looked at."""
        last = max(self.sequences(), default=0)
        sequence = start
        # A listing may be behind; the number after its last one is asked for by name.
        while (stored := self.read(sequence)) is not None:
            if previous is not None and stored.commit.previous != previous:
                raise Damaged(self.name(sequence), f"does not follow commit {sequence - 1}")
            yield stored
            previous = stored.hash
            sequence += 1
        if sequence <= last:
            raise Damaged(self.name(sequence), f"missing, while commit {last} is there")

    def _beginning(self) -> int:
        """The number of the first commit to read. Raises Damaged where the start is missing."""
        listed = set(self.sequences())
        last = first = max(listed, default=1)
        while first > 1 and (first - 1 in listed or self._backend.exists(self.name(first - 1))):
            first -= 1
        if first == 1:
            return 1
        beginning = 0
        for start in self._starts(None):
            if start >= first:
                beginning = start
        if not beginning:
            raise Damaged(self.name(first - 1), f"missing, while commit {last} is there")
        return beginning

    def _starts(self, sequence: int | None) -> Iterator[int]:
        """Where a replay may start: commits with a checkpoint, the newest first, then 0.

        What is damaged behind ``sequence`` is passed over. Raises Damaged.
        """
        head = self._head(sequence)
        if head is not None and head.commit.checkpoint is not None:
            yield head.commit.sequence
        while head is not None and (start := head.commit.base.checkpoint):
            yield start
            head = self.read(start)
        yield 0

    def _head(self, sequence: int | None) -> StoredCommit | None:
        for last in reversed(self.sequences()):
            try:
                return self.read(last)
            except Unreadable:
                if sequence is None or last <= sequence:
                    raise
        return None

    def _replay(self, start: int, sequence: int | None) -> MailboxState:
        state = MailboxState()
        previous = NO_COMMIT
        if start:
            stored, checkpoint = self._at_checkpoint(start)
            previous = stored.hash
            at = start if sequence is None else min(start, sequence)
            if at < start and at not in {point.sequence for point in checkpoint.points}:
                raise NotFound(self.name(at))
            state.load(start, checkpoint, at, self._segments.entries(checkpoint.segments))
        try:
            for stored in self._follow(start + 1, previous):
                if sequence is None or stored.commit.sequence <= sequence:
                    state.apply(stored.commit)
                elif stored.commit.expired is not None:
                    state.take_back(stored.commit.expired)
        except Unreadable:
            if state.sequence != sequence:
                raise
        if sequence is not None and state.sequence != sequence:
            raise NotFound(self.name(sequence))
        return state

    def _at_checkpoint(self, sequence: int) -> tuple[StoredCommit, Checkpoint]:
        stored = self.read(sequence)
        if stored is None:
            raise Damaged(self.name(sequence), "missing, while later commits build on it")
        if stored.commit.checkpoint is None:
            raise Damaged(self.name(sequence), "has no checkpoint, while later commits build on it")
        return stored, stored.commit.checkpoint

    def _checkpoint(self, commit: Commit) -> Checkpoint | None:
        """The mailbox after ``commit``, or None where damage bars every way there."""
        for start in self._starts(None):
            try:
                return self._checkpoint_from(start, commit)
            except Unreadable:
                continue
        return None

    def _checkpoint_from(self, start: int, commit: Commit) -> Checkpoint:
        before, previous = Checkpoint(), NO_COMMIT
        if start:
            stored, before = self._at_checkpoint(start)
            previous = stored.hash
        coming = NextCheckpoint(before)
        for stored in self._follow(start + 1, previous):
            if stored.commit.sequence < commit.sequence:
                coming.apply(stored.commit)
        coming.apply(commit)
        old = (entry for entry, _ in self._segments.entries(before.segments))
        known = {segment.digest: segment for segment in before.segments}
        segments = self._segments.write(coming.entries(old), known)
        return Checkpoint(
            coming.live,
            segments,
            coming.folders,
            coming.cursors,
            coming.faults,
            coming.points,
            coming.holds,
        )

    def _tip(self, sequence: int) -> Tip:
        if sequence == 1:
            return Tip(0, NO_COMMIT, Base())
        before = self.read(sequence - 1) if sequence > 1 else None
        if before is None:
            reason = f"there is no commit {sequence - 1} before it"
            raise ChainBroken(f"{self.name(sequence)}: {reason}")
        return _tip_of(before)

    def hash_of(self, sequence: int) -> bytes:
        """SHA-256 of a commit's object, unread. Raises NotFound."""
        if sequence == 0:
            return NO_COMMIT
        return hashlib.sha256(self._backend.get(self.name(sequence))).digest()

    def _context(self, sequence: int) -> bytes:
        return envelope.context("commit", self._tenant, self._mailbox, number=sequence)


def _tip_of(stored: StoredCommit) -> Tip:
    commit = stored.commit
    base = commit.base
    if commit.checkpoint is not None:
        base = Base(commit.sequence, commit.checkpoint.live, 0)
    return Tip(commit.sequence, stored.hash, base)


def _is_due(commit: Commit) -> bool:
    """Whether the commit is to carry a checkpoint. Void commits are written in a hurry."""
    base = commit.base
    grown = base.named >= CHANGES_PER_CHECKPOINT and 2 * base.named >= base.live
    many = commit.sequence - base.checkpoint >= COMMITS_PER_CHECKPOINT
    return commit.kind is not CommitKind.VOID and (grown or many)
