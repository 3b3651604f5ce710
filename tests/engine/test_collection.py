"""Packs that nothing needs go, in two steps; what is kept reads the same, byte for byte."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from backups.catalog.blobs import locator, writing_locator
from backups.catalog.models import BlobLocation, MailboxBackup, Pack
from backups.infrastructure.keys import open_vault
from backups.repository import CommitExists, CommitKind, FolderBackend, RepositoryError, Unavailable
from backups.repository.errors import Refused
from backups.retention import collection
from backups.retention.collection import collect
from backups.retention.outcome import Collected, CollectionAborted
from backups.sessions import services
from backups.sessions.models import State, Task
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
from tests.engine.world import MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


def test_what_nothing_needs_goes_in_two_steps(expired: World) -> None:
    before, all_packs = everything_reads(expired), packs(expired)
    first = gather(expired)
    assert (first.doomed, first.deleted) == (1, 0)
    assert packs(expired) == all_packs, "nothing goes in the run that dooms it"
    second = gather(expired)
    assert (second.deleted, second.waiting, second.doomed) == (1, 0, 0)
    assert len(packs(expired)) == len(all_packs) - 1
    sound(expired, before)
    third = gather(expired)
    assert (third.deleted, third.doomed, third.repacked) == (0, 0, 0)
    mail_of_a_day(expired)
    expired.verify()


def test_nothing_goes_while_everything_is_needed(world: World) -> None:
    world.run_job()
    for _ in range(3):
        done = gather(world)
        assert (done.doomed, done.deleted, done.repacked) == (0, 0, 0)
    world.verify()


def test_a_pack_of_which_little_is_needed_is_copied_into_a_new_one(world: World) -> None:
    items = world.add("Inbox", "goes 1", "goes 2", "goes 3", "goes 4", "goes 5", "stays")
    world.run_job()
    for item in items[:-1]:
        world.sandbox.store.delete_item(world.source_mailbox(), item.id, hard=True)
    for item in [i for i in world.current() if i.startswith("mara-")]:
        row = world.current()[item]
        world.sandbox.store.delete_item(world.source_mailbox(), row.item_id, hard=True)
    world.run_job()
    expire(world, 90, 10)
    before, old = everything_reads(world), packs(world)
    done = gather(world)
    assert done.repacked == 1
    assert len(packs(world)) == len(old) + 1
    sound(world, before)
    done = gather(world)
    assert (done.deleted, done.repacked) == (1, 0)
    assert not old <= packs(world)
    sound(world, before)
    assert gather(world).repacked == 0, "it does not go on for ever"


def test_writers_store_anew_what_is_in_a_doomed_pack(expired: World) -> None:
    """The mail comes back while its pack is doomed: a second copy, and the first one goes."""
    gather(expired)
    (gone,) = doomed(expired)
    with tenant_scope(expired.id):
        blobs = [bytes(row.blob) for row in BlobLocation.objects.filter(pack=gone)]
    assert blobs
    found = writing_locator(expired.id, expired.repository.pk, lambda pack: True)(blobs)
    assert found == {}
    assert len(locator(expired.id, expired.repository.pk)(blobs)) == len(blobs)


def test_a_pack_that_is_needed_again_is_spared(expired: World) -> None:
    gather(expired)
    (gone,) = doomed(expired)
    with tenant_scope(expired.id):
        # As when a worker that had looked the blobs up before refers to them now.
        needed = Pack.objects.exclude(name=gone).first()
        Pack.objects.filter(pk=needed.pk).update(doomed_at=timezone.now(), doomed_fence=0)
    before = everything_reads(expired)
    done = gather(expired)
    assert (done.spared, done.deleted) == (1, 1)
    assert needed.name in packs(expired)
    sound(expired, before)


def test_nothing_is_deleted_while_a_worker_from_before_is_at_work(expired: World) -> None:
    expired.start()
    claims = services.claim(queue=expired.queue, owner="slow")
    gather(expired)
    for _ in range(2):
        done = gather(expired)
        assert (done.deleted, done.waiting) == (0, 1)
    for claimed in claims:
        services.postpone(claimed, seconds=0, reason="", failures=0)
    assert gather(expired).deleted == 1


def test_a_worker_that_began_after_the_dooming_holds_nothing_up(expired: World) -> None:
    gather(expired)
    expired.start()
    assert services.claim(queue=expired.queue, owner="new")
    assert gather(expired).deleted == 1


def test_a_worker_that_wakes_up_after_its_packs_were_collected_cannot_commit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wrote its packs, slept for days before its commit, and was given up meanwhile."""
    from backups.engine import backup
    from backups.sessions import slices

    world.run_job()
    world.add("Inbox", "in a pack that goes")
    original, state = backup.Vault.write_commit, {"asleep": False}
    failures: list[BaseException] = []

    def sleeps(vault: backup.Vault, commit: backup.Commit) -> bytes:
        if commit.kind is not CommitKind.COMPLETE or state["asleep"]:
            return original(vault, commit)
        state["asleep"] = True
        world.bury_workers()
        with tenant_scope(world.id):
            Task.objects.filter(state=State.QUEUED).update(
                state=State.FAILED, ended_at=timezone.now()
            )
        held = packs(world)
        gather(world)
        gather(world)
        assert packs(world) < held, "what it wrote is gone"
        try:
            return original(vault, commit)
        except CommitExists as error:
            failures.append(error)
            raise

    monkeypatch.setattr(backup.Vault, "write_commit", sleeps)
    world.start()
    while slices.run_queue(world.queue):
        pass
    assert failures
    monkeypatch.setattr(backup.Vault, "write_commit", original)
    with tenant_scope(world.id):
        for session in Task.objects.values_list("session", flat=True).distinct():
            services.close_when_done(session)
        vault = open_vault(world.repository.pk)
    kinds = [stored.commit.kind for stored in vault.commits(world.mailbox().pk)]
    assert CommitKind.VOID in kinds
    assert world.run_job().state == "success"
    world.verify()
    everything_reads(world)


def test_packs_of_a_worker_that_was_given_up_before_it_noted_them_are_not_noted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from backups.repository import Writer
    from backups.sessions import slices

    world.run_job()
    world.add("Inbox", "in a pack that nobody noted")
    original, slept = Writer.flush, []

    def sleeps(writer: Writer) -> None:
        original(writer)
        if slept or not writer.bytes_stored:
            return
        slept.append(packs(world))
        world.bury_workers()
        with tenant_scope(world.id):
            Task.objects.filter(state=State.QUEUED).update(
                state=State.FAILED, ended_at=timezone.now()
            )
        gather(world)
        gather(world)
        assert packs(world) < slept[0]

    monkeypatch.setattr(Writer, "flush", sleeps)
    world.start()
    while slices.run_queue(world.queue):
        pass
    assert slept
    with tenant_scope(world.id):
        assert set(Pack.objects.values_list("name", flat=True)) == packs(world)
        for session in Task.objects.values_list("session", flat=True).distinct():
            services.close_when_done(session)
    assert world.run_job().state == "success"
    world.verify()
    everything_reads(world)


def test_what_is_noted_and_not_there_is_forgotten(expired: World) -> None:
    """A database that was put back from a copy still knows packs that were collected since."""
    with tenant_scope(expired.id):
        Pack.objects.create(repository=expired.repository, name="0" * 64, pack_class="0", size=1)
    assert gather(expired).doomed == 2
    gather(expired)
    with tenant_scope(expired.id):
        assert set(Pack.objects.values_list("name", flat=True)) == packs(expired)


def test_whoever_has_just_looked_a_blob_up_is_given_time(expired: World) -> None:
    gather(expired)
    done = collect(expired.repository.pk, expired.id)
    assert done is not None
    assert (done.deleted, done.waiting) == (0, 1)


def test_only_one_collector_is_at_it(expired: World, monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[Collected | None] = []
    original = collection._Run.run

    def with_another(run: collection._Run) -> Collected:
        other = threading.Thread(
            target=lambda: others.append(collect(expired.repository.pk, expired.id))
        )
        other.start()
        other.join()
        return original(run)

    monkeypatch.setattr(collection._Run, "run", with_another)
    assert gather(expired).doomed == 1
    assert others == [None]


class TestTrouble:
    """After each, everything reads, and a later run ends the work."""

    @pytest.fixture(autouse=True)
    def _mended(self, expired: World) -> Iterator[None]:
        before = everything_reads(expired)
        yield
        sound(expired, before)
        gather(expired)
        gather(expired)
        sound(expired, before)
        assert doomed(expired) == set()

    def test_a_deletion_that_is_refused_leaves_the_rows(
        self, expired: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gather(expired)

        def refused(self: FolderBackend, key: str) -> None:
            raise Refused(f"{key}: access denied")

        with monkeypatch.context() as patch:
            patch.setattr(FolderBackend, "delete", refused)
            done = gather(expired)
        assert (done.refused, done.deleted, done.waiting) == (1, 0, 1)
        assert "access denied" in done.remarks[0]
        assert len(doomed(expired)) == 1

    @pytest.mark.parametrize("before", [True, False])
    def test_a_collector_that_dies_at_a_deletion_is_followed_by_one_that_ends_it(
        self, expired: World, monkeypatch: pytest.MonkeyPatch, before: bool
    ) -> None:
        gather(expired)
        original = FolderBackend.delete

        def dies(self: FolderBackend, key: str) -> None:
            if not before:
                original(self, key)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(FolderBackend, "delete", dies)
            with pytest.raises(KeyboardInterrupt):
                gather(expired)

    def test_a_listing_that_fails_stops_everything(
        self, expired: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gather(expired)
        original = FolderBackend._walk

        def fails(self: FolderBackend, folder: Path, prefix: str, start: str) -> Iterator[str]:
            yield from list(original(self, folder, prefix, start))[:1]
            raise Unavailable("the share is gone")

        with monkeypatch.context() as patch:
            patch.setattr(FolderBackend, "_walk", fails)
            with pytest.raises(RepositoryError):
                gather(expired)
        assert len(doomed(expired)) == 1

    def test_a_listing_that_leaves_packs_out_stops_everything(
        self, expired: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gather(expired)
        with monkeypatch.context() as patch:
            patch.setattr(collection.Vault, "packs", lambda self: iter(()))
            with pytest.raises(CollectionAborted):
                gather(expired)
        assert len(doomed(expired)) == 1

    def test_a_mailbox_that_the_catalog_does_not_know_stops_everything(
        self, expired: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gather(expired)
        with tenant_scope(expired.id):
            MailboxBackup.objects.filter(mailbox__address=MARA).update(rebuild_wanted=True)
        with pytest.raises(CollectionAborted):
            gather(expired)
        with tenant_scope(expired.id):
            MailboxBackup.objects.update(rebuild_wanted=False)

    def test_too_much_at_once_stops_before_anything_is_doomed(
        self, expired: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(collection, "A_FEW", 0)
            patch.setattr(collection, "MOST_AT_ONCE", 0.1)
            with pytest.raises(CollectionAborted):
                gather(expired)
        assert doomed(expired) == set()
