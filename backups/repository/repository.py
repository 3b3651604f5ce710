"""A repository: the marker, and the tenants' shares in it."""

from __future__ import annotations

from uuid import UUID

from . import layout
from .backend import Backend
from .errors import AlreadyExists, NotARepository, NotFound, RepositoryError
from .escrow import EscrowedMailboxKeys, escrowed_keys
from .keys import KeyWrapper, TenantKeys
from .recovery import open_recovery
from .vault import MailboxKey, Vault


class Repository:
    def __init__(self, backend: Backend, repository_id: UUID) -> None:
        self.backend = backend
        self.id = repository_id

    @classmethod
    def create(cls, backend: Backend, repository_id: UUID) -> Repository:
        """Make a new, empty repository. Raises AlreadyExists when there is one, or Unavailable."""
        backend.prepare()
        backend.put_immutable(layout.MARKER, layout.marker(repository_id))
        return cls(backend, repository_id)

    @classmethod
    def open(cls, backend: Backend) -> Repository:
        """Raises NotARepository, UnsupportedFormat, Damaged, Unavailable."""
        try:
            content = backend.get(layout.MARKER)
        except NotFound as error:
            raise NotARepository(f"there is no {layout.MARKER}: not a repository") from error
        return cls(backend, layout.read_marker(content))

    @classmethod
    def open_or_create(cls, backend: Backend, repository_id: UUID) -> Repository:
        """Raises RepositoryError when another repository is there."""
        try:
            return cls.create(backend, repository_id)
        except AlreadyExists:
            repository = cls.open(backend)
        if repository.id != repository_id:
            raise RepositoryError(f"repository {repository.id} is there, not {repository_id}")
        return repository

    def tenants(self) -> list[UUID]:
        """Tenants that have objects here."""
        names = self.backend.folders(layout.TENANTS)
        return sorted(tenant for name in names if (tenant := layout.uuid_of(name)) is not None)

    def vault(self, tenant: UUID, keys: TenantKeys, mailbox_key: MailboxKey) -> Vault:
        """``mailbox_key`` gives the 32 bytes of a mailbox's key, or raises."""
        return Vault(self.backend, tenant, keys, mailbox_key)

    def escrowed_vault(self, tenant: UUID, root: KeyWrapper) -> Vault:
        """A tenant's share with the keys that the repository itself keeps, wrapped.

        Raises NotFound, WrongKey, Damaged, KeyDestroyed.
        """
        return self._vault_of(tenant, escrowed_keys(self.backend, tenant, root))

    def recovered_vault(self, tenant: UUID, passphrase: str) -> Vault:
        """As ``escrowed_vault``, with the keys under the tenant's recovery passphrase."""
        return self._vault_of(tenant, open_recovery(self.backend, tenant, passphrase))

    def _vault_of(self, tenant: UUID, keys: TenantKeys) -> Vault:
        return self.vault(tenant, keys, EscrowedMailboxKeys(self.backend, tenant, keys))
