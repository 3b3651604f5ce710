"""Workers that die, lose their lease or find the disk full: nothing is lost, nothing doubled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import OperationalError

from backups.catalog import projection
from backups.catalog.blobs import locator
from backups.catalog.models import ItemVersion, MailboxBackup
from backups.engine import backup, group
from backups.infrastructure.keys import open_vault
from backups.repository import FolderBackend, NoSpace, decode_references, writer
from backups.repository.blobs import BlobCodec
from backups.sessions import failures, services, slices
from backups.sessions.models import Session, State, Task
from backups.sessions.services import LeaseLost
from sandbox.faults import Fault, Kind
from tenants.isolation.scope import OPERATOR, tenant_scope
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])


class Killed(BaseException):
    """As kill -9: nothing of ours catches it, nothing is tidied up in the database."""


def die_at(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, *, before: bool, call: int = 1
) -> None:
    """Die once, at one call of a function: before it does anything or after it did everything."""
    original: Callable[..., object] = getattr(owner, name)
    calls = iter(range(1, 1000))

    def dying(*args: object, **kwargs: object) -> object:
        number = next(calls)
        if number == call and before:
            raise Killed
        result = original(*args, **kwargs)
        if number == call:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, dying)


BOUNDARIES = {
    "before the packs": (FolderBackend, "put_immutable", True, 4),
    "after a pack": (FolderBackend, "put_immutable", False, 4),
    "before the packs are noted": (group, "record_packs", True, 1),
    "between packs and commit": (backup.Vault, "write_commit", True, 1),
    "between commit and projection": (backup.Vault, "write_commit", False, 1),
    "in the second mailbox's commit": (backup.Vault, "write_commit", False, 2),
    "in the projection": (projection, "put_cursors", True, 1),
    "after the projection": (projection, "apply", False, 1),
    "before the task is ended": (services, "finish", True, 1),
    "after the first task is ended": (services, "finish", False, 1),
}


@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_worker_killed_at_any_boundary_loses_and_doubles_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    owner, function, before, call = BOUNDARIES[name]
    session = world.start()
    with monkeypatch.context() as patch:
        die_at(patch, owner, function, before=before, call=call)
        with pytest.raises(Killed):
            world.work(session)
    assert world.bury_workers() == {world.queue}
    session = world.work(session)
    assert session.state == State.SUCCESS, world.log(session)
    assert (session.items_new, session.items_seen) == (6, 6)
    world.verify()
    assert sum(1 for _ in rows(world)) == 6, "no version twice"
    # Nothing is left to do: the next run finds everything in place.
    session = world.run_job()
    assert (session.state, session.items_new) == (State.SUCCESS, 0)


def test_a_commit_of_a_dead_worker_is_rolled_forward_and_nothing_is_exported_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = world.start()
    with monkeypatch.context() as patch:
        die_at(patch, backup.Vault, "write_commit", before=False, call=2)
        with pytest.raises(Killed):
            world.work(session)
    world.bury_workers()
    refuse_exports(world)
    session = world.work(session)
    assert session.state == State.SUCCESS
    assert world.sandbox.faults.struck == []
    assert sum("Took over commit 1" in line for line in world.log(session)) == 1
    world.verify()


def test_a_mailbox_is_finished_in_the_next_run_from_what_a_dead_one_committed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session was given up; the repository is ahead of the catalog until the next run."""
    session = world.start()
    with monkeypatch.context() as patch:
        die_at(patch, backup.Vault, "write_commit", before=False, call=1)
        with pytest.raises(Killed):
            world.work(session)
    with tenant_scope(world.id):
        services.request_stop(Session.objects.get(pk=session.pk))
    world.bury_workers()
    assert world.session(session.pk).state == State.STOPPED
    assert world.run_job().state == State.SUCCESS
    world.verify()


class TestLostLease:
    @pytest.fixture
    def usurped(self, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
        """While the first worker is about to commit, its tasks are reaped and done by another."""
        turns = [1]
        original = backup.Vault.write_commit

        def interrupted(vault: backup.Vault, commit: object) -> bytes:
            if turns:
                turns.pop()
                world.bury_workers()
                while slices.run_queue(world.queue):
                    pass
            return original(vault, commit)  # type: ignore[arg-type]

        monkeypatch.setattr(backup.Vault, "write_commit", interrupted)
        yield turns

    def test_the_old_worker_changes_nothing_any_more(
        self, world: World, usurped: list[int]
    ) -> None:
        session = world.run_job()
        assert not usurped
        assert (session.state, session.items_new) == (State.SUCCESS, 6), world.log(session)
        world.verify()
        with tenant_scope(world.id):
            attempts = Task.objects.filter(session=session).values_list("attempt", flat=True)
            assert list(attempts) == [2, 2]

    def test_what_the_old_worker_committed_is_noted_by_the_new_one(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The new one has not written anything yet, so only the fence tells them apart."""
        original, new = backup.Vault.write_commit, []

        def interrupted(vault: backup.Vault, commit: object) -> bytes:
            if not new:
                world.bury_workers()
                # A task that a worker died of is claimed alone.
                new.extend(services.claim(queue=world.queue, owner="new") for _ in range(2))
            return original(vault, commit)  # type: ignore[arg-type]

        monkeypatch.setattr(backup.Vault, "write_commit", interrupted)
        session = world.start()
        claims = services.claim(queue=world.queue, owner="old")
        slices.back_up(claims, time.monotonic() + 60)
        assert list(rows(world)) == []
        assert world.session(session.pk).is_open
        assert world.session(session.pk).items_new == 0
        for claims in new:
            slices.back_up(claims, time.monotonic() + 60)
        session = world.session(session.pk)
        assert (session.state, session.items_new) == (State.SUCCESS, 6), world.log(session)
        world.verify()

    def test_what_the_old_worker_asks_of_the_queue_is_refused(self, world: World) -> None:
        world.start()
        old = services.claim(queue=world.queue, owner="old")[0]
        world.bury_workers()
        new = next(
            claimed
            for _ in range(2)
            for claimed in services.claim(queue=world.queue, owner="new")
            if claimed.task_id == old.task_id
        )
        assert new.attempt == old.attempt + 1
        assert not services.extend_lease(old)
        assert services.extend_lease(new)
        for refused in (
            lambda: services.finish(old, State.SUCCESS),
            lambda: services.postpone(old, seconds=0, reason="", failures=0),
            lambda: services.fence(old),
        ):
            with pytest.raises(LeaseLost), tenant_scope(world.id):
                refused()
        with tenant_scope(world.id):
            assert Task.objects.get(pk=old.task_id).state == State.RUNNING


@pytest.mark.parametrize("at_once", [1, 2_000], ids=["in mid run", "at the end"])
def test_a_database_that_fails_after_the_packs_leaves_no_commit_without_them(
    world: World, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(group, "MAX_ITEMS", at_once)
    original = group.record_packs
    failing = [OperationalError("the connection is lost")]

    def record_packs(*args: object) -> None:
        if failing:
            raise failing.pop()
        original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(group, "record_packs", record_packs)
    session = world.run_job()
    assert session.state == State.SUCCESS
    assert any("database did not answer" in line for line in world.log(session))
    world.verify()
    restorable(world)


@pytest.mark.parametrize(
    ("owner", "name"), [(BlobCodec, "seal"), (writer, "NewPart")], ids=["placed", "taken"]
)
def test_an_error_while_parts_are_taken_or_placed_loses_none(
    world: World, monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    """A worker that is out of memory, or told to stop, in the middle of a common pack."""
    original = getattr(owner, name)
    calls = iter(range(1_000))

    def third_fails(*args: object) -> object:
        if next(calls) == 2:
            raise MemoryError
        return original(*args)

    monkeypatch.setattr(owner, name, third_fails)
    session = world.run_job()
    assert session.state == State.SUCCESS, world.log(session)
    assert any("MemoryError" in line for line in world.log(session))
    world.verify()
    restorable(world)


class TestFullDisk:
    """Writes of a first run: key copies (3), packs, one commit for each mailbox."""

    @pytest.fixture
    def quota(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """How many writes the disk still takes."""
        left = [0]
        original = FolderBackend.put_immutable

        def put(self: FolderBackend, key: str, data: bytes) -> None:
            if left[0] <= 0:
                raise NoSpace(f"{self.path / key}: No space left on device")
            original(self, key, data)
            left[0] -= 1

        monkeypatch.setattr(FolderBackend, "put_immutable", put)
        return left

    @pytest.mark.parametrize("writes", range(6))
    def test_a_disk_that_is_full_at_any_write_fails_the_session_and_records_nothing_wrong(
        self, world: World, quota: list[int], writes: int
    ) -> None:
        world.add("Inbox", "another")
        quota[0] = writes
        session = world.run_job()
        assert session.state in (State.FAILED, State.WARNING)
        failed = [line for line in world.log(session) if "The repository is full" in line]
        assert failed
        assert not any(str(world.repository.location) in line for line in world.log(session))
        quota[0] = 1000
        catalog = {row.item_id for row in rows(world)}
        stored = {i for address in (MARA, JUN) for i in world.stored(address).items}
        assert catalog == stored
        assert session.items_new == len(catalog)

        assert world.run_job().state == State.SUCCESS
        world.verify()
        restorable(world)


def test_a_commit_is_applied_once_and_in_order(world: World) -> None:
    world.run_job()
    world.add("Inbox", "one more")
    world.run_job()
    with tenant_scope(world.id):
        found = MailboxBackup.objects.get(mailbox__address=MARA)
        vault = open_vault(world.repository.pk)
    for stored in vault.commits(found.mailbox_id):
        with pytest.raises(projection.HeadMoved), tenant_scope(world.id):
            projection.apply(found, stored, vault)
    world.verify()


def test_a_repository_that_is_not_there_fails_the_session_and_names_no_place(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "repository").rename(tmp_path / "elsewhere")
    session = world.run_job()
    assert session.state == State.FAILED
    assert session.reason.startswith("The repository")
    assert not any(str(tmp_path) in line for line in [*world.log(session), session.reason])
    (tmp_path / "elsewhere").rename(tmp_path / "repository")
    assert world.run_job().state == State.SUCCESS
    world.verify()


def test_a_damaged_chain_of_one_mailbox_leaves_the_other_alone(world: World) -> None:
    world.run_job()
    with tenant_scope(world.id):
        mailbox = MailboxBackup.objects.get(mailbox__address=JUN).mailbox_id
    commit = next(Path(world.repository.location).glob(f"tenants/*/commits/{mailbox}/*"))
    commit.chmod(0o600)
    commit.write_bytes(commit.read_bytes()[:-1] + b"?")
    world.add("Inbox", "one more", address=JUN)
    world.add("Inbox", "one more")
    session = world.run_job()
    assert session.state == State.WARNING
    assert any(line.startswith(JUN) and "damaged" in line for line in world.log(session))
    assert len(world.payloads(MARA)) == 4


def test_a_second_pack_error_does_not_hide_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: FolderBackend, key: str, data: bytes) -> None:
        raise NoSpace("no space")

    session = world.start()
    monkeypatch.setattr(failures, "RETRY_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(group, "MAX_ITEMS", 1)
        patch.setattr(FolderBackend, "put_immutable", full)
        session = world.work(session)
    assert session.state == State.FAILED
    assert session.reason.startswith("The repository is full")


def rows(world: World) -> Iterator[ItemVersion]:
    with tenant_scope(world.id):
        yield from list(ItemVersion.objects.all())


def refuse_exports(world: World) -> None:
    world.sandbox.faults.add(Fault(Kind.STATUS, path="exportItems", status=403, times=1000))


def restorable(world: World) -> None:
    """Every current item is found through the blob index, as a restore would."""
    locate = locator(world.id, world.repository.pk)
    for address in (MARA, JUN):
        mailbox = world.mailbox(address)
        with tenant_scope(world.id):
            vault = open_vault(world.repository.pk)
            current = ItemVersion.objects.current().filter(backup__mailbox=mailbox)
            items = [(r.item_id, r.change_key, r.references, r.sha256) for r in current]
        for item_id, change_key, sealed, sha256 in items:
            context = projection.references_context(item_id, change_key)
            recipe, refs = decode_references(vault.unseal(mailbox.pk, context, bytes(sealed)))
            found = vault.read_item(recipe, refs, bytes(sha256), locate)
            assert found == world.sandbox_payloads(address)[item_id]
    assert not Task.objects.using(OPERATOR).filter(state=State.RUNNING).exists()
