"""How a session begins: prepared once, never left hanging, found again when a ring is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connections
from django.utils import timezone
from kombu.exceptions import OperationalError

from backups.jobs.models import Job
from backups.jobs.services import JobRefused, start_job
from backups.sessions import bell, prepare, services, slices
from backups.sessions.failures import TRIES
from backups.sessions.models import Session, State, Task
from backups.sessions.prepare import prepare_session
from backups.sessions.services import request_stop
from backups.sources import Throttled, Unavailable
from backups.tick import tick
from tenants.isolation.scope import tenant_scope
from tests.engine.world import World
from tests.sessions.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


class Killed(BaseException):
    """As kill -9."""


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The broker loses every message; these were sent: (task, queue)."""
    sent: list[tuple[str, str]] = []

    def send(name: str, args: list[str], queue: str, headers: dict[str, str]) -> None:
        sent.append((name, queue))

    monkeypatch.setattr(bell, "_send", send)
    return sent


def begin(world: World) -> Session:
    with tenant_scope(world.id):
        return start_job(job=Job.objects.get(pk=world.job.pk))


def tasks_of(world: World, session: Session) -> int:
    with tenant_scope(world.id):
        return Task.objects.filter(session=session).count()


def when_discovering(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]
) -> Callable[[UUID, UUID], int]:
    original = prepare.discover_mailboxes

    def discover(organization_id: UUID, tenant_id: UUID) -> int:
        act()
        return original(organization_id, tenant_id)

    monkeypatch.setattr(prepare, "discover_mailboxes", discover)
    return original


def test_a_session_that_is_rung_for_twice_is_prepared_once(world: World) -> None:
    session = begin(world)
    assert at_once(*[lambda: prepare_session(session.pk, world.id)] * 3) == [None] * 3
    prepare_session(session.pk, world.id)
    assert tasks_of(world, session) == 2
    assert world.session(session.pk).mailboxes_total == 2


def test_a_second_ring_does_not_discover_while_the_first_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = begin(world)
    discovering, go_on, times = threading.Event(), threading.Event(), []

    def hold() -> None:
        times.append(1)
        discovering.set()
        assert go_on.wait(timeout=30)

    when_discovering(monkeypatch, hold)

    def first() -> None:
        prepare_session(session.pk, world.id)
        connections.close_all()

    thread = threading.Thread(target=first)
    thread.start()
    assert discovering.wait(timeout=30)
    prepare_session(session.pk, world.id)
    assert (tasks_of(world, session), len(times)) == (0, 1)
    go_on.set()
    thread.join(timeout=30)
    assert tasks_of(world, session) == 2


def test_a_worker_that_dies_while_it_prepares_leaves_the_session_to_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = begin(world)

    def die() -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        when_discovering(patch, die)
        prepare_session(session.pk, world.id)
    assert world.session(session.pk).state == State.QUEUED
    prepare_session(session.pk, world.id)
    assert world.work(session).state == State.SUCCESS


def test_a_session_that_cannot_be_prepared_ends_and_says_no_more_than_it_may(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect() -> None:
        raise KeyError("/secret/place")

    when_discovering(monkeypatch, defect)
    session = begin(world)
    prepare_session(session.pk, world.id)
    session = world.session(session.pk)
    assert session.state == State.FAILED
    assert session.reason == "Unexpected error (KeyError); the server's log tells more."
    assert world.job_state() == Job.State.FAILED


def test_a_job_without_mailboxes_says_so(world: World) -> None:
    for user in world.sandbox.store.users(world.sandbox.add_organization("acme.example").id):
        world.sandbox.store.remove_user(user.address)
    session = begin(world)
    prepare_session(session.pk, world.id)
    session = world.session(session.pk)
    assert (session.state, world.job_state()) == (State.FAILED, Job.State.NOT_CONFIGURED)
    assert "selects no mailbox" in session.reason


def test_two_who_press_start_get_one_session(world: World) -> None:
    results = at_once(*[lambda: begin(world)] * 4)
    assert sum(isinstance(result, Session) for result in results) == 1
    refused = [result for result in results if isinstance(result, JobRefused)]
    assert [str(error) for error in refused] == ["Everyone is running already."] * 3


def test_a_session_that_is_stopped_before_it_is_prepared_is_over(world: World) -> None:
    session = begin(world)
    with tenant_scope(world.id):
        services.request_stop(session)
    prepare_session(session.pk, world.id)
    assert world.session(session.pk).state == State.STOPPED
    assert tasks_of(world, session) == 0


def test_a_broker_that_loses_every_message_only_delays(
    world: World, rings: list[tuple[str, str]]
) -> None:
    session = begin(world)
    rings.clear()
    tick()
    assert rings == [(bell.PREPARE, bell.CONTROL)]
    prepare_session(session.pk, world.id)
    rings.clear()
    tick()
    assert (bell.RUN_QUEUE, world.queue) in rings
    world.work(session)
    rings.clear()
    tick()
    brought_by_time = [(bell.RETENTION, world.queue), (bell.COLLECT, world.queue)]
    assert rings == brought_by_time, "nothing else waits"


def test_a_dead_workers_queue_is_rung_by_the_tick(
    world: World, rings: list[tuple[str, str]]
) -> None:
    session = world.start()
    services.claim(queue=world.queue, owner="dies")
    world.bury_workers()
    rings.clear()
    tick()
    assert (bell.RUN_QUEUE, world.queue) in rings
    assert world.work(session).state == State.SUCCESS


def test_a_broker_that_refuses_does_not_stop_a_job_from_being_started(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def send_task(self, *args: object, **options: object) -> None:
            raise OperationalError("the broker is gone")

    monkeypatch.setattr(bell, "current_app", Broken())
    assert begin(world).state == State.QUEUED


def test_a_worker_that_leaves_work_behind_wakes_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(slices, "ring", woken.append)
    monkeypatch.setattr(services, "MAILBOXES_PER_SLICE", 1)
    monkeypatch.setattr(services.claim, "__kwdefaults__", {"limit": 1})
    world.run_job()
    assert woken == [world.queue], "once, however many are left"


def test_a_step_of_the_tick_that_fails_leaves_the_others_alone(
    world: World, rings: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from backups import tick as module

    def broken() -> None:
        raise RuntimeError("broken")

    session = begin(world)
    rings.clear()
    monkeypatch.setattr(module, "reap", broken)
    tick()
    assert rings == [(bell.PREPARE, bell.CONTROL)]
    assert world.session(session.pk).state == State.QUEUED


def test_an_organization_that_asks_to_wait_puts_the_session_off_and_fails_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> None:
        raise Throttled("listing users: the server asks to wait", 900)

    session = begin(world)
    with monkeypatch.context() as patch:
        when_discovering(patch, busy)
        for _ in range(TRIES + 2):
            make_due(world, session)
            prepare_session(session.pk, world.id)
    waiting = world.session(session.pk)
    assert waiting.state == State.QUEUED
    assert waiting.prepare_after - timezone.now() > timedelta(seconds=850)
    assert session.pk not in rung(monkeypatch)
    prepare_session(session.pk, world.id)
    assert tasks_of(world, session) == 0
    make_due(world, session)
    assert session.pk in rung(monkeypatch)
    prepare_session(session.pk, world.id)
    assert world.work(session).state == State.SUCCESS


def test_an_organization_that_stays_out_of_reach_fails_the_session_after_three_tries(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_reach() -> None:
        raise Unavailable("the server can't be reached")

    when_discovering(monkeypatch, out_of_reach)
    session = begin(world)
    for _ in range(TRIES):
        make_due(world, session)
        prepare_session(session.pk, world.id)
        assert world.session(session.pk).state == State.QUEUED
    make_due(world, session)
    prepare_session(session.pk, world.id)
    assert world.session(session.pk).state == State.FAILED
    assert world.job_state() == Job.State.DISCONNECTED


def test_a_session_that_waits_for_its_organization_can_be_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> None:
        raise Throttled("listing users: the server asks to wait", 900)

    when_discovering(monkeypatch, busy)
    session = begin(world)
    prepare_session(session.pk, world.id)
    with tenant_scope(world.id):
        request_stop(world.session(session.pk))
    assert world.session(session.pk).state == State.STOPPED


def make_due(world: World, session: Session) -> None:
    with tenant_scope(world.id):
        Session.objects.filter(pk=session.pk).update(prepare_after=timezone.now())


def rung(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The sessions that the tick rings to be prepared."""
    heard: list[UUID] = []
    with monkeypatch.context() as patch:
        patch.setattr("backups.tick.ring_prepare", lambda session_id, _: heard.append(session_id))
        tick()
    return heard
