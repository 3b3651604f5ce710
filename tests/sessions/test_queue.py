"""The queue of record: who gets what, what a death costs, how a session ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections, transaction
from django.db.models.functions import Now

from backups.infrastructure.models import Repository
from backups.sessions import services
from backups.sessions.models import Session, SessionLog, State, Task
from backups.sessions.reaping import MAX_DEATHS, reap
from backups.sessions.services import Claim, claim
from tenants.isolation.scope import OPERATOR, tenant_scope
from tests.sessions.rows import Company, company, let_leases_run_out, make_repository
from tests.sessions.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def repository(transactional_db: None, tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "repository")


@contextmanager
def a_claim_in_progress(queue: str) -> Iterator[list[Claim]]:
    """Another worker is in the middle of claiming: its rows are locked, nothing is committed."""
    claims: list[Claim] = []
    claimed, done = threading.Event(), threading.Event()
    values = {"queue": queue, "owner": "other", "limit": 4, "lease": 60}

    def other() -> None:
        with transaction.atomic(using=OPERATOR), connections[OPERATOR].cursor() as cursor:
            cursor.execute(services._CLAIM, values)
            claims.extend(Claim(*row) for row in cursor.fetchall())
            claimed.set()
            done.wait(timeout=60)
            # The session's row comes last.
            Session.objects.using(OPERATOR).filter(pk=claims[0].session_id).update(
                state=State.RUNNING, started_at=Now()
            )
        connections.close_all()

    thread = threading.Thread(target=other)
    thread.start()
    assert claimed.wait(timeout=30)
    try:
        yield claims
    finally:
        done.set()
        thread.join(timeout=60)


def test_claims_at_once_never_share_a_task_and_leave_none(repository: Repository) -> None:
    companies = [company("acme", repository, 25), company("globex", repository, 15)]
    queue = companies[0].queue

    def work() -> list[Claim]:
        mine: list[Claim] = []
        while got := claim(queue=queue, owner=threading.current_thread().name, limit=3):
            assert len({claimed.session_id for claimed in got}) == 1
            mine += got
        return mine

    results = at_once(*[work] * 6)
    claims = [claimed for mine in results for claimed in mine]  # type: ignore[attr-defined]
    assert len(claims) == len({claimed.task_id for claimed in claims}) == 40
    assert {claimed.attempt for claimed in claims} == {1}
    for one in companies:
        assert set(one.states()) == {State.RUNNING}
        assert one.session.state == State.RUNNING


def test_a_claim_passes_over_what_another_is_claiming(repository: Repository) -> None:
    acme = company("acme", repository, 6)
    with a_claim_in_progress(acme.queue) as others:
        mine = claim(queue=acme.queue, owner="me")
    assert (len(others), len(mine)) == (4, 2)
    assert not {c.task_id for c in others} & {c.task_id for c in mine}


def test_a_claim_goes_to_the_next_session_when_the_best_is_being_claimed(
    repository: Repository,
) -> None:
    acme, globex = company("acme", repository, 2), company("globex", repository, 2)
    with a_claim_in_progress(acme.queue) as others:
        mine = claim(queue=acme.queue, owner="me")
    assert {c.tenant_id for c in others} == {acme.tenant_id}
    assert [c.tenant_id for c in mine] == [globex.tenant_id] * 2


def test_a_tenant_with_many_mailboxes_does_not_starve_one_with_few(
    repository: Repository,
) -> None:
    acme, globex = company("acme", repository, 40), company("globex", repository, 3)
    order = [claim(queue=acme.queue, owner="w")[0].tenant_id for _ in range(4)]
    assert order == [acme.tenant_id, globex.tenant_id, acme.tenant_id, acme.tenant_id]


def test_what_is_not_due_or_of_another_queue_is_left_alone(repository: Repository) -> None:
    acme = company("acme", repository, 2)
    first, second = acme.tasks()
    Task.objects.using(OPERATOR).filter(pk=first.pk).update(
        not_before=Now() + timedelta(seconds=60)
    )
    assert [c.task_id for c in claim(queue=acme.queue, owner="w")] == [second.pk]
    assert claim(queue=acme.queue, owner="w") == []
    assert not services.waiting(acme.queue)
    assert claim(queue="interactive", owner="w") == []


def test_a_mailbox_that_is_being_written_is_not_claimed_for_another_session(
    repository: Repository,
) -> None:
    acme = company("acme", repository, 1)
    claim(queue=acme.queue, owner="w")
    with tenant_scope(acme.tenant_id):
        task = Task.objects.get()
        other = Session.objects.create(kind="backup", organization=task.session.organization)
        task.pk, task.session, task.state, task.attempt = None, other, State.QUEUED, 0
        task.id = other.pk
        task.save(force_insert=True)
    assert claim(queue=acme.queue, owner="w") == []


def test_a_dead_workers_tasks_come_back_and_the_session_says_so(repository: Repository) -> None:
    acme = company("acme", repository, 2)
    first = claim(queue=acme.queue, owner="w")
    assert reap() == set(), "a lease that runs is left alone"
    let_leases_run_out()
    assert reap() == {acme.queue}
    assert reap() == set()
    assert acme.states() == [State.QUEUED] * 2
    with tenant_scope(acme.tenant_id):
        lines = SessionLog.objects.filter(message__contains="stopped reporting (attempt 1)")
        assert sorted(line.mailbox for line in lines) == [
            "user0@acme.example",
            "user1@acme.example",
        ]
    again = claim(queue=acme.queue, owner="w") + claim(queue=acme.queue, owner="w")
    assert {c.task_id for c in again} == {c.task_id for c in first}
    assert {c.attempt for c in again} == {2}


def test_a_task_that_a_worker_died_of_is_claimed_alone(repository: Repository) -> None:
    acme = company("acme", repository, 5)
    claim(queue=acme.queue, owner="w", limit=2)
    let_leases_run_out()
    reap()
    sizes = [len(claim(queue=acme.queue, owner="w")) for _ in range(4)]
    assert sorted(sizes) == [0, 1, 1, 3]


def test_a_task_that_kills_its_workers_is_given_up_and_the_session_ends(
    repository: Repository,
) -> None:
    acme = company("acme", repository, 1)
    for _ in range(MAX_DEATHS):
        assert claim(queue=acme.queue, owner="w")
        let_leases_run_out()
        reap()
    assert claim(queue=acme.queue, owner="w") == []
    assert acme.session.state == State.FAILED
    assert "Given up after 10 workers" in acme.session.reason


def test_only_deaths_in_a_row_count(repository: Repository) -> None:
    acme = company("acme", repository, 1)
    for _ in range(3):
        for _ in range(MAX_DEATHS - 1):
            assert claim(queue=acme.queue, owner="w")
            let_leases_run_out()
            reap()
        # A worker that reports back, because its slice is over, has not died of the task.
        claimed = claim(queue=acme.queue, owner="w")[0]
        services.postpone(claimed, seconds=0, reason="", failures=0)
    assert acme.states() == [State.QUEUED]


class TestStop:
    def test_waiting_tasks_stop_at_once(self, repository: Repository) -> None:
        acme = company("acme", repository, 3)
        stop(acme)
        assert acme.states() == [State.STOPPED] * 3
        assert (acme.session.state, acme.session.mailboxes_done) == (State.STOPPED, 3)

    def test_a_task_that_is_being_claimed_is_not_waited_for(self, repository: Repository) -> None:
        acme = company("acme", repository, 5)
        with a_claim_in_progress(acme.queue) as others:
            stop(acme)
        assert sorted(acme.states()) == sorted([State.RUNNING] * 4 + [State.STOPPED])
        assert services.stop_requested(others[0])
        for claimed in others:
            services.finish(claimed, State.STOPPED)
        assert acme.session.state == State.STOPPED

    def test_a_dead_workers_task_stops_when_it_is_reaped(self, repository: Repository) -> None:
        acme = company("acme", repository, 1)
        claim(queue=acme.queue, owner="w")
        stop(acme)
        assert acme.session.is_open
        let_leases_run_out()
        reap()
        assert acme.session.state == State.STOPPED


def stop(one: Company) -> None:
    with tenant_scope(one.tenant_id):
        services.request_stop(Session.objects.get(pk=one.session_id))


def test_the_last_two_tasks_ending_at_once_close_the_session(repository: Repository) -> None:
    acme = company("acme", repository, 8)
    claims = claim(queue=acme.queue, owner="w", limit=8)
    results = at_once(
        *[lambda claimed=claimed: services.finish(claimed, State.SUCCESS) for claimed in claims]
    )
    assert results == [None] * 8
    assert (acme.session.state, acme.session.mailboxes_done) == (State.SUCCESS, 8)


@pytest.mark.parametrize(
    ("states", "result"),
    [
        (["success", "success"], "success"),
        (["success", "warning"], "warning"),
        (["success", "failed"], "warning"),
        (["failed", "failed"], "failed"),
        (["warning", "failed"], "warning"),
    ],
)
def test_the_tasks_decide_the_result(
    repository: Repository, states: list[str], result: str
) -> None:
    acme = company("acme", repository, 2)
    claims = claim(queue=acme.queue, owner="w")
    for claimed, state in zip(claims, states, strict=True):
        assert acme.session.is_open
        reason = "It went wrong." if state != "success" else ""
        services.finish(claimed, State(state), reason, job_state="disconnected")
    assert acme.session.state == result
    assert acme.session.reason == ("" if result == "success" else "It went wrong.")
    with tenant_scope(acme.tenant_id):
        acme.job.refresh_from_db()
    assert acme.job.state == ("disconnected" if result == "failed" else result)


def test_counters_of_tasks_add_up_on_the_session(repository: Repository) -> None:
    acme = company("acme", repository, 2)
    for claimed in claim(queue=acme.queue, owner="w"):
        with tenant_scope(acme.tenant_id):
            services.count(claimed, {"items_new": 3, "throttled_seconds": 0.5})
            services.count(claimed, {"items_new": 2})
    assert [task.items_new for task in acme.tasks()] == [5, 5]
    assert (acme.session.items_new, acme.session.throttled_seconds) == (10, 1.0)
