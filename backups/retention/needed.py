"""Which blobs are needed, and how much of each pack: the live set of a collection.

Of a million item versions that is some hundred megabytes, so it is kept in a temporary table of
the worker's connection. When that connection is lost the table is, too, and whoever asks next gets
an error, never too small an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final
from uuid import UUID

from django.db import connections

from backups.catalog.projection import references_context
from backups.repository import Vault, referenced_ids
from tenants.isolation.scope import APP, tenant_scope

ROWS_AT_ONCE: Final = 5_000

_PREPARE: Final = """
DROP TABLE IF EXISTS needed_references, needed_blobs;
CREATE TEMPORARY TABLE needed_references (blob bytea)
"""
_COPY: Final = "COPY needed_references (blob) FROM STDIN (FORMAT BINARY)"
_CLOSE: Final = """
CREATE TEMPORARY TABLE needed_blobs AS SELECT DISTINCT blob FROM needed_references;
DROP TABLE needed_references;
ALTER TABLE needed_blobs ADD PRIMARY KEY (blob);
ANALYZE needed_blobs
"""
_VERSIONS: Final = """
SELECT id, item_id, change_key, "references" FROM backups_itemversion
WHERE backup_id = %s AND (item_id, id) > (%s, %s) ORDER BY item_id, id LIMIT %s
"""
_LIVE: Final = """
SELECT l.pack, sum(l.length), count(*) FROM backups_bloblocation l JOIN needed_blobs USING (blob)
WHERE l.tenant_id = %(tenant)s AND l.repository_id = %(repository)s GROUP BY l.pack
"""
_IN_PACK: Final = """
SELECT l.blob FROM backups_bloblocation l JOIN needed_blobs USING (blob)
WHERE l.tenant_id = %s AND l.repository_id = %s AND l.pack = %s
"""
_WITHOUT_PLACE: Final = """
FROM needed_blobs n WHERE NOT EXISTS (SELECT FROM backups_bloblocation l
WHERE l.tenant_id = %(tenant)s AND l.repository_id = %(repository)s AND l.blob = n.blob)
"""
_KNOWN: Final = """
backups_damagedobject d WHERE d.tenant_id = %(tenant)s AND d.repository_id = %(repository)s
AND d.blob = n.blob AND d.healed_at IS NULL
"""
_UNKNOWN: Final = f"""
SELECT count(*), min(encode(n.blob, 'hex')) {_WITHOUT_PLACE} AND NOT EXISTS (SELECT FROM {_KNOWN})
"""  # noqa: S608
_DAMAGED: Final = f"""
SELECT d.pack, sum(d.length), count(*) FROM (SELECT n.blob {_WITHOUT_PLACE}) n, {_KNOWN}
GROUP BY d.pack
"""  # noqa: S608  (our own text)


class NeededBlobs:
    """Of one tenant's share. Add everything, then ``close``, then ask."""

    def __init__(self, tenant_id: UUID, repository_id: UUID) -> None:
        self._tenant = tenant_id
        self._repository = repository_id
        with tenant_scope(tenant_id), connections[APP].cursor() as cursor:
            cursor.execute(_PREPARE)

    def add(self, blobs: Collection[bytes]) -> None:
        """All there already: while they are copied the connection answers nothing else."""
        with (
            tenant_scope(self._tenant),
            connections[APP].cursor() as cursor,
            cursor.copy(_COPY) as copy,
        ):
            copy.set_types(["bytea"])
            for blob in blobs:
                copy.write_row((blob,))

    def add_versions(
        self, backup_id: UUID, mailbox_id: UUID, vault: Vault, look: Callable[[], None]
    ) -> None:
        """What the rows of a mailbox refer to; ``look`` is called now and then. Raises Damaged."""
        after = ("", 0)
        while rows := self._versions(backup_id, after):
            self.add(list(_referred(rows, mailbox_id, vault)))
            after = (rows[-1][1], rows[-1][0])
            look()

    def _versions(
        self, backup_id: UUID, after: tuple[str, int]
    ) -> list[tuple[int, str, str, memoryview]]:
        with tenant_scope(self._tenant), connections[APP].cursor() as cursor:
            cursor.execute(_VERSIONS, [backup_id, *after, ROWS_AT_ONCE])
            return list(cursor.fetchall())

    def close(self) -> None:
        with tenant_scope(self._tenant), connections[APP].cursor() as cursor:
            cursor.execute(_CLOSE)

    def bytes_in_packs(self) -> dict[str, int]:
        """Bytes that are needed of each pack in which the blob index knows any."""
        return {pack: int(size) for pack, size, _ in self._by_pack(_LIVE)}

    def without_place(self) -> tuple[int, str]:
        """How many are in no pack that the index knows, nor in one known to be damaged; and one."""
        with tenant_scope(self._tenant), connections[APP].cursor() as cursor:
            cursor.execute(_UNKNOWN, {"tenant": self._tenant, "repository": self._repository})
            number, example = cursor.fetchone()
        return number, example or ""

    def damaged(self) -> dict[str, tuple[int, int]]:
        """Bytes and number of those that are known to be damaged, by the pack they are in."""
        return {pack: (int(size), number) for pack, size, number in self._by_pack(_DAMAGED)}

    def in_pack(self, pack: str) -> set[bytes]:
        with tenant_scope(self._tenant), connections[APP].cursor() as cursor:
            cursor.execute(_IN_PACK, [self._tenant, self._repository, pack])
            return {bytes(blob) for (blob,) in cursor.fetchall()}

    def drop(self) -> None:
        with tenant_scope(self._tenant), connections[APP].cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS needed_references, needed_blobs")

    def _by_pack(self, query: str) -> list[tuple[str, int, int]]:
        values: dict[str, UUID] = {"tenant": self._tenant, "repository": self._repository}
        with tenant_scope(self._tenant), connections[APP].cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())


def _referred(
    rows: Iterable[tuple[int, str, str, memoryview]], mailbox_id: UUID, vault: Vault
) -> Iterator[bytes]:
    for _pk, item_id, change_key, sealed in rows:
        context = references_context(item_id, change_key)
        yield from referenced_ids(vault.unseal(mailbox_id, context, bytes(sealed)))
