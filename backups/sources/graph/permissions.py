"""Which application permissions Stowage needs of an organization, and what for."""

from __future__ import annotations

from collections.abc import Set

from backups.sources.interface import PermissionState

_BACKUP = "back up"
_RESTORE = "restore"
NEEDED = {
    "User.Read.All": "find mailboxes",
    "MailboxSettings.Read": "tell shared mailboxes and rooms from people",
    "MailboxFolder.Read.All": _BACKUP,
    "MailboxItem.Read.All": _BACKUP,
    "MailboxItem.Export.All": _BACKUP,
    "MailboxFolder.ReadWrite.All": _RESTORE,
    "MailboxItem.ImportExport.All": _RESTORE,
}
"""Least privileged ones of the paths in use (permissions.json of microsoft-graph-devx-content)."""

_IMPLIED_BY = {
    "User.Read.All": ("User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"),
    "MailboxSettings.Read": ("MailboxSettings.ReadWrite",),
    "MailboxFolder.Read.All": ("MailboxFolder.ReadWrite.All",),
    "MailboxItem.Read.All": ("MailboxItem.ReadWrite.All",),
    "MailboxItem.Export.All": ("MailboxItem.ImportExport.All",),
}


def permission_states(granted: Set[str]) -> list[PermissionState]:
    """Each needed permission, granted or missing, then what was granted beyond them."""
    states = [
        PermissionState(name, _has(granted, name), needed=True, purpose=purpose)
        for name, purpose in NEEDED.items()
    ]
    beyond = sorted(granted - NEEDED.keys())
    return states + [PermissionState(name, True, needed=False, purpose="") for name in beyond]


def _has(granted: Set[str], name: str) -> bool:
    return name in granted or not granted.isdisjoint(_IMPLIED_BY.get(name, ()))
