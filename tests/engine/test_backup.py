"""The main job, from the outside in: what is in Exchange is in the repository, byte for byte."""

from __future__ import annotations

import pytest

from backups.sessions.models import State
from sandbox.faults import Fault, Kind
from tests.engine.world import World, mail

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def test_a_first_run_stores_every_item_byte_for_byte(world: World) -> None:
    session = world.run_job()
    assert (session.state, session.mailboxes_done, session.items_new) == (State.SUCCESS, 2, 6)
    for address in ("mara@acme.example", "jun@acme.example"):
        assert world.payloads(address) == world.sandbox_payloads(address)
        assert len(world.payloads(address)) == 3


def test_a_run_without_changes_exports_nothing_and_writes_no_commit(world: World) -> None:
    world.run_job()
    head = world.head()
    # An export would be refused, and show.
    world.sandbox.faults.add(Fault(Kind.STATUS, path="exportItems", status=403, times=1000))
    session = world.run_job()
    assert (session.state, session.items_new, session.items_removed) == (State.SUCCESS, 0, 0)
    assert world.sandbox.faults.struck == []
    assert world.head() == head


def test_a_new_a_changed_and_a_deleted_item_are_followed(world: World) -> None:
    world.run_job()
    mailbox = world.sandbox.store.user("mara@acme.example").mailbox
    gone = world.current()["mara-1"]
    world.sandbox.store.delete_item(mailbox, gone.item_id, hard=True)
    world.sandbox.add_mail("mara@acme.example", "Inbox/Projects", mail("mara-new"))
    session = world.run_job()
    assert (session.items_new, session.items_removed) == (1, 1)
    assert set(world.current()) == {"mara-0", "mara-2", "mara-new"}
    assert world.payloads() == world.sandbox_payloads()
