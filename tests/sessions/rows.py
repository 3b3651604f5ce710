"""Sessions with waiting tasks, without an Exchange or a repository: rows only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.db.models.functions import Now

from backups.catalog.models import MailboxBackup
from backups.infrastructure.models import Repository
from backups.infrastructure.services import allocate, create_repository, default_proxy
from backups.jobs.models import Job
from backups.jobs.services import create_job, start_job
from backups.organizations.models import Mailbox, Organization
from backups.sessions.models import Kind, Session, State, Task
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.services import create_tenant


@dataclass
class Company:
    tenant_id: UUID
    job: Job
    session_id: UUID
    queue: str

    @property
    def session(self) -> Session:
        with tenant_scope(self.tenant_id):
            return Session.objects.get(pk=self.session_id)

    def tasks(self) -> list[Task]:
        with tenant_scope(self.tenant_id):
            return list(Task.objects.filter(session=self.session_id))

    def states(self) -> list[str]:
        return [task.state for task in self.tasks()]


def make_repository(folder: Path) -> Repository:
    return create_repository(proxy=default_proxy(), name="Main repository", location=folder)


def company(slug: str, repository: Repository, mailboxes: int) -> Company:
    """A tenant whose job has just begun: one waiting task for each mailbox."""
    tenant = create_tenant(name=slug.title(), slug=slug)
    allocation = allocate(tenant=tenant, repository=repository, name=slug)
    with tenant_scope(tenant.pk):
        organization = Organization.objects.create(name=slug, sealed_private_key=b"")
        job = create_job(name="Everyone", organization=organization, allocation=allocation)
        session = start_job(job=job)
        for number in range(mailboxes):
            mailbox = Mailbox.objects.create(
                organization=organization,
                source_id=f"{slug} {number}",
                address=f"user{number}@{slug}.example",
                name=f"User {number}",
                kind="user",
            )
            Task.objects.create(
                session=session,
                mailbox=mailbox,
                backup=MailboxBackup.objects.create(mailbox=mailbox, allocation=allocation),
                repository=repository,
                queue=repository.proxy.queue,
                kind=Kind.BACKUP,
            )
        Session.objects.filter(pk=session.pk).update(mailboxes_total=mailboxes)
    return Company(tenant.pk, job, session.pk, repository.proxy.queue)


def let_leases_run_out() -> None:
    Task.objects.using(OPERATOR).filter(state=State.RUNNING).update(
        lease_until=Now() - timedelta(seconds=1)
    )
