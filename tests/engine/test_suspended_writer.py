"""A writer that sleeps for days before its commit, while what it wrote is collected.

It wakes up and cannot commit. What the repository alone tells is then what the catalog says, and
every byte that was kept is the same.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from backups.engine import backup
from backups.infrastructure.keys import open_vault
from backups.repository import Commit, CommitExists, CommitKind, Vault
from backups.sessions import services
from backups.sessions.models import State, Task
from backups.sessions.slices import run_queue
from tenants.isolation.scope import tenant_scope
from tests.engine.collected import everything_reads, gather, packs
from tests.engine.test_rebuild import contents, forget_everything, rebuild_all
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

DAYS = timedelta(days=3)


class Sleeper:
    """The engine's writing of commits, which falls asleep before the first complete one."""

    def __init__(self, world: World, clock: time_machine.Coordinates) -> None:
        self.world = world
        self.clock = clock
        self.kept: dict[tuple[str, int], bytes] = {}
        self.refused: list[CommitExists] = []
        self._original = Vault.write_commit
        self._slept = False

    def write_commit(self, vault: Vault, commit: Commit) -> bytes:
        if commit.kind is not CommitKind.COMPLETE or self._slept:
            return self._original(vault, commit)
        self._slept = True
        self._sleep()
        try:
            return self._original(vault, commit)
        except CommitExists as error:
            self.refused.append(error)
            raise

    def _sleep(self) -> None:
        """Its lease is reaped, nobody takes the task up, and a collection runs each day."""
        self.kept = everything_reads(self.world)
        written = packs(self.world)
        self.world.bury_workers()
        with tenant_scope(self.world.id):
            Task.objects.filter(state=State.QUEUED).update(
                state=State.FAILED, ended_at=timezone.now()
            )
        for _ in range(DAYS.days):
            self.clock.shift(timedelta(days=1))
            gather(self.world)
        assert packs(self.world) < written, "what it wrote is gone"


@pytest.fixture
def slept(world: World, monkeypatch: pytest.MonkeyPatch) -> Sleeper:
    world.run_job()
    for address in (MARA, JUN):
        world.add("Inbox", "in a pack that goes", address=address)
    with time_machine.travel(datetime.now(UTC)) as clock:
        sleeper = Sleeper(world, clock)
        monkeypatch.setattr(backup.Vault, "write_commit", lambda *args: sleeper.write_commit(*args))
        world.start()
        while run_queue(world.queue):
            pass
        monkeypatch.undo()
    with tenant_scope(world.id):
        for session in Task.objects.values_list("session", flat=True).distinct():
            services.close_when_done(session)
    return sleeper


def test_its_commit_fails_on_the_void_one(world: World, slept: Sleeper) -> None:
    assert len(slept.refused) == 1
    with tenant_scope(world.id):
        vault = open_vault(world.repository.pk)
    for address in (MARA, JUN):
        kinds = [stored.commit.kind for stored in vault.commits(world.mailbox(address).pk)]
        assert kinds == [CommitKind.COMPLETE, CommitKind.VOID]


def test_a_rebuild_from_the_repository_alone_agrees_with_the_catalog(
    world: World, slept: Sleeper
) -> None:
    assert everything_reads(world) == slept.kept
    assert slept.kept
    before = contents(world)
    forget_everything(world)
    rebuild_all(world)
    assert contents(world) == before
    assert everything_reads(world) == slept.kept


def test_the_next_run_stores_what_was_lost(world: World, slept: Sleeper) -> None:
    assert world.run_job().state == "success"
    world.verify()
    after = everything_reads(world)
    assert after.items() > slept.kept.items()
    forget_everything(world)
    rebuild_all(world)
    assert everything_reads(world) == after
    world.verify()
