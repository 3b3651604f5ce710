"""Restores: what a person asks for."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import UUID

from django.db import OperationalError, connections, transaction
from psycopg.errors import LockNotAvailable

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
GONE = "Some of the chosen items are not in the backups of this mailbox any more."
PATIENCE_SECONDS = 10
"""Whoever holds a backup's row for longer, as a rebuild of its rows does, is not waited for."""

# In the order in which the destruction of a mailbox takes the rows.
_HOLD_MAILBOXES = """
SELECT FROM backups_mailbox WHERE id IN (
    SELECT b.mailbox_id FROM backups_mailboxbackup b
    JOIN backups_itemversion v ON v.backup_id = b.id WHERE v.id = ANY(%s))
ORDER BY id FOR KEY SHARE
"""


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
    much or something else than this mailbox's items is asked for, the mailbox is gone, or its
    backup is being made again.
    """
    _require_count(version_ids)
    if mailbox.retired_at is not None:
        raise RestoreRefused(f"{mailbox} is not in the organization any more.")
    with transaction.atomic(using=APP):
        hold_backups(version_ids)
        versions = _versions(mailbox, version_ids)
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


def hold_backups(version_ids: Collection[int]) -> None:
    """Inside a transaction: until it ends nothing of these versions' backups expires.

    What is looked up after this is there when the transaction commits, and what expires later sees
    the restore that waits. Raises RestoreRefused when others are at a backup for long.
    """
    backups = ItemVersion.objects.filter(pk__in=set(version_ids)).order_by()
    rows = MailboxBackup.objects.filter(pk__in=backups.values("backup")).order_by("pk")
    try:
        with transaction.atomic(using=APP), connections[APP].cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE_SECONDS}s'")
            cursor.execute(_HOLD_MAILBOXES, [list(version_ids)])
            list(rows.select_for_update(of=("self",), no_key=True).values_list("pk"))
            cursor.execute("SET LOCAL lock_timeout TO DEFAULT")
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        raise RestoreRefused(
            "These backups are just being written. Nothing was begun; try again in a few minutes."
        ) from error


def _require_count(version_ids: Collection[int]) -> None:
    if not version_ids:
        raise RestoreRefused("Choose at least one item.")
    if len(set(version_ids)) > MAX_ITEMS:
        raise RestoreRefused(f"Choose at most {MAX_ITEMS} items at once.")


def _versions(mailbox: Mailbox, version_ids: Collection[int]) -> list[ItemVersion]:
    wanted = set(version_ids)
    backups = MailboxBackup.objects.filter(mailbox=mailbox)
    found = list(
        ItemVersion.objects.for_lists()
        .filter(pk__in=wanted, backup__in=backups)
        .select_related("backup__allocation")
    )
    if len(found) != len(wanted):
        raise RestoreRefused(GONE)
    if len({version.backup_id for version in found}) > 1:
        raise RestoreRefused("Choose items of one repository at a time.")
    # Newest first: what people miss most is what came last.
    return sorted(found, key=lambda version: version.received_at or _LONG_AGO, reverse=True)
