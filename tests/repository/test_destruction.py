"""Destroying keys: what they opened is gone, is said to be gone, and is no damage."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest

from backups.repository import (
    Cost,
    Damaged,
    FolderBackend,
    KeyDestroyed,
    RepositoryError,
    Unavailable,
    Vault,
    destroy_mailbox_key,
    destroy_tenant_keys,
    destructions,
    write_recovery,
)
from backups.repository.check import check
from backups.standalone.main import main

from .world import ACME, ANNA, BEN, MORNING, World, raw, read_all

KEYS = f"tenants/{ACME}/keys/"
ANNAS = f"{KEYS}mailbox-{ANNA}"


def test_the_mailbox_is_gone_and_the_others_stay(filled: World) -> None:
    wrapped = filled.backend.get(f"{ANNAS}.1")
    done = destroy_mailbox_key(filled.backend, ACME, ANNA, request="ticket 12", now=MORNING)
    vault = filled.reopened()
    with pytest.raises(KeyDestroyed, match=rf"{ANNAS}\.destroyed"):
        vault.state(ANNA)
    assert set(read_all(vault, BEN)) == {"copy"}
    (thing,) = done.objects
    assert (thing.name, thing.sha256) == (f"{ANNAS}.1", hashlib.sha256(wrapped).hexdigest())
    assert thing.wrapped_by == wrapped[6:14].hex()
    assert (done.request, done.started_at, done.finished_at) == ("ticket 12", MORNING, MORNING)


def test_the_note_can_be_read_by_anybody(filled: World) -> None:
    destroy_mailbox_key(filled.backend, ACME, ANNA, request="ticket 12", now=MORNING)
    note = json.loads((filled.path / f"{ANNAS}.destroyed").read_text())
    assert note["mailbox"] == str(ANNA)
    assert note["finished_at"] == "2026-11-23T08:30:15.250000+00:00"
    assert [thing["name"] for thing in note["objects"]] == [f"{ANNAS}.1"]


def test_every_version_goes(filled: World) -> None:
    wrapped = filled.keys.wrap_mailbox_key(filled.mailbox_keys[ANNA], ACME, ANNA)
    filled.vault.save_mailbox_key(ANNA, wrapped, version=2)
    done = destroy_mailbox_key(filled.backend, ACME, ANNA, request="r", now=MORNING)
    assert [thing.name for thing in done.objects] == [f"{ANNAS}.1", f"{ANNAS}.2"]
    left = list(filled.backend.list(ANNAS))
    assert left == [f"{ANNAS}.destroyed"]


def test_done_again_it_gives_the_first_answer(filled: World) -> None:
    first = destroy_mailbox_key(filled.backend, ACME, ANNA, request="first", now=MORNING)
    later = MORNING + timedelta(days=1)
    again = destroy_mailbox_key(filled.backend, ACME, ANNA, request="second", now=later)
    assert again == first == destructions(filled.backend, ACME)[ANNA]


class Stopping(FolderBackend):
    """Fails at one of the calls that change something."""

    left = 0

    def put_immutable(self, key: str, data: bytes | bytearray | memoryview) -> None:
        self._step()
        super().put_immutable(key, data)

    def delete(self, key: str) -> None:
        self._step()
        super().delete(key)

    def _step(self) -> None:
        if not self.left:
            raise Unavailable("access denied")
        self.left -= 1


@pytest.mark.parametrize("steps", range(4))
def test_interrupted_anywhere_it_is_taken_up_again(filled: World, steps: int) -> None:
    backend = Stopping(filled.path)
    backend.left = steps
    with pytest.raises(Unavailable):
        destroy_mailbox_key(backend, ACME, ANNA, request="first", now=MORNING)
    begun = destructions(filled.backend, ACME)
    if steps:
        assert begun[ANNA].request == "first"
        assert (begun[ANNA].finished_at is None) == (steps < 3)
        with pytest.raises(KeyDestroyed):
            filled.reopened().state(ANNA)
    else:
        assert begun == {}
    done = destroy_mailbox_key(filled.backend, ACME, ANNA, request="again", now=MORNING)
    assert done.request == ("first" if steps else "again")
    assert [thing.name for thing in done.objects] == [f"{ANNAS}.1"]
    assert list(filled.backend.list(ANNAS)) == [f"{ANNAS}.destroyed"]


def test_a_destroyed_key_is_not_saved_again(filled: World) -> None:
    wrapped = filled.backend.get(f"{ANNAS}.1")
    destroy_mailbox_key(filled.backend, ACME, ANNA, request="r", now=MORNING)
    with pytest.raises(KeyDestroyed):
        filled.vault.save_mailbox_key(ANNA, wrapped)
    assert not filled.backend.exists(f"{ANNAS}.1")


def test_a_copy_that_is_saved_meanwhile_is_taken_back(filled: World) -> None:
    class Meanwhile(FolderBackend):
        def put_immutable(self, key: str, data: bytes | bytearray | memoryview) -> None:
            destroy_mailbox_key(filled.backend, ACME, ANNA, request="r", now=MORNING)
            super().put_immutable(key, data)

    backend = Meanwhile(filled.path)
    vault = Vault(backend, ACME, filled.keys, filled.mailbox_keys.__getitem__)
    wrapped = filled.keys.wrap_mailbox_key(filled.mailbox_keys[ANNA], ACME, ANNA)
    with pytest.raises(KeyDestroyed):
        vault.save_mailbox_key(ANNA, wrapped, version=2)
    assert list(filled.backend.list(ANNAS)) == [f"{ANNAS}.destroyed"]


def test_a_copy_that_always_comes_back_is_told(filled: World) -> None:
    class Undead(FolderBackend):
        def delete(self, key: str) -> None:
            """As a lock that answers as if it had deleted."""

    with pytest.raises(Unavailable, match=r"mailbox-.*comes back"):
        destroy_mailbox_key(Undead(filled.path), ACME, ANNA, request="r", now=MORNING)
    assert destructions(filled.backend, ACME)[ANNA].finished_at is None


def test_with_a_tenants_keys_everything_of_the_tenant_goes(filled: World) -> None:
    write_recovery(filled.backend, ACME, filled.keys, "a long passphrase", Cost(64, 1, 1))
    filled.backend.put_immutable(f"tenants/{ACME}/dictionaries/0000000001", b"words")
    done = destroy_tenant_keys(filled.backend, ACME, request="goodbye", now=MORNING)
    assert done.mailbox is None
    assert {thing.name.rpartition("/")[2] for thing in done.objects} == {
        "tenant.1",
        "recovery.1",
        f"mailbox-{ANNA}.1",
        f"mailbox-{BEN}.1",
        "0000000001",
    }
    assert list(filled.backend.list(KEYS)) == [f"{KEYS}tenant.destroyed"]
    with pytest.raises(KeyDestroyed):
        filled.reopened()
    with pytest.raises(KeyDestroyed):
        filled.repository.recovered_vault(ACME, "a long passphrase")
    with pytest.raises(KeyDestroyed):
        write_recovery(filled.backend, ACME, filled.keys, "a long passphrase", Cost(64, 1, 1))
    with pytest.raises(KeyDestroyed):
        filled.vault.save_keys(filled.keys.wrapped_by(filled.root, ACME))


def test_check_and_the_command_say_destroyed_and_not_damaged(
    filled: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    destroy_mailbox_key(filled.backend, ACME, ANNA, request="r", now=MORNING)
    for root in (filled.root, None):
        report = check(filled.repository, root)
        assert (report.findings, report.unknown, report.mailboxes) == ([], [], 1)
        assert [note.mailbox for note in report.destroyed] == [ANNA]
    place = [str(filled.path), "--root-key-file", str(filled.key_file(tmp_path))]
    assert main(["mailboxes", *place]) == 0
    answer = capsys.readouterr()
    assert str(BEN) in answer.out
    assert f"mailbox {ANNA}: its key was destroyed on request" in answer.err
    assert main(["check", *place]) == 0
    assert f"destroyed on request: the key of mailbox {ANNA}" in capsys.readouterr().out
    destroy_tenant_keys(filled.backend, ACME, request="r", now=MORNING)
    assert main(["check", *place]) == 0
    assert main(["mailboxes", *place]) == 0
    assert "destroyed on request" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[" * 50_000, b'{"version": 1}', b"\xff", b"null"]
)
def test_a_note_that_is_damaged_is_named_and_still_counts(filled: World, content: bytes) -> None:
    destroy_mailbox_key(filled.backend, ACME, ANNA, request="r", now=MORNING)
    (filled.path / f"{ANNAS}.destroyed").write_bytes(content)
    with pytest.raises(Damaged, match=ANNAS):
        destructions(filled.backend, ACME)
    with pytest.raises(KeyDestroyed):
        filled.reopened().state(ANNA)
    findings = check(filled.repository, filled.root).findings
    assert f"{ANNAS}.destroyed" in {finding.object for finding in findings}


def test_a_destroyed_mailbox_is_not_backed_up_on(filled: World) -> None:
    destroy_mailbox_key(filled.backend, ACME, ANNA, request="r", now=MORNING)
    vault = filled.reopened()
    commit = filled.next_commit(ANNA, {"more": raw(b"x")})
    with pytest.raises(RepositoryError, match="destroyed"):
        vault.write_commit(commit)
