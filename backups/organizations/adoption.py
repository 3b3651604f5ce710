"""A repository without its database: the rows that are needed to browse it and restore from it.

Tenant and mailbox keep the ids that the repository knows; names come from nowhere, so they are
placeholders. Done again it goes on where it broke off, and changes nothing that is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from backups.catalog.models import MailboxBackup
from backups.catalog.rebuild import newest_address
from backups.infrastructure.escrow import open_share, restore_mailbox_key, restore_tenant_keys
from backups.infrastructure.models import Allocation, Repository
from backups.infrastructure.services import allocate, default_proxy, measure_repository
from backups.organizations.recovered import recovered_mailbox
from backups.repository import FolderBackend, KeyDestroyed, RepositoryError, Vault, destructions
from backups.repository import Repository as StoredRepository
from tenants.audit.services import record
from tenants.isolation.scope import OPERATOR, operator_scope, tenant_scope
from tenants.models import Tenant
from tenants.services import create_tenant

SHARE = "Recovered share"


class AdoptionRefused(RepositoryError):
    """The repository cannot be taken over; the message says why."""


@dataclass(slots=True)
class Adopted:
    """What was found of one tenant; without ``tenant`` the error says why its share is closed."""

    tenant_id: UUID
    tenant: Tenant | None = None
    mailboxes: int = 0
    errors: list[RepositoryError] = field(default_factory=list)
    """Of mailboxes that are left out, or of the whole share."""


def adopt_repository(*, location: Path, name: str) -> Repository:
    """Make the row of a folder repository that is there, or give the one it has.

    Raises AdoptionRefused, and RepositoryError when it cannot be opened.
    """
    place = location.resolve()
    stored = StoredRepository.open(FolderBackend(place))
    rows = Repository.objects.using(OPERATOR)
    known = rows.filter(pk=stored.id).first()
    if known is not None:
        if Path(known.location) != place:
            raise AdoptionRefused(f"{known} is this repository, and lies in {known.location}.")
        return known
    if rows.filter(name=name).exists():
        raise AdoptionRefused(f"There is a repository {name} already.")
    row = Repository(id=stored.id, proxy=default_proxy(), name=name, location=str(place))
    row.save(using=OPERATOR, force_insert=True)
    measure_repository(row)
    return row


def adopt_tenants(repository: Repository, passphrase: str | None) -> Iterator[Adopted]:
    """Make tenant, share, keys, mailboxes and backups of each tenant whose share opens.

    The backups' own rows are left to a rebuild.
    """
    stored = StoredRepository.open(FolderBackend(Path(repository.location)))
    for tenant_id in stored.tenants():
        found = Adopted(tenant_id)
        try:
            vault = open_share(stored, tenant_id, passphrase)
            tenant = _tenant(tenant_id)
            allocation = _allocation(tenant, repository)
            _adopt_mailboxes(stored, vault, allocation, found)
        except RepositoryError as error:
            found.errors.append(error)
        else:
            found.tenant = tenant
        yield found


def _tenant(tenant_id: UUID) -> Tenant:
    known = Tenant.objects.using(OPERATOR).filter(pk=tenant_id).first()
    if known is not None:
        return known
    end = tenant_id.hex[-12:]
    return create_tenant(name=f"Recovered {end}", slug=f"recovered-{end}", tenant_id=tenant_id)


def _allocation(tenant: Tenant, repository: Repository) -> Allocation:
    with operator_scope():
        found = Allocation.objects.filter(tenant=tenant, repository=repository).first()
    return found or allocate(tenant=tenant, repository=repository, name=SHARE)


def _adopt_mailboxes(
    stored: StoredRepository, vault: Vault, allocation: Allocation, found: Adopted
) -> None:
    destroyed = destructions(stored.backend, found.tenant_id)
    with tenant_scope(found.tenant_id):
        restore_tenant_keys(stored, vault.keys)
    for mailbox_id in vault.mailboxes():
        if mailbox_id in destroyed:
            found.errors.append(KeyDestroyed(f"mailbox {mailbox_id}"))
            continue
        try:
            address = newest_address(mailbox_id, vault)
            with tenant_scope(found.tenant_id):
                mailbox = recovered_mailbox(mailbox_id, address)
                restore_mailbox_key(stored, vault.keys, mailbox_id)
                _, made = MailboxBackup.objects.get_or_create(
                    mailbox=mailbox, allocation=allocation, defaults={"rebuild_wanted": True}
                )
                if made:
                    record(action="mailbox.recovered", subject=mailbox.address)
        except RepositoryError as error:
            found.errors.append(error)
        else:
            found.mailboxes += 1
