"""Collection as it lives: queued by the tick, worked off by a proxy, paused, stopped, told of."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from backups import tick
from backups.catalog.models import MailboxBackup, Pack
from backups.infrastructure.models import Allocation, Proxy
from backups.repository import Unavailable
from backups.retention import collecting, collection, runs
from backups.retention.models import CollectionRun, CollectionState, Phase
from backups.retention.outcome import Collected
from backups.sessions.services import LeaseLost
from tenants.isolation.scope import OPERATOR, operator_scope, tenant_scope
from tenants.models import AuditEvent
from tests.engine.collected import doomed, everything_reads, packs, sound
from tests.engine.world import World
from tests.sessions.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "GRACE", timedelta(0))


def share(world: World) -> Allocation:
    with operator_scope():
        return Allocation.objects.select_related("tenant").get(tenant_id=world.id)


def newest(world: World) -> CollectionRun:
    with tenant_scope(world.id):
        return CollectionRun.objects.latest("pk")


def run_now(world: World) -> CollectionRun:
    runs.request(allocation=share(world))
    assert not collecting.run_queue(world.queue)
    return newest(world)


def later(world: World, hours: float) -> None:
    """Let the runs that there are be that much older."""
    with operator_scope():
        CollectionRun.objects.update(created_at=Now() - timedelta(hours=hours))


def let_another_claim(world: World) -> runs.Claim | None:
    with operator_scope():
        CollectionRun.objects.update(lease_until=Now() - timedelta(seconds=1))
    return runs.claim(queue=world.queue, owner="another")


def test_the_tick_queues_each_share_once_a_day_and_a_worker_frees_what_expired(
    expired: World,
) -> None:
    before, old = everything_reads(expired), packs(expired)
    assert runs.start_due() == 1
    assert runs.start_due() == 0, "one is open"
    assert runs.queues_with_work() == [expired.queue]
    assert not collecting.run_queue(expired.queue)
    run = newest(expired)
    assert (run.state, run.doomed, run.waiting) == (CollectionState.DONE, 1, 1)
    assert run.started_at
    assert run.ended_at
    assert runs.start_due() == 0, "it was done today"
    later(expired, 21)
    assert runs.start_due() == 1
    collecting.run_queue(expired.queue)
    run = newest(expired)
    assert (run.state, run.deleted, run.waiting) == (CollectionState.DONE, 1, 0)
    assert run.deleted_bytes > 0
    assert len(packs(expired)) == len(old) - 1
    sound(expired, before)
    with tenant_scope(expired.id):
        event = AuditEvent.objects.get(action="collection.ended")
        stored = sum(Pack.objects.values_list("size", flat=True))
    assert event.detail["bytes"] == run.deleted_bytes
    assert share(expired).used_bytes == stored


def test_the_tick_rings_for_what_waits(expired: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[str] = []
    monkeypatch.setattr(tick, "ring_collect", rung.append)
    tick.tick()
    assert rung == [expired.queue]


def test_a_share_without_packs_is_left_alone(world: World) -> None:
    assert runs.start_due() == 0
    world.run_job()
    assert runs.start_due() == 1


def test_a_proxy_in_maintenance_collects_nothing(expired: World) -> None:
    Proxy.objects.using(OPERATOR).update(state=Proxy.State.MAINTENANCE)
    assert runs.start_due() == 0
    runs.request(allocation=share(expired))
    assert runs.queues_with_work() == []
    assert not collecting.run_queue(expired.queue)
    assert newest(expired).state == CollectionState.QUEUED
    Proxy.objects.using(OPERATOR).update(state=Proxy.State.READY)
    collecting.run_queue(expired.queue)
    assert newest(expired).state == CollectionState.DONE


def test_one_that_was_broken_off_says_why_and_is_tried_again_soon(expired: World) -> None:
    with tenant_scope(expired.id):
        MailboxBackup.objects.update(rebuild_wanted=True)
    run = run_now(expired)
    assert run.state == CollectionState.FAILED
    assert "made again" in run.reason
    assert runs.start_due() == 0
    later(expired, 5)
    assert runs.start_due() == 1


def test_a_run_that_lies_in_the_future_does_not_put_off_the_next(expired: World) -> None:
    """The clock had jumped ahead and was put right."""
    assert run_now(expired).state == CollectionState.DONE
    later(expired, -24 * 365)
    assert runs.start_due() == 1


def test_a_claim_of_a_clock_that_was_ahead_does_not_last(expired: World) -> None:
    runs.request(allocation=share(expired))
    claimed = runs.claim(queue=expired.queue, owner="dead")
    assert claimed
    assert runs.claim(queue=expired.queue, owner="other") is None
    with operator_scope():
        CollectionRun.objects.update(lease_until=Now() + timedelta(days=365))
    again = runs.claim(queue=expired.queue, owner="other")
    assert again
    assert again.attempt == claimed.attempt + 1


def test_storage_that_does_not_answer_breaks_it_off(
    expired: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: object) -> object:
        raise Unavailable("the share is gone")

    monkeypatch.setattr(collection.Vault, "packs", gone)
    run = run_now(expired)
    assert (run.state, run.reason) == (CollectionState.FAILED, "the share is gone")


def test_an_error_of_our_own_ends_the_run_and_names_nothing_inside(
    expired: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **more: object) -> Collected:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(collecting, "collect", broken)
    run = run_now(expired)
    assert run.state == CollectionState.FAILED
    assert "secret" not in run.reason


def test_too_much_waits_for_an_operator_who_may_say_that_it_is_right(
    expired: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "A_FEW", 0)
    monkeypatch.setattr(collection, "MOST_AT_ONCE", 0.1)
    run = run_now(expired)
    assert (run.state, run.is_too_much) == (CollectionState.FAILED, True)
    assert doomed(expired) == set()
    runs.request(allocation=share(expired), may_take_most=True)
    collecting.run_queue(expired.queue)
    assert newest(expired).state == CollectionState.DONE
    assert len(doomed(expired)) == 1


class TestAsked:
    """Asked between two steps of a running one, or while it waits."""

    @pytest.fixture
    def ripe(self, expired: World) -> World:
        run_now(expired)
        assert len(doomed(expired)) == 1
        return expired

    def run_and_ask(self, world: World, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
        original = collecting._RowWatch.look

        def asking(
            watch: collecting._RowWatch, done: Collected, phase: Phase, number: int, total: int
        ) -> None:
            if phase == Phase.DELETING:
                assert at_once(lambda: runs.ask(allocation=share(world), asked=asked)) == [True]
            original(watch, done, phase, number, total)

        with monkeypatch.context() as patch:
            patch.setattr(collecting._RowWatch, "look", asking)
            runs.request(allocation=share(world))
            collecting.run_queue(world.queue)

    def test_one_that_is_paused_goes_on_when_it_is_resumed(
        self, ripe: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before, old = everything_reads(ripe), packs(ripe)
        self.run_and_ask(ripe, monkeypatch, "pause")
        run = newest(ripe)
        assert (run.state, run.deleted, run.phase) == (CollectionState.PAUSED, 0, Phase.DELETING)
        assert packs(ripe) == old
        assert not collecting.run_queue(ripe.queue)
        assert runs.start_due() == 0, "nothing begins while it is paused"
        assert runs.ask(allocation=share(ripe), asked="resume")
        collecting.run_queue(ripe.queue)
        run = newest(ripe)
        assert (run.state, run.deleted) == (CollectionState.DONE, 1)
        sound(ripe, before)

    def test_one_that_is_stopped_ends_between_two_packs(
        self, ripe: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = packs(ripe)
        self.run_and_ask(ripe, monkeypatch, "stop")
        assert newest(ripe).state == CollectionState.STOPPED
        assert packs(ripe) == old
        assert run_now(ripe).deleted == 1

    def test_a_share_can_be_paused_before_anything_runs(self, ripe: World) -> None:
        assert runs.ask(allocation=share(ripe), asked="pause")
        assert not runs.ask(allocation=share(ripe), asked="pause")
        later(ripe, 48)
        assert runs.start_due() == 0
        with pytest.raises(runs.CollectionOpen):
            runs.request(allocation=share(ripe))
        assert runs.ask(allocation=share(ripe), asked="stop")
        assert newest(ripe).state == CollectionState.STOPPED


class Killed(BaseException):
    """As kill -9."""


def test_a_run_whose_worker_died_is_taken_up_by_the_next(
    expired: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(self: object, listed: set[str]) -> None:
        raise Killed

    runs.request(allocation=share(expired))
    with monkeypatch.context() as patch:
        patch.setattr(collection._Run, "_repack", dies)
        with pytest.raises(Killed):
            collecting.run_queue(expired.queue)
    assert newest(expired).state == CollectionState.RUNNING
    assert not collecting.run_queue(expired.queue), "its lease holds"
    with operator_scope():
        CollectionRun.objects.update(lease_until=Now() - timedelta(seconds=1))
    collecting.run_queue(expired.queue)
    run = newest(expired)
    assert (run.state, run.attempt, run.failures) == (CollectionState.DONE, 2, 1)


def test_one_that_kills_its_workers_is_given_up(expired: World) -> None:
    runs.request(allocation=share(expired))
    with operator_scope():
        CollectionRun.objects.update(failures=runs.TRIES)
    collecting.run_queue(expired.queue)
    run = newest(expired)
    assert run.state == CollectionState.FAILED
    assert run.reason.startswith("Given up")


def test_a_collector_that_wakes_up_after_another_took_over_deletes_nothing(
    expired: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It slept with its list of packs to delete in hand; one of them is needed again by now."""
    run_now(expired)
    (gone,) = doomed(expired)
    original, slept = collection._Run._give_up, []

    def sleeps(run: collection._Run, name: str, fence: int | None) -> bool:
        if not slept:
            slept.append(name)
            assert at_once(lambda: let_another_claim(expired)) != [None]
        return original(run, name, fence)

    monkeypatch.setattr(collection._Run, "_give_up", sleeps)
    runs.request(allocation=share(expired))
    assert not collecting.run_queue(expired.queue)
    assert slept == [gone]
    assert gone in packs(expired)
    assert newest(expired).state == CollectionState.RUNNING, "it is the other one's"


def test_what_a_run_writes_names_its_attempt(expired: World) -> None:
    runs.request(allocation=share(expired))
    first = runs.claim(queue=expired.queue, owner="first")
    assert first
    with operator_scope():
        CollectionRun.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert runs.claim(queue=expired.queue, owner="second")
    with pytest.raises(LeaseLost):
        runs.finish(first, CollectionState.DONE)
    with pytest.raises(LeaseLost):
        runs.put_back(first, CollectionState.QUEUED)
