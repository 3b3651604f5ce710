from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from uuid import UUID

from django.db import connections

from backups.repository import Location
from tenants.isolation.scope import APP, tenant_scope


def locator(
    tenant_id: UUID, repository_id: UUID
) -> Callable[[Collection[bytes]], Mapping[bytes, Location]]:
    """Where blobs lie, asked of the blob index in a short transaction per batch."""

    def locate(ids: Collection[bytes]) -> dict[bytes, Location]:
        if not ids:
            return {}
        with tenant_scope(tenant_id), connections[APP].cursor() as cursor:
            cursor.execute(
                'SELECT blob, pack, "offset", length FROM backups_bloblocation'
                " WHERE tenant_id = %s AND repository_id = %s AND blob = ANY(%s)",
                [tenant_id, repository_id, list(ids)],
            )
            return {
                bytes(blob): Location(pack, offset, length)
                for blob, pack, offset, length in cursor.fetchall()
            }

    return locate
