"""The database's clock was ahead, and is put right: what it wrote holds nothing up for long."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db.models.functions import Now
from django.utils import timezone

from backups.infrastructure.models import Repository
from backups.jobs.models import Job
from backups.jobs.services import start_due_jobs
from backups.sessions import services
from backups.sessions.models import Session, State, Task
from backups.sessions.reaping import reap
from backups.sessions.services import claim
from tenants.isolation.scope import OPERATOR, tenant_scope
from tests.sessions.rows import Company, company, let_leases_run_out, make_repository

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

AHEAD = timedelta(days=100)


@pytest.fixture
def acme(transactional_db: None, tmp_path: Path) -> Company:
    repository: Repository = make_repository(tmp_path / "repository")
    return company("acme", repository, 1)


def leases() -> list[float]:
    """In how many seconds each ends, by the database's clock."""
    tasks = Task.objects.using(OPERATOR).filter(state=State.RUNNING)
    times = tasks.annotate(now=Now()).values_list("lease_until", "now")
    return [(until - now).total_seconds() for until, now in times]


def test_a_dead_workers_lease_ends_a_whole_lease_later_at_most(
    acme: Company, settings: LazySettings
) -> None:
    claim(queue=acme.queue, owner="dead")
    Task.objects.using(OPERATOR).update(lease_until=Now() + AHEAD)
    assert reap() == set()
    assert [left <= settings.LEASE_SECONDS for left in leases()] == [True]
    let_leases_run_out()
    assert reap() == {acme.queue}
    assert acme.states() == ["queued"]


def test_a_worker_that_lives_keeps_its_task(acme: Company) -> None:
    (claimed,) = claim(queue=acme.queue, owner="alive")
    Task.objects.using(OPERATOR).update(lease_until=Now() + AHEAD)
    reap()
    assert services.extend_lease(claimed)
    assert acme.states() == ["running"]


def test_a_lease_of_usual_length_is_left_alone(acme: Company) -> None:
    claim(queue=acme.queue, owner="alive")
    before = list(Task.objects.using(OPERATOR).values_list("lease_until"))
    reap()
    assert list(Task.objects.using(OPERATOR).values_list("lease_until")) == before


def test_a_task_that_was_put_off_is_taken_up(acme: Company) -> None:
    Task.objects.using(OPERATOR).update(not_before=Now() + timedelta(hours=30))
    reap()
    assert not services.waiting(acme.queue), "a server may ask for a day"
    Task.objects.using(OPERATOR).update(not_before=Now() + AHEAD)
    reap()
    assert services.waiting(acme.queue)


def test_a_session_that_was_put_off_is_prepared(acme: Company) -> None:
    Session.objects.using(OPERATOR).update(prepare_after=Now() + AHEAD)
    reap()
    assert Session.objects.using(OPERATOR).filter(prepare_after__lte=Now()).exists()


def test_a_job_whose_next_run_is_further_than_any_schedule_puts_it_runs(acme: Company) -> None:
    now = timezone.now()
    with tenant_scope(acme.tenant_id):
        Session.objects.update(state=State.SUCCESS, ended_at=now)
        ahead = now + AHEAD
        Job.objects.update(schedule="interval", interval_minutes=60, next_run_at=ahead)
    assert start_due_jobs(now) == 1
    with tenant_scope(acme.tenant_id):
        moved = Job.objects.get().next_run_at
    assert moved is not None
    assert timedelta(0) < moved - now <= timedelta(hours=1)
    assert start_due_jobs(now) == 0


def test_a_job_that_runs_once_a_month_is_not_taken_for_one_that_was_put_off(acme: Company) -> None:
    now, month = timezone.now(), timedelta(days=30)
    with tenant_scope(acme.tenant_id):
        Session.objects.update(state=State.SUCCESS, ended_at=now)
        minutes = month // timedelta(minutes=1)
        Job.objects.update(schedule="interval", interval_minutes=minutes, next_run_at=now + month)
    assert start_due_jobs(now) == 0
    with tenant_scope(acme.tenant_id):
        Job.objects.update(next_run_at=now + month + timedelta(days=4))
    assert start_due_jobs(now) == 1
