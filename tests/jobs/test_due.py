"""The tick and due jobs: each is started once, and none holds up another."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from backups.infrastructure.models import Repository
from backups.jobs import services
from backups.jobs.models import Job
from backups.jobs.services import create_job, start_due_jobs
from backups.sessions.models import Session, State
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import Tenant
from tests.sessions.rows import Company, company, make_repository
from tests.sessions.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def repository(transactional_db: None, tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "repository")


def due(slug: str, repository: Repository) -> Company:
    """A company whose job runs every hour, is due since a minute and does not run."""
    one = company(slug, repository, 0)
    end_session(one)
    Job.objects.using(OPERATOR).filter(pk=one.job.pk).update(
        schedule=Job.Schedule.INTERVAL,
        interval_minutes=60,
        next_run_at=timezone.now() - timedelta(minutes=1),
    )
    return one


def end_session(one: Company) -> None:
    Session.objects.using(OPERATOR).filter(pk=one.session_id).update(
        state=State.SUCCESS, ended_at=timezone.now()
    )


def sessions(one: Company) -> int:
    return Session.objects.using(OPERATOR).filter(job=one.job.pk).count()


def next_of(one: Company) -> datetime | None:
    return Job.objects.using(OPERATOR).get(pk=one.job.pk).next_run_at


def test_ticks_at_once_start_a_due_job_once(repository: Repository) -> None:
    acme = due("acme", repository)
    now = timezone.now()
    assert sorted(map(str, at_once(*[lambda: start_due_jobs(now)] * 4))) == ["0", "0", "0", "1"]
    assert sessions(acme) == 2
    following = next_of(acme)
    assert following is not None
    assert now + timedelta(minutes=58) < following < now + timedelta(minutes=60)
    assert start_due_jobs(now) == 0


def test_a_tick_that_comes_late_does_not_start_a_job_again(repository: Repository) -> None:
    """Both ticks saw it due; the first one's session is over before the second gets to it."""
    acme = due("acme", repository)
    now = timezone.now()
    seen = Job.objects.using(OPERATOR).select_related("tenant").get(pk=acme.job.pk)
    assert start_due_jobs(now) == 1
    Session.objects.using(OPERATOR).filter(job=acme.job.pk).update(
        state=State.SUCCESS, ended_at=now
    )
    assert services._start_due(seen, now) == 0
    assert sessions(acme) == 2


def test_a_job_that_still_runs_is_left_alone_until_its_next_time(repository: Repository) -> None:
    acme = due("acme", repository)
    now = timezone.now()
    start_due_jobs(now)
    later = now + timedelta(hours=1)
    assert start_due_jobs(later) == 0
    assert sessions(acme) == 2
    following = next_of(acme)
    assert following is not None
    assert following > later


def test_disabled_jobs_and_suspended_tenants_are_not_started(repository: Repository) -> None:
    acme, globex = due("acme", repository), due("globex", repository)
    Job.objects.using(OPERATOR).filter(pk=acme.job.pk).update(enabled=False)
    Tenant.objects.using(OPERATOR).filter(pk=globex.tenant_id).update(state=Tenant.State.SUSPENDED)
    assert start_due_jobs(timezone.now()) == 0


def test_a_job_that_cannot_be_started_does_not_hold_up_the_others(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme, globex = due("acme", repository), due("globex", repository)
    original = services.next_run

    def next_run(job: Job, after: datetime, zone: str) -> datetime | None:
        if job.pk == acme.job.pk:
            raise RuntimeError("a defect that one job runs into")
        return original(job, after, zone)

    monkeypatch.setattr(services, "next_run", next_run)
    assert start_due_jobs(timezone.now()) == 1
    assert (sessions(acme), sessions(globex)) == (1, 2)


def test_a_schedule_that_is_not_complete_is_refused_before_anything_is_written(
    repository: Repository,
) -> None:
    acme = company("acme", repository, 0)
    with tenant_scope(acme.tenant_id):
        job = Job.objects.select_related("organization", "allocation").get(pk=acme.job.pk)
        for minutes in (None, 4):
            with pytest.raises(ValidationError, match=r"interval_minutes|schedule_is_complete"):
                create_job(
                    name="Half",
                    organization=job.organization,
                    allocation=job.allocation,
                    schedule=Job.Schedule.INTERVAL,
                    interval_minutes=minutes,
                )
        assert Job.objects.count() == 1
