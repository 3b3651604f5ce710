"""Whether every promise is kept: read back by the catalog, and by the repository alone."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import connections

from backups.catalog.blobs import locator
from backups.catalog.models import Folder, ItemVersion, MailboxBackup, RestorePoint
from backups.engine.restore import Sealed, read_stored
from backups.infrastructure.keys import open_vault, root_key
from backups.repository import Damaged, FolderBackend, Locate, Repository, Vault, located
from backups.repository.state import MailboxState
from tenants.isolation.scope import tenant_scope
from tests.model.mailboxes import Snapshot
from tests.model.world import ModelWorld, Promise, Side

_DOUBLE = """
SELECT count(*) FROM (SELECT backup_id, item_id, first FROM backups_itemversion
GROUP BY 1, 2, 3 HAVING count(*) > 1) AS twice
"""
_TABLES = ("backups_itemversion", "backups_bloblocation", "backups_restorepoint", "backups_pack")


class Reading:
    """``damaged``: bits are flipped, so that bytes may be missing; wrong they may never be."""

    def __init__(self, world: ModelWorld, *, damaged: bool = False) -> None:
        self._world = world
        self._damaged = damaged
        self.missing = 0
        """Item versions that could not be read."""

    def require_all(self) -> None:
        assert self._world.violations == []
        for side in self._world.sides.values():
            self._require_walls(side)
            self._require_by_catalog(side)
            self._require_by_repository(side)

    def reads_newest(self, side: Side, address: str) -> bool:
        """Whether the items of the newest restore point are found by the blob index."""
        with tenant_scope(side.id):
            vault = open_vault(self._world.repository.pk)
            backup = MailboxBackup.objects.get(mailbox__address=address)
            current = ItemVersion.objects.current().filter(backup=backup)
            wanted = set(current.values_list("item_id", "first"))
        bytes_of = self._bytes_of_versions(backup, vault)
        return all(bytes_of[version] is not None for version in wanted)

    def _require_walls(self, side: Side) -> None:
        """No row of another tenant is seen, and no version twice."""
        with tenant_scope(side.id), connections["default"].cursor() as cursor:
            for table in _TABLES:
                cursor.execute(f"SELECT count(*) FROM {table} WHERE tenant_id <> %s", [side.id])
                assert cursor.fetchone() == (0,)
            cursor.execute(_DOUBLE)
            assert cursor.fetchone() == (0,)

    def _require_by_catalog(self, side: Side) -> None:
        with tenant_scope(side.id):
            vault = open_vault(self._world.repository.pk)
            backups = list(MailboxBackup.objects.select_related("mailbox"))
        for backup in backups:
            promise = side.promises[backup.mailbox.address]
            offered = promise.offered(backup.head)
            with tenant_scope(side.id):
                rows = RestorePoint.objects.filter(backup=backup).order_by("sequence")
                points = dict(rows.values_list("sequence", "items"))
            assert points == {point: len(was.items) for point, (_, was) in offered.items()}
            bytes_of = self._bytes_of_versions(backup, vault)
            for point, (_, was) in offered.items():
                self._require_rows(backup, point, was, bytes_of)

    def _bytes_of_versions(
        self, backup: MailboxBackup, vault: Vault
    ) -> dict[tuple[str, int], bytes | None]:
        locate = locator(backup.tenant_id, self._world.repository.pk)
        with tenant_scope(backup.tenant_id):
            rows = list(ItemVersion.objects.filter(backup=backup))
        found: dict[tuple[str, int], bytes | None] = {}
        for row in rows:
            sealed = Sealed(row.item_id, row.change_key, bytes(row.sha256), bytes(row.references))
            try:
                content = read_stored(vault, locate, backup.mailbox_id, sealed)
            except Damaged as error:
                self._miss(error)
                content = None
            found[row.item_id, row.first] = content
        return found

    def _require_rows(
        self,
        backup: MailboxBackup,
        point: int,
        was: Snapshot,
        bytes_of: Mapping[tuple[str, int], bytes | None],
    ) -> None:
        with tenant_scope(backup.tenant_id):
            versions = list(ItemVersion.objects.at(point).filter(backup=backup))
            folders = Folder.objects.at(point).filter(backup=backup)
            names = dict(folders.values_list("folder_id", "name"))
        assert names == was.folders
        found = {
            row.item_id: (row.change_key, row.folder_id, bytes_of[row.item_id, row.first])
            for row in versions
        }
        self._require_same(found, was)

    def _require_by_repository(self, side: Side) -> None:
        """As somebody sees it who has the folder and the root key and nothing else."""
        repository = Repository.open(FolderBackend(self._world.folder))
        if side.id not in repository.tenants():
            return
        vault = repository.escrowed_vault(side.id, root_key())
        ids = {pk: address for address, pk in side.mailboxes().items()}
        there = vault.mailboxes()
        assert set(there) <= set(ids), "a mailbox of somebody else"
        locate = located(vault.pack_index([] if self._damaged else None))
        for mailbox in there:
            promise = side.promises[ids[mailbox]]
            assert list(vault.state(mailbox).points) == list(promise.offered())
            self._require_chain(vault, mailbox, promise, locate)

    def _require_chain(self, vault: Vault, mailbox: UUID, promise: Promise, locate: Locate) -> None:
        read: dict[bytes, bytes | None] = {}
        for point, (_, was) in promise.offered().items():
            state: MailboxState = vault.state(mailbox, point)
            assert {i: folder.name for i, folder in state.folders.items()} == was.folders
            found = {}
            for item in state.items.values():
                if item.sha256 not in read:
                    try:
                        read[item.sha256] = vault.read_item(
                            item.recipe, item.blobs, item.sha256, locate
                        )
                    except Damaged as error:
                        self._miss(error)
                        read[item.sha256] = None
                found[item.item_id] = (item.change_key, item.folder_id, read[item.sha256])
            self._require_same(found, was)

    def _require_same(self, found: dict[str, tuple[str, str, bytes | None]], was: Snapshot) -> None:
        lost = {item for item, (_, _, content) in found.items() if content is None}
        assert set(found) == set(was.items)
        for item, (key, folder, content) in was.items.items():
            assert found[item] == (key, folder, None if item in lost else content)

    def _miss(self, error: Damaged) -> None:
        self.missing += 1
        if not self._damaged:
            raise error
