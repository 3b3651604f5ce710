"""Mailbox systems behind one interface (docs/sources.md). No Django in here."""

from backups.sources.errors import (
    CursorExpired,
    Damaged,
    Gone,
    NotPermitted,
    Refused,
    Retry,
    SourceError,
    Throttled,
    Unavailable,
)
from backups.sources.graph import GraphSettings, GraphSource
from backups.sources.hybrid import HybridSource
from backups.sources.interface import (
    ChangePage,
    ExportedItem,
    FolderPage,
    ItemChange,
    ItemReference,
    MailboxSource,
    Payload,
    PermissionState,
    SourceFolder,
    SourceGroup,
    SourceMailbox,
    reference_of,
)

__all__ = [
    "ChangePage",
    "CursorExpired",
    "Damaged",
    "ExportedItem",
    "FolderPage",
    "Gone",
    "GraphSettings",
    "GraphSource",
    "HybridSource",
    "ItemChange",
    "ItemReference",
    "MailboxSource",
    "NotPermitted",
    "Payload",
    "PermissionState",
    "Refused",
    "Retry",
    "SourceError",
    "SourceFolder",
    "SourceGroup",
    "SourceMailbox",
    "Throttled",
    "Unavailable",
    "reference_of",
]
