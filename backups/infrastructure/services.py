"""Proxies, repositories and allocations: what the operator sets up, and what a proxy tells."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.db import connections, transaction
from django.db.models.functions import Now

import portal
from backups.infrastructure.models import Allocation, Proxy, Repository
from backups.infrastructure.places import usable_place
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


def create_proxy(*, name: str, tasks_at_once: int) -> Proxy:
    """Make a proxy; it is offline until its worker starts. Raises IntegrityError for a name twice.

    ``manage.py proxy run NAME`` is the worker.
    """
    proxy = Proxy(id=uuid7(), name=name, tasks_at_once=tasks_at_once)
    proxy.save(using=OPERATOR, force_insert=True)
    return proxy


def change_proxy(*, proxy: Proxy, name: str, tasks_at_once: int, maintenance: bool) -> None:
    """Rename it, set how many tasks it works on at once, put it into maintenance or take it out.

    In maintenance its workers claim nothing more; what they work on goes on to the end of the
    slice. The number of tasks counts from the next start of the worker.
    """
    Proxy.objects.using(OPERATOR).filter(pk=proxy.pk).update(
        name=name,
        tasks_at_once=tasks_at_once,
        state=Proxy.State.MAINTENANCE if maintenance else Proxy.State.READY,
    )


def create_repository(*, proxy: Proxy, name: str, location: Path) -> Repository:
    """Make a folder repository and its row; the folder is made when it is absent.

    Raises PlaceRefused or another backups.repository.RepositoryError when the folder cannot be
    used or written.
    """
    others = Repository.objects.using(OPERATOR).values_list("location", flat=True)
    location = usable_place(location, [Path(other) for other in others])
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
    *,
    tenant: Tenant,
    repository: Repository,
    name: str,
    quota_bytes: int | None = None,
    person_id: UUID | None = None,
) -> Allocation:
    """Give a tenant a share of a repository. The tenant sees ``name`` only.

    Raises IntegrityError when it has one of this repository.
    """
    with operator_scope(), transaction.atomic(using=OPERATOR):
        allocation = Allocation(
            id=uuid7(),
            tenant=tenant,
            repository=repository,
            name=name,
            quota_bytes=quota_bytes,
        )
        allocation.save(using=OPERATOR, force_insert=True)
        _record_after_commit(allocation, "allocation.created", person_id)
    return allocation


@dataclass(frozen=True, slots=True)
class VerificationPlan:
    """How often an allocation is verified; None is never."""

    percent: int
    sample_days: int | None
    structure_days: int | None


def change_allocation(
    *,
    allocation: Allocation,
    name: str,
    quota_bytes: int | None,
    plan: VerificationPlan,
    person_id: UUID | None = None,
) -> None:
    """Rename a share, change its quota (None is no limit) or when it is verified.

    What is stored stays.
    """
    with operator_scope(), transaction.atomic(using=OPERATOR):
        allocation.name, allocation.quota_bytes = name, quota_bytes
        allocation.verify_percent = plan.percent
        allocation.verify_sample_days = plan.sample_days
        allocation.verify_structure_days = plan.structure_days
        fields = ["name", "quota_bytes", "verify_percent", "verify_sample_days"]
        allocation.save(using=OPERATOR, update_fields=[*fields, "verify_structure_days"])
        _record_after_commit(allocation, "allocation.changed", person_id)


def _record_after_commit(allocation: Allocation, action: str, person_id: UUID | None) -> None:
    """The operator's role cannot write events: the tenant's does, once it sees what was done."""

    def write() -> None:
        with tenant_scope(allocation.tenant_id):
            record(
                action=action,
                subject=allocation.name,
                person_id=person_id,
                quota_bytes=allocation.quota_bytes,
            )

    transaction.on_commit(write, using=OPERATOR)


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
