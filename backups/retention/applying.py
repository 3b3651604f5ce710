"""Applying retention: once a day for each mailbox in each repository, and when a hold changes.

All of it happens with the backup's row locked, and while no worker has a task of the mailbox. A
worker that takes one up meanwhile finds the head moved and begins again; the chain itself lets
nobody write a number twice.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connections
from django.db.models.functions import Now
from django.utils import timezone

from backups.catalog import projection
from backups.catalog.holds import holds_of
from backups.catalog.models import MailboxBackup, RestorePoint
from backups.infrastructure.keys import open_vault
from backups.jobs.models import Job
from backups.jobs.retention import KEPT_FOREVER, Retention
from backups.repository import (
    Commit,
    CommitKind,
    Expired,
    Hold,
    RepositoryError,
    StoredCommit,
    Vault,
)
from backups.retention.clock import is_trusted
from backups.retention.due import is_due
from backups.retention.models import LegalHold
from backups.retention.points import expired
from backups.sessions.models import Kind, State, Task
from portal.ids import uuid7
from tenants.isolation.scope import APP, tenant_scope

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)
AFTER_FAILURE = timedelta(hours=1)
WHILE_BUSY = timedelta(minutes=2)
SLICE_SECONDS = 300.0
AT_ONCE = 50


def apply_due(repository_id: UUID, tenant_id: UUID) -> None:
    """Look at the tenant's mailboxes in a repository that are due, for five minutes at most.

    What fails is logged and tried again in an hour. Raises RepositoryError when the repository
    can't be opened at all.
    """
    with tenant_scope(tenant_id):
        if not _due(repository_id):
            return
        vault = open_vault(repository_id)
    deadline = time.monotonic() + SLICE_SECONDS
    while time.monotonic() < deadline:
        with tenant_scope(tenant_id):
            due = _due(repository_id)
            MailboxBackup.objects.filter(pk__in=due).update(retention_due_at=Now() + AFTER_FAILURE)
        if not due:
            return
        for backup_id in due:
            try:
                settle(backup_id, tenant_id, vault)
            except (RepositoryError, projection.HeadMoved):
                log.exception("retention of backup %s failed; it is tried again", backup_id)


def settle(backup_id: UUID, tenant_id: UUID, vault: Vault) -> list[int]:
    """Bring one backup up to date: its holds into the chain, and out with what is too old.

    Returns the restore points that went. Raises RepositoryError; then at most a commit was
    written that is not projected, which the next one who works on the mailbox takes over.
    """
    with tenant_scope(tenant_id):
        locked = MailboxBackup.objects.select_for_update(of=("self",), no_key=True)
        backup = locked.get(pk=backup_id)
        if backup.rebuild_wanted or _is_busy(backup):
            _look_again(backup, WHILE_BUSY)
            return []
        for stored in vault.commits(backup.mailbox_id, after=backup.head):
            projection.apply(backup, stored, vault)
        _tell_holds(backup, vault)
        gone: list[int] = []
        is_held = LegalHold.objects.in_force().filter(mailbox=backup.mailbox_id).exists()
        if not is_held and is_trusted():
            gone = due_to_expire(backup, retention_of(backup))
        if gone:
            _append(backup, vault, CommitKind.EXPIRY, expired=Expired(points=gone))
        _look_again(backup, EVERY)
    return gone


def due_to_expire(backup: MailboxBackup, retention: Retention) -> list[int]:
    points = RestorePoint.objects.filter(backup=backup).order_by("sequence")
    limit = retention.limit(_earlier_now())
    return expired(list(points.values_list("sequence", "taken_at")), limit, retention.mode)


def _earlier_now() -> datetime:
    """By this host's clock or the database's, whichever is behind: one that jumps ahead must not
    make everything too old."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT now()")
        there: datetime = cursor.fetchone()[0]
    return min(timezone.now(), there)


def retention_of(backup: MailboxBackup) -> Retention:
    """What the job that covers the mailbox there says; without one everything is kept."""
    job = Job.objects.filter(
        coverage__mailbox=backup.mailbox_id, allocation=backup.allocation_id
    ).first()
    return job.retention if job else KEPT_FOREVER


def _due(repository_id: UUID) -> list[UUID]:
    due = MailboxBackup.objects.filter(is_due(), allocation__repository_id=repository_id)
    return list(due.order_by("retention_due_at").values_list("pk", flat=True)[:AT_ONCE])


def _is_busy(backup: MailboxBackup) -> bool:
    """Whether a worker writes the mailbox, or somebody waits for a restore out of it."""
    tasks = Task.objects.filter(backup=backup)
    return (
        tasks.filter(state=State.RUNNING).exists()
        or tasks.filter(kind=Kind.RESTORE, state=State.QUEUED).exists()
    )


def _tell_holds(backup: MailboxBackup, vault: Vault) -> None:
    """Write into the chain which holds are in force, so that a rebuild knows of them."""
    holds = {hold.pk: hold for hold in LegalHold.objects.filter(mailbox=backup.mailbox_id)}
    told = holds_of(backup)
    for pk in told.keys() - holds.keys():
        # The database was lost, and the chain remembers.
        holds[pk] = LegalHold.objects.create(pk=pk, mailbox_id=backup.mailbox_id, reason=told[pk])
    wanted = {pk for pk, hold in holds.items() if hold.released_at is None}
    for pk in sorted(wanted - told.keys()):
        _append(backup, vault, CommitKind.HOLD, hold=Hold(pk, holds[pk].reason, placed=True))
    for pk in sorted(told.keys() - wanted):
        _append(backup, vault, CommitKind.HOLD, hold=Hold(pk, told[pk], placed=False))


def _append(
    backup: MailboxBackup,
    vault: Vault,
    kind: CommitKind,
    *,
    expired: Expired | None = None,
    hold: Hold | None = None,
) -> None:
    commit = Commit(
        mailbox=backup.mailbox_id,
        sequence=backup.head + 1,
        kind=kind,
        previous=bytes(backup.head_hash),
        run=uuid7(),
        taken_at=timezone.now(),
        expired=expired,
        hold=hold,
    )
    stored_hash = vault.write_commit(commit)
    projection.apply(backup, StoredCommit(commit, stored_hash), vault)


def _look_again(backup: MailboxBackup, pause: timedelta) -> None:
    MailboxBackup.objects.filter(pk=backup.pk).update(retention_due_at=Now() + pause)
