"""The rows of wrapped keys, from the copies that a repository keeps."""

from __future__ import annotations

from uuid import UUID

from backups.infrastructure.keys import root_key
from backups.infrastructure.models import MailboxKey
from backups.repository import KeyWrapper, TenantKeys, Vault, WrongKey, layout
from backups.repository import Repository as StoredRepository
from backups.repository.escrow import mailbox_versions, tenant_versions
from tenants.isolation.scope import require_tenant
from tenants.models import TenantKey


def open_share(stored: StoredRepository, tenant_id: UUID, passphrase: str | None) -> Vault:
    """A tenant's share by the root key, or by the passphrase where one is given and opens it.

    Raises WrongKey, NotFound, KeyDestroyed, Damaged.
    """
    if passphrase is not None:
        try:
            return stored.recovered_vault(tenant_id, passphrase)
        except WrongKey as error:
            try:
                return stored.escrowed_vault(tenant_id, root_key())
            except WrongKey:
                raise error from None
    return stored.escrowed_vault(tenant_id, root_key())


def restore_tenant_keys(stored: StoredRepository, keys: TenantKeys) -> None:
    """Note the current tenant's wrapped keys, unless there are some.

    Those that the root key does not open are wrapped by it, as a version of their own.
    """
    tenant_id = require_tenant()
    if TenantKey.objects.exists():
        return
    versions = tenant_versions(stored.backend, tenant_id)
    root = root_key()
    for version in versions:
        name = layout.tenant_key(tenant_id, version)
        wrapped = stored.backend.get(name)
        if _opens(wrapped, root, keys, tenant_id, name):
            TenantKey.objects.create(version=version, wrapped=wrapped)
            return
    wrapped = keys.wrapped_by(root, tenant_id)
    TenantKey.objects.create(version=max(versions, default=0) + 1, wrapped=wrapped)


def restore_mailbox_key(stored: StoredRepository, keys: TenantKeys, mailbox_id: UUID) -> None:
    """Note a mailbox's wrapped key, unless there is one. Raises WrongKey, NotFound, Damaged."""
    tenant_id = require_tenant()
    if MailboxKey.objects.filter(mailbox_id=mailbox_id).exists():
        return
    wrong: WrongKey | None = None
    for version in mailbox_versions(stored.backend, tenant_id).get(mailbox_id, []):
        name = layout.mailbox_key(tenant_id, mailbox_id, version)
        wrapped = stored.backend.get(name)
        try:
            keys.unwrap_mailbox_key(wrapped, tenant_id, mailbox_id, name)
        except WrongKey as error:
            wrong = wrong or error
            continue
        MailboxKey.objects.create(mailbox_id=mailbox_id, version=version, wrapped=wrapped)
        return
    raise wrong or WrongKey(layout.mailbox_key(tenant_id, mailbox_id, 1), "there is no key")


def _opens(wrapped: bytes, root: KeyWrapper, keys: TenantKeys, tenant_id: UUID, name: str) -> bool:
    try:
        return TenantKeys.unwrap(wrapped, root, tenant_id, name) == keys
    except WrongKey:
        return False
