"""From commits to rows: the only way into the catalog.

A commit is applied in one transaction, which also moves the head. The move is conditional on
the head before it, so a commit is applied once and in order, by whoever comes first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connections
from django.db.models import Count, Sum

from backups.catalog import rows as catalog_rows
from backups.catalog.expiry import take_back
from backups.catalog.holds import note_hold
from backups.catalog.index import columns, text
from backups.catalog.models import (
    Folder,
    ItemFault,
    ItemVersion,
    MailboxBackup,
    RestorePoint,
    SyncCursor,
)
from backups.repository import (
    CommitKind,
    FaultRecord,
    FolderRecord,
    ItemRecord,
    StoredCommit,
    StoredPack,
    Vault,
    encode_references,
)
from tenants.isolation.scope import APP, require_tenant

# What is in quarantine (backups/verifications) is not led to again.
_INSERT_BLOBS = """
INSERT INTO backups_bloblocation (tenant_id, repository_id, blob, pack, "offset", length)
SELECT v.* FROM (VALUES (%s::uuid, %s::uuid, %s::bytea, %s, %s::bigint, %s::bigint))
    AS v (tenant_id, repository_id, blob, pack, "offset", length)
WHERE NOT EXISTS (SELECT FROM backups_damagedobject d WHERE d.tenant_id = v.tenant_id
    AND d.repository_id = v.repository_id AND d.pack = v.pack AND d.blob = v.blob
    AND d.quarantined)
ON CONFLICT (tenant_id, repository_id, blob) DO UPDATE
SET pack = excluded.pack, "offset" = excluded."offset", length = excluded.length
WHERE EXISTS (SELECT FROM backups_pack p WHERE p.tenant_id = excluded.tenant_id
AND p.repository_id = excluded.repository_id AND p.name = backups_bloblocation.pack
AND p.doomed_at IS NOT NULL)
"""
_INSERT_PACK = """
INSERT INTO backups_pack (tenant_id, repository_id, name, pack_class, size)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_END_VERSIONS = """
UPDATE backups_itemversion SET last = %s
WHERE backup_id = %s AND last IS NULL AND item_id = ANY(%s)
"""
_AT_ONCE = 5_000


class HeadMoved(Exception):
    """Somebody else applied this commit, or the chain is not where it was."""


def record_packs(repository_id: UUID, packs: Sequence[StoredPack]) -> None:
    """Note durable packs and where their blobs lie, inside the tenant's scope."""
    tenant = require_tenant()
    # In one order everywhere: two workers that store the same blobs wait, and do not deadlock.
    blobs = sorted(
        (blob, pack.id, offset, length) for pack in packs for blob, offset, length in pack.blobs
    )
    with connections[APP].cursor() as cursor:
        cursor.executemany(
            _INSERT_PACK,
            [(tenant, repository_id, pack.id, pack.pack_class, pack.size) for pack in packs],
        )
        cursor.executemany(_INSERT_BLOBS, [(tenant, repository_id, *blob) for blob in blobs])


def apply(backup: MailboxBackup, stored: StoredCommit, vault: Vault) -> None:
    """Apply the commit that follows the backup's head, inside the tenant's transaction.

    Raises HeadMoved when it does not follow. ``backup`` is brought up to date.
    """
    commit = stored.commit
    moved = MailboxBackup.objects.filter(pk=backup.pk, head=commit.sequence - 1).update(
        head=commit.sequence, head_hash=stored.hash
    )
    if not moved:
        raise HeadMoved(f"commit {commit.sequence} does not follow the head of {backup.pk}")
    if commit.kind in (CommitKind.PARTIAL, CommitKind.COMPLETE):
        _apply_folders(backup, stored)
        _apply_items(backup, stored, vault)
        put_cursors(backup, commit.cursors, vault)
        put_faults(backup, commit.faults, commit.taken_at)
    if commit.expired is not None:
        take_back(backup, commit.expired)
    if commit.hold is not None:
        note_hold(backup, commit.hold)
    if commit.kind is CommitKind.COMPLETE:
        _add_restore_point(backup, stored)
        confirm(backup, commit.taken_at)
    backup.head, backup.head_hash = commit.sequence, stored.hash


def confirm(backup: MailboxBackup, moment: datetime) -> None:
    """A complete run found the head to be the mailbox's state."""
    MailboxBackup.objects.filter(pk=backup.pk).update(current_at=moment)


def cursors_of(backup: MailboxBackup, vault: Vault) -> dict[str, str]:
    """The stored delta tokens by stream."""
    rows = SyncCursor.objects.filter(backup=backup)
    return {
        row.stream: vault.unseal(backup.mailbox_id, row.stream.encode(), bytes(row.sealed)).decode()
        for row in rows
    }


def faults_of(backup: MailboxBackup) -> dict[str, FaultRecord]:
    """The retry ledger by item id."""
    return {
        row.item_id: FaultRecord(row.folder_id, row.item_id, row.reason, row.attempts)
        for row in ItemFault.objects.filter(backup=backup)
    }


def put_faults(backup: MailboxBackup, faults: Collection[FaultRecord], moment: datetime) -> None:
    """The whole retry ledger, as a run's commit of that ``moment`` carries it."""
    ItemFault.objects.filter(backup=backup).exclude(
        item_id__in=[fault.item_id for fault in faults]
    ).delete()
    ItemFault.objects.bulk_create(
        [
            ItemFault(
                tenant_id=backup.tenant_id,
                backup=backup,
                folder_id=fault.folder_id,
                item_id=fault.item_id,
                reason=text(fault.reason),
                attempts=fault.attempts,
                first_seen_at=moment,
            )
            for fault in faults
        ],
        update_conflicts=True,
        unique_fields=["backup", "item_id"],
        update_fields=["reason", "attempts", "folder_id"],
    )


def _apply_folders(backup: MailboxBackup, stored: StoredCommit) -> None:
    commit = stored.commit
    replaced = [folder.id for folder in commit.folders] + list(commit.removed_folders)
    Folder.objects.current().filter(backup=backup, folder_id__in=replaced).update(
        last=commit.sequence
    )
    Folder.objects.bulk_create(
        [
            folder_row(backup, folder, commit.sequence)
            # Named twice in one commit, the last counts.
            for folder in {folder.id: folder for folder in commit.folders}.values()
        ]
    )


def folder_row(
    backup: MailboxBackup, folder: FolderRecord, first: int, last: int | None = None
) -> Folder:
    """The row of a folder version, not saved."""
    return Folder(
        tenant_id=backup.tenant_id,
        backup=backup,
        folder_id=folder.id,
        parent_id=folder.parent_id or "",
        name=text(folder.name, 1000),
        kind=text(folder.kind, 255),
        well_known=text(folder.well_known, 100),
        first=first,
        last=last,
    )


def _apply_items(backup: MailboxBackup, stored: StoredCommit, vault: Vault) -> None:
    commit = stored.commit
    replaced = [item.item_id for item in commit.items] + list(commit.removed_items)
    with connections[APP].cursor() as cursor:
        for part in _chunks(replaced, _AT_ONCE):
            cursor.execute(_END_VERSIONS, [commit.sequence, backup.pk, part])
    # Named twice in one commit, the last counts.
    items = {item.item_id: item for item in commit.items}.values()
    if items:
        catalog_rows.insert(version_row(backup, item, vault, commit.sequence) for item in items)


def version_row(
    backup: MailboxBackup, item: ItemRecord, vault: Vault, first: int, last: int | None = None
) -> catalog_rows.Version:
    """The row of an item version, not written yet."""
    return catalog_rows.Version(
        tenant_id=backup.tenant_id,
        backup_id=backup.pk,
        item_id=item.item_id,
        change_key=item.change_key,
        folder_id=item.folder_id,
        first=first,
        last=last,
        item_class=text(item.item_class, 255),
        size=item.size,
        sha256=item.sha256,
        references=vault.seal(
            backup.mailbox_id,
            references_context(item.item_id, item.change_key),
            encode_references(item.recipe, item.blobs),
        ),
        **columns(item.index),
    )


def references_context(item_id: str, change_key: str) -> bytes:
    """What sealed references are bound to: moved to another row they do not open."""
    return f"references/{item_id}/{change_key}".encode()


def put_cursors(backup: MailboxBackup, cursors: Mapping[str, str | None], vault: Vault) -> None:
    """Set the delta tokens of these streams; None drops one."""
    gone = [stream for stream, cursor in cursors.items() if cursor is None]
    SyncCursor.objects.filter(backup=backup, stream__in=gone).delete()
    SyncCursor.objects.bulk_create(
        [
            SyncCursor(
                tenant_id=backup.tenant_id,
                backup=backup,
                stream=stream,
                sealed=vault.seal(backup.mailbox_id, stream.encode(), cursor.encode()),
            )
            for stream, cursor in cursors.items()
            if cursor is not None
        ],
        update_conflicts=True,
        unique_fields=["backup", "stream"],
        update_fields=["sealed"],
    )


def _add_restore_point(backup: MailboxBackup, stored: StoredCommit) -> None:
    current = ItemVersion.objects.current().filter(backup=backup)
    state = current.aggregate(items=Count("id"), bytes=Sum("size"))
    RestorePoint.objects.create(
        backup=backup,
        sequence=stored.commit.sequence,
        taken_at=stored.commit.taken_at,
        items=state["items"],
        bytes=state["bytes"] or 0,
    )


def _chunks(values: list[str], size: int) -> Iterable[list[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
