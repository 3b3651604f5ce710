"""The bytes of an item version, from the repository it is stored in."""

from __future__ import annotations

from uuid import UUID

from backups.catalog.blobs import locator
from backups.catalog.models import ItemVersion
from backups.engine.restore import Sealed, read_stored
from backups.infrastructure.keys import open_vault
from backups.repository import RepositoryError, RootKeyError, Vault
from tenants.isolation.scope import tenant_scope


class Unreadable(Exception):
    """The item can't be read from its repository; the message says why."""


class VersionReader:
    """Reads item versions of one tenant; each repository is opened once.

    Touches the database in short transactions of its own, so that it also works while a
    response is being streamed, after the request's transaction has ended.
    """

    def __init__(self, tenant_id: UUID) -> None:
        self._tenant_id = tenant_id
        self._vaults: dict[UUID, Vault] = {}

    def read(self, version: ItemVersion) -> bytes:
        """``version`` comes with its backup and allocation. Raises Unreadable."""
        repository_id = version.backup.allocation.repository_id
        item = Sealed(
            version.item_id,
            version.change_key,
            bytes(version.sha256),
            bytes(version.references),
        )
        try:
            return read_stored(
                self._vault(repository_id),
                locator(self._tenant_id, repository_id),
                version.backup.mailbox_id,
                item,
            )
        except (RepositoryError, RootKeyError, OSError, ValueError) as error:
            raise Unreadable(f"Not readable in the repository: {error}") from error

    def _vault(self, repository_id: UUID) -> Vault:
        if repository_id not in self._vaults:
            with tenant_scope(self._tenant_id):
                self._vaults[repository_id] = open_vault(repository_id)
        return self._vaults[repository_id]


def read_version(version: ItemVersion) -> bytes:
    """As ``VersionReader.read``, for one item."""
    return VersionReader(version.tenant_id).read(version)
