"""Who holds the keys: a new root key for an old one, a tenant's passphrase (docs/keys.md)."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db import transaction

from backups.infrastructure.keys import open_vault, root_key, tenant_keys
from backups.infrastructure.models import Allocation
from backups.infrastructure.services import open_stored
from backups.repository import (
    KeyWrapper,
    RepositoryError,
    TenantKeys,
    WrongKey,
    replaced_versions,
    retire,
    write_recovery,
)
from tenants.audit.services import record
from tenants.isolation.scope import APP, OPERATOR, require_tenant, tenant_scope
from tenants.models import Tenant, TenantKey

PASSPHRASE_SET = "recovery.passphrase_set"  # noqa: S105
"""Action of the audit event; the passphrase itself is kept nowhere."""


def wrap_all_by(wrapper: KeyWrapper) -> Iterator[Tenant]:
    """Wrap every tenant's keys by a new root key as well; gives each tenant that is done.

    The keys that are there stay, so processes that still have the old root key go on working, and
    whoever stops in between calls it again. Raises RepositoryError.
    """
    for tenant in Tenant.objects.using(OPERATOR).order_by("created_at"):
        with tenant_scope(tenant.pk):
            if not TenantKey.objects.exists():
                continue
            _wrap_by(wrapper, tenant_keys())
        # Copies only of what is committed: a version never has two contents.
        with tenant_scope(tenant.pk):
            for repository_id in _repositories():
                open_vault(repository_id)
        yield tenant


class RetirementRefused(Exception):
    """A tenant's old keys are still needed: nothing of this tenant was removed."""


def retire_all() -> Iterator[tuple[Tenant, int]]:
    """Remove the versions that newer ones have replaced; gives tenants with how many went.

    Raises RetirementRefused, before anything of that tenant is removed, when in the database or in
    any of the tenant's repositories the newest version does not open with the root key in use
    (then the processes do not run with the new one yet), or the recovery copy holds another tenant
    key. Raises RepositoryError when a repository fails while versions go: then call it again.
    """
    for tenant in Tenant.objects.using(OPERATOR).order_by("created_at"):
        with tenant_scope(tenant.pk):
            rows = list(TenantKey.objects.order_by("-version"))
            places = _repositories()
        if not rows:
            continue
        try:
            keys = TenantKeys.unwrap(bytes(rows[0].wrapped), root_key(), tenant.pk)
            for repository_id in places:
                _require_replaced(tenant.pk, repository_id, keys)
        except RepositoryError as error:
            raise RetirementRefused(f"{tenant}: {error}") from error
        with tenant_scope(tenant.pk):
            TenantKey.objects.filter(version__lt=rows[0].version).delete()
        # After the rows: whoever opens a repository copies the rows that there are.
        gone = len(rows) - 1
        for repository_id in places:
            backend = open_stored(repository_id).backend
            gone += len(retire(backend, tenant.pk, keys, root_key()))
        yield tenant, gone


def _require_replaced(tenant_id: UUID, repository_id: UUID, keys: TenantKeys) -> None:
    with tenant_scope(tenant_id):
        # An allocation that was made after the keys were wrapped may have no copy yet.
        open_vault(repository_id)
    replaced_versions(open_stored(repository_id).backend, tenant_id, keys, root_key())


def set_recovery_passphrase(*, passphrase: str, person_id: UUID) -> int:
    """Keep the current tenant's keys under a passphrase beside its backups; how many places.

    Raises PassphraseTooShort, and RepositoryError when a place can't be written: then call it
    again, those that were written have the new passphrase already.
    """
    keys = tenant_keys()
    places = _repositories()
    if not places:
        raise RepositoryError("There is no allocation yet, so there is nothing to recover.")
    for repository_id in places:
        write_recovery(open_stored(repository_id).backend, require_tenant(), keys, passphrase)
    with transaction.atomic(using=APP):
        record(
            action=PASSPHRASE_SET,
            subject="recovery passphrase",
            person_id=person_id,
            places=len(places),
        )
    return len(places)


def _wrap_by(wrapper: KeyWrapper, keys: TenantKeys) -> None:
    tenant_id = require_tenant()
    newest = TenantKey.objects.order_by("-version")[0]
    try:
        TenantKeys.unwrap(bytes(newest.wrapped), wrapper, tenant_id)
    except WrongKey:
        TenantKey.objects.create(
            version=newest.version + 1, wrapped=keys.wrapped_by(wrapper, tenant_id)
        )


def _repositories() -> list[UUID]:
    """Where the current tenant has a share."""
    return list(Allocation.objects.order_by("pk").values_list("repository_id", flat=True))
