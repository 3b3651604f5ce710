"""What goes wrong around a collection. Afterwards every byte that is kept is compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db.models.functions import Now

from backups.catalog.models import BlobLocation, ItemVersion, MailboxBackup, Pack
from backups.catalog.packs import rebuild_blob_index
from backups.infrastructure.keys import open_vault
from backups.organizations.models import Mailbox
from backups.repository import FolderBackend, NoSpace, Vault, layout
from backups.repository.packs import PackBuilder
from backups.restores.services import restore_items
from backups.retention import collection
from backups.retention.outcome import CollectionAborted
from backups.sessions.models import State, Task
from backups.verifications.models import DamagedObject
from tenants.isolation.scope import tenant_scope
from tests.engine.collected import (
    doomed,
    everything_reads,
    expire,
    gather,
    mail_of_a_day,
    packs,
    sound,
)
from tests.engine.test_rebuild import contents, forget_everything, rebuild_all
from tests.engine.world import JUN, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


class Killed(BaseException):
    """As kill -9."""


def vault_of(world: World) -> Vault:
    with tenant_scope(world.id):
        return open_vault(world.repository.pk)


def pack_of_only_mail(world: World, subject: str) -> BlobLocation:
    """Where the part lies that a mail alone has."""
    version = world.current()[subject]
    blob = world.stored().items[version.item_id].blobs[0].id
    with tenant_scope(world.id):
        return BlobLocation.objects.get(blob=blob)


def quarantine(world: World, at: BlobLocation) -> None:
    with tenant_scope(world.id):
        DamagedObject.objects.create(
            repository=world.repository,
            name=f"{layout.pack_key(world.id, at.pack)} at {at.offset}",
            reason="a bit is not what it was",
            blob=bytes(at.blob),
            pack=at.pack,
            offset=at.offset,
            length=at.length,
        )
        BlobLocation.objects.filter(pk=at.pk).delete()


def test_a_needed_part_in_quarantine_keeps_its_pack_and_stops_nothing(expired: World) -> None:
    at = pack_of_only_mail(expired, "mara-0")
    quarantine(expired, at)
    for _ in range(2):
        done = gather(expired)
    assert (done.deleted, done.damaged) == (1, 1)
    assert any(at.pack in remark for remark in done.remarks)
    assert at.pack in packs(expired)


def test_a_missing_pack_that_a_verification_named_stops_nothing(expired: World) -> None:
    at = pack_of_only_mail(expired, "mara-0")
    name = layout.pack_key(expired.id, at.pack)
    (Path(expired.repository.location) / name).unlink()
    with pytest.raises(CollectionAborted, match=at.pack):
        gather(expired)
    with tenant_scope(expired.id):
        DamagedObject.objects.create(
            repository=expired.repository, name=name, reason="missing", quarantined=False
        )
    gather(expired)
    done = gather(expired)
    assert done.deleted == 1
    assert f"missing: {name}" in done.remarks


def test_a_needed_part_that_nobody_missed_yet_stops_everything(expired: World) -> None:
    at = pack_of_only_mail(expired, "mara-0")
    with tenant_scope(expired.id):
        BlobLocation.objects.filter(pk=at.pk).delete()
    with pytest.raises(CollectionAborted, match=bytes(at.blob).hex()):
        gather(expired)
    assert doomed(expired) == set()


def test_a_pack_that_nobody_noted_and_nobody_can_read_is_left(expired: World) -> None:
    before = everything_reads(expired)
    name = layout.pack_key(expired.id, "ab" * 32)
    path = Path(expired.repository.location) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half of a pack")
    gather(expired)
    done = gather(expired)
    assert done.deleted == 1
    assert any(name in remark for remark in done.remarks)
    path.unlink()
    sound(expired, before)


class TestWithoutRows:
    """Jun's commits are there, and the catalog has forgotten Jun's backup."""

    @pytest.fixture
    def forgotten(self, expired: World) -> World:
        with tenant_scope(expired.id):
            backup = MailboxBackup.objects.get(mailbox__address=JUN)
            Task.objects.filter(backup=backup).delete()
            for rows in (backup.cursors, backup.folders, backup.points, backup.versions):
                rows.all().delete()
            MailboxBackup.objects.filter(pk=backup.pk).delete()
        return expired

    def test_all_that_its_chain_names_is_needed(self, forgotten: World) -> None:
        before = forgotten.payloads(JUN)
        gather(forgotten)
        assert gather(forgotten).deleted == 1
        assert forgotten.payloads(JUN) == before

    def test_a_chain_that_cannot_be_read_stops_everything_and_says_what_helps(
        self, forgotten: World
    ) -> None:
        with tenant_scope(forgotten.id):
            jun = Mailbox.objects.get(address=JUN)
        for key in Path(forgotten.repository.location).glob(f"tenants/*/keys/*{jun.pk}*"):
            key.unlink()
        for key in Path(forgotten.repository.location).glob(f"tenants/*/keys/**/{jun.pk}*"):
            key.unlink()
        with pytest.raises(CollectionAborted, match="rebuild_catalog"):
            gather(forgotten)
        assert doomed(forgotten) == set()


STEPS = [
    "_note_strangers",
    "_place",
    "_spare",
    "_give_up",
    "_is_deleted",
    "_doom",
    "_draw_fence",
    "_repack",
    "_exchange",
]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_collector_that_is_killed_between_any_two_steps_is_followed_by_one_that_ends_it(
    expired: World, monkeypatch: pytest.MonkeyPatch, step: str, before: bool
) -> None:
    whole = everything_reads(expired)
    monkeypatch.setattr(collection, "WORTH_REPACKING", 2.0)
    gather(expired)
    original = getattr(collection._Run, step)

    def dies(run: collection._Run, *args: object) -> object:
        if not before:
            original(run, *args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(collection._Run, step, dies)
        with pytest.raises(Killed):
            gather(expired)
    sound(expired, whole)
    monkeypatch.setattr(collection, "WORTH_REPACKING", 0.0)
    for _ in range(3):
        gather(expired)
    assert doomed(expired) == set()
    sound(expired, whole)


def test_a_full_disk_keeps_nothing_from_being_deleted(
    expired: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything_reads(expired)
    monkeypatch.setattr(collection, "WORTH_REPACKING", 2.0)

    def full(self: FolderBackend, key: str, content: object) -> None:
        raise NoSpace("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(FolderBackend, "put_immutable", full)
        first = gather(expired)
        second = gather(expired)
    assert (first.repacked, second.repacked, second.deleted) == (0, 0, 1)
    assert "nothing is copied: no space left" in second.remarks
    sound(expired, before)


def test_a_disk_that_fills_up_between_two_copies_loses_nothing(
    expired: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first new pack is durable and noted nowhere; nothing of the old ones is let go."""
    before = everything_reads(expired)
    monkeypatch.setattr(collection, "WORTH_REPACKING", 2.0)
    # A new pack for each blob.
    monkeypatch.setattr(PackBuilder, "has_room_for_copy", lambda *arguments: False)
    original, puts = FolderBackend.put_immutable, []

    def fills_up(self: FolderBackend, key: str, content: bytes) -> None:
        puts.append(key)
        if len(puts) > 1:
            raise NoSpace("no space left")
        original(self, key, content)

    there = packs(expired)
    with monkeypatch.context() as patch:
        patch.setattr(FolderBackend, "put_immutable", fills_up)
        done = gather(expired)
    assert len(puts) == 2
    assert (done.repacked, done.doomed) == (0, 1), "only what nothing needs"
    assert "nothing is copied: no space left" in done.remarks
    (copy,) = packs(expired) - there
    assert puts[0].endswith(copy)
    sound(expired, before)
    monkeypatch.undo()
    for _ in range(3):
        gather(expired)
    assert copy not in packs(expired), "the copy is found as a pack that nothing needs"
    assert doomed(expired) == set()
    sound(expired, before)


def test_a_listing_that_names_everything_twice_changes_nothing(
    expired: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, original = everything_reads(expired), FolderBackend.list

    def again(self: FolderBackend, prefix: str) -> Iterator[str]:
        names = list(original(self, prefix))
        return iter([*names, *names])

    monkeypatch.setattr(FolderBackend, "list", again)
    number = len(packs(expired))
    first, second = gather(expired), gather(expired)
    assert (first.packs, first.doomed, first.deleted) == (number, 1, 0)
    assert (second.packs, second.doomed, second.deleted) == (number, 0, 1)
    known = contents(expired)
    forget_everything(expired)
    rebuild_all(expired)
    rebuilt = contents(expired)
    for table in ("Folder", "ItemVersion", "SyncCursor", "Pack", "BlobLocation"):
        assert rebuilt[table] == known[table]
    sound(expired, before)
    mail_of_a_day(expired)
    expired.verify()


class TestRebuild:
    """The blob index is made anew while packs are about to go."""

    def test_of_two_copies_the_one_counts_that_stays(
        self, expired: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = everything_reads(expired)
        monkeypatch.setattr(collection, "WORTH_REPACKING", 2.0)
        gather(expired)
        old = doomed(expired)
        rebuild_blob_index(expired.id, expired.repository.pk, vault_of(expired), ignore)
        with tenant_scope(expired.id):
            used = set(BlobLocation.objects.values_list("pack", flat=True))
            needed = [row for row in BlobLocation.objects.all() if row.pack not in old]
        assert needed
        assert everything_reads(expired) == before
        monkeypatch.setattr(collection, "WORTH_REPACKING", 0.0)
        assert gather(expired).deleted == len(old)
        assert used - old <= packs(expired)
        sound(expired, before)

    def test_a_pack_that_was_given_up_is_never_used_again(self, expired: World) -> None:
        """Its object is still there, and it is needed all the same: it is copied, then it goes."""
        before = everything_reads(expired)
        at = pack_of_only_mail(expired, "mara-0")
        with tenant_scope(expired.id):
            Pack.objects.filter(name=at.pack).update(
                doomed_at=Now(), doomed_fence=0, going_at=Now()
            )
            BlobLocation.objects.filter(pack=at.pack).delete()
        rebuild_blob_index(expired.id, expired.repository.pk, vault_of(expired), ignore)
        done = gather(expired)
        assert (done.spared, done.repacked) == (0, 1)
        gather(expired)
        assert at.pack not in packs(expired)
        sound(expired, before)


def ignore(done: int, total: int) -> None:
    """Nobody looks."""


class TestRestoring:
    """What somebody waits for stays until he has it."""

    @pytest.fixture
    def waiting(self, world: World) -> Iterator[World]:
        world.run_job()
        second = mail_of_a_day(world)
        version = next(row for row in world.current().values() if row.item_id == second)
        mail_of_a_day(world, remove=second)
        with tenant_scope(world.id):
            restore_items(mailbox=world.mailbox(), version_ids=[version.pk], reason="lost")
        yield world
        with tenant_scope(world.id):
            assert ItemVersion.objects.filter(pk=version.pk).exists()

    @pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
    def test_versions_of_an_open_restore_neither_expire_nor_are_collected(
        self, waiting: World, state: State
    ) -> None:
        with tenant_scope(waiting.id):
            tasks = Task.objects.filter(kind="restore")
            tasks.update(state=state, attempt=1, lease_until="2126-01-01T00:00Z", fence=1)
        before = everything_reads(waiting)
        expire(waiting, 90, 60, 10)
        for _ in range(2):
            assert gather(waiting).deleted == 0
        assert everything_reads(waiting) == before
