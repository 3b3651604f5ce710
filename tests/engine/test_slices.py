"""Runs that are stopped, paused or cut into slices: what is committed is not done again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from backups.catalog.models import RestorePoint
from backups.engine import group
from backups.engine.intake import Intake
from backups.sessions import progress, services, slices
from backups.sessions.models import Session, State, Task
from backups.sources import Retry, packs
from sandbox.faults import Fault, Kind
from tenants.isolation.scope import OPERATOR, tenant_scope
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def eager(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty mails in small packs; a commit and a look at the stop button at every step."""
    world.add("Inbox", *[f"more-{number}" for number in range(20)])
    monkeypatch.setattr(group, "MAX_ITEMS", 1)
    monkeypatch.setattr(progress, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(packs, "MAX_ITEMS", 2)
    monkeypatch.setattr("backups.engine.intake.STORE_ITEMS", 2)


def after_stores(monkeypatch: pytest.MonkeyPatch, count: int, act: object) -> None:
    """Call ``act`` once, when the worker has stored so many bunches of items."""
    original, stores = Intake._store, []

    def store(self: Intake, *args: object) -> None:
        original(self, *args)  # type: ignore[arg-type]
        stores.append(1)
        if len(stores) == count:
            act()  # type: ignore[operator]

    monkeypatch.setattr(Intake, "_store", store)


def exported(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the items that are stored from now on."""
    ids: list[str] = []
    original = Intake._store

    def store(self: Intake, folder: str, arrived: list[object], classes: object) -> None:
        ids.extend(item.id for item, _payload in arrived)  # type: ignore[attr-defined,misc]
        original(self, folder, arrived, classes)  # type: ignore[arg-type]

    monkeypatch.setattr(Intake, "_store", store)
    return ids


def points(world: World) -> list[int]:
    with tenant_scope(world.id):
        rows = RestorePoint.objects.filter(backup__mailbox__address=MARA).order_by("sequence")
        return [row.items for row in rows]


def test_a_stopped_run_keeps_what_it_has_and_the_next_goes_on_from_there(
    world: World, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.start()

    def stop() -> None:
        with tenant_scope(world.id):
            services.request_stop(Session.objects.get(pk=session.pk))

    with monkeypatch.context() as patch:
        # Jun's three mails are two bunches, and an empty one for each empty folder.
        after_stores(patch, 6, stop)
        ended = world.work(session)
    assert ended.state == State.STOPPED
    kept = set(world.stored(MARA).items) | set(world.stored(JUN).items)
    assert 0 < len(kept) < 26
    assert ended.items_new == len(kept)
    assert points(world) == []

    again = exported(world, monkeypatch)
    session = world.run_job()
    assert session.state == State.SUCCESS
    assert not kept & set(again)
    assert len(kept) + len(again) == 26
    world.verify()
    assert points(world) == [23]


def test_what_a_stopped_run_left_becomes_a_restore_point_though_nothing_else_changed(
    world: World, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last page was committed, but the run was stopped before it was complete."""
    world.run_job()
    world.add("Inbox", "last")
    session = world.start()
    original = slices._BackupSlice._commit
    stopped = []

    def commit_and_stop(self: slices._BackupSlice) -> None:
        original(self)
        if stopped or "last" not in world.current():
            return
        stopped.append(1)
        with tenant_scope(world.id):
            services.request_stop(Session.objects.get(pk=session.pk))

    with monkeypatch.context() as patch:
        patch.setattr(slices._BackupSlice, "_commit", commit_and_stop)
        assert world.work(session).state == State.STOPPED
    assert "last" in world.current()
    assert points(world) == [23]
    assert world.run_job().state == State.SUCCESS
    assert points(world) == [23, 24]


def test_a_run_goes_on_over_many_slices_and_counts_each_item_once(
    world: World, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(slices, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    again = exported(world, monkeypatch)
    original = Intake._store

    def store(self: Intake, *args: object) -> None:
        original(self, *args)  # type: ignore[arg-type]
        clock[0] += slices.SLICE_SECONDS / 3

    monkeypatch.setattr(Intake, "_store", store)
    session = world.work(world.start())
    assert (session.state, session.items_new, session.items_seen) == (State.SUCCESS, 26, 26)
    assert len(again) == len(set(again)) == 26
    tasks = Task.objects.using(OPERATOR).filter(session=session.pk)
    assert max(task.attempt for task in tasks) >= 4
    assert sorted((t.items_expected, t.items_handled) for t in tasks) == [(3, 3), (23, 23)]
    world.verify()


def test_a_server_that_throttles_in_mid_run_costs_nothing_that_is_stored(
    world: World, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sandbox.faults.add(
        Fault(Kind.STATUS, path="exportItems", status=429, retry_after=600, after=6)
    )
    again = exported(world, monkeypatch)
    session = world.run_job()
    assert (session.state, session.items_new) == (State.SUCCESS, 26)
    assert len(again) == len(set(again)) == 26
    world.verify()


def test_failures_between_which_something_was_stored_do_not_add_up(
    world: World, eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([Retry("the answer broke off")] * 8)
    original = Intake._store

    def store(self: Intake, folder: str, arrived: list[object], classes: object) -> None:
        original(self, folder, arrived, classes)  # type: ignore[arg-type]
        if arrived and (failure := next(failures, None)):
            raise failure

    monkeypatch.setattr(Intake, "_store", store)
    session = world.run_job()
    assert (session.state, session.items_new) == (State.SUCCESS, 26)
    world.verify()


def test_failures_with_nothing_stored_in_between_end_the_mailbox(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sandbox.faults.add(
        Fault(Kind.STATUS, path=f"{world.source_mailbox()}/folders", status=500, times=1000)
    )
    session = world.run_job()
    with tenant_scope(world.id):
        task = Task.objects.get(session=session, mailbox__address=MARA)
    assert (session.state, task.state, task.attempt) == (State.WARNING, State.FAILED, 4)


def test_the_bytes_of_common_packs_are_shared_out_among_the_mailboxes(world: World) -> None:
    session = world.run_job()
    with tenant_scope(world.id):
        shares = list(Task.objects.filter(session=session).values_list("bytes_stored", flat=True))
        allocation = world.job.allocation
        allocation.refresh_from_db()
    assert min(shares) > 0
    assert sum(shares) == session.bytes_stored == allocation.used_bytes
