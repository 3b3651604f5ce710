"""The first step of a backup session: which mailboxes it has to back up."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db import DatabaseError, connections, transaction
from django.db.models.functions import Now

from backups.catalog.models import MailboxBackup
from backups.infrastructure.services import repository_of
from backups.jobs.models import Job
from backups.jobs.services import cover_organization
from backups.organizations.discovery import discover_mailboxes
from backups.organizations.models import Mailbox, Organization
from backups.repository import RepositoryError
from backups.sessions.bell import ring
from backups.sessions.failures import TRIES, ending_of, job_state_without
from backups.sessions.models import Kind, Session, SessionLog, State, Task
from backups.sessions.services import fail_session
from backups.sessions.services import log as log_line
from backups.sources import SourceError
from tenants.isolation.scope import OPERATOR, tenant_scope

log = logging.getLogger(__name__)


def prepare_session(session_id: UUID, tenant_id: UUID) -> None:
    """Discover the organization's mailboxes and queue one task for each that the job covers.

    Once for a session, however often it is rung for: while one worker discovers, a second ring
    does nothing. A worker that dies leaves the session to the next tick's ring.
    """
    with tenant_scope(tenant_id):
        session = Session.objects.get(pk=session_id)
        if not session.is_open or Task.objects.filter(session=session).exists():
            return
        # By the database's clock, which wrote it: a host whose clock is behind would never begin.
        if not Session.objects.filter(pk=session_id, prepare_after__lte=Now()).exists():
            return
    with _alone(session_id) as alone:
        if not alone:
            return
        try:
            discover_mailboxes(session.organization_id, tenant_id)
            with tenant_scope(tenant_id):
                _warn_of_doubt(session)
                queue = _queue_tasks(session_id)
        except DatabaseError:
            # The next tick rings again; there is nowhere to note a failure.
            raise
        except Exception as error:  # noqa: BLE001  (a session that can't begin must end)
            _put_off_or_fail(session_id, tenant_id, error)
            return
    if queue:
        ring(queue)


@contextmanager
def _alone(session_id: UUID) -> Iterator[bool]:
    """Whether nobody else prepares the session, for as long as the block lasts.

    The lock goes with the connection of whoever holds it, so a dead worker holds nothing up. It
    is taken as the operator: the tenant's transactions come and go meanwhile.
    """
    key = int.from_bytes(session_id.bytes[-8:], signed=True)
    with transaction.atomic(using=OPERATOR), connections[OPERATOR].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [key])
        yield cursor.fetchone()[0]


def _warn_of_doubt(session: Session) -> None:
    """What was odd about the organization's list of mailboxes, and was not believed."""
    doubt = Organization.objects.values_list("state_reason", flat=True).get(
        pk=session.organization_id
    )
    if doubt:
        log_line(session.pk, SessionLog.Level.WARNING, doubt)


def _queue_tasks(session_id: UUID) -> str:
    session = Session.objects.select_for_update(of=("self",)).get(pk=session_id)
    if not session.is_open or Task.objects.filter(session=session).exists():
        return ""
    job = Job.objects.select_related("allocation").get(sessions=session)
    if cover_organization(job) == 0:
        fail_session(
            session.pk,
            "The job selects no mailbox: nothing was backed up.",
            job_state=Job.State.NOT_CONFIGURED,
        )
        return ""
    repository = repository_of(job.allocation)
    backups = _backups(job)
    Task.objects.bulk_create(
        Task(
            tenant_id=job.tenant_id,
            session=session,
            mailbox_id=backup.mailbox_id,
            backup=backup,
            repository=repository,
            queue=repository.proxy.queue,
            kind=Kind.BACKUP,
        )
        for backup in backups
    )
    Session.objects.filter(pk=session.pk).update(mailboxes_total=len(backups))
    return repository.proxy.queue


def _backups(job: Job) -> list[MailboxBackup]:
    """The backups of all mailboxes that the job covers, made where they are missing."""
    covered = Mailbox.objects.present().filter(coverage__job=job)
    MailboxBackup.objects.bulk_create(
        [
            MailboxBackup(tenant_id=job.tenant_id, mailbox=mailbox, allocation=job.allocation)
            for mailbox in covered
        ],
        ignore_conflicts=True,
    )
    backups = MailboxBackup.objects.filter(mailbox__in=covered, allocation=job.allocation)
    return list(backups.order_by("mailbox__address"))


def _put_off_or_fail(session_id: UUID, tenant_id: UUID, error: Exception) -> None:
    """As with a mailbox: a wait that the server asked for is no failure, an outage is one of
    three before the session ends."""
    ending = ending_of(error)
    with tenant_scope(tenant_id):
        session = Session.objects.get(pk=session_id)
        failures = session.prepare_failures + ending.failed
        passing = isinstance(error, SourceError) and ending.retry_after is not None
        if passing and failures <= TRIES and session.cancel_requested_at is None:
            wait = timedelta(seconds=ending.retry_after or 0.0)
            Session.objects.filter(pk=session_id, state=State.QUEUED).update(
                prepare_after=Now() + wait, prepare_failures=failures
            )
            again = f"{ending.reason} It is tried again in {wait.total_seconds():.0f} s."
            log_line(session_id, SessionLog.Level.INFO, again)
            return
    _fail(session_id, tenant_id, error)


def _fail(session_id: UUID, tenant_id: UUID, error: Exception) -> None:
    if isinstance(error, SourceError):
        reason = f"The organization could not be reached: {error}"
        state = job_state_without(error)
        log.warning("session %s: %s", session_id, error)
    elif isinstance(error, RepositoryError):
        # The organization's credential is sealed with the tenant's keys.
        reason, state = ending_of(error).reason, Job.State.FAILED
        log.warning("session %s: %s", session_id, error)
    else:
        reason = f"Unexpected error ({type(error).__name__}); the server's log tells more."
        state = Job.State.FAILED
        log.error("session %s could not be prepared", session_id, exc_info=error)
    with tenant_scope(tenant_id):
        fail_session(session_id, reason, job_state=state)
