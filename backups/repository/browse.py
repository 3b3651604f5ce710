"""Restore points and what is in them, from the commits alone."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from .errors import NotFound, RepositoryError
from .records import FolderRecord, Point
from .state import MailboxState
from .vault import Vault


class NoSuchPoint(RepositoryError):
    """The commit that was asked for is not a restore point."""


def points(vault: Vault, mailbox: UUID) -> list[Point]:
    """Those that are still offered, oldest first. Raises Damaged."""
    return list(vault.state(mailbox).points.values())


def state_at(vault: Vault, mailbox: UUID, sequence: int | None) -> MailboxState | None:
    """The mailbox at a restore point; None: at the latest, and None when there is none.

    Raises NoSuchPoint, Damaged.
    """
    wanted = vault.latest_point(mailbox) if sequence is None else sequence
    if wanted is None:
        return None
    try:
        state = vault.state(mailbox, wanted)
    except NotFound:
        state = None
    if state is None or wanted not in state.points:
        raise NoSuchPoint(f"mailbox {mailbox}: {wanted} is not a restore point")
    return state


def folder_names(folders: Mapping[str, FolderRecord], folder_id: str) -> list[str]:
    """Names from the root down; empty for a folder that is not there."""
    names: list[str] = []
    seen: set[str] = set()
    while folder_id in folders and folder_id not in seen:
        seen.add(folder_id)
        folder = folders[folder_id]
        names.append(folder.name)
        folder_id = folder.parent_id or ""
    return names[::-1]


def folder_path(folders: Mapping[str, FolderRecord], folder_id: str) -> str:
    """Names from the root down, with "/" between them; a "/" in a name becomes "\\/"."""
    names = folder_names(folders, folder_id)
    return "/".join(name.replace("\\", "\\\\").replace("/", "\\/") for name in names)
