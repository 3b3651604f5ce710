"""The lease: extended while a worker lives, given up when it is not its own any more."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import OperationalError

from backups.sessions import services
from backups.sessions.models import Task
from backups.sessions.progress import Heartbeat, TaskProgress
from backups.sessions.reaping import reap
from backups.sessions.services import Claim, LeaseLost, StopRequested, claim
from tenants.isolation.scope import OPERATOR, tenant_scope
from tests.portal.waiting import until
from tests.sessions.rows import Company, company, let_leases_run_out, make_repository

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def acme(transactional_db: None, settings: LazySettings, tmp_path: Path) -> Company:
    settings.LEASE_SECONDS = 2
    return company("acme", make_repository(tmp_path / "repository"), 2)


def leases() -> list[datetime]:
    tasks = Task.objects.using(OPERATOR).order_by("pk")
    return [task.lease_until for task in tasks if task.lease_until]


def progress_of(acme: Company, claimed: Claim, heartbeat: Heartbeat) -> TaskProgress:
    with tenant_scope(acme.tenant_id):
        task = Task.objects.select_related("mailbox").get(pk=claimed.task_id)
    return TaskProgress(claimed, task, heartbeat.lost[claimed.task_id])


def test_leases_are_extended_while_the_work_goes_on(acme: Company) -> None:
    claims = claim(queue=acme.queue, owner="w")
    first = leases()
    with Heartbeat(claims) as heartbeat:
        until(lambda: all(new > old for new, old in zip(leases(), first, strict=True)), "extension")
        assert not any(event.is_set() for event in heartbeat.lost.values())


def test_a_worker_learns_that_another_has_its_task_and_keeps_the_rest(acme: Company) -> None:
    claims = claim(queue=acme.queue, owner="w", limit=1) + claim(
        queue=acme.queue, owner="w", limit=1
    )
    mine, other = claims
    Task.objects.using(OPERATOR).filter(pk=other.task_id).update(attempt=other.attempt + 1)
    with Heartbeat(claims) as heartbeat:
        until(heartbeat.lost[other.task_id].is_set, "the loss to be noticed")
        assert not heartbeat.lost[mine.task_id].is_set()
        with pytest.raises(LeaseLost):
            progress_of(acme, other, heartbeat).step()
        progress_of(acme, mine, heartbeat).step()


def test_a_worker_that_cannot_reach_the_database_for_a_lease_gives_up(
    acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = claim(queue=acme.queue, owner="w")

    def unreachable(claimed: Claim) -> bool:
        raise OperationalError("no route to host")

    monkeypatch.setattr(services, "extend_lease", unreachable)
    with Heartbeat(claims) as heartbeat:
        until(lambda: all(e.is_set() for e in heartbeat.lost.values()), "all to be given up")


def test_a_task_that_was_let_go_is_not_held_any_longer(acme: Company) -> None:
    claims = claim(queue=acme.queue, owner="w")
    with Heartbeat(claims) as heartbeat:
        for claimed in claims:
            heartbeat.release(claimed)
        let_leases_run_out()
        assert reap() == {acme.queue}


def test_a_step_notices_the_stop_button_and_shows_the_progress(acme: Company) -> None:
    claims = claim(queue=acme.queue, owner="w")
    with Heartbeat(claims) as heartbeat:
        progress = progress_of(acme, claims[0], heartbeat)
        progress.expect(10)
        progress.handle(4)
        progress.step()
        (shown,) = [task for task in acme.tasks() if task.pk == claims[0].task_id]
        assert (shown.items_expected, shown.items_handled) == (10, 4)
        with tenant_scope(acme.tenant_id):
            services.request_stop(acme.session)
        with pytest.raises(StopRequested):
            progress_of(acme, claims[0], heartbeat).step()


def test_warnings_without_end_do_not_fill_the_log(
    acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.sessions.progress.MAX_WARNINGS", 3)
    claims = claim(queue=acme.queue, owner="w")
    with Heartbeat(claims) as heartbeat:
        progress = progress_of(acme, claims[0], heartbeat)
        for number in range(5):
            progress.warn("Not saved.", f"item {number}")
    with tenant_scope(acme.tenant_id):
        assert acme.session.log.count() == 3
    assert progress.warnings == 5
