"""Real processes, killed in mid-run: the run ends by itself, and every byte is there."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from backups.catalog.models import ItemVersion
from backups.jobs.models import Job
from backups.jobs.services import start_job
from backups.sessions.models import Session, State, Task
from portal.database import ROLES, LocalDatabase
from portal.database.connections import reconnect
from sandbox.testing import Sandbox
from tenants.isolation.scope import OPERATOR, tenant_scope
from tests.compare import compare
from tests.conftest import DATA_DIR, VARIABLES
from tests.engine.world import World
from tests.portal.waiting import until
from tests.worker.conftest import MAILBOXES, MAILS, make_large_world
from tests.worker.plant import Gate, Plant

pytestmark = [
    pytest.mark.worker,
    pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"]),
]


def begin(world: World) -> Session:
    """As a person presses start: a ring, and nothing else."""
    with tenant_scope(world.id):
        return start_job(job=Job.objects.get(pk=world.job.pk))


def verify(world: World, session: Session) -> None:
    assert session.state == State.SUCCESS, world.log(session)
    assert session.items_new == MAILBOXES * MAILS + 6
    root_key = Path(settings.ROOT_KEY_FILE)
    comparison = compare(world.sandbox.store.path, [Path(world.repository.location)], root_key)
    assert comparison.differences == []
    assert (comparison.mailboxes, comparison.items) == (MAILBOXES, MAILBOXES * MAILS + 6)
    with tenant_scope(world.id):
        versions = ItemVersion.objects.all()
        assert versions.count() == versions.filter(last=None).count() == comparison.items


def commits(world: World) -> int:
    return sum(1 for _ in Path(world.repository.location).glob("tenants/*/commits/*/*"))


def test_what_was_committed_before_the_kill_is_not_exported_again(
    world: World, plant: Plant, gate: Gate
) -> None:
    first = plant.start(world, concurrency=1)
    # Four mailboxes make the first slice: two or three packs each, ten at most.
    gate.close_at(11)
    session = begin(world)
    gate.wait()
    assert commits(world) == 4
    plant.kill(first)
    gate.open()
    gate.requests = 0
    plant.start(world)
    verify(world, plant.finish(world, session))
    assert gate.requests <= 6, "only the two mailboxes that were left"


def test_a_run_survives_one_kill_after_the_other(world: World, plant: Plant, gate: Gate) -> None:
    session = begin(world)
    for request_number in (2, 5, 9):
        gate.close_at(request_number)
        worker = plant.start(world, concurrency=1)
        gate.wait()
        plant.kill(worker)
        gate.open()
    plant.start(world)
    verify(world, plant.finish(world, session))


def test_a_worker_killed_while_it_commits_is_rolled_forward(world: World, plant: Plant) -> None:
    worker = plant.start(world)
    session = begin(world)
    until(lambda: commits(world), "the first commit object", seconds=60)
    plant.kill(worker)
    plant.start(world)
    verify(world, plant.finish(world, session))


def test_a_worker_that_is_told_to_stop_goes_at_once_and_the_next_goes_on(
    world: World, plant: Plant, gate: Gate
) -> None:
    gate.close_at(3)
    worker = plant.start(world)
    session = begin(world)
    gate.wait()
    worker.interrupt()
    gate.open()
    until(lambda: not worker.alive(), "the worker to stop", seconds=20)
    plant.start(world)
    verify(world, plant.finish(world, session))


class TestKilledDatabase:
    @pytest.fixture
    def database(self, transactional_db: None) -> Iterator[LocalDatabase]:
        """A server of its own, as safe as a real one; the whole process talks to it."""
        folder = Path(tempfile.mkdtemp(prefix="stowage-"))
        database = LocalDatabase(folder)
        database.start()
        before = {variable: os.environ[variable] for variable in VARIABLES.values()}
        for alias, variable in VARIABLES.items():
            os.environ[variable] = database.url(ROLES[alias])
        reconnect(folder)
        call_command("migrate", database="owner", verbosity=0, interactive=False)
        yield database
        os.environ.update(before)
        reconnect(DATA_DIR)
        database.remove()
        shutil.rmtree(folder)

    def test_a_database_killed_in_mid_run_costs_time_and_nothing_else(
        self,
        database: LocalDatabase,
        sandbox: Sandbox,
        plant: Plant,
        gate: Gate,
        tmp_path: Path,
    ) -> None:
        world = make_large_world(sandbox, tmp_path / "repository")
        gate.close_at(6)
        worker = plant.start(world)
        session = begin(world)
        gate.wait()
        server = database.status().pid
        assert server is not None
        os.kill(server, signal.SIGKILL)
        until(lambda: not database.alive(), "the server to be gone")
        gate.open()
        database.start()
        connections.close_all()
        verify(world, plant.finish(world, session))
        assert worker.alive(), "the worker outlives its database"
        assert not Task.objects.using(OPERATOR).filter(state=State.RUNNING).exists()
