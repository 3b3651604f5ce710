"""The rows of one mailbox's backup, made again from its chain of commits.

One transaction per backup: until it ends everybody sees the rows that were there, and when it
breaks off they stay. It holds the backup's row, so that a worker can neither move the head nor
project a commit meanwhile; what it then finds is the head that it knew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connections, transaction

from backups.catalog import projection, rows
from backups.catalog.holds import put_holds
from backups.catalog.models import Folder, ItemVersion, MailboxBackup, RestorePoint
from backups.repository import NO_COMMIT, Checkpoint, Damaged, StoredCommit, Unreadable, Vault
from tenants.isolation.scope import APP, tenant_scope

Progress = Callable[[int, int], None]
"""Is told the commit that was projected, and the last one that a listing shows."""

_REFERRING: Final = ("backups_basketitem", "backups_restoreitem")
_REMEMBER: Final = """
CREATE TEMPORARY TABLE named_versions ON COMMIT DROP AS
SELECT id, item_id, first FROM backups_itemversion v WHERE backup_id = %(backup)s AND (
EXISTS (SELECT FROM backups_basketitem b WHERE b.version_id = v.id)
OR EXISTS (SELECT FROM backups_restoreitem r WHERE r.version_id = v.id))
"""
_POINT_ANEW: Final = """
UPDATE {table} SET version_id = v.id
FROM named_versions n JOIN backups_itemversion v USING (item_id, first)
WHERE v.backup_id = %(backup)s AND {table}.version_id = n.id
"""
_LET_GO: Final = "DELETE FROM {table} USING named_versions n WHERE version_id = n.id"
_CLEAR: Final = (
    "backups_itemversion", "backups_folder", "backups_restorepoint", "backups_synccursor",
    "backups_itemfault",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What became of one backup."""

    known: int
    """The head that the catalog had."""
    head: int
    """The last commit of the chain."""
    versions: int
    points: int
    damage: Unreadable | None = None
    """Where the chain could not be read; the rows tell of what is left."""

    @property
    def is_shorter(self) -> bool:
        """Whether commits that the catalog knew are not in the repository any more."""
        return self.head < self.known


def rebuild(backup_id: UUID, tenant_id: UUID, vault: Vault, progress: Progress) -> Rebuilt:
    """Make all rows of a backup again from the repository.

    Rows in baskets and in restores point to the same versions afterwards. Raises Unreadable for a
    damaged chain that tells less than the catalog does, and then changes nothing; what else the
    repository raises changes nothing either.
    """
    with tenant_scope(tenant_id):
        backup = MailboxBackup.objects.select_for_update().get(pk=backup_id)
        known, known_hash, current_at = backup.head, bytes(backup.head_hash), backup.current_at
        only = {"backup": backup.pk}
        with connections[APP].cursor() as cursor:
            cursor.execute(_REMEMBER, only)
        damage = _replay_readable(backup, vault, progress)
        if damage is not None and backup.head < known:
            raise damage
        with connections[APP].cursor() as cursor:
            for table in _REFERRING:
                cursor.execute(_POINT_ANEW.format(table=table), only)
                cursor.execute(_LET_GO.format(table=table))
            cursor.execute("DROP TABLE named_versions")
        if (backup.head, backup.head_hash) == (known, known_hash) and current_at is not None:
            # A run that found nothing new said so here and wrote no commit.
            projection.confirm(backup, current_at)
        MailboxBackup.objects.filter(pk=backup.pk).update(rebuild_wanted=False)
        return Rebuilt(
            known=known,
            head=backup.head,
            versions=ItemVersion.objects.filter(backup=backup).count(),
            points=RestorePoint.objects.filter(backup=backup).count(),
            damage=damage,
        )


def _replay_readable(backup: MailboxBackup, vault: Vault, progress: Progress) -> Unreadable | None:
    """From the chain's beginning; where that is damaged, from its newest checkpoint.

    Gives the damage that was in the way.
    """
    try:
        with transaction.atomic(using=APP):
            _replay(backup, vault, None, progress)
    except Unreadable as error:
        damage = error
    else:
        return None
    start = _newest_checkpoint(backup, vault)
    if start is not None:
        try:
            with transaction.atomic(using=APP):
                _replay(backup, vault, start, progress)
        except Unreadable as error:
            damage = error
        else:
            return damage
    _replay(backup, vault, None, progress, as_far_as_readable=True)
    return damage


def _replay(
    backup: MailboxBackup,
    vault: Vault,
    start: StoredCommit | None,
    progress: Progress,
    *,
    as_far_as_readable: bool = False,
) -> None:
    """``start``: a commit with a checkpoint; None: the beginning of the chain."""
    _clear(backup)
    last = max(vault.sequences(backup.mailbox_id), default=0)
    if start is not None:
        _load(backup, start, vault)
    try:
        for stored in vault.commits(backup.mailbox_id, after=start.commit.sequence if start else 0):
            if backup.head == 0 and stored.commit.sequence > 1:
                _load(backup, stored, vault)
            else:
                projection.apply(backup, stored, vault)
            progress(backup.head, last)
    except Unreadable:
        if not as_far_as_readable:
            raise


def _newest_checkpoint(backup: MailboxBackup, vault: Vault) -> StoredCommit | None:
    """The newest commit with a checkpoint that can be read."""
    for sequence in reversed(vault.sequences(backup.mailbox_id)):
        try:
            stored = vault.read_commit(backup.mailbox_id, sequence)
        except Unreadable:
            continue
        if stored is not None and stored.commit.checkpoint is not None:
            return stored
    return None


def _clear(backup: MailboxBackup) -> None:
    with connections[APP].cursor() as cursor:
        for table in _CLEAR:
            cursor.execute(f"DELETE FROM {table} WHERE backup_id = %s", [backup.pk])  # noqa: S608
    backup.head, backup.head_hash, backup.current_at = 0, NO_COMMIT, None
    backup.save(update_fields=["head", "head_hash", "current_at"])
    put_holds(backup, {})


def _load(backup: MailboxBackup, stored: StoredCommit, vault: Vault) -> None:
    """All that the checkpoint of a commit tells. Raises Damaged."""
    commit, checkpoint = stored.commit, stored.commit.checkpoint
    if checkpoint is None:
        raise Damaged(f"commit {commit.sequence}", "has no checkpoint, and nothing is before it")
    Folder.objects.bulk_create(
        projection.folder_row(backup, version.folder, version.first, version.end)
        for version in checkpoint.folders
    )
    _load_versions(backup, checkpoint, vault)
    RestorePoint.objects.bulk_create(
        RestorePoint(
            tenant_id=backup.tenant_id,
            backup=backup,
            sequence=point.sequence,
            taken_at=point.taken_at,
            items=point.items,
            bytes=point.bytes,
        )
        for point in checkpoint.points
    )
    projection.put_cursors(backup, checkpoint.cursors, vault)
    projection.put_faults(backup, checkpoint.faults, commit.taken_at)
    put_holds(backup, checkpoint.holds)
    backup.head, backup.head_hash = commit.sequence, stored.hash
    backup.current_at = max((point.taken_at for point in checkpoint.points), default=None)
    backup.save(update_fields=["head", "head_hash", "current_at"])


def _load_versions(backup: MailboxBackup, checkpoint: Checkpoint, vault: Vault) -> None:
    rows.insert(
        projection.version_row(backup, item, vault, first, end)
        for first, end, item in vault.versions(backup.mailbox_id, checkpoint)
    )


def newest_address(mailbox_id: UUID, vault: Vault) -> str:
    """The address that the newest readable commit says the mailbox had; empty when none does."""
    for sequence in reversed(vault.sequences(mailbox_id)):
        try:
            stored = vault.read_commit(mailbox_id, sequence)
        except Unreadable:
            continue
        if stored is not None and (address := stored.commit.coverage.get("address")):
            return str(address)
    return ""
