"""What can go wrong with a repository. Every message names the object and the reason."""

from __future__ import annotations

from uuid import UUID


class RepositoryError(Exception):
    """Base of all errors of this room."""


class NotARepository(RepositoryError):
    """There is no ``stowage.json`` at the place."""


class UnusablePlace(RepositoryError):
    """A path or URL that names no storage, or credentials for it are missing; says why."""


class Unavailable(RepositoryError):
    """The storage does not answer or refuses. Never to be read as "there is no such object"."""


class Refused(Unavailable):
    """The storage answers, and the answer is no: access denied, read-only, or a lock on the object.

    Trying again does not help; somebody has to change a permission, or the lock has to run out.
    """


class NoSpace(Unavailable):
    """The storage is full, or a quota of the storage is used up; names the path."""


class NotFound(RepositoryError):
    def __init__(self, key: str) -> None:
        super().__init__(f"{key}: not in the repository")
        self.key = key


class AlreadyExists(RepositoryError):
    """The key is taken, and what holds it is durable. Nothing was written."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key}: exists already, nothing is ever overwritten")
        self.key = key


class Unreadable(RepositoryError):
    """An object is there and can't be read. ``key`` names it."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason

    def __reduce__(self) -> tuple[type[Unreadable], tuple[str, str]]:
        # So that a process can say to another what it found.
        return type(self), (self.key, self.reason)


class Damaged(Unreadable):
    """An object is not what was written."""


class UnsupportedFormat(Unreadable):
    """An object was written by a newer version than this one can read."""


class WrongKey(Unreadable):
    """The key at hand is not the one that wrapped this."""


class KeyDestroyed(RepositoryError):
    """A key was destroyed on request, or that has begun. ``key`` names the object that says so."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key}: the key was destroyed on request; nothing can be read with it")
        self.key = key


class PassphraseTooShort(RepositoryError):
    """A recovery passphrase that could be guessed; says how long one has to be."""


class WriterFailed(RepositoryError):
    """This writer met an error before, which it names: what it gave references to may be lost."""


class CommitExists(RepositoryError):
    """The sequence number is filled. Whoever filled it decides what the mailbox looks like."""

    def __init__(self, mailbox: UUID, sequence: int) -> None:
        super().__init__(f"mailbox {mailbox}: commit {sequence} exists already")
        self.mailbox = mailbox
        self.sequence = sequence


class ChainBroken(RepositoryError):
    """A commit was to be written that does not follow the one before it. Nothing was written."""


class RootKeyError(RepositoryError):
    """The root key file can't be used; says why."""
