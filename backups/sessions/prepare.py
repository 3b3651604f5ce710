"""The first step of a backup session: which mailboxes it has to back up."""

from __future__ import annotations

import logging
from uuid import UUID

from backups.catalog.models import MailboxBackup
from backups.infrastructure.services import repository_of
from backups.jobs.models import Coverage, Job
from backups.jobs.services import cover_organization
from backups.organizations.services import discover_mailboxes
from backups.sessions.bell import ring
from backups.sessions.models import Kind, Session, Task
from backups.sessions.services import fail_session
from backups.sources import NotPermitted, SourceError
from tenants.isolation.scope import require_tenant, tenant_scope

log = logging.getLogger(__name__)


def prepare_session(session_id: UUID, tenant_id: UUID) -> None:
    """Discover the organization's mailboxes and queue one task for each that the job covers.

    Runs at most once for a session, however often it is rung for.
    """
    with tenant_scope(tenant_id):
        session = Session.objects.select_related("job").get(pk=session_id)
        if not session.is_open or Task.objects.filter(session=session).exists():
            return
    try:
        discover_mailboxes(session.organization_id, tenant_id)
    except SourceError as error:
        _fail(session, tenant_id, error)
        return
    with tenant_scope(tenant_id):
        queue = _queue_tasks(session_id)
    if queue:
        ring(queue)


def _queue_tasks(session_id: UUID) -> str:
    session = Session.objects.select_for_update(of=("self",)).get(pk=session_id)
    if not session.is_open or Task.objects.filter(session=session).exists():
        return ""
    job = Job.objects.select_related("allocation").get(sessions=session)
    cover_organization(job)
    repository = repository_of(job.allocation)
    covered = Coverage.objects.filter(job=job, mailbox__retired_at=None).select_related("mailbox")
    tasks = [
        Task(
            tenant_id=require_tenant(),
            session=session,
            mailbox=coverage.mailbox,
            backup=_backup(coverage, job),
            repository=repository,
            queue=repository.proxy.queue,
            kind=Kind.BACKUP,
        )
        for coverage in covered.order_by("mailbox__address")
    ]
    Task.objects.bulk_create(tasks)
    Session.objects.filter(pk=session.pk).update(mailboxes_total=len(tasks))
    if not tasks:
        fail_session(
            session.pk,
            "The job selects no mailbox: nothing was backed up.",
            job_state=Job.State.NOT_CONFIGURED,
        )
        return ""
    return repository.proxy.queue


def _backup(coverage: Coverage, job: Job) -> MailboxBackup:
    backup, _ = MailboxBackup.objects.get_or_create(
        mailbox=coverage.mailbox,
        allocation=job.allocation,
        defaults={"tenant_id": job.tenant_id},
    )
    return backup


def _fail(session: Session, tenant_id: UUID, error: SourceError) -> None:
    missing = isinstance(error, NotPermitted)
    state = Job.State.NOT_CONFIGURED if missing else Job.State.DISCONNECTED
    with tenant_scope(tenant_id):
        fail_session(session.pk, f"The organization could not be reached: {error}", job_state=state)
    log.warning("session %s: %s", session.pk, error)
