"""The catalog made again from the repository alone is the one that the life of a mailbox gave."""

from __future__ import annotations

import io
import pickle
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from backups.catalog import projection
from backups.catalog.models import (
    BlobLocation,
    Folder,
    ItemFault,
    ItemVersion,
    MailboxBackup,
    Pack,
    RestorePoint,
    SyncCursor,
)
from backups.catalog.rebuild import Rebuilt, rebuild
from backups.infrastructure import rebuilding
from backups.infrastructure.keys import open_vault
from backups.infrastructure.rebuilding import rebuild_packs, rebuild_wanted, want_rebuild
from backups.repository import (
    Commit,
    CommitKind,
    Damaged,
    Expired,
    Hold,
    StoredCommit,
    Vault,
    chain,
)
from backups.repository.layout import commit_key
from backups.restores.basket import add_to_basket
from backups.restores.models import BasketItem
from backups.restores.reading import read_version
from sandbox.faults import Fault, Kind
from tenants.isolation.scope import tenant_scope
from tenants.services import create_person
from tests.engine.test_crashes import restorable
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

Contents = dict[str, list[list[tuple[str, object]]]]

BY_NATURE = {"id", "tenant", "backup", "references", "sealed", "stored_at"}
"""Numbers of rows, ciphertext and the time of noting: another in every life."""


def nothing(done: int, total: int) -> None:
    """Nobody asks how far it is."""


def vault_of(world: World) -> Vault:
    with tenant_scope(world.id):
        return open_vault(world.repository.pk)


def backup_of(world: World, address: str = MARA) -> MailboxBackup:
    with tenant_scope(world.id):
        return MailboxBackup.objects.select_related("mailbox").get(mailbox__address=address)


def plain(value: object) -> object:
    return bytes(value) if isinstance(value, memoryview) else value


def contents(world: World) -> Contents:
    """Every row of the projection, in an order of its own, with what is sealed opened."""
    vault = vault_of(world)
    found: Contents = {}
    with tenant_scope(world.id):
        for model in (Folder, ItemVersion, RestorePoint, SyncCursor, ItemFault, Pack, BlobLocation):
            fields = [f.attname for f in model._meta.local_fields if f.name not in BY_NATURE]
            lines = []
            for row in model.objects.all():
                line = [(name, plain(getattr(row, name))) for name in fields]
                if isinstance(row, ItemVersion):
                    bound = projection.references_context(row.item_id, row.change_key)
                    opened = vault.unseal(row.backup.mailbox_id, bound, bytes(row.references))
                    line.append(("references", opened))
                if isinstance(row, SyncCursor):
                    bound = row.stream.encode()
                    opened = vault.unseal(row.backup.mailbox_id, bound, bytes(row.sealed))
                    line.append(("cursor", opened))
                if backup := getattr(row, "backup", None):
                    line.append(("mailbox", backup.mailbox_id))
                lines.append(line)
            found[model.__name__] = sorted(lines, key=repr)
        found["backups"] = [
            [
                ("mailbox", row.mailbox_id),
                ("head", row.head),
                ("hash", bytes(row.head_hash)),
                ("holds", sorted(row.holds.items())),
                ("current at", row.current_at),
            ]
            for row in MailboxBackup.objects.order_by("mailbox_id")
        ]
    return found


def live(world: World) -> None:
    """Mails that come, change, move and go; a folder renamed, one removed; a fault."""
    world.add("Inbox/Projects", "plan", "idea")
    world.run_job()
    store, mailbox = world.sandbox.store, world.source_mailbox()
    store.delete_item(mailbox, world.current()["mara-0"].item_id, hard=True)
    world.add("Inbox", "later")
    world.add("Short", "passing")
    world.run_job()
    store.remove_folder(mailbox, store.folder_at(mailbox, "Short").id)
    damaged = world.add("Inbox", "broken")[0]
    world.sandbox.faults.add(Fault(Kind.DAMAGED_ITEM, item=damaged.id, times=100))
    world.run_job()


def append(world: World, address: str = MARA, **values: object) -> None:
    """A commit of another kind at the end of a mailbox's chain, projected as it is written."""
    backup, vault = backup_of(world, address), vault_of(world)
    commit = Commit(
        mailbox=backup.mailbox_id,
        sequence=backup.head + 1,
        previous=bytes(backup.head_hash),
        run=uuid4(),
        taken_at=datetime.now(UTC),
        **values,  # type: ignore[arg-type]
    )
    hashed = vault.write_commit(commit)
    with tenant_scope(world.id):
        projection.apply(backup, StoredCommit(commit, hashed), vault)


def expire_first_point(world: World) -> None:
    with tenant_scope(world.id):
        first = RestorePoint.objects.filter(backup__mailbox__address=MARA).earliest("sequence")
    append(world, kind=CommitKind.EXPIRY, expired=Expired(points=[first.sequence]))


def commit_file(world: World, backup: MailboxBackup, sequence: int) -> Path:
    return Path(world.repository.location) / commit_key(world.id, backup.mailbox_id, sequence)


def forget_everything(world: World) -> None:
    """The projection's rows and heads are gone; what is asked for by people stays."""
    with tenant_scope(world.id), connections["default"].cursor() as cursor:
        for model in (ItemVersion, Folder, RestorePoint, SyncCursor, ItemFault, BlobLocation, Pack):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
        MailboxBackup.objects.update(head=0, head_hash=bytes(32), current_at=None)


def rebuild_all(world: World) -> None:
    rebuild_packs(world.id, nothing)
    want_rebuild(world.id)
    for outcome in rebuild_wanted(world.id, nothing):
        assert outcome.error is None
        assert outcome.rebuilt is not None
        assert outcome.rebuilt.damage is None


def without_dates_of_faults(found: Contents) -> Contents:
    """A checkpoint does not tell since when an item could not be stored."""
    faults = [[pair for pair in row if pair[0] != "first_seen_at"] for row in found["ItemFault"]]
    return {**found, "ItemFault": faults}


def assert_same(found: Contents, expected: Contents) -> None:
    for name, rows in expected.items():
        assert found[name] == rows, name


def test_a_rebuild_gives_the_rows_that_life_gave(world: World) -> None:
    live(world)
    append(world, kind=CommitKind.HOLD, hold=Hold(uuid4(), "Matter 7", placed=True))
    expire_first_point(world)
    append(world, kind=CommitKind.VOID)
    before = contents(world)
    assert all(before.values())
    rebuild_all(world)
    assert_same(contents(world), before)


def test_with_all_rows_lost_they_come_back_and_backups_go_on(world: World) -> None:
    live(world)
    expire_first_point(world)
    before = contents(world)
    forget_everything(world)
    rebuild_all(world)
    found = contents(world)
    # When a run last found nothing new is known to the database alone.
    before["backups"] = [row[:4] for row in before["backups"]]
    found["backups"] = [row[:4] for row in found["backups"]]
    assert_same(found, before)
    world.sandbox.faults.clear()
    world.add("Inbox", "after")
    world.run_job()
    world.verify()


def test_what_a_writer_notes_while_the_packs_are_read_stays(world: World) -> None:
    world.run_job()
    world.add("Inbox", "meanwhile")
    states: list[str] = []

    def back_up() -> None:
        states.append(world.run_job().state)
        connections.close_all()

    def meanwhile(done: int, of: int) -> None:
        if not states:
            writer = threading.Thread(target=back_up)
            writer.start()
            writer.join(timeout=60)

    rebuild_packs(world.id, meanwhile)
    assert states == ["success"]
    world.verify()
    restorable(world)


def test_a_chain_that_begins_at_a_checkpoint_gives_the_same_rows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(world)
    expire_first_point(world)
    monkeypatch.setattr(chain, "COMMITS_PER_CHECKPOINT", 1)
    world.add("Inbox", "with a checkpoint")
    world.run_job()
    monkeypatch.undo()
    world.add("Inbox", "after it")
    world.run_job()
    before = contents(world)
    vault, backup = vault_of(world), backup_of(world)
    sequences = vault.sequences(backup.mailbox_id)
    checkpoints = [
        stored.commit.sequence
        for stored in vault.commits(backup.mailbox_id)
        if stored.commit.checkpoint is not None
    ]
    assert checkpoints
    for sequence in sequences:
        if sequence < checkpoints[-1]:
            commit_file(world, backup, sequence).unlink()
    rebuild_all(world)
    after = contents(world)
    assert_same(without_dates_of_faults(after), without_dates_of_faults(before))


def test_baskets_and_restores_keep_their_items(world: World) -> None:
    world.run_job()
    version = world.current()["mara-1"]
    person = create_person(email="mara@acme.example", name="Mara", password="a long passphrase")
    with tenant_scope(world.id):
        mailbox = version.backup.mailbox
        add_to_basket(mailbox=mailbox, version_ids=[version.pk], person_id=person.pk)
    rebuild_all(world)
    with tenant_scope(world.id):
        (kept,) = BasketItem.objects.select_related("version")
        assert kept.version.subject == "mara-1"
        assert kept.version_id != version.pk


def test_an_expired_point_stays_gone_with_what_only_it_had(world: World) -> None:
    world.run_job()
    store = world.sandbox.store
    store.delete_item(world.source_mailbox(), world.current()["mara-0"].item_id, hard=True)
    world.run_job()
    expire_first_point(world)
    with tenant_scope(world.id):
        mine = ItemVersion.objects.filter(backup__mailbox__address=MARA)
        assert sorted(mine.values_list("subject", flat=True)) == ["mara-1", "mara-2"]
    rebuild_all(world)
    with tenant_scope(world.id):
        assert mine.count() == 2
        assert RestorePoint.objects.filter(backup__mailbox__address=MARA).count() == 1


def test_a_damaged_chain_that_tells_less_than_the_catalog_changes_nothing(world: World) -> None:
    live(world)
    before = contents(world)
    backup = backup_of(world)
    commit_file(world, backup, 2).write_bytes(b"STWC nonsense")
    with pytest.raises(Damaged, match="0000000002"):
        rebuild(backup.pk, world.id, vault_of(world), nothing)
    assert_same(contents(world), before)


def test_of_a_damaged_chain_and_no_rows_what_is_readable_comes_back(world: World) -> None:
    live(world)
    backup = backup_of(world)
    commit_file(world, backup, 3).write_bytes(b"STWC nonsense")
    forget_everything(world)
    rebuild_packs(world.id, nothing)
    done = rebuild(backup.pk, world.id, vault_of(world), nothing)
    assert done.damage is not None
    assert done.head == 2
    assert "later" in world.current()
    with tenant_scope(world.id):
        version = ItemVersion.objects.select_related("backup__allocation").get(subject="later")
    payload = world.sandbox.store.payload(world.source_mailbox(), version.item_id)
    assert read_version(version) == payload


def test_the_command_makes_everything_again_and_says_what(world: World) -> None:
    live(world)
    before = contents(world)
    out = io.StringIO()
    call_command("rebuild_catalog", stdout=out, stderr=io.StringIO())
    assert f"acme, {MARA}: 7 versions, 3 restore points, 3 commits" in out.getvalue()
    assert f"acme, {JUN}: 3 versions" in out.getvalue()
    assert_same(contents(world), before)
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT to_regclass('items_by_words')")
        assert cursor.fetchone() != (None,)


def test_the_command_mends_one_mailbox_and_names_what_is_unknown(world: World) -> None:
    world.run_job()
    with tenant_scope(world.id):
        ItemVersion.objects.filter(subject="mara-1").update(subject="spoofed")
    call_command("rebuild_catalog", tenant="acme", mailbox=MARA, stdout=io.StringIO())
    assert "mara-1" in world.current()
    with pytest.raises(CommandError, match="no backup of nobody"):
        call_command("rebuild_catalog", tenant="acme", mailbox="nobody@acme.example")


def test_what_a_process_says_of_damage_reaches_another_one() -> None:
    damage = Damaged("commits/1/0000000002", "does not decrypt")
    told = pickle.loads(pickle.dumps(Rebuilt(3, 2, 1, 1, damage)))
    assert (str(told.damage), told.damage.key) == (str(damage), damage.key)


def test_an_interrupted_rebuild_goes_on_with_what_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(world)
    before = contents(world)
    done: list[str] = []

    def dying(backup_id: UUID, *rest: Any) -> Rebuilt:
        if done:
            raise KeyboardInterrupt
        return counting(backup_id, *rest)

    def counting(backup_id: UUID, *rest: Any) -> Rebuilt:
        done.append(str(backup_id))
        return rebuild(backup_id, *rest)

    monkeypatch.setattr(rebuilding, "rebuild", dying)
    with pytest.raises(KeyboardInterrupt):
        call_command("rebuild_catalog", stdout=io.StringIO())
    monkeypatch.setattr(rebuilding, "rebuild", counting)
    call_command("rebuild_catalog", resume=True, stdout=io.StringIO())
    assert len(done) == len(set(done)) == 2
    assert_same(contents(world), before)
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT to_regclass('items_by_words')")
        assert cursor.fetchone() != (None,)
