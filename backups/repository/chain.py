"""A mailbox's chain of commits: writing the next one, reading, verifying, replaying."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from . import envelope, layout, records
from .errors import AlreadyExists, ChainBroken, CommitExists, Damaged, NotFound
from .records import NO_COMMIT, Commit, CommitKind, FolderRecord, ItemRecord

if TYPE_CHECKING:
    from .backend import Backend

MAGIC = b"STWC"


@dataclass(frozen=True, slots=True)
class StoredCommit:
    commit: Commit
    hash: bytes
    """SHA-256 of the object, which the next commit names as ``previous``."""


@dataclass(slots=True)
class MailboxState:
    """What a mailbox holds after a commit, and where the source's cursors stand."""

    sequence: int = 0
    taken_at: datetime | None = None
    folders: dict[str, FolderRecord] = field(default_factory=dict)
    items: dict[str, ItemRecord] = field(default_factory=dict, repr=False)
    cursors: dict[str, str | None] = field(default_factory=dict, repr=False)

    def apply(self, commit: Commit) -> None:
        """Removals first: what is removed and named again in one commit is there afterwards."""
        self.sequence = commit.sequence
        if commit.kind not in (CommitKind.PARTIAL, CommitKind.COMPLETE):
            return
        self.taken_at = commit.taken_at
        for folder_id in commit.removed_folders:
            self.folders.pop(folder_id, None)
        for item_id in commit.removed_items:
            self.items.pop(item_id, None)
        self.folders.update((folder.id, folder) for folder in commit.folders)
        self.items.update((item.item_id, item) for item in commit.items)
        self.cursors.update(commit.cursors)
        for name in [name for name, cursor in self.cursors.items() if cursor is None]:
            del self.cursors[name]


class Chain:
    """The commits of one mailbox, under its mailbox key."""

    def __init__(self, backend: Backend, tenant: UUID, mailbox: UUID, key: bytes) -> None:
        self._backend = backend
        self._tenant = tenant
        self._mailbox = mailbox
        self._key = key

    def write(self, commit: Commit) -> bytes:
        """Returns the object's hash. Raises CommitExists, ChainBroken, and ValueError."""
        if commit.mailbox != self._mailbox:
            raise ValueError(f"commit of mailbox {commit.mailbox} in the chain of {self._mailbox}")
        content = records.encode(commit)
        self._require_successor(commit)
        sealed = envelope.seal(MAGIC, self._key, self._context(commit.sequence), content)
        try:
            self._backend.put_immutable(self.name(commit.sequence), sealed)
        except AlreadyExists as error:
            raise CommitExists(self._mailbox, commit.sequence) from error
        return hashlib.sha256(sealed).digest()

    def read(self, sequence: int) -> StoredCommit | None:
        """None when the number is not filled. Raises Damaged; does not look at the chain."""
        name = self.name(sequence)
        try:
            sealed = self._backend.get(name)
        except NotFound:
            return None
        content = envelope.unseal(MAGIC, self._key, self._context(sequence), sealed, name)
        commit = records.decode(content, name)
        if commit.mailbox != self._mailbox or commit.sequence != sequence:
            raise Damaged(name, f"says it is commit {commit.sequence} of {commit.mailbox}")
        return StoredCommit(commit, hashlib.sha256(sealed).digest())

    def commits(self, after: int = 0) -> Iterator[StoredCommit]:
        """All commits behind ``after``, in order. Raises Damaged at a gap or a forged link."""
        last = max(self.sequences(), default=0)
        previous = self._hash(after)
        sequence = after + 1
        # A listing may be behind; the number after its last one is asked for by name.
        while (stored := self.read(sequence)) is not None:
            if stored.commit.previous != previous:
                raise Damaged(self.name(sequence), f"does not follow commit {sequence - 1}")
            yield stored
            previous = stored.hash
            sequence += 1
        if sequence <= last:
            raise Damaged(self.name(sequence), f"missing, while commit {last} is there")

    def sequences(self) -> list[int]:
        """The numbers that a listing shows, in order."""
        prefix = layout.commits_prefix(self._tenant, self._mailbox)
        found = (layout.commit_of(key) for key in self._backend.list(prefix))
        return sorted(place[1] for place in found if place is not None)

    def state(self, sequence: int | None = None) -> MailboxState:
        """Replay up to and including ``sequence``, or all. Raises Damaged, NotFound."""
        state = MailboxState()
        for stored in self.commits():
            if sequence is not None and stored.commit.sequence > sequence:
                break
            state.apply(stored.commit)
        if sequence is not None and state.sequence != sequence:
            raise NotFound(self.name(sequence))
        return state

    def name(self, sequence: int) -> str:
        return layout.commit_key(self._tenant, self._mailbox, sequence)

    def _require_successor(self, commit: Commit) -> None:
        try:
            previous = self._hash(commit.sequence - 1)
        except NotFound as error:
            reason = f"there is no commit {commit.sequence - 1} before it"
            raise ChainBroken(f"{self.name(commit.sequence)}: {reason}") from error
        if commit.previous != previous:
            reason = f"its previous is not the hash of commit {commit.sequence - 1}"
            raise ChainBroken(f"{self.name(commit.sequence)}: {reason}")

    def _hash(self, sequence: int) -> bytes:
        if sequence == 0:
            return NO_COMMIT
        return hashlib.sha256(self._backend.get(self.name(sequence))).digest()

    def _context(self, sequence: int) -> bytes:
        return envelope.context("commit", self._tenant, self._mailbox, number=sequence)
