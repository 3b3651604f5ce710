"""The blob index of a tenant's share of a repository, made again from the packs' directories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.db import connections

from backups.repository import NotFound, StoredPack, Unreadable, Vault
from tenants.isolation.scope import APP, tenant_scope

Progress = Callable[[int, int], None]
"""Is told how many packs were read, and how many there are."""

_PREPARE: Final = """
CREATE TEMPORARY TABLE listed_packs (name text, pack_class text, size bigint);
CREATE TEMPORARY TABLE listed_blobs (blob bytea, pack text, "offset" bigint, length bigint)
"""
_COPY_PACKS: Final = "COPY listed_packs (name, pack_class, size) FROM STDIN"
_COPY_BLOBS: Final = 'COPY listed_blobs (blob, pack, "offset", length) FROM STDIN'
# What a writer noted since the listing began is right and stays.
_FORGET: Final = """
DELETE FROM backups_bloblocation b WHERE tenant_id = %(tenant)s AND repository_id = %(repository)s
AND NOT EXISTS (SELECT FROM backups_pack p WHERE p.tenant_id = b.tenant_id
AND p.repository_id = b.repository_id AND p.name = b.pack AND p.stored_at >= %(began)s);
DELETE FROM backups_pack p WHERE tenant_id = %(tenant)s AND repository_id = %(repository)s
AND stored_at < %(began)s AND NOT EXISTS (SELECT FROM listed_packs l WHERE l.name = p.name)
"""
# A blob in quarantine (backups/verifications) is only found where it was stored anew; of two
# copies the one counts that is not to go.
_NOTE: Final = """
INSERT INTO backups_pack (tenant_id, repository_id, name, pack_class, size)
SELECT %(tenant)s, %(repository)s, name, pack_class, size FROM listed_packs
ON CONFLICT DO NOTHING;
INSERT INTO backups_bloblocation (tenant_id, repository_id, blob, pack, "offset", length)
SELECT DISTINCT ON (blob) %(tenant)s, %(repository)s, blob, pack, "offset", length
FROM listed_blobs l JOIN backups_pack p ON p.tenant_id = %(tenant)s
AND p.repository_id = %(repository)s AND p.name = l.pack
WHERE NOT EXISTS (SELECT FROM backups_damagedobject d
WHERE d.tenant_id = %(tenant)s AND d.repository_id = %(repository)s
AND d.pack = l.pack AND d.blob = l.blob AND d.quarantined)
ORDER BY blob, going_at IS NOT NULL, doomed_at IS NOT NULL, pack
ON CONFLICT DO NOTHING
"""
_AT_ONCE: Final = 200
"""Packs whose directories are in memory at a time."""


@dataclass(slots=True)
class Indexed:
    packs: int = 0
    blobs: int = 0
    damaged: list[Unreadable] = field(default_factory=list)
    """Packs whose directory can't be read; what they hold is not found any more."""


def share_lock(repository_id: UUID, tenant_id: UUID) -> int:
    """The advisory lock of whoever deletes packs of a share, or notes anew which there are."""
    key = int.from_bytes(repository_id.bytes[-8:], signed=True)
    return key ^ int.from_bytes(tenant_id.bytes[-8:], signed=True)


def rebuild_blob_index(
    tenant_id: UUID, repository_id: UUID, vault: Vault, progress: Progress
) -> Indexed:
    """Note every pack that is there and where its blobs lie, and forget all others.

    One transaction: the directories are read first, then the rows are exchanged, and nobody sees
    less than there was. A collection that is at work here is waited for: what it deletes meanwhile
    would be noted as being there. Raises RepositoryError when the packs can't be listed or read.
    """
    found = Indexed()
    with tenant_scope(tenant_id), connections[APP].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [share_lock(repository_id, tenant_id)])
        cursor.execute("SELECT clock_timestamp()")
        (began,) = cursor.fetchone()
        cursor.execute(_PREPARE)
        for packs in _read(vault, found, progress):
            _gather(packs)
        values = {"tenant": tenant_id, "repository": repository_id, "began": began}
        for statement in (*_FORGET.split(";"), *_NOTE.split(";")):
            cursor.execute(statement, values)
        cursor.execute("DROP TABLE listed_packs, listed_blobs")
    return found


def _read(vault: Vault, found: Indexed, progress: Progress) -> Iterator[list[StoredPack]]:
    names = list(vault.packs())
    for start in range(0, len(names), _AT_ONCE):
        packs = []
        for number, name in enumerate(names[start : start + _AT_ONCE], start=start + 1):
            try:
                packs.append(vault.read_pack(name))
            except NotFound:
                pass  # collected since it was listed
            except Unreadable as error:
                found.damaged.append(error)
            progress(number, len(names))
        found.packs += len(packs)
        found.blobs += sum(len(pack.blobs) for pack in packs)
        yield packs


def _gather(packs: list[StoredPack]) -> None:
    with connections[APP].cursor() as cursor:
        with cursor.copy(_COPY_PACKS) as copy:
            for pack in packs:
                copy.write_row((pack.id, pack.pack_class, pack.size))
        with cursor.copy(_COPY_BLOBS) as copy:
            for pack in packs:
                for blob, offset, length in pack.blobs:
                    copy.write_row((blob, pack.id, offset, length))
