from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from uuid import UUID

from django.db import connections

from backups.repository import Location
from tenants.isolation.scope import APP, tenant_scope

_WHERE = """
SELECT blob, pack, "offset", length FROM backups_bloblocation l
WHERE tenant_id = %s AND repository_id = %s AND blob = ANY(%s)
"""
_LASTING = """
AND EXISTS (SELECT FROM backups_pack p WHERE p.tenant_id = l.tenant_id
AND p.repository_id = l.repository_id AND p.name = l.pack AND p.doomed_at IS NULL)
"""


def locator(
    tenant_id: UUID, repository_id: UUID, *, for_writing: bool = False
) -> Callable[[Collection[bytes]], Mapping[bytes, Location]]:
    """Where blobs lie, asked of the blob index in a short transaction per batch.

    What is ``for_writing`` is in packs that are noted and stay: nothing new may refer to others.
    """
    query = _WHERE + (_LASTING if for_writing else "")

    def locate(ids: Collection[bytes]) -> dict[bytes, Location]:
        if not ids:
            return {}
        with tenant_scope(tenant_id), connections[APP].cursor() as cursor:
            cursor.execute(
                query,
                [tenant_id, repository_id, list(ids)],
            )
            return {
                bytes(blob): Location(pack, offset, length)
                for blob, pack, offset, length in cursor.fetchall()
            }

    return locate
