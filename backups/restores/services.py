"""Restores: what a person asks for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction

from backups.catalog.models import ItemVersion, MailboxBackup
from backups.infrastructure.services import repository_of
from backups.organizations.models import Mailbox
from backups.restores.models import RestoreItem
from backups.sessions.bell import INTERACTIVE, ring
from backups.sessions.models import Kind, Session, Task
from tenants.audit.services import record
from tenants.isolation.scope import APP, require_tenant

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
MAX_ITEMS = 10_000
"""Items in one restore that are chosen one by one."""


class RestoreRefused(Exception):
    """The restore cannot be begun; the message is for the person who asked."""


def restore_items(
    *,
    mailbox: Mailbox,
    version_ids: Collection[int],
    target_folder: str = "",
    reason: str = "",
    person_id: UUID | None = None,
) -> Session:
    """Begin a restore of item versions into the mailbox they came from.

    ``target_folder`` names a folder below the mailbox's root, which is made when it is absent;
    empty restores each item to the folder it came from. Raises RestoreRefused when nothing, too
    much or something else than this mailbox's items is asked for, or the mailbox is gone.
    """
    versions = _versions(mailbox, version_ids)
    if mailbox.retired_at is not None:
        raise RestoreRefused(f"{mailbox} is not in the organization any more.")
    with transaction.atomic(using=APP):
        session = Session.objects.create(
            kind=Kind.RESTORE,
            organization_id=mailbox.organization_id,
            requested_by_id=person_id,
            reason=reason,
            mailboxes_total=1,
        )
        task = Task.objects.create(
            session=session,
            mailbox=mailbox,
            backup=versions[0].backup,
            repository=repository_of(versions[0].backup.allocation),
            queue=INTERACTIVE,
            kind=Kind.RESTORE,
            items_expected=len(versions),
        )
        RestoreItem.objects.bulk_create(
            [
                RestoreItem(
                    tenant_id=require_tenant(),
                    task=task,
                    version=version,
                    target_folder=target_folder.strip()[:255],
                )
                for version in versions
            ]
        )
        record(
            action="restore.started",
            subject=mailbox.address,
            person_id=person_id,
            items=len(versions),
            reason=reason,
        )
    transaction.on_commit(lambda: ring(INTERACTIVE), using=APP)
    return session


def _versions(mailbox: Mailbox, version_ids: Collection[int]) -> list[ItemVersion]:
    wanted = set(version_ids)
    if not wanted:
        raise RestoreRefused("Choose at least one item.")
    if len(wanted) > MAX_ITEMS:
        raise RestoreRefused(f"Choose at most {MAX_ITEMS} items at once.")
    backups = MailboxBackup.objects.filter(mailbox=mailbox)
    found = list(
        ItemVersion.objects.for_lists()
        .filter(pk__in=wanted, backup__in=backups)
        .select_related("backup__allocation")
    )
    if len(found) != len(wanted):
        raise RestoreRefused("Some of the chosen items are not in the backups of this mailbox.")
    if len({version.backup_id for version in found}) > 1:
        raise RestoreRefused("Choose items of one repository at a time.")
    # Newest first: what people miss most is what came last.
    return sorted(found, key=lambda version: version.received_at or _LONG_AGO, reverse=True)
