"""What an expiry commit takes back leaves the catalog.

Rows that only say "expired" would have to be hidden from every list, page and search, and a rebuild
from a checkpoint, which tells of nothing that has expired, could not make them again.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from django.db import connections

from backups.catalog.models import MailboxBackup, RestorePoint
from backups.repository import Expired
from tenants.isolation.scope import APP

_NAMED: Final = """
SELECT v.id FROM backups_itemversion v
JOIN unnest(%s::text[], %s::int[]) AS gone (item_id, first) USING (item_id, first)
WHERE v.backup_id = %s
"""
_NEEDED: Final = """
EXISTS (SELECT FROM backups_restorepoint p WHERE p.backup_id = %(backup)s
AND p.sequence >= v.first AND p.sequence < v.last)
"""
_UNNEEDED: Final = f"""
SELECT v.id FROM backups_itemversion v
WHERE v.backup_id = %(backup)s AND v.last IS NOT NULL AND NOT {_NEEDED}
"""  # noqa: S608  (our own text)
_UNNEEDED_FOLDERS: Final = f"""
DELETE FROM backups_folder v
WHERE v.backup_id = %(backup)s AND v.last IS NOT NULL AND NOT {_NEEDED}
"""  # noqa: S608
_AT_ONCE: Final = 10_000


def take_back(backup: MailboxBackup, expired: Expired) -> None:
    """Remove the points and versions, and every version and folder that no point needs any more.

    Inside the tenant's scope. Baskets and the lists of past restores lose these items too.
    """
    RestorePoint.objects.filter(backup=backup, sequence__in=expired.points).delete()
    for start in range(0, len(expired.versions), _AT_ONCE):
        part = expired.versions[start : start + _AT_ONCE]
        item_ids, firsts = [item_id for item_id, _ in part], [first for _, first in part]
        _remove_versions(_NAMED, [item_ids, firsts, backup.pk])
    only = {"backup": backup.pk}
    _remove_versions(_UNNEEDED, only)
    with connections[APP].cursor() as cursor:
        cursor.execute(_UNNEEDED_FOLDERS, only)


def _remove_versions(
    which: str, parameters: list[list[str] | list[int] | UUID] | dict[str, UUID]
) -> None:
    """``which`` selects their ids."""
    with connections[APP].cursor() as cursor:
        cursor.execute(which, parameters)
        ids = [found for (found,) in cursor.fetchall()]
        for table, column in (
            ("backups_basketitem", "version_id"),
            ("backups_restoreitem", "version_id"),
            ("backups_itemversion", "id"),
        ):
            cursor.execute(
                f"DELETE FROM {table} WHERE {column} = ANY(%s)",  # noqa: S608
                [ids],
            )
