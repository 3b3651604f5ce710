"""A worker that is gone is not waited for until its lease runs out."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.sessions import services
from backups.sessions.models import Task
from backups.sessions.reaping import own_name, reap_dead
from backups.sessions.slices import run_queue
from tenants.isolation.scope import tenant_scope
from tests.engine.world import World
from tests.portal.waiting import until

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def dead_process() -> int:
    """The number of a process that was there and is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def claimed_by(world: World, owner: str) -> None:
    world.start()
    assert services.claim(queue=world.queue, owner=owner)


def states(world: World) -> set[str]:
    with tenant_scope(world.id):
        return set(Task.objects.values_list("state", flat=True))


@pytest.fixture
def zombie() -> Iterator[int]:
    """The number of a process that is dead and not yet waited for."""
    process = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read()
    stat = Path(f"/proc/{process.pid}/stat")
    if stat.exists():
        until(lambda: " Z " in stat.read_text(), "the process to end")
    yield process.pid
    process.wait()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc to ask")
def test_a_process_that_nobody_has_waited_for_is_dead_all_the_same(
    world: World, zombie: int
) -> None:
    claimed_by(world, f"{socket.gethostname()}/{zombie}/1")
    reap_dead(world.queue)
    assert states(world) == {"queued"}


@pytest.mark.parametrize("owner", ["dead", "own"])
def test_what_a_dead_process_or_this_thread_held_is_taken_up_at_once(
    world: World, owner: str
) -> None:
    name = own_name() if owner == "own" else f"{socket.gethostname()}/{dead_process()}/1"
    claimed_by(world, name)
    while run_queue(world.queue):
        pass
    assert states(world) == {"success"}
    assert world.payloads() == world.sandbox_payloads()


@pytest.mark.parametrize(
    "owner", ["{host}/{alive}/1", "elsewhere/{dead}/1", "{host}", "{host}/x/1"]
)
def test_what_a_living_or_a_foreign_process_holds_is_left_alone(world: World, owner: str) -> None:
    name = owner.format(host=socket.gethostname(), alive=os.getppid(), dead=dead_process())
    claimed_by(world, name)
    reap_dead(world.queue)
    assert states(world) == {"running"}
