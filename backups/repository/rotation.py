"""New keys for old ones, by wrapping again: content stays as it is.

Every step adds versions and takes none away, so a reader finds its way at any moment with the old
key or the new one. ``retire`` removes what the newest versions have replaced.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from uuid import UUID

from . import layout
from .errors import NotFound, RepositoryError, WrongKey
from .escrow import EscrowedMailboxKeys, mailbox_versions, tenant_versions
from .keys import KeyWrapper, TenantKeys, key_id
from .recovery import read_head, recovery_versions

if TYPE_CHECKING:
    from .backend import Backend


def rewrap_tenant_keys(
    backend: Backend, tenant: UUID, keys: TenantKeys, wrapper: KeyWrapper
) -> str:
    """Wrap the tenant's keys by a new root key or service; gives the object's name.

    Writes nothing when the newest version is that already.
    """
    versions = tenant_versions(backend, tenant)
    if versions:
        name = layout.tenant_key(tenant, versions[0])
        with contextlib.suppress(WrongKey):
            if TenantKeys.unwrap(backend.get(name), wrapper, tenant, name) == keys:
                return name
    name = layout.tenant_key(tenant, max(versions, default=0) + 1)
    backend.put_immutable(name, keys.wrapped_by(wrapper, tenant))
    return name


def rotate_tenant_key(
    backend: Backend, tenant: UUID, keys: TenantKeys, wrapper: KeyWrapper
) -> TenantKeys:
    """Give the tenant a new tenant key, under which every mailbox key here is wrapped again.

    The id key, blob secret and metadata key stay: content is named and encrypted with them. A
    recovery copy holds the old tenant key and has to be written anew. After a crash, call it again.
    """
    fresh = keys.with_new_tenant_key()
    opened = EscrowedMailboxKeys(backend, tenant, keys)
    # Mailboxes first: until the tenant's new keys are there, readers pass over what they wrapped.
    for mailbox, versions in mailbox_versions(backend, tenant).items():
        name = layout.mailbox_key(tenant, mailbox, versions[0] + 1)
        backend.put_immutable(name, fresh.wrap_mailbox_key(opened(mailbox), tenant, mailbox))
    rewrap_tenant_keys(backend, tenant, fresh, wrapper)
    return fresh


def retire(backend: Backend, tenant: UUID, keys: TenantKeys, wrapper: KeyWrapper) -> list[str]:
    """Delete the versions of wrapped keys that newer ones have replaced; gives their names.

    Raises as ``replaced_versions``, and then deletes nothing.
    """
    doomed = replaced_versions(backend, tenant, keys, wrapper)
    for name in doomed:
        with contextlib.suppress(NotFound):
            backend.delete(name)
    return doomed


def replaced_versions(
    backend: Backend, tenant: UUID, keys: TenantKeys, wrapper: KeyWrapper
) -> list[str]:
    """Names of the wrapped keys that newer ones have replaced, once the newest are proven.

    Raises RepositoryError when a newest version does not open with these keys, or the recovery
    copy holds another tenant key.
    """
    versions = tenant_versions(backend, tenant)
    newest = layout.tenant_key(tenant, versions[0] if versions else 1)
    if TenantKeys.unwrap(backend.get(newest), wrapper, tenant, newest) != keys:
        raise RepositoryError(f"{newest}: holds other keys than those in use")
    for version in recovery_versions(backend, tenant):
        name = layout.recovery_key(tenant, version)
        *_, inside = read_head(backend.get(name), name)
        if inside != key_id(keys.tenant_key):
            raise RepositoryError(f"{name}: holds another tenant key; write it anew first")
    replaced = [layout.tenant_key(tenant, version) for version in versions[1:]]
    for mailbox, known in mailbox_versions(backend, tenant).items():
        name = layout.mailbox_key(tenant, mailbox, known[0])
        keys.unwrap_mailbox_key(backend.get(name), tenant, mailbox, name)
        replaced += [layout.mailbox_key(tenant, mailbox, version) for version in known[1:]]
    return replaced
