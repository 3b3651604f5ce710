from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from backups.sessions import bell
from portal.celery import QueuesOnDemand, celery_settings
from sandbox.testing import Sandbox
from tests.engine.world import World, mail, make_world
from tests.worker.plant import Gate, Plant

MAILBOXES = 6
MAILS = 40


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "sandbox") as running:
        yield running


def make_large_world(sandbox: Sandbox, repository: Path) -> World:
    """Six mailboxes, and enough mail in each that a run takes many requests."""
    world = make_world(sandbox, repository)
    for number in range(MAILBOXES - 2):
        sandbox.add_mailbox(f"user{number}@acme.example")
    for user in sandbox.store.users(sandbox.add_organization("acme.example").id):
        for number in range(MAILS):
            # Large enough to become a part of its own, and the same in every mailbox.
            raw = mail(f"{user.name}-{number}", f"{number} " * 2000)
            sandbox.add_mail(user.address, "Inbox" if number % 2 else "Inbox/Projects", raw)
    return world


@pytest.fixture
def world(transactional_db: None, sandbox: Sandbox, tmp_path: Path) -> World:
    return make_large_world(sandbox, tmp_path / "repository")


@pytest.fixture
def gate(sandbox: Sandbox) -> Iterator[Gate]:
    gate = Gate(sandbox)
    yield gate
    gate.open()


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    """Workers with a broker of their own, which this process rings too."""
    folder = tmp_path / "data"
    folder.mkdir()
    app = Celery("portal", amqp=QueuesOnDemand, set_as_current=False)
    app.config_from_object(celery_settings(folder, ""))
    monkeypatch.setattr(bell, "current_app", app)
    plant = Plant(folder)
    yield plant
    plant.close()
    app.close()
