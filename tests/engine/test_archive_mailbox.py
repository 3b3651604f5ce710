"""Somebody's archive in the cloud is backed up with the mailbox, as the one mailbox it is."""

from __future__ import annotations

import pytest

from backups.organizations.models import Mailbox
from backups.sessions.models import State
from sandbox.archives import ArchiveProfile
from sandbox.faults import Fault, Kind
from tenants.isolation.scope import tenant_scope
from tests.engine.test_restore import assert_back, items, restore
from tests.engine.world import MARA, World, mail

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


@pytest.fixture
def archive(world: World) -> str:
    """The id of Mara's archive, with mail in two folders; one is kept in an auxiliary mailbox."""
    archive = world.sandbox.add_archive(MARA)
    add(world, "2019", "old", "older")
    add(world, "2018", "oldest")
    world.sandbox.expand_archive(MARA, "2018")
    return archive


def add(world: World, folder: str, *subjects: str) -> list[str]:
    return [
        world.sandbox.add_mail(MARA, folder, mail(subject), archive=True).id for subject in subjects
    ]


def expected(world: World, archive: str) -> dict[str, bytes]:
    """Item id → bytes of mailbox and archive, as their backup names them."""
    store = world.sandbox.store
    archived = {
        f"archive:{item.id}": store.payload(archive, item.id)
        for folder in store.folders(archive)
        for item in store.items(folder.id)
    }
    return world.sandbox_payloads() | archived


def test_mailbox_and_archive_are_one_backup_byte_for_byte(world: World, archive: str) -> None:
    session = world.run_job()
    assert (session.state, session.mailboxes_total) == (State.SUCCESS, 2)
    assert world.payloads() == expected(world, archive)
    tree = world.stored().folders.values()
    assert [one.name for one in tree if one.well_known == "archivemsgfolderroot"] == [
        "Online Archive"
    ]

    (gone,) = [item for item in world.current() if item == "old"]
    add(world, "2019", "late")
    item_id = world.current()[gone].item_id.removeprefix("archive:")
    world.sandbox.store.delete_item(archive, item_id, hard=True)
    world.run_job()
    session = world.run_job()
    assert (session.state, session.items_new) == (State.SUCCESS, 0)
    assert world.payloads() == expected(world, archive)


def test_an_archive_that_comes_later_joins_the_mailboxs_history(world: World) -> None:
    world.run_job()
    backup = world.mailbox().pk
    archive = world.sandbox.add_archive(MARA, ArchiveProfile.DOCUMENTED)
    add(world, "2019", "old")
    assert world.run_job().items_new == 1
    assert world.mailbox().pk == backup
    assert world.payloads() == expected(world, archive)


def test_an_archive_that_cannot_be_read_is_a_warning_and_what_is_stored_of_it_stays(
    world: World, archive: str
) -> None:
    world.run_job()
    stored = expected(world, archive)
    world.sandbox.faults.add(Fault(Kind.STATUS, archive, status=403, times=1000))
    world.add("Inbox", "new")
    session = world.run_job()
    assert session.state == State.WARNING
    assert any("archive could not be read" in line for line in world.log(session))
    assert stored.items() < world.payloads().items()
    assert "new" in world.current()
    world.sandbox.faults.clear()
    assert world.run_job().state == State.SUCCESS
    assert world.payloads() == expected(world, archive)


def test_when_nobody_says_who_has_an_archive_the_known_one_is_kept(
    world: World, archive: str
) -> None:
    world.run_job()
    world.sandbox.faults.add(Fault(Kind.STATUS, "GET /beta/users", status=403, times=1000))
    assert world.run_job().state == State.SUCCESS
    assert world.mailbox().archive_id == archive
    assert world.payloads() == expected(world, archive)


def test_a_disabled_archive_leaves_the_newest_point_and_nothing_else(
    world: World, archive: str
) -> None:
    world.run_job()
    world.sandbox.store.disable_archive(world.source_mailbox())
    assert world.run_job().state == State.SUCCESS
    assert world.payloads() == world.sandbox_payloads()
    with tenant_scope(world.id):
        points = Mailbox.objects.get(address=MARA).backups.get().points.order_by("sequence")
        assert [point.items for point in points] == [6, 3]


def test_what_an_archive_held_comes_back_into_the_mailbox_and_not_into_the_archive(
    world: World, archive: str
) -> None:
    world.run_job()
    version = world.current()["oldest"]
    gone = version.item_id.removeprefix("archive:")
    world.sandbox.store.delete_item(archive, gone, hard=True)
    session = restore(world, [version])
    assert session.state == State.FAILED
    assert "mailbox itself" in items(session)["oldest"].reason
    (restored,) = items(restore(world, [version], "From the archive")).values()
    assert_back(world, version, restored, "From the archive")


def test_a_job_may_leave_recoverable_items_out(world: World) -> None:
    store, mailbox = world.sandbox.store, world.source_mailbox()
    (item,) = world.add("Inbox", "deleted")
    store.delete_item(mailbox, item.id)
    with tenant_scope(world.id):
        world.job.excluded_folders = ["recoverableitemsdeletions"]
        world.job.save()
    world.run_job()
    assert "deleted" not in world.current()
    with tenant_scope(world.id):
        world.job.excluded_folders = []
        world.job.save()
    world.run_job()
    assert "deleted" in world.current()


def test_a_job_may_leave_archives_out(world: World, archive: str) -> None:
    with tenant_scope(world.id):
        world.job.excluded_folders = ["archivemsgfolderroot"]
        world.job.save()
    world.run_job()
    assert world.payloads() == world.sandbox_payloads()
