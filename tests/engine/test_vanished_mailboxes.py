"""A directory that suddenly lists few mailboxes, or none: is it a mistake?"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from backups.jobs.models import Job
from backups.organizations.models import Mailbox, Organization
from backups.organizations.vanishing import GRACE
from backups.sessions.models import State
from sandbox.faults import Fault, Kind
from tenants.isolation.scope import tenant_scope
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

MORE = [f"person{number}@acme.example" for number in range(5)]


@pytest.fixture
def crowd(world: World) -> World:
    """Seven mailboxes, all backed up."""
    for address in MORE:
        world.sandbox.add_mailbox(address)
    assert world.run_job().mailboxes_total == 7
    return world


def retired(world: World) -> set[str]:
    with tenant_scope(world.id):
        gone = Mailbox.objects.exclude(retired_at=None)
        return set(gone.values_list("address", flat=True))


def doubt(world: World) -> str:
    with tenant_scope(world.id):
        return Organization.objects.get().state_reason


def remove(world: World, *addresses: str) -> None:
    for address in addresses:
        world.sandbox.store.remove_user(address)


def let_the_grace_pass(world: World) -> None:
    with tenant_scope(world.id):
        Mailbox.objects.update(seen_at=Now() - GRACE - timedelta(minutes=1))


def test_when_most_mailboxes_vanish_at_once_none_is_retired_and_the_session_says_so(
    crowd: World,
) -> None:
    remove(crowd, *MORE)
    session = crowd.run_job()
    assert retired(crowd) == set()
    assert "5 of 7" in doubt(crowd)
    assert any("5 of 7" in line for line in crowd.log(session))


def test_a_listing_that_is_empty_retires_nobody(world: World) -> None:
    world.run_job()
    remove(world, MARA, JUN)
    world.run_job()
    assert retired(world) == set()
    assert "2 of 2" in doubt(world)


def test_what_stays_away_for_a_week_is_retired_and_nobody_else(crowd: World) -> None:
    remove(crowd, *MORE)
    crowd.run_job()
    let_the_grace_pass(crowd)
    session = crowd.run_job()
    assert retired(crowd) == set(MORE)
    assert doubt(crowd) == ""
    assert session.mailboxes_total == 2


def test_mailboxes_that_come_back_settle_the_doubt(crowd: World) -> None:
    remove(crowd, *MORE)
    crowd.run_job()
    for address in MORE:
        crowd.sandbox.add_mailbox(address)
    assert crowd.run_job().state == State.SUCCESS
    assert (retired(crowd), doubt(crowd)) == (set(), "")


def test_a_few_mailboxes_that_leave_are_retired_at_once(crowd: World) -> None:
    remove(crowd, *MORE[:3])
    crowd.run_job()
    assert retired(crowd) == set(MORE[:3])
    assert doubt(crowd) == ""


def test_a_credential_that_was_revoked_disconnects_the_job(world: World) -> None:
    world.run_job()
    world.sandbox.faults.add(Fault(Kind.STATUS, path="v1.0", status=401, times=1000))
    session = world.run_job()
    assert session.state == State.FAILED
    assert "sign-in" in session.reason
    assert world.job_state() == Job.State.DISCONNECTED
    assert retired(world) == set()
