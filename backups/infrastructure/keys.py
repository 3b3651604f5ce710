"""Where a tenant's keys come from: wrapped in PostgreSQL, a copy beside the backups.

docs/keys.md tells the hierarchy. Everything here runs inside the tenant's scope.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from backups.infrastructure.models import MailboxKey
from backups.infrastructure.services import open_stored
from backups.infrastructure.wrapping import service_key
from backups.organizations.models import Mailbox
from backups.repository import (
    KeyDestroyed,
    KeyWrapper,
    Repository,
    RootKey,
    RootKeyError,
    TenantKeys,
    Vault,
    WrongKey,
    new_key,
)
from tenants.isolation.scope import APP, OPERATOR, require_tenant, tenant_scope
from tenants.models import Tenant, TenantKey
from tenants.secrets import seal, unseal

FIRST = 1
"""Version of a key that was just made."""
Key = TypeVar("Key", TenantKey, MailboxKey)


@lru_cache(maxsize=1)
def root_key() -> KeyWrapper:
    """What wraps the tenants' keys: the key service that is set, else the root key's file.

    Raises RootKeyError when there is no such service, or the file is missing or readable by others.
    """
    if settings.KEY_SERVICE:
        return service_key(settings.KEY_SERVICE)
    return RootKey.from_file(Path(settings.ROOT_KEY_FILE))


def ensure_root_key() -> None:
    """Make the root key of a new installation; an existing file is never touched.

    With a key service there is none to be made: only whether it can be had is looked at.
    Raises RootKeyError when the file is gone but tenants exist: a new key would open nothing of
    theirs, and would hide that the old one must be brought back (docs/keys.md).
    """
    if settings.KEY_SERVICE:
        root_key()
        return
    file = Path(settings.ROOT_KEY_FILE)
    if file.exists():
        return
    if Tenant.objects.using(OPERATOR).exists():
        raise RootKeyError(
            f"{file}: the root key is gone, but tenants exist whose backups only it can open."
            " Put its copy back; docs/keys.md says how."
        )
    try:
        RootKey.generate_file(file)
    except RootKeyError:
        # Another process that starts at the same moment was first; its key is the one.
        if not file.exists():
            raise


def tenant_keys() -> TenantKeys:
    """The current tenant's keys, made at the first call.

    While keys are being wrapped anew there are versions under two root keys; the newest that
    this process can open counts. Raises WrongKey when it is none of them.
    """
    tenant_id = require_tenant()
    rows = list(TenantKey.objects.order_by("-version"))
    if not rows:
        wrapped = TenantKeys.generate().wrapped_by(root_key(), tenant_id)
        rows = [_first(TenantKey.objects.all(), {"version": FIRST}, wrapped)]
    for row in rows:
        with suppress(WrongKey):
            return TenantKeys.unwrap(bytes(row.wrapped), root_key(), tenant_id)
    return TenantKeys.unwrap(bytes(rows[0].wrapped), root_key(), tenant_id)


def mailbox_key(mailbox_id: UUID, keys: TenantKeys) -> bytes:
    """The mailbox's key, made at the first call. Raises KeyDestroyed when there is no such mailbox.

    Whoever still works on one that was destroyed meanwhile must not bring it back.
    """
    tenant_id = require_tenant()
    row = _newest(mailbox_id)
    if row is None:
        if not Mailbox.objects.filter(pk=mailbox_id).exists():
            raise KeyDestroyed(f"mailbox {mailbox_id}")
        wrapped = keys.wrap_mailbox_key(new_key(), tenant_id, mailbox_id)
        row = _first(
            MailboxKey.objects.all(), {"mailbox_id": mailbox_id, "version": FIRST}, wrapped
        )
    return keys.unwrap_mailbox_key(bytes(row.wrapped), tenant_id, mailbox_id)


def open_vault(repository_id: UUID) -> Vault:
    """The current tenant's share of a repository, with its wrapped keys copied beside it.

    The vault asks for mailbox keys when it needs them, in a transaction of its own.
    """
    vault = vault_of(open_stored(repository_id))
    for row in TenantKey.objects.order_by("version"):
        vault.save_keys(bytes(row.wrapped), row.version)
    return vault


def vault_of(stored: Repository) -> Vault:
    """As ``open_vault``, without a look at the copy of the keys: it may be what is damaged."""
    tenant_id = require_tenant()
    keys = tenant_keys()
    return stored.vault(tenant_id, keys, _MailboxKeys(tenant_id, keys).__getitem__)


def save_mailbox_key(vault: Vault, mailbox_id: UUID) -> None:
    """Put the copy of a mailbox's wrapped key beside its backups, before the first commit."""
    mailbox_key(mailbox_id, tenant_keys())
    if (row := _newest(mailbox_id)) is not None:
        vault.save_mailbox_key(mailbox_id, bytes(row.wrapped), row.version)


def seal_secret(row: str, value: str) -> bytes:
    """Seal a secret of the current tenant; ``row`` names table, row and column."""
    return seal(tenant_keys().tenant_key, f"{require_tenant()}/{row}", value.encode())


def unseal_secret(row: str, sealed: bytes) -> str:
    return unseal(tenant_keys().tenant_key, f"{require_tenant()}/{row}", sealed).decode()


def _newest(mailbox_id: UUID) -> MailboxKey | None:
    return MailboxKey.objects.filter(mailbox_id=mailbox_id).order_by("-version").first()


class _MailboxKeys(dict[UUID, bytes]):
    """Mailbox keys of one tenant, read when first asked for."""

    def __init__(self, tenant_id: UUID, keys: TenantKeys) -> None:
        super().__init__()
        self._tenant_id = tenant_id
        self._keys = keys

    def __missing__(self, mailbox_id: UUID) -> bytes:
        with tenant_scope(self._tenant_id):
            self[mailbox_id] = mailbox_key(mailbox_id, self._keys)
        return self[mailbox_id]


def _first(keys: QuerySet[Key], values: dict[str, UUID | int], wrapped: bytes) -> Key:
    """Insert a key unless somebody else just did: whoever was first made the key that counts."""
    try:
        with transaction.atomic(using=APP):
            return keys.create(**values, wrapped=wrapped)
    except IntegrityError:
        return keys.get(**values)
