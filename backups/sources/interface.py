"""What every mailbox system looks like to the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from mmap import mmap
from typing import Protocol, TypeAlias

from backups.sources.errors import SourceError

Payload: TypeAlias = bytes | mmap


@dataclass(frozen=True, slots=True)
class SourceMailbox:
    """``kind``: user, shared, room, equipment, public, or unknown where the server won't say.

    ``archive`` is the id of an archive that the source has to be told with the mailbox; "" without
    one, None where the server won't say.
    """

    id: str
    address: str
    name: str
    kind: str
    archive: str | None = ""


@dataclass(frozen=True, slots=True)
class SourceGroup:
    """A group of people; ``address`` is "" for one that gets no mail."""

    id: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class SourceFolder:
    """``parent_id`` None, or one that is never listed, means the top. ``kind`` is the container
    class ("IPF.Note"), ``well_known`` the name that is the same in all languages ("inbox")."""

    id: str
    parent_id: str | None
    name: str
    kind: str
    well_known: str | None
    items: int


@dataclass(frozen=True, slots=True)
class FolderPage:
    """``removed`` are ids of folders. ``cursor`` goes on after this page; on the last page
    (``complete``) it is where the next round starts. ``warning`` says what of the mailbox could
    not be listed this time; what is known of that stays."""

    folders: tuple[SourceFolder, ...]
    removed: tuple[str, ...]
    cursor: str
    complete: bool
    warning: str = ""


@dataclass(frozen=True, slots=True)
class ItemChange:
    """An item that is new or changed, or, ``removed``, no longer in the folder (then only the id
    is known). ``size`` in bytes, as the server counts; ``modified_at`` in UTC."""

    id: str
    change_key: str = ""
    item_class: str = ""
    size: int = 0
    modified_at: datetime | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class ChangePage:
    """``cursor`` goes on after this page; on the last page (``complete``) it is where the next
    round starts. One item may occur in several pages of a round: the last one counts.
    ``warning`` as in FolderPage."""

    changes: tuple[ItemChange, ...]
    cursor: str
    complete: bool
    warning: str = ""


@dataclass(frozen=True, slots=True)
class ExportedItem:
    """Either ``payload`` or ``error``. The payload is the native stream byte for byte, or where
    the system has none the MIME that it makes (``backups.mime_items``).

    A large stream may lie in an unnamed file that is mapped into memory.
    """

    id: str
    change_key: str
    payload: Payload | None = None
    error: SourceError | None = None


@dataclass(frozen=True, slots=True)
class ItemReference:
    id: str
    change_key: str


@dataclass(frozen=True, slots=True)
class PermissionState:
    """``needed``: without it ``purpose`` does not work. A permission that is granted and not
    needed is too much."""

    permission: str
    granted: bool
    needed: bool
    purpose: str


def reference_of(mailbox: str, archive: str) -> str:
    """What names a mailbox and its archive to a source as one."""
    return f"{mailbox}+{archive}" if archive else mailbox


class MailboxSource(Protocol):
    """One organization's mailbox system. Safe to use from threads.

    ``mailbox`` is what ``reference_of`` makes of a discovered mailbox: an archive's folders and
    items are part of the same tree.

    Every method raises SourceError and nothing else for what the outside does wrong. Cursors are
    opaque text that may name people: keep them encrypted.
    """

    @property
    def requests(self) -> int:
        """HTTP requests made so far."""

    @property
    def throttled_seconds(self) -> float:
        """Seconds spent waiting because the server said so."""

    def discover(self) -> Iterator[SourceMailbox]:
        """Every mailbox of the organization."""

    def groups(self) -> Iterator[SourceGroup]:
        """Every group of the organization; none where the system has no list of them."""

    def members(self, group: str) -> Iterator[str]:
        """Addresses, in lower case, of everybody in a group and in the groups in it.

        Not all of them have a mailbox. Raises Gone for a group that is not there.
        """

    def check(self) -> list[PermissionState]:
        """What the organization granted, and what is missing. Signs in anew."""

    def native(self, mailbox: str) -> bool:
        """Whether items come and go as native streams; else as MIME (``backups.mime_items``)."""

    def hierarchy(self, mailbox: str, cursor: str | None) -> Iterator[FolderPage]:
        """Folders changed since a cursor; all without one. Raises CursorExpired, Gone."""

    def changes(self, mailbox: str, folder: str, cursor: str | None) -> Iterator[ChangePage]:
        """Items changed since a cursor; all without one. Raises CursorExpired, Gone."""

    def export(self, mailbox: str, wanted: Sequence[ItemChange]) -> Iterator[ExportedItem]:
        """The streams of items, in no particular order, each id exactly once.

        What concerns one item is its ``error``. What concerns the mailbox or the connection
        (Throttled, NotPermitted, Gone, Unavailable) is raised, after the items that had arrived.
        """

    def create_folder(self, mailbox: str, parent: str | None, name: str, kind: str) -> SourceFolder:
        """A new folder, at the top without ``parent``. Raises Refused when the name is taken."""

    def create(self, mailbox: str, folder: str, payload: bytes) -> ItemReference:
        """Put an item into a folder as a new one: a stream, or MIME where ``native`` says no.

        Raises Retry when it is not known whether the server did: look with ``matching`` before
        doing it again. Raises Refused when the server does not take it.
        """

    def matching(self, mailbox: str, folder: str, message_id: str) -> list[ItemReference]:
        """Items of a folder that have this internet message id."""

    def delete(self, mailbox: str, item: str, folder: str | None = None) -> None:
        """Delete an item the way a person does: it stays recoverable."""

    def close(self) -> None:
        """Close all connections."""
