"""A worker's memory does not grow with a mailbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.jobs.models import Job
from backups.jobs.services import start_job
from backups.sessions.models import State
from portal.child import Running
from sandbox.items import from_mail
from tenants.isolation.scope import tenant_scope
from tests.engine.world import World, mail
from tests.worker.plant import Plant

pytestmark = [
    pytest.mark.worker,
    pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"]),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc to ask"),
]

SMALL, LARGE = 1_000, 4_000
GROWTH = 48 * 1024
"""KiB: two packs are open at once. Measured with 20,000 items of 23 KB: 9 MiB."""


def fill(world: World, address: str, count: int) -> None:
    mailbox = world.source_mailbox(address)
    inbox = world.sandbox.store.folder(mailbox, "inbox").id
    for start in range(0, count, 1_000):
        numbers = range(start, min(start + 1_000, count))
        raws = [mail(f"{address} {number}", f"{number} {address}\n" * 400) for number in numbers]
        world.sandbox.store.add_items(mailbox, inbox, [from_mail(raw) for raw in raws])


def peak(worker: Running) -> int:
    """The most memory that the pool's only process ever had, in KiB."""
    (child,) = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    status = Path(f"/proc/{child}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def test_a_mailbox_four_times_as_large_takes_no_more_memory(world: World, plant: Plant) -> None:
    worker = plant.start(world, concurrency=1)
    peaks = []
    for address, count in (("mara@acme.example", SMALL), ("jun@acme.example", LARGE)):
        fill(world, address, count)
        with tenant_scope(world.id):
            session = start_job(job=Job.objects.get(pk=world.job.pk))
        session = plant.finish(world, session)
        assert session.state == State.SUCCESS, world.log(session)
        assert session.items_new >= count
        peaks.append(peak(worker))
    assert peaks[1] - peaks[0] < GROWTH
