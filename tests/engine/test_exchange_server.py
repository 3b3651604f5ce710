"""The engine with an Exchange Server behind it: it can't tell."""

import pytest

from backups.organizations import connections
from backups.organizations.exchange_server import ServerAccess, set_server
from backups.organizations.models import Organization
from backups.restores.models import RestoreItem
from backups.sessions.models import State
from backups.sources.ews import BackOff, EwsSettings, EwsSource
from backups.streams import normalised_digest
from sandbox.faults import Fault, Kind
from tenants.isolation.scope import tenant_scope
from tests.engine.test_restore import items, restore
from tests.engine.world import JUN, MARA, World, mail

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def server(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Acme, with its mailboxes on a server of its own."""
    for address in (MARA, JUN):
        world.sandbox.move_mailbox(address, to_server=True)
    account = world.sandbox.register_server_account("acme.example")
    access = ServerAccess(
        account.ews_url,
        account.user_name,
        account.password,
        trust=account.trust_pem,
        addresses=(MARA, JUN),
    )
    with tenant_scope(world.id):
        organization = Organization.objects.get()
        set_server(organization=organization, access=access)
        organization.kind = Organization.Kind.ON_PREMISES
        organization.save()

    def patient(settings: EwsSettings) -> EwsSource:
        # Time that a server asks for has always passed.
        return EwsSource(settings, BackOff(clock=iter(range(0, 10**9, 1000)).__next__))

    monkeypatch.setattr(connections, "EwsSource", patient)
    return world


def same(world: World, address: str = MARA) -> bool:
    """Whether the repository holds what the mailbox does, byte for byte."""
    stored = sorted(world.payloads(address).values())
    return stored == sorted(world.sandbox_payloads(address).values())


def test_a_job_backs_up_mailboxes_of_a_server_and_then_what_changed(server: World):
    session = server.run_job()
    assert session.state == State.SUCCESS, server.log(session)
    assert same(server)
    assert same(server, JUN)

    mailbox, store = server.source_mailbox(), server.sandbox.store
    gone = next(iter(server.sandbox_payloads()))
    store.delete_item(mailbox, gone, hard=True)
    server.add("Inbox/Projects", "new")
    session = server.run_job()

    assert session.state == State.SUCCESS, server.log(session)
    assert same(server)
    assert "new" in server.current()


def test_a_server_with_every_fault_ends_as_one_without(server: World):
    server.add("Inbox", *(f"more-{number}" for number in range(60)))
    script = (
        Fault(Kind.RESET, "SyncFolderItems"),
        Fault(Kind.FAULT, "SyncFolderItems", code="ErrorServerBusy", retry_after=300),
        Fault(Kind.TRUNCATED, "ExportItems", times=2),
        Fault(Kind.STATUS, "ExportItems", times=2, status=504),
        Fault(Kind.STATUS, "ExportItems", times=1, status=503, after=2),
        Fault(Kind.MARKED_ITEM, times=2),
        Fault(Kind.MISSING_ITEM),
    )
    server.sandbox.faults.add(*script)
    server.run_job()
    session = server.run_job()
    assert session.state == State.SUCCESS, server.log(session)
    assert same(server)
    assert len(server.current()) == 63
    assert server.faults() == {}
    assert len(server.sandbox.faults.struck) == sum(fault.times for fault in script)


def test_a_forgotten_state_removes_nothing_and_is_told(server: World):
    server.run_job()
    before = server.current().keys()
    server.sandbox.faults.add(Fault(Kind.FORGOTTEN_STATE, "SyncFolder", times=99))
    session = server.run_job()
    assert server.current().keys() == before
    assert any("forgot the token of folder Inbox" in line for line in server.log(session))


def test_what_was_deleted_on_a_server_comes_back_the_same(server: World):
    server.sandbox.add_mail(MARA, "Inbox/Projects", mail("lost"))
    server.run_job()
    version = server.current()["lost"]
    mailbox, store = server.source_mailbox(), server.sandbox.store
    (lost,) = (
        item.id
        for folder in store.folders(mailbox)
        for item in store.items(folder.id)
        if item.message_id == "<lost@example.net>"
    )
    store.delete_item(mailbox, lost, hard=True)

    session = restore(server, [version])

    assert session.state == State.SUCCESS, server.log(session)
    assert items(session)["lost"].state == RestoreItem.State.RESTORED
    digests = [normalised_digest(one) for one in server.sandbox_payloads().values()]
    assert digests.count(bytes(version.digest)) == 1
