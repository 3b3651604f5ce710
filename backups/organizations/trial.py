"""Reading one mailbox for real: permissions on paper are one thing, what a server does another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from backups.organizations.models import Mailbox
from backups.sources import ItemChange, MailboxSource, SourceError, SourceFolder

_FOLDERS = 20
"""Folders that are looked into for an item; somebody waits for the answer."""


@dataclass(frozen=True, slots=True)
class Trial:
    """``size`` in bytes of the item that was exported, None when there was none to export.
    ``problem`` says what went wrong, "" when nothing did."""

    address: str
    folders: int = 0
    size: int | None = None
    problem: str = ""


def mailboxes_to_try(organization_id: UUID) -> list[Mailbox]:
    """One of each of the organization's systems, inside the tenant's scope."""
    present = Mailbox.objects.present().filter(organization_id=organization_id)
    people = present.exclude(kind="public").order_by("system", "address")
    return list(people.distinct("system"))


def try_mailbox(source: MailboxSource, mailbox: Mailbox) -> Trial:
    """List the folders and export one item, which is thrown away. Never raises SourceError."""
    folders: list[SourceFolder] = []
    try:
        for page in source.hierarchy(mailbox.source_id, None):
            folders += page.folders
        filled = sorted((one for one in folders if one.items), key=lambda one: one.items)
        for folder in filled[:_FOLDERS]:
            item = next(_items(source, mailbox, folder), None)
            if item is None:
                continue
            (exported,) = source.export(mailbox.source_id, [item])
            if exported.error is not None:
                return Trial(mailbox.address, len(folders), problem=str(exported.error))
            return Trial(mailbox.address, len(folders), len(exported.payload or b""))
    except SourceError as error:
        return Trial(mailbox.address, len(folders), problem=str(error))
    return Trial(mailbox.address, len(folders))


def _items(source: MailboxSource, mailbox: Mailbox, folder: SourceFolder) -> Iterator[ItemChange]:
    for page in source.changes(mailbox.source_id, folder.id, None):
        yield from (change for change in page.changes if not change.removed)
