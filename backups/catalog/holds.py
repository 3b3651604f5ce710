"""Legal holds as the chain of a backup tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from backups.catalog.models import MailboxBackup
from backups.repository import Hold


def holds_of(backup: MailboxBackup) -> dict[UUID, str]:
    """Those in force after the head, by id: their reasons."""
    return {UUID(hold): reason for hold, reason in backup.holds.items()}


def put_holds(backup: MailboxBackup, holds: Mapping[UUID, str]) -> None:
    """Inside the tenant's scope."""
    backup.holds = {str(hold): reason for hold, reason in holds.items()}
    MailboxBackup.objects.filter(pk=backup.pk).update(holds=backup.holds)


def note_hold(backup: MailboxBackup, hold: Hold) -> None:
    known = holds_of(backup)
    known.pop(hold.id, None)
    put_holds(backup, {**known, hold.id: hold.name} if hold.placed else known)
