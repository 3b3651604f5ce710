"""What the sandbox keeps, as rows: organizations, people, mailboxes, folders and items."""

from __future__ import annotations

from dataclasses import dataclass


class NotFound(LookupError):
    """There is no such directory, user, mailbox, folder or item."""


class Conflict(ValueError):
    """A folder of that name, or a change key that is no longer current."""


@dataclass(frozen=True, slots=True)
class Directory:
    id: str
    name: str
    domain: str
    generation: int


@dataclass(frozen=True, slots=True)
class Application:
    directory: str
    id: str
    name: str
    certificate: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """A name and password at an organization's own server; ``impersonates`` is the right to."""

    directory: str
    name: str
    password: str
    impersonates: bool


@dataclass(frozen=True, slots=True)
class User:
    number: int
    directory: str
    id: str
    address: str
    name: str
    mailbox: str | None
    kind: str | None
    """Purpose of the mailbox: user, shared, room, equipment; None without a mailbox."""


@dataclass(frozen=True, slots=True)
class Group:
    number: int
    directory: str
    id: str
    name: str
    address: str | None


@dataclass(frozen=True, slots=True)
class Folder:
    number: int
    mailbox: str
    id: str
    parent: str | None
    name: str
    type: str
    well_known: str | None
    items: int
    children: int


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item before the store has given it an id; times are ISO 8601 in UTC, to the second."""

    payload: bytes
    item_class: str
    message_id: str
    created_at: str
    modified_at: str


@dataclass(frozen=True, slots=True)
class Item:
    """An item without its stream: a listing never reads streams."""

    number: int
    mailbox: str
    folder: str
    id: str
    change_key: str
    item_class: str
    size: int
    created_at: str
    modified_at: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Change:
    """``read_only``: the item was marked as read or unread, nothing else."""

    sequence: int
    id: str
    read_only: bool


BornFolders = tuple[tuple[str, str, str, str | None], ...]
"""Of each folder: name, well-known name, container class, well-known name of the parent."""

WELL_KNOWN_FOLDERS: BornFolders = (
    ("Top of Information Store", "msgfolderroot", "", None),
    ("Inbox", "inbox", "IPF.Note", "msgfolderroot"),
    ("Drafts", "drafts", "IPF.Note", "msgfolderroot"),
    ("Sent Items", "sentitems", "IPF.Note", "msgfolderroot"),
    ("Deleted Items", "deleteditems", "IPF.Note", "msgfolderroot"),
    ("Junk Email", "junkemail", "IPF.Note", "msgfolderroot"),
    ("Archive", "archive", "IPF.Note", "msgfolderroot"),
    ("Calendar", "calendar", "IPF.Appointment", "msgfolderroot"),
    ("Contacts", "contacts", "IPF.Contact", "msgfolderroot"),
    ("Recoverable Items", "recoverableitemsroot", "", None),
    ("Deletions", "recoverableitemsdeletions", "IPF.Note", "recoverableitemsroot"),
)
"""The folders every mailbox is born with. The two roots are never listed by Graph."""

ARCHIVE_FOLDERS: BornFolders = (
    ("Top of Information Store", "msgfolderroot", "", None),
    ("Deleted Items", "deleteditems", "IPF.Note", "msgfolderroot"),
    ("Recoverable Items", "recoverableitemsroot", "", None),
    ("Deletions", "recoverableitemsdeletions", "IPF.Note", "recoverableitemsroot"),
)
PUBLIC_FOLDERS: BornFolders = (("IPM_SUBTREE", "publicfoldersroot", "", None),)

ROOTS = frozenset({"msgfolderroot", "recoverableitemsroot"})
