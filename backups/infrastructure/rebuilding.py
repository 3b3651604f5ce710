"""Making the catalog again from the repositories alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from backups.catalog.models import MailboxBackup
from backups.catalog.packs import Indexed, rebuild_blob_index
from backups.catalog.packs import Progress as PackProgress
from backups.catalog.rebuild import Progress, Rebuilt, rebuild
from backups.infrastructure.keys import open_vault
from backups.infrastructure.models import Allocation
from backups.infrastructure.services import measure_allocation
from backups.repository import RepositoryError, Vault
from tenants.audit.services import record
from tenants.isolation.scope import tenant_scope


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one mailbox: ``error`` says why its rows stayed as they were."""

    address: str
    rebuilt: Rebuilt | None = None
    error: RepositoryError | None = None


def want_rebuild(tenant_id: UUID, mailbox_id: UUID | None = None) -> int:
    """Note that the rows of one mailbox, or of all, are to be made again. Returns how many."""
    with tenant_scope(tenant_id):
        backups = MailboxBackup.objects.all()
        if mailbox_id is not None:
            backups = backups.filter(mailbox_id=mailbox_id)
        return backups.update(rebuild_wanted=True)


def rebuild_packs(tenant_id: UUID, progress: PackProgress) -> list[tuple[Allocation, Indexed]]:
    """Make the blob index of each of the tenant's allocations again. Raises RepositoryError."""
    with tenant_scope(tenant_id):
        allocations = list(Allocation.objects.all())
    found = []
    for allocation in allocations:
        vault = _vault(tenant_id, allocation.repository_id)
        found.append(
            (
                allocation,
                rebuild_blob_index(tenant_id, allocation.repository_id, vault, progress),
            )
        )
        with tenant_scope(tenant_id):
            measure_allocation(allocation_id=allocation.pk, repository_id=allocation.repository_id)
    return found


def wanted_backups(tenant_id: UUID) -> list[UUID]:
    """Those that were noted, in the order of their addresses."""
    with tenant_scope(tenant_id):
        wanted = MailboxBackup.objects.filter(rebuild_wanted=True)
        return list(wanted.order_by("mailbox__address", "pk").values_list("pk", flat=True))


def rebuild_wanted(tenant_id: UUID, progress: Progress) -> Iterator[Outcome]:
    """Rebuild one mailbox after the other of those that were noted; gives what became of each.

    Called again after an interruption it goes on with those that are left. One that can't be
    rebuilt keeps its rows and stays noted.
    """
    for backup_id in wanted_backups(tenant_id):
        yield rebuild_backup(tenant_id, backup_id, progress)


def rebuild_backup(
    tenant_id: UUID, backup_id: UUID, progress: Progress = lambda done, total: None
) -> Outcome:
    with tenant_scope(tenant_id):
        backup = MailboxBackup.objects.select_related("mailbox", "allocation").get(pk=backup_id)
    address = backup.mailbox.address
    try:
        vault = _vault(tenant_id, backup.allocation.repository_id)
        done = rebuild(backup.pk, tenant_id, vault, progress)
    except RepositoryError as error:
        return Outcome(address, error=error)
    with tenant_scope(tenant_id):
        record(
            action="catalog.rebuilt",
            subject=address,
            commits=done.head,
            missing_commits=max(0, done.known - done.head),
        )
    return Outcome(address, done)


def _vault(tenant_id: UUID, repository_id: UUID) -> Vault:
    with tenant_scope(tenant_id):
        return open_vault(repository_id)
