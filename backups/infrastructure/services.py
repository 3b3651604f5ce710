"""Proxies, repositories and allocations: what the operator sets up, and what a proxy tells."""

from __future__ import annotations

import socket
from pathlib import Path
from uuid import UUID

from django.db import connections, transaction
from django.db.models.functions import Now

import portal
from backups.infrastructure.models import Allocation, Proxy, Repository
from backups.repository import FolderBackend
from backups.repository import Repository as StoredRepository
from portal.ids import uuid7
from tenants.audit.services import record
from tenants.isolation.scope import OPERATOR, operator_scope, tenant_scope
from tenants.models import Tenant

DEFAULT_PROXY = "Default proxy"


def default_proxy() -> Proxy:
    """The proxy that comes with the installation, made at the first call."""
    proxy, _ = Proxy.objects.using(OPERATOR).get_or_create(
        is_default=True, defaults={"name": DEFAULT_PROXY}
    )
    return proxy


def heartbeat(proxy_id: UUID) -> None:
    """A worker of the proxy is alive on this host."""
    Proxy.objects.using(OPERATOR).filter(pk=proxy_id).update(
        heartbeat_at=Now(), host=socket.gethostname()[:255], version=portal.__version__
    )


def create_repository(*, proxy: Proxy, name: str, location: Path) -> Repository:
    """Make a folder repository and its row; the folder is made when it is absent.

    Raises backups.repository.RepositoryError when the folder cannot be written, or holds
    something else than an empty folder.
    """
    repository = Repository(id=uuid7(), proxy=proxy, name=name, location=str(location))
    StoredRepository.create(FolderBackend(location), repository.id)
    repository.save(using=OPERATOR, force_insert=True)
    measure_repository(repository)
    return repository


def measure_repository(repository: Repository) -> None:
    """Read the free space and note it on the row."""
    free = FolderBackend(Path(repository.location)).free_bytes()
    Repository.objects.using(OPERATOR).filter(pk=repository.pk).update(
        free_bytes=free, checked_at=Now()
    )


def allocate(
    *, tenant: Tenant, repository: Repository, name: str, quota_bytes: int | None = None
) -> Allocation:
    """Give a tenant a share of a repository. The tenant sees ``name`` only."""
    with operator_scope(), transaction.atomic(using=OPERATOR):
        allocation = Allocation(
            id=uuid7(),
            tenant=tenant,
            repository=repository,
            name=name,
            quota_bytes=quota_bytes,
        )
        allocation.save(using=OPERATOR, force_insert=True)
    with tenant_scope(tenant.pk):
        record(action="allocation.created", subject=name)
    return allocation


def repository_of(allocation: Allocation) -> Repository:
    """The repository behind an allocation, read as the operator: tenants have no right to it."""
    return (
        Repository.objects.using(OPERATOR).select_related("proxy").get(pk=allocation.repository_id)
    )


def open_stored(repository_id: UUID) -> StoredRepository:
    """Open the repository's folder. Raises RepositoryError when it is not what the row says."""
    row = Repository.objects.using(OPERATOR).get(pk=repository_id)
    return StoredRepository.open(FolderBackend(Path(row.location)))


def measure_allocation(*, allocation_id: UUID, repository_id: UUID) -> None:
    """Inside the tenant's scope: physical bytes are the sum of the tenant's packs."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "UPDATE backups_allocation SET used_bytes = (SELECT coalesce(sum(size), 0)"
            " FROM backups_pack WHERE repository_id = %s) WHERE id = %s",
            [repository_id, allocation_id],
        )
