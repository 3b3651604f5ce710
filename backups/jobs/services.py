"""Jobs: what a tenant sets up and starts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, time
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from backups.infrastructure.models import Allocation
from backups.infrastructure.services import repository_of
from backups.jobs.models import Coverage, ExcludedMailbox, Job
from backups.jobs.retention import KEPT_FOREVER, Retention
from backups.jobs.schedule import next_run
from backups.organizations.models import Mailbox, Organization
from backups.sessions.bell import ring_prepare
from backups.sessions.models import Kind, Session
from backups.sessions.services import request_stop
from tenants.audit.services import record
from tenants.isolation.scope import APP, operator_scope, require_tenant, tenant_scope
from tenants.models import Tenant

log = logging.getLogger(__name__)


class JobRefused(Exception):
    """The job cannot do this now; the message is for the person who asked."""


def create_job(
    *,
    name: str,
    organization: Organization,
    allocation: Allocation,
    scope: str = Job.Scope.ORGANIZATION,
    mailboxes: Sequence[Mailbox] = (),
    schedule: str = Job.Schedule.MANUAL,
    interval_minutes: int | None = None,
    daily_at: time | None = None,
    retention: Retention = KEPT_FOREVER,
    person_id: UUID | None = None,
) -> Job:
    """Create a job, and cover the mailboxes it selects.

    Raises ValidationError for a schedule that is not complete, JobRefused when another job
    protects one of the mailboxes in the same repository.
    """
    with transaction.atomic(using=APP):
        job = Job(
            organization=organization,
            allocation=allocation,
            name=name,
            scope=scope,
            schedule=schedule,
            interval_minutes=interval_minutes,
            daily_at=daily_at,
        )
        job.retention = retention
        job.validate_constraints()
        if schedule == Job.Schedule.INTERVAL and interval_minutes is None:
            # To a database an unknown number of minutes breaks no rule.
            raise ValidationError({"interval_minutes": "An interval needs its minutes."})
        job.next_run_at = next_run(job, timezone.now(), _time_zone())
        job.save()
        cover_selected(job, mailboxes)
        record(action="job.created", subject=name, person_id=person_id)
    return job


def cover_organization(job: Job) -> int:
    """Cover what a job of scope "entire organization" selects now. Returns how many are covered.

    Mailboxes that another job protects in this repository are left to that job.
    """
    if job.scope == Job.Scope.ORGANIZATION:
        repository_id = job.allocation.repository_id
        taken = Coverage.objects.filter(repository_id=repository_id).values("mailbox_id")
        left_out = ExcludedMailbox.objects.filter(job=job).values("mailbox_id")
        free = Mailbox.objects.present().filter(organization=job.organization_id)
        Coverage.objects.bulk_create(
            [
                Coverage(
                    tenant_id=job.tenant_id, job=job, mailbox=mailbox, repository_id=repository_id
                )
                for mailbox in free.exclude(pk__in=taken).exclude(pk__in=left_out)
            ],
            ignore_conflicts=True,
        )
    return Coverage.objects.filter(job=job, mailbox__retired_at=None).count()


def start_job(*, job: Job, person_id: UUID | None = None) -> Session:
    """Begin a session of the job. Raises JobRefused when one is open already.

    The work begins when the transaction is committed: a worker then asks the organization which
    mailboxes it has, and queues one task for each.
    """
    try:
        with transaction.atomic(using=APP):
            session = Session.objects.create(
                kind=Kind.BACKUP,
                job=job,
                organization_id=job.organization_id,
                requested_by_id=person_id,
            )
            Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING)
            record(action="job.started", subject=job.name, person_id=person_id)
    except IntegrityError as error:
        if "one_open_session_per_job" in str(error):
            raise JobRefused(f"{job.name} is running already.") from error
        raise
    transaction.on_commit(lambda: ring_prepare(session.pk, session.tenant_id), using=APP)
    return session


def stop_job(*, job: Job, person_id: UUID | None = None) -> None:
    """Ask the open session to stop; what is stored stays. Does nothing when none is open."""
    session = Session.objects.open().filter(job=job).first()
    if session is None:
        return
    request_stop(session)
    record(action="job.stopped", subject=job.name, person_id=person_id)


def set_enabled(*, job: Job, enabled: bool, person_id: UUID | None = None) -> None:
    """Switch the schedule on or off. A running session goes on."""
    job.enabled = enabled
    job.next_run_at = next_run(job, timezone.now(), _time_zone()) if enabled else None
    job.save(update_fields=["enabled", "next_run_at"])
    action = "job.enabled" if enabled else "job.disabled"
    record(action=action, subject=job.name, person_id=person_id)


def start_due_jobs(now: datetime) -> int:
    """The tick: start every job whose time has come. Returns how many were started.

    Moving a job's next run and starting it are one transaction, and the move is conditional: two
    ticks at once start it once, and a crash leaves it due. A job whose last session still runs
    is left alone until its next time.
    """
    with operator_scope():
        due = list(Job.objects.due(now).select_related("tenant")[:1000])
    started = 0
    for job in due:
        try:
            started += _start_due(job, now)
        except Exception:  # one tenant's job must not hold up all others
            log.exception("job %s is due and could not be started", job.pk)
    return started


def _start_due(job: Job, now: datetime) -> int:
    with tenant_scope(job.tenant_id):
        moved = Job.objects.filter(pk=job.pk, enabled=True, next_run_at=job.next_run_at).update(
            next_run_at=next_run(job, now, job.tenant.time_zone)
        )
        if not moved or job.tenant.state != Tenant.State.ACTIVE:
            return 0
        try:
            start_job(job=Job.objects.get(pk=job.pk))
        except JobRefused:
            return 0
    return 1


def cover_selected(job: Job, mailboxes: Sequence[Mailbox]) -> None:
    """Cover the mailboxes that a job of scope "selected mailboxes" names; others select later.

    Raises JobRefused when another job protects one of them in the same repository.
    """
    if job.scope != Job.Scope.MAILBOXES:
        return
    repository_id = repository_of(job.allocation).pk
    taken = Coverage.objects.filter(repository_id=repository_id, mailbox__in=mailboxes)
    other = taken.select_related("job", "mailbox").first()
    if other is not None:
        raise JobRefused(f"{other.mailbox} is protected by {other.job} in this repository already.")
    Coverage.objects.bulk_create(
        [
            Coverage(tenant_id=job.tenant_id, job=job, mailbox=mailbox, repository_id=repository_id)
            for mailbox in mailboxes
        ]
    )


def _time_zone() -> str:
    return Tenant.objects.get(pk=require_tenant()).time_zone
