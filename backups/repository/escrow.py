"""The wrapped keys that a repository keeps: finding those in use, and opening them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from uuid import UUID

from . import layout
from .destruction import require_not_destroyed
from .errors import NotFound, WrongKey
from .keys import KeyWrapper, TenantKeys

if TYPE_CHECKING:
    from .backend import Backend


def tenant_versions(backend: Backend, tenant: UUID) -> list[int]:
    """Versions of the tenant's wrapped keys, the newest first."""
    keys = backend.list(layout.keys_prefix(tenant))
    return sorted((v for key in keys if (v := layout.tenant_key_of(key)) is not None), reverse=True)


def mailbox_versions(backend: Backend, tenant: UUID) -> dict[UUID, list[int]]:
    """Versions of each mailbox's wrapped key, the newest first."""
    found: defaultdict[UUID, list[int]] = defaultdict(list)
    for key in backend.list(layout.keys_prefix(tenant)):
        if (place := layout.mailbox_key_of(key)) is not None:
            found[place[0]].append(place[1])
    return {mailbox: sorted(versions, reverse=True) for mailbox, versions in found.items()}


def escrowed_keys(backend: Backend, tenant: UUID, root: KeyWrapper) -> TenantKeys:
    """From the newest copy that ``root`` wrapped.

    Raises NotFound, KeyDestroyed, Damaged; WrongKey when it wrapped none.
    """
    require_not_destroyed(backend, tenant, None)
    wrong: WrongKey | None = None
    for version in tenant_versions(backend, tenant):
        name = layout.tenant_key(tenant, version)
        try:
            return TenantKeys.unwrap(backend.get(name), root, tenant, name)
        except WrongKey as error:
            wrong = wrong or error
    raise wrong or NotFound(layout.tenant_key(tenant, 1))


class EscrowedMailboxKeys:
    """Mailbox keys from their newest copies that the tenant key at hand wrapped.

    Calling raises NotFound, KeyDestroyed, WrongKey, Damaged.
    """

    def __init__(self, backend: Backend, tenant: UUID, keys: TenantKeys) -> None:
        self._backend = backend
        self._tenant = tenant
        self._keys = keys
        self._unwrapped: dict[UUID, bytes] = {}

    def __call__(self, mailbox: UUID) -> bytes:
        if mailbox not in self._unwrapped:
            self._unwrapped[mailbox] = self._read(mailbox)
        return self._unwrapped[mailbox]

    def _read(self, mailbox: UUID) -> bytes:
        require_not_destroyed(self._backend, self._tenant, mailbox)
        wrong: WrongKey | None = None
        for version in mailbox_versions(self._backend, self._tenant).get(mailbox, []):
            name = layout.mailbox_key(self._tenant, mailbox, version)
            wrapped = self._backend.get(name)
            try:
                return self._keys.unwrap_mailbox_key(wrapped, self._tenant, mailbox, name)
            except WrongKey as error:
                wrong = wrong or error
        raise wrong or NotFound(layout.mailbox_key(self._tenant, mailbox, 1))
