"""What was deleted comes back: where it was, once, and the same as it was."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from backups import streams
from backups.catalog.models import BlobLocation, ItemVersion
from backups.catalog.projection import references_context
from backups.infrastructure.keys import open_vault
from backups.jobs.models import Job
from backups.organizations.models import Mailbox
from backups.repository import decode_references
from backups.restores import slices
from backups.restores.models import RestoreItem
from backups.restores.services import RestoreRefused, restore_items
from backups.sessions import services
from backups.sessions.models import Session, State
from backups.streams import StreamUnknown, normalised_digest
from sandbox.faults import Fault, Kind
from tenants.isolation.scope import tenant_scope
from tenants.services import create_tenant
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


class Killed(BaseException):
    """As kill -9."""


def delete(world: World, *subjects: str) -> list[ItemVersion]:
    """Delete items in the sandbox for good; what the backup has of them."""
    versions = [world.current()[subject] for subject in subjects]
    for version in versions:
        world.sandbox.store.delete_item(world.source_mailbox(), version.item_id, hard=True)
    return versions


def begin(world: World, versions: Collection[ItemVersion], folder: str = "") -> Session:
    ids = [version.pk for version in versions]
    with tenant_scope(world.id):
        mailbox = Mailbox.objects.get(address=MARA)
        return restore_items(mailbox=mailbox, version_ids=ids, target_folder=folder)


def restore(world: World, versions: Collection[ItemVersion], folder: str = "") -> Session:
    return world.work(begin(world, versions, folder))


def items(session: Session) -> dict[str, RestoreItem]:
    """What became of each item, by subject."""
    with tenant_scope(session.tenant_id):
        rows = RestoreItem.objects.filter(task__session=session).select_related("version")
        return {row.version.subject: row for row in rows}


def where(world: World, item_id: str) -> str:
    """The path of the folder that holds an item in the sandbox."""
    store, mailbox = world.sandbox.store, world.source_mailbox()
    folders = {folder.id: folder for folder in store.folders(mailbox)}
    folder, names = folders[store.item(mailbox, item_id).folder], []
    while folder.parent in folders:
        names.append(folder.name)
        folder = folders[folder.parent]
    return "/".join(reversed(names))


def assert_back(world: World, version: ItemVersion, restored: RestoreItem, path: str) -> None:
    assert restored.state == RestoreItem.State.RESTORED, restored.reason
    assert restored.restored_id != version.item_id
    assert where(world, restored.restored_id) == path
    back = world.sandbox.store.payload(world.source_mailbox(), restored.restored_id)
    assert normalised_digest(back) == bytes(version.digest)


def count_in_sandbox(world: World) -> int:
    return len(world.sandbox_payloads())


def test_deleted_items_come_back_to_their_folder(world: World) -> None:
    world.add("Inbox/Projects", "plan")
    world.run_job()
    versions = delete(world, "plan", "mara-1")
    session = restore(world, versions)
    assert (session.state, session.items_new, session.items_seen) == (State.SUCCESS, 2, 2)
    assert session.bytes_read == sum(version.size for version in versions)
    assert session.requests > 0
    assert_back(world, versions[0], items(session)["plan"], "Inbox/Projects")
    assert_back(world, versions[1], items(session)["mara-1"], "Inbox")
    # The next backup takes them for what they are: new items.
    assert world.run_job().items_new == 2
    world.verify()


def test_a_folder_that_is_gone_is_made_again_with_all_above_it(world: World) -> None:
    world.add("Projects/Old/Deep", "plan", "idea")
    world.run_job()
    versions = [world.current()[subject] for subject in ("plan", "idea")]
    store, mailbox = world.sandbox.store, world.source_mailbox()
    store.remove_folder(mailbox, store.folder_at(mailbox, "Projects/Old").id)
    world.run_job()
    session = restore(world, versions)
    assert session.state == State.SUCCESS
    for subject, version in zip(("plan", "idea"), versions, strict=True):
        assert_back(world, version, items(session)[subject], "Projects/Old/Deep")


def test_a_folder_of_its_own_is_made_once_and_found_again_in_any_case(world: World) -> None:
    world.run_job()
    versions = delete(world, "mara-0", "mara-1")
    for folder in ("Restored 2026-11-23", "RESTORED 2026-11-23"):
        session = restore(world, versions[:1], folder)
        assert session.state == State.SUCCESS
        versions = versions[1:]
    made = [f for f in world.sandbox.store.folders(world.source_mailbox()) if "estored" in f.name]
    assert [(folder.name, folder.items) for folder in made] == [("Restored 2026-11-23", 2)]


def test_an_item_that_is_there_is_not_doubled(world: World) -> None:
    world.run_job()
    before = count_in_sandbox(world)
    there = world.current()["mara-0"]
    session = restore(world, [there])
    assert (session.state, session.items_merged, session.items_new) == (State.SUCCESS, 1, 0)
    assert items(session)["mara-0"].restored_id == there.item_id
    assert count_in_sandbox(world) == before


def test_a_damaged_blob_fails_its_item_by_name_and_the_others_come_back(world: World) -> None:
    world.run_job()
    versions = delete(world, "mara-0", "mara-1", "mara-2")
    spoil(world, versions[1])
    session = restore(world, versions)
    assert (session.state, session.items_new, session.items_failed) == (State.WARNING, 2, 1)
    failed = items(session)["mara-1"]
    assert failed.state == RestoreItem.State.FAILED
    assert "Not readable in the repository" in failed.reason
    told = [line for line in world.log(session) if versions[1].item_id in line]
    assert len(told) == 1
    assert told[0].startswith(MARA)


def spoil(world: World, version: ItemVersion) -> None:
    """Flip a bit in a blob that only this version has."""
    with tenant_scope(world.id):
        vault = open_vault(world.repository.pk)
        context = references_context(version.item_id, version.change_key)
        opened = vault.unseal(world.mailbox().pk, context, bytes(version.references))
        _recipe, refs = decode_references(opened)
        at = BlobLocation.objects.get(blob=refs[0].id)
    pack = next(Path(world.repository.location).glob(f"tenants/*/packs/*/{at.pack}"))
    content = bytearray(pack.read_bytes())
    content[at.offset + at.length - 1] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)


def test_a_worker_that_dies_between_create_and_note_leaves_no_second_copy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run_job()
    versions = delete(world, "mara-0", "mara-1", "mara-2")
    session = begin(world, versions)
    original, notes = slices._note, []

    def note(*args: object) -> None:
        notes.append(1)
        if len(notes) == 2:
            raise Killed
        original(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(slices, "_note", note)
        world.work(session)
    world.bury_workers()
    session = world.work(session)
    assert session.state == State.SUCCESS
    assert (session.items_new, session.items_merged, session.items_seen) == (2, 1, 3)
    assert count_in_sandbox(world) == 3


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.RESET])
def test_an_import_without_an_answer_is_looked_up_before_it_is_done_again(
    world: World, kind: Kind
) -> None:
    world.run_job()
    versions = delete(world, "mara-0", "mara-1")
    world.sandbox.faults.add(Fault(kind, path="importItem"))
    session = restore(world, versions)
    assert world.sandbox.faults.struck
    assert session.state == State.SUCCESS
    assert session.items_new + session.items_merged == 2
    assert count_in_sandbox(world) == 3


def test_a_copy_that_does_not_read_back_the_same_is_no_success(world: World) -> None:
    world.run_job()
    versions = delete(world, "mara-0", "mara-1")
    message_id = "<mara-0@example.net>"
    world.sandbox.faults.add(Fault(Kind.DAMAGED_ITEM, item=message_id, times=10))
    session = restore(world, versions)
    assert (session.state, session.items_new, session.items_failed) == (State.WARNING, 1, 1)
    assert items(session)["mara-0"].reason.startswith("Created, but damaged")


def test_an_older_version_and_a_long_deleted_item_come_back(world: World) -> None:
    world.run_job()
    old = delete(world, "mara-0")
    world.run_job()
    assert "mara-0" not in world.current()
    session = restore(world, old)
    assert_back(world, old[0], items(session)["mara-0"], "Inbox")


def test_a_restore_that_may_not_write_says_which_permission_it_needs(world: World) -> None:
    world.run_job()
    versions = delete(world, "mara-0")
    world.reconnect(without=["MailboxItem.ImportExport.All"])
    session = restore(world, versions)
    assert session.state == State.FAILED
    assert "MailboxItem.ImportExport.All" in session.reason
    assert items(session)["mara-0"].state == RestoreItem.State.PENDING


def test_a_restore_into_a_mailbox_that_vanished_fails(world: World) -> None:
    world.run_job()
    versions = [world.current()["mara-0"]]
    session = begin(world, versions)
    world.sandbox.store.remove_user(MARA)
    session = world.work(session)
    assert session.state == State.FAILED
    assert session.reason == "The mailbox is not in the organization any more."


def test_a_restore_that_is_asked_to_wait_goes_on_where_it_was(world: World) -> None:
    world.run_job()
    versions = delete(world, "mara-0", "mara-1", "mara-2")
    world.sandbox.faults.add(
        Fault(Kind.STATUS, path="importItem", status=429, retry_after=600, after=1)
    )
    session = restore(world, versions)
    assert (session.state, session.items_new) == (State.SUCCESS, 3)
    with tenant_scope(world.id):
        task = session.tasks.get()
    assert (task.attempt, task.items_expected, task.items_handled) == (2, 3, 3)


def test_a_stopped_restore_keeps_what_came_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run_job()
    versions = delete(world, "mara-0", "mara-1", "mara-2")
    session = begin(world, versions)
    monkeypatch.setattr("backups.sessions.progress.LOOK_EVERY", 0.0)
    original = slices._note

    def note_and_stop(*args: object) -> None:
        original(*args)  # type: ignore[arg-type]
        with tenant_scope(world.id):
            services.request_stop(Session.objects.get(pk=session.pk))

    monkeypatch.setattr(slices, "_note", note_and_stop)
    session = world.work(session)
    assert (session.state, session.items_new) == (State.STOPPED, 1)
    assert count_in_sandbox(world) == 1


class TestRefusals:
    def test_versions_of_another_mailbox_are_refused(self, world: World) -> None:
        world.run_job()
        foreign = world.current(JUN)["jun-0"]
        with pytest.raises(RestoreRefused, match="not in the backups of this mailbox"):
            begin(world, [world.current()["mara-0"], foreign])
        with tenant_scope(world.id):
            assert not Session.objects.filter(kind="restore").exists()

    def test_another_tenant_gets_nothing(self, world: World) -> None:
        world.run_job()
        version = world.current()["mara-0"]
        mailbox = world.mailbox()
        globex = create_tenant(name="Globex", slug="globex")
        with tenant_scope(globex.pk), pytest.raises(RestoreRefused):
            restore_items(mailbox=mailbox, version_ids=[version.pk])

    def test_nothing_and_too_much_are_refused(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.run_job()
        with pytest.raises(RestoreRefused, match="at least one"):
            begin(world, [])
        monkeypatch.setattr("backups.restores.services.MAX_ITEMS", 1)
        with pytest.raises(RestoreRefused, match="at most 1"):
            begin(world, list(world.current().values()))

    def test_a_retired_mailbox_is_refused(self, world: World) -> None:
        world.run_job()
        version = world.current()["mara-0"]
        world.sandbox.store.remove_user(MARA)
        world.run_job()
        with pytest.raises(RestoreRefused, match="not in the organization"):
            begin(world, [version])


def test_a_restore_leaves_the_jobs_state_alone(world: World) -> None:
    world.run_job()
    restore(world, delete(world, "mara-0"))
    assert world.job_state() == Job.State.SUCCESS


def test_what_is_whole_and_not_understood_goes_back_as_it_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("Inbox", "plan")
    world.run_job()
    versions = delete(world, "plan")

    class NotUnderstood:
        def __init__(self, payload: bytes) -> None:
            """The server knows more of it than we do."""

        def check(self) -> None:
            raise StreamUnknown("unknown type 0x0ABC", offset=99)

        digest = check

    monkeypatch.setattr(streams, "open_item", NotUnderstood)
    session = restore(world, versions)
    restored = items(session)["plan"]
    assert restored.state == RestoreItem.State.RESTORED, restored.reason
    assert (session.state, restored.state) == (State.SUCCESS, RestoreItem.State.RESTORED)
    assert "could not be compared: unknown type 0x0ABC" in restored.reason
    monkeypatch.undo()
    assert_back(world, versions[0], restored, "Inbox")
