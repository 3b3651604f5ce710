"""Legal holds: placing and releasing them."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from backups.catalog.models import MailboxBackup
from backups.organizations.models import Mailbox
from backups.retention.models import LegalHold
from tenants.audit.services import record
from tenants.isolation.scope import APP

LONGEST_REASON = 500


class HoldRefused(Exception):
    """The message is for the person who asked."""


def place_hold(*, mailbox: Mailbox, reason: str, person_id: UUID | None = None) -> LegalHold:
    """From the moment this is committed nothing of the mailbox expires. Raises HoldRefused.

    An expiry that is being written is waited for. The chains of the mailbox's backups are told
    by the next look of retention at them.
    """
    _require_reason(reason)
    with transaction.atomic(using=APP):
        _lock_backups(mailbox.pk)
        hold = LegalHold.objects.create(
            mailbox=mailbox, reason=reason.strip(), placed_by_id=person_id
        )
        record(action="hold.placed", subject=mailbox, person_id=person_id, reason=hold.reason)
    return hold


def release_hold(*, hold: LegalHold, reason: str, person_id: UUID | None = None) -> None:
    """Other holds of the mailbox stay in force. Raises HoldRefused when it is released already."""
    _require_reason(reason)
    with transaction.atomic(using=APP):
        _lock_backups(hold.mailbox_id)
        released = LegalHold.objects.in_force().filter(pk=hold.pk)
        if not released.update(
            released_at=Now(), released_by_id=person_id, release_reason=reason.strip()
        ):
            raise HoldRefused("This hold was released already.")
        record(
            action="hold.released",
            subject=hold.mailbox,
            person_id=person_id,
            hold=hold.reason,
            reason=reason.strip(),
        )


def _lock_backups(mailbox_id: UUID) -> None:
    """Retention holds the same rows while it writes; and it is to look at them at once."""
    backups = MailboxBackup.objects.filter(mailbox=mailbox_id).order_by("pk")
    for backup in backups.select_for_update(of=("self",), no_key=True):
        MailboxBackup.objects.filter(pk=backup.pk).update(retention_due_at=Now())


def _require_reason(reason: str) -> None:
    if not 1 <= len(reason.strip()) <= LONGEST_REASON:
        raise HoldRefused(f"Give a reason of at most {LONGEST_REASON} characters.")
