"""The golden repository of format 1: read by this version as by every one before and after it.

It is never made anew. When a test here fails, the format has moved, and the code is wrong.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from backports import zstd

from backups.repository import (
    FolderBackend,
    KeyDestroyed,
    Repository,
    RepositoryError,
    RootKey,
    ServiceKey,
    Vault,
    WrongKey,
    browse,
    destructions,
    located,
)
from backups.repository.check import check
from backups.repository.escrow import escrowed_keys

from .golden import expected
from .golden.make import ARCHIVE, PASSPHRASE, FixedService, archive, make
from .world import (
    ACME,
    ANNA,
    BEN,
    CARA,
    DAN,
    GLOBEX,
    HOLD,
    INBOX,
    INITECH,
    MORNING,
    REPOSITORY,
    ROOT,
)

ROOT_KEY = RootKey(hashlib.sha256(b"golden root").digest())
NEW_ROOT_KEY = RootKey(hashlib.sha256(b"golden new root").digest())


@pytest.fixture
def repository(golden: Path) -> Repository:
    return Repository.open(FolderBackend(golden))


@pytest.fixture
def vault(repository: Repository) -> Vault:
    return repository.recovered_vault(ACME, PASSPHRASE)


def contents(vault: Vault, mailbox: object, point: int | None = None) -> dict[str, bytes]:
    assert mailbox in (ANNA, BEN)
    state = browse.state_at(vault, ANNA if mailbox == ANNA else BEN, point)
    assert state is not None
    locate = located(vault.pack_index())
    return {
        item.item_id: vault.read_item(item.recipe, item.blobs, item.sha256, locate)
        for item in state.items.values()
    }


def test_every_item_at_every_point_is_as_it_was(vault: Vault) -> None:
    assert contents(vault, ANNA) == contents(vault, ANNA, 7) == expected.ANNA_AT_7
    assert contents(vault, ANNA, 3) == expected.ANNA_AT_3
    for point, held in enumerate(expected.BEN_AT, start=1):
        assert contents(vault, BEN, point) == held


def test_points_say_what_they_said(vault: Vault) -> None:
    sizes = [sum(map(len, held.values())) for held in (expected.ANNA_AT_3, expected.ANNA_AT_7)]
    anna = browse.points(vault, ANNA)
    assert [(p.sequence, p.items, p.bytes) for p in anna] == [(3, 4, sizes[0]), (7, 5, sizes[1])]
    assert [p.taken_at for p in anna] == [MORNING + timedelta(days=n) for n in (2, 6)]
    ben = browse.points(vault, BEN)
    assert [(p.sequence, p.items) for p in ben] == [(1, 1), (2, 1), (3, 1), (4, 2)]
    assert [p.bytes for p in ben] == [sum(map(len, held.values())) for held in expected.BEN_AT]


def test_an_expired_point_stays_expired(vault: Vault) -> None:
    with pytest.raises(browse.NoSuchPoint):
        browse.state_at(vault, ANNA, 1)


def test_the_state_after_all_is_complete(vault: Vault) -> None:
    state = vault.state(ANNA)
    assert (state.sequence, state.holds) == (7, {HOLD: "Case 7"})
    assert state.cursors == {f"items:{INBOX.id}": "cursor-7"}
    assert state.folders == {INBOX.id: INBOX, ROOT.id: ROOT}
    assert state.first == {"report": 3, "week": 1, "stream": 1, "mime": 1, "late": 7}


def test_a_chain_whose_start_was_collected_begins_at_its_checkpoint(vault: Vault) -> None:
    assert [stored.commit.sequence for stored in vault.commits(BEN)] == [3, 4]
    assert [stored.commit.sequence for stored in vault.commits(ANNA)] == [1, 2, 3, 4, 5, 6, 7]


def test_each_of_its_keys_opens_it(repository: Repository, vault: Vault) -> None:
    for root in (ROOT_KEY, NEW_ROOT_KEY):
        assert repository.escrowed_vault(ACME, root).state(ANNA).items == vault.state(ANNA).items
    keys = escrowed_keys(repository.backend, ACME, ROOT_KEY)
    assert escrowed_keys(repository.backend, GLOBEX, ServiceKey(FixedService())) == keys
    for root in (ROOT_KEY, RootKey(bytes(32))):
        with pytest.raises(WrongKey):
            repository.escrowed_vault(GLOBEX, root)


def test_what_was_destroyed_is_said_to_be(repository: Repository, vault: Vault) -> None:
    with pytest.raises(KeyDestroyed):
        vault.state(CARA)
    with pytest.raises(KeyDestroyed):
        vault.state(DAN)
    with pytest.raises(KeyDestroyed):
        repository.escrowed_vault(INITECH, ROOT_KEY)
    assert destructions(repository.backend, ACME)[DAN].finished_at is None
    note = destructions(repository.backend, ACME)[CARA]
    assert (note.request, note.finished_at) == ("request 7", MORNING + timedelta(days=30))
    assert [thing.name for thing in note.objects] == [f"tenants/{ACME}/keys/mailbox-{CARA}.1"]
    tenant_key_id = hashlib.sha256(
        b"stowage/key-id\0" + hashlib.sha256(b"golden tenant").digest()
    ).hexdigest()[:16]
    assert note.objects[0].wrapped_by == tenant_key_id


def test_check_finds_nothing_wrong(repository: Repository) -> None:
    report = check(repository, None, passphrase=PASSPHRASE, tenants=[ACME])
    assert (report.findings, report.unknown) == ([], [])
    assert (repository.id, report.mailboxes, len(report.destroyed)) == (REPOSITORY, 2, 2)
    everything = check(repository, None)
    assert (everything.findings, everything.unknown) == ([], [])


@pytest.mark.skipif(zstd.zstd_version != "1.5.7", reason="made with zstd 1.5.7")
def test_this_version_still_writes_the_same_bytes(tmp_path: Path) -> None:
    make(tmp_path / "again")
    assert archive(tmp_path / "again") == ARCHIVE.read_bytes()


def positions(key: str, size: int) -> list[int]:
    """Where a change can be seen with the new root key.

    A wrapped key says which key wrapped it, and one that another key wrapped has only a form.
    """
    if "/keys/" not in key or key.endswith(("destroyed", "destroying")):
        return list(range(0, size, 23))
    opened = [f"{ACME}/keys/tenant.2", f"mailbox-{ANNA}.1", f"mailbox-{BEN}.1"]
    return [*range(6), *range(14, size, 23)] if key.endswith(tuple(opened)) else [*range(4)]


def test_a_byte_changed_in_any_object_is_found_and_named(golden: Path) -> None:
    backend = FolderBackend(golden)
    repository = Repository.open(backend)
    what_no_key_opens = f"/commits/{CARA}/"
    for key in backend.list("tenants/"):
        path = golden / key
        whole = path.read_bytes()
        for position in [] if what_no_key_opens in key else positions(key, len(whole)):
            changed = bytearray(whole)
            changed[position] ^= 4
            path.write_bytes(changed)
            report = check(repository, NEW_ROOT_KEY)
            assert any(key in finding.object for finding in report.findings), (key, position)
        path.write_bytes(whole)


def items_read(golden: Path) -> dict[tuple[UUID, int, str], bytes]:
    """Every item at every point that can be had with the passphrase; the rest raises."""
    vault = Repository.open(FolderBackend(golden)).recovered_vault(ACME, PASSPHRASE)
    locate = located(vault.pack_index([]))
    found = {}
    for mailbox, points in ((ANNA, (3, 7)), (BEN, (1, 2, 3, 4))):
        for point in points:
            with suppress(RepositoryError):
                for item in vault.state(mailbox, point).items.values():
                    with suppress(RepositoryError):
                        content = vault.read_item(item.recipe, item.blobs, item.sha256, locate)
                        found[mailbox, point, item.item_id] = content
    return found


def test_a_byte_changed_in_any_object_never_gives_other_bytes(golden: Path) -> None:
    whole_mail = items_read(golden)
    assert len(whole_mail) == 14
    refused = set()
    for key in FolderBackend(golden).list(""):
        path = golden / key
        whole = path.read_bytes()
        for position in range(0, len(whole), 31):
            changed = bytearray(whole)
            changed[position] ^= 4
            path.write_bytes(changed)
            try:
                found = items_read(golden)
            except RepositoryError:
                refused.add(key)
            else:
                assert found.items() <= whole_mail.items(), (key, position)
                if len(found) < len(whole_mail):
                    refused.add(key)
        path.write_bytes(whole)
    assert items_read(golden) == whole_mail
    parts = ("stowage.json", "recovery.1", f"mailbox-{ANNA}.1", f"/commits/{BEN}/", "/packs/")
    assert not [part for part in parts if not any(part in key for key in refused)]


def test_a_recovery_copy_with_any_byte_changed_opens_nothing(golden: Path) -> None:
    path = golden / f"tenants/{ACME}/keys/recovery.1"
    whole = path.read_bytes()
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises(RepositoryError):
            Repository.open(FolderBackend(golden)).recovered_vault(ACME, PASSPHRASE)
