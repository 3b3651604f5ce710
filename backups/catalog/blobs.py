from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from uuid import UUID

from django.db import connections
from django.db.models.functions import Now

from backups.catalog.models import Pack
from backups.repository import Locate, Location
from tenants.isolation.scope import APP, tenant_scope

log = logging.getLogger(__name__)

_WHERE = """
SELECT blob, pack, "offset", length FROM backups_bloblocation l
WHERE tenant_id = %s AND repository_id = %s AND blob = ANY(%s)
"""
_LASTING = """
AND EXISTS (SELECT FROM backups_pack p WHERE p.tenant_id = l.tenant_id
AND p.repository_id = l.repository_id AND p.name = l.pack AND p.doomed_at IS NULL)
"""


def locator(tenant_id: UUID, repository_id: UUID) -> Locate:
    """Where blobs lie, asked of the blob index in a short transaction per batch."""

    def locate(ids: Collection[bytes]) -> dict[bytes, Location]:
        return _look_up(_WHERE, tenant_id, repository_id, ids)

    return locate


def writing_locator(
    tenant_id: UUID, repository_id: UUID, is_there: Callable[[str], bool]
) -> Locate:
    """Where blobs lie that something new may refer to: in packs that are noted, stay, and exist.

    ``is_there`` is asked once for each pack. A database that was put back from an older copy
    knows packs that were collected since; such a pack is doomed here, so that what lies in it is
    stored anew and its place noted.
    """
    seen: dict[str, bool] = {}

    def locate(ids: Collection[bytes]) -> dict[bytes, Location]:
        found = _look_up(_WHERE + _LASTING, tenant_id, repository_id, ids)
        for pack in {location.pack for location in found.values()} - seen.keys():
            seen[pack] = is_there(pack)
            if not seen[pack]:
                log.error("pack %s is noted in the catalog, and not in the repository", pack)
                with tenant_scope(tenant_id):
                    gone = Pack.objects.filter(repository_id=repository_id, name=pack)
                    gone.filter(doomed_at=None).update(doomed_at=Now())
        return {blob: location for blob, location in found.items() if seen[location.pack]}

    return locate


def _look_up(
    query: str, tenant_id: UUID, repository_id: UUID, ids: Collection[bytes]
) -> dict[bytes, Location]:
    if not ids:
        return {}
    with tenant_scope(tenant_id), connections[APP].cursor() as cursor:
        cursor.execute(query, [tenant_id, repository_id, list(ids)])
        return {
            bytes(blob): Location(pack, offset, length)
            for blob, pack, offset, length in cursor.fetchall()
        }
