"""A hybrid organization, and a mailbox that moves between its two systems."""

from __future__ import annotations

import pytest

from backups.catalog.models import Folder, RestorePoint
from backups.organizations.exchange_server import ServerAccess, set_server
from backups.organizations.models import Mailbox, Organization
from backups.sessions.models import State
from sandbox.faults import Fault, Kind
from tenants.isolation.scope import tenant_scope
from tests.engine.test_restore import items, restore
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def hybrid(world: World) -> World:
    """Acme, with Mara in the cloud and Jun on a server of its own."""
    world.sandbox.move_mailbox(JUN, to_server=True)
    account = world.sandbox.register_server_account("acme.example")
    access = ServerAccess(
        url=account.ews_url,
        account=account.user_name,
        password=account.password,
        trust=account.trust_pem,
        addresses=(MARA, JUN),
    )
    with tenant_scope(world.id):
        set_server(organization=Organization.objects.get(), access=access)
    return world


def succeed(world: World) -> None:
    session = world.run_job()
    assert session.state == State.SUCCESS, world.log(session)


def points(world: World, address: str = MARA) -> list[int]:
    with tenant_scope(world.id):
        rows = RestorePoint.objects.filter(backup__mailbox__address=address)
        return sorted(rows.values_list("sequence", flat=True))


def folder_names(world: World, address: str = MARA) -> list[str]:
    with tenant_scope(world.id):
        rows = Folder.objects.current().filter(backup__mailbox__address=address)
        return sorted(rows.values_list("name", flat=True))


def same(world: World, address: str = MARA) -> bool:
    """Whether the repository holds what the mailbox does, byte for byte, and nothing twice."""
    stored = sorted(world.payloads(address).values())
    return stored == sorted(world.sandbox_payloads(address).values())


def test_one_job_backs_up_both_systems(hybrid: World) -> None:
    succeed(hybrid)
    assert same(hybrid, MARA)
    assert same(hybrid, JUN)
    assert hybrid.mailbox(MARA).system == Mailbox.System.ONLINE
    assert hybrid.mailbox(JUN).system == Mailbox.System.SERVER
    with tenant_scope(hybrid.id):
        assert Organization.objects.get().kind == Organization.Kind.HYBRID


@pytest.mark.parametrize(("address", "to_server"), [(MARA, True), (JUN, False)])
def test_a_mailbox_that_moves_keeps_its_row_its_history_and_its_restore_points(
    hybrid: World, address: str, to_server: bool
) -> None:
    hybrid.add("Inbox/Projects", "before", address=address)
    succeed(hybrid)
    row, old_points = hybrid.mailbox(address), points(hybrid, address)
    names = folder_names(hybrid, address)

    hybrid.sandbox.move_mailbox(address, to_server=to_server)
    hybrid.add("Inbox/Projects", "after", address=address)
    succeed(hybrid)

    moved = hybrid.mailbox(address)
    assert moved.pk == row.pk
    assert moved.source_id != row.source_id
    assert points(hybrid, address) == [*old_points, hybrid.head(address)]
    assert same(hybrid, address)
    assert {"before", "after"} <= hybrid.current(address).keys()
    assert folder_names(hybrid, address) == names


def test_a_move_is_told_and_stores_what_is_known_only_once(hybrid: World) -> None:
    succeed(hybrid)
    hybrid.sandbox.move_mailbox(MARA, to_server=True)
    session = hybrid.run_job()
    assert session.state == State.SUCCESS
    assert session.bytes_new == 0
    assert any("moved to another system" in line for line in hybrid.log(session))


def test_what_the_new_place_does_not_have_is_kept(hybrid: World) -> None:
    hybrid.add("Inbox", "left behind")
    succeed(hybrid)
    lost = hybrid.current()["left behind"].item_id
    hybrid.sandbox.store.delete_item(hybrid.source_mailbox(), lost, hard=True)
    hybrid.sandbox.move_mailbox(MARA, to_server=True)
    succeed(hybrid)
    assert hybrid.current()["left behind"].item_id == lost
    assert len(hybrid.current()) == 4
    session = restore(hybrid, [hybrid.current()["left behind"]])
    assert session.state == State.SUCCESS, hybrid.log(session)
    assert items(session)["left behind"].state == "restored"


def test_there_and_back_again_holds_everything_once(hybrid: World) -> None:
    for to_server in (True, False, True):
        succeed(hybrid)
        hybrid.sandbox.move_mailbox(MARA, to_server=to_server)
    succeed(hybrid)
    assert same(hybrid)
    succeed(hybrid)
    assert same(hybrid)


def test_a_run_that_breaks_off_after_a_move_is_finished_by_the_next(hybrid: World) -> None:
    hybrid.add("Inbox", *(f"many-{number}" for number in range(30)))
    hybrid.add("Inbox/Projects", "deep")
    succeed(hybrid)
    hybrid.sandbox.move_mailbox(MARA, to_server=True)
    hybrid.sandbox.faults.add(Fault(Kind.STATUS, "ExportItems", times=99, status=403, after=1))
    assert hybrid.run_job().state != State.SUCCESS
    assert "deep" in hybrid.current()
    hybrid.sandbox.faults.clear()
    succeed(hybrid)
    assert same(hybrid)


def test_a_server_that_is_down_stops_no_backup_in_the_cloud(hybrid: World) -> None:
    succeed(hybrid)
    hybrid.add("Inbox", "while it was down")
    hybrid.sandbox.faults.add(Fault(Kind.STATUS, "Exchange.asmx", times=999, status=404))
    session = hybrid.run_job()
    assert session.state != State.SUCCESS
    assert "while it was down" in hybrid.current(MARA)
    with tenant_scope(hybrid.id):
        organization = Organization.objects.get()
    assert organization.state == Organization.State.FAILED
    assert organization.state_reason.startswith("Exchange Server: ")
    assert hybrid.mailbox(JUN).retired_at is None
