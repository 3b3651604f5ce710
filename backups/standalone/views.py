"""Mailboxes, restore points and items as the command shows them, wherever they are read from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from backups.catalog.index import columns
from backups.repository import FolderRecord, ItemRecord, MailboxState, Point, Vault
from backups.repository.browse import folder_names


@dataclass(frozen=True, slots=True)
class Listed:
    """An item at a restore point. ``read`` gives its exact bytes, or raises Damaged."""

    item_id: str
    change_key: str
    folder_id: str
    item_class: str
    size: int
    sha256: bytes
    subject: str
    sender: str
    received_at: datetime | None
    read: Callable[[], bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class View:
    """A mailbox at a restore point. ``items`` can be gone through once."""

    tenant: UUID
    mailbox: UUID
    address: str
    point: int
    taken_at: datetime | None
    count: int
    folders: Mapping[str, FolderRecord]
    items: Iterable[Listed]

    def folder_names(self, folder_id: str) -> list[str]:
        return folder_names(self.folders, folder_id)


@dataclass(frozen=True, slots=True)
class Points:
    """The restore points of a mailbox, oldest first."""

    tenant: UUID
    mailbox: UUID
    points: list[Point]

    @property
    def address(self) -> str:
        """What it was called when it was last backed up; empty when that was not noted."""
        return address_of(self.points[-1]) if self.points else ""


def address_of(point: Point) -> str:
    return str(point.coverage.get("address", ""))


def view_of(
    vault: Vault, mailbox: UUID, state: MailboxState, read: Callable[[ItemRecord], bytes]
) -> View:
    return View(
        tenant=vault.tenant,
        mailbox=mailbox,
        address=address_of(state.points[state.sequence]),
        point=state.sequence,
        taken_at=state.taken_at,
        count=len(state.items),
        folders=state.folders,
        items=(_listed(item, read) for item in state.items.values()),
    )


def _listed(item: ItemRecord, read: Callable[[ItemRecord], bytes]) -> Listed:
    known = columns(item.index)
    return Listed(
        item_id=item.item_id,
        change_key=item.change_key,
        folder_id=item.folder_id,
        item_class=item.item_class,
        size=item.size,
        sha256=item.sha256,
        subject=known["subject"],
        sender=known["sender"],
        received_at=known["received_at"],
        read=partial(read, item),
    )
