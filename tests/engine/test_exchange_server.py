"""The engine with an Exchange Server behind it: it can't tell."""

from collections.abc import Iterator

import pytest

from backups.catalog.models import ItemVersion
from backups.mime_items import is_mime_item, unpack
from backups.organizations.checking import Check, check_organization
from backups.organizations.models import Organization
from backups.restores.models import RestoreItem
from backups.sessions.models import State
from backups.streams import from_ics, from_vcard, index_record, normalised_digest, open_item, to_eml
from sandbox.faults import Fault, Kind
from sandbox.items import from_stream
from tenants.isolation.scope import tenant_scope
from tests.engine.on_server import moved_to_server
from tests.engine.test_restore import items, restore
from tests.engine.world import JUN, MARA, World, mail
from tests.streams.test_mime_item import CARD, EVENT

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def server(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Acme, with its mailboxes on a server of its own."""
    return moved_to_server(world, monkeypatch)


def checked(world: World) -> Check:
    with tenant_scope(world.id):
        return check_organization(organization=Organization.objects.get())


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


def delete(world: World, *subjects: str) -> list[ItemVersion]:
    """Delete items on the server for good; what the backup has of them."""
    for item, payload in world.sandbox_payloads().items():
        if index_record(payload).subject in subjects:
            world.sandbox.store.delete_item(world.source_mailbox(), item, hard=True)
    return [world.current()[subject] for subject in subjects]


def mime(world: World, address: str = MARA) -> set[bytes]:
    """The MIME that the server makes of the mails of a mailbox."""
    return {to_eml(payload) for payload in world.sandbox_payloads(address).values()}


def stored_mime(world: World, address: str = MARA) -> set[bytes]:
    """The MIME in the repository, byte for byte."""
    return {unpack(payload)[1] for payload in world.payloads(address).values()}


@pytest.fixture
def old(server: World) -> Iterator[World]:
    """The same with a server that has no ExportItems."""
    server.sandbox.set_bulk_transfer("acme.example", supported=False)
    yield server
    server.sandbox.set_bulk_transfer("acme.example", supported=True)


def test_the_mime_of_an_old_server_is_backed_up_byte_for_byte_and_then_what_changed(old: World):
    session = old.run_job()
    assert session.state == State.SUCCESS, old.log(session)
    assert stored_mime(old) == mime(old)
    assert stored_mime(old, JUN) == mime(old, JUN)
    assert len([line for line in old.log(session) if "Reduced fidelity" in line]) == 2

    delete(old, "mara-0")
    old.add("Inbox/Projects", "new")
    session = old.run_job()

    assert session.state == State.SUCCESS, old.log(session)
    assert (session.items_new, session.items_failed) == (1, 0)
    assert stored_mime(old) == mime(old)
    assert old.current().keys() == {"mara-1", "mara-2", "new"}
    assert old.current()["new"].message_id == "<new@example.net>"


def test_the_check_of_an_organization_names_reduced_fidelity(server: World):
    check = checked(server)
    assert (check.passed, check.reduced) == (True, False)
    server.sandbox.set_bulk_transfer("acme.example", supported=False)
    check = checked(server)
    assert (check.passed, check.reduced) == (True, True)


def test_what_was_mime_comes_back_into_an_empty_mailbox_of_an_old_server(old: World):
    kept = dict(old.sandbox_payloads())
    old.run_job()
    versions = delete(old, "mara-0", "mara-1", "mara-2")

    session = restore(old, versions)

    assert session.state == State.SUCCESS, old.log(session)
    assert {row.state for row in items(session).values()} == {RestoreItem.State.RESTORED}
    back = old.sandbox_payloads()
    assert len(back) == len(kept) == 3
    assert not kept.keys() & back.keys()
    old.run_job()
    digests = {open_item(payload).digest() for payload in old.payloads().values()}
    assert digests == {bytes(version.digest) for version in versions}


def test_what_was_mime_comes_back_as_streams_where_a_server_takes_them(old: World):
    old.run_job()
    versions = delete(old, "mara-1")
    old.sandbox.set_bulk_transfer("acme.example", supported=True)

    session = restore(old, versions)

    assert items(session)["mara-1"].state == RestoreItem.State.RESTORED, old.log(session)
    assert len(old.sandbox_payloads()) == 3


def test_what_was_a_stream_comes_back_as_mime_where_a_server_takes_no_other(server: World):
    server.run_job()
    versions = delete(server, "mara-1")
    server.sandbox.set_bulk_transfer("acme.example", supported=False)

    session = restore(server, versions)

    assert items(session)["mara-1"].state == RestoreItem.State.RESTORED, server.log(session)
    assert len(server.sandbox_payloads()) == 3
    assert not any(map(is_mime_item, server.payloads().values()))


def test_events_and_contacts_of_an_old_server_come_back(old: World):
    mailbox, store = old.source_mailbox(), old.sandbox.store
    for folder, stream in (("calendar", from_ics(EVENT)), ("contacts", from_vcard(CARD))):
        store.add_item(mailbox, store.folder(mailbox, folder).id, from_stream(stream[0]))
    old.run_job()
    versions = delete(old, "Stand-up", "Noor Haddad")

    session = restore(old, versions)

    made = items(session)
    assert {row.state for row in made.values()} == {RestoreItem.State.RESTORED}, old.log(session)
