"""Setting up jobs by hand: the whole policy at once, and taking a job away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from backups.infrastructure.models import Allocation
from backups.jobs.models import Coverage, ExcludedMailbox, Job
from backups.jobs.retention import KEPT_FOREVER, Retention
from backups.jobs.schedule import next_run
from backups.jobs.selection import select
from backups.jobs.services import JobRefused, cover_organization, cover_selected, create_job
from backups.organizations.models import Mailbox, Organization
from backups.sessions.models import Session
from tenants.audit.services import record
from tenants.isolation.scope import APP, require_tenant
from tenants.models import Tenant

SHORTEST_INTERVAL, LONGEST_INTERVAL = 5, 30 * 24 * 60
"""Minutes between the starts of a job."""
MAX_FOLDERS, MAX_FOLDER_NAME = 200, 255


class PolicyRefused(JobRefused):
    """``field`` is the part of the policy that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a job does. ``mailboxes`` count for scope "selected mailboxes", ``excluded`` for
    "entire organization"."""

    name: str
    allocation: Allocation
    scope: str
    mailboxes: Sequence[Mailbox] = ()
    excluded: Sequence[Mailbox] = ()
    excluded_folders: Sequence[str] = ()
    schedule: str = Job.Schedule.MANUAL
    interval_minutes: int | None = None
    daily_at: time | None = None
    retention: Retention = KEPT_FOREVER


def define_job(*, organization: Organization, policy: Policy, person_id: UUID | None = None) -> Job:
    """Create a job of the whole policy. Raises PolicyRefused, naming the part that is wrong."""
    _check(policy, organization, None)
    with transaction.atomic(using=APP):
        job = create_job(
            name=policy.name,
            organization=organization,
            allocation=policy.allocation,
            scope=policy.scope,
            mailboxes=policy.mailboxes,
            schedule=policy.schedule,
            interval_minutes=policy.interval_minutes,
            daily_at=policy.daily_at,
            retention=policy.retention,
            person_id=person_id,
        )
        job.excluded_folders = list(policy.excluded_folders)
        job.save(update_fields=["excluded_folders"])
        _exclude(job, policy)
        cover_organization(job)
    return job


def edit_job(*, job: Job, policy: Policy, person_id: UUID | None = None) -> None:
    """Change everything but the organization. Raises PolicyRefused, naming what is wrong.

    A session that is running goes on as it was begun. Mailboxes that leave the scope keep their
    backups; a mailbox that has vanished from the organization stays with its job.
    """
    _check(policy, job.organization, job)
    with transaction.atomic(using=APP):
        job = Job.objects.select_for_update().get(pk=job.pk)
        for field in ("name", "allocation", "scope", "schedule", "interval_minutes", "daily_at"):
            setattr(job, field, getattr(policy, field))
        job.retention = policy.retention
        job.excluded_folders = list(policy.excluded_folders)
        zone = Tenant.objects.get(pk=require_tenant()).time_zone
        # A new interval begins now, not at the beat of the old one.
        job.next_run_at = None
        job.next_run_at = next_run(job, timezone.now(), zone) if job.enabled else None
        job.save()
        _exclude(job, policy)
        _cover_anew(job, policy)
        record(action="job.edited", subject=job.name, person_id=person_id)


def remove_job(*, job: Job, person_id: UUID | None = None) -> None:
    """Delete a job. Its backups and the history of its sessions stay.

    Raises JobRefused while a session of it is open.
    """
    with transaction.atomic(using=APP):
        job = Job.objects.select_for_update().get(pk=job.pk)
        if Session.objects.open().filter(job=job).exists():
            raise JobRefused(f"{job.name} is running. Stop it first.")
        Session.objects.filter(job=job, reason="").update(
            reason=f"By the job {job.name}, which was deleted since."
        )
        Session.objects.filter(job=job).update(job=None)
        record(action="job.removed", subject=job.name, person_id=person_id)
        job.delete()


def _exclude(job: Job, policy: Policy) -> None:
    whole = policy.scope == Job.Scope.ORGANIZATION
    wanted = {mailbox.pk for mailbox in policy.excluded} if whole else set()
    rows = ExcludedMailbox.objects.filter(job=job)
    rows.exclude(mailbox__in=wanted).delete()
    known = set(rows.values_list("mailbox_id", flat=True))
    ExcludedMailbox.objects.bulk_create(
        [ExcludedMailbox(job=job, mailbox_id=mailbox_id) for mailbox_id in wanted - known]
    )


def _cover_anew(job: Job, policy: Policy) -> None:
    rows = Coverage.objects.filter(job=job)
    rows.exclude(repository_id=policy.allocation.repository_id).delete()
    if policy.scope == Job.Scope.ORGANIZATION:
        left_out = ExcludedMailbox.objects.filter(job=job).values("mailbox_id")
        rows.filter(mailbox__in=left_out).delete()
        cover_organization(job)
        return
    chosen = {mailbox.pk: mailbox for mailbox in policy.mailboxes}
    rows.filter(mailbox__retired_at=None).exclude(mailbox__in=chosen).delete()
    known = set(rows.values_list("mailbox_id", flat=True))
    cover_selected(job, [row for pk, row in chosen.items() if pk not in known])


def _check(policy: Policy, organization: Organization, job: Job | None) -> None:
    others = Job.objects.exclude(pk=job.pk) if job else Job.objects.all()
    if not policy.name.strip() or len(policy.name) > 200:
        raise PolicyRefused("name", "Give it a name of at most 200 characters.")
    if others.filter(name=policy.name).exists():
        raise PolicyRefused("name", "Another job has this name already.")
    _check_schedule(policy)
    _check_mailboxes(policy, organization, job)
    if problem := policy.retention.problem():
        raise PolicyRefused("retention_count", problem)
    if len(policy.excluded_folders) > MAX_FOLDERS:
        raise PolicyRefused("excluded_folders", f"At most {MAX_FOLDERS} folders.")
    if any(len(name) > MAX_FOLDER_NAME for name in policy.excluded_folders):
        raise PolicyRefused(
            "excluded_folders", f"A folder's name has at most {MAX_FOLDER_NAME} characters."
        )


def _check_schedule(policy: Policy) -> None:
    minutes, at = policy.interval_minutes, policy.daily_at
    if policy.schedule == Job.Schedule.INTERVAL and (
        minutes is None or not SHORTEST_INTERVAL <= minutes <= LONGEST_INTERVAL
    ):
        raise PolicyRefused(
            "interval_minutes",
            f"Write how many minutes: {SHORTEST_INTERVAL} to {LONGEST_INTERVAL}.",
        )
    if policy.schedule == Job.Schedule.DAILY and at is None:
        raise PolicyRefused("daily_at", "Write the time of day, such as 22:00.")
    if policy.schedule != Job.Schedule.INTERVAL and minutes is not None:
        raise PolicyRefused("interval_minutes", "Only a schedule by minutes has these.")
    if policy.schedule != Job.Schedule.DAILY and at is not None:
        raise PolicyRefused("daily_at", "Only a daily schedule has a time of day.")


def _check_mailboxes(policy: Policy, organization: Organization, job: Job | None) -> None:
    for field in ("mailboxes", "excluded"):
        if any(row.organization_id != organization.pk for row in getattr(policy, field)):
            raise PolicyRefused(field, "A mailbox of another organization is among these.")
    if policy.scope != Job.Scope.MAILBOXES:
        return
    if not policy.mailboxes:
        raise PolicyRefused("mailboxes", "Choose at least one mailbox.")
    selection = select(
        organization=organization,
        allocation=policy.allocation,
        scope=policy.scope,
        chosen=policy.mailboxes,
        excluded=(),
        but=job,
    )
    names = {mailbox.pk: mailbox for mailbox in policy.mailboxes}
    for mailbox_id, other in selection.taken.items():
        raise PolicyRefused(
            "mailboxes",
            f"{names[mailbox_id]} is protected by {other} in this repository already.",
        )
