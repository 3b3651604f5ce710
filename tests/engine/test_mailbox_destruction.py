"""A mailbox's backups are destroyed: nobody reads them again, and everybody else's stay."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now

from backups.catalog.models import ItemVersion, MailboxBackup
from backups.destruction import work
from backups.destruction.due import due_places
from backups.destruction.models import Destruction, DestructionCertificate, DestructionPlace
from backups.destruction.services import DestructionRefused, destroy_mailbox_backups
from backups.infrastructure.keys import mailbox_key, open_vault, tenant_keys
from backups.infrastructure.models import MailboxKey
from backups.repository import Cost, FolderBackend, KeyDestroyed, Unavailable, write_recovery
from backups.repository.errors import Refused
from backups.retention.collection import collect
from backups.retention.models import LegalHold
from backups.sessions.models import State, Task
from tenants.isolation.scope import OPERATOR, tenant_scope
from tenants.models import AuditEvent
from tests.engine.world import JUN, MARA, World

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "operator", "owner"])

ROOT = Path(__file__).resolve().parents[2]
PASSPHRASE = "correct horse battery staple"


def destroy(world: World, address: str = MARA, **values: str) -> Destruction:
    mailbox = world.mailbox(address)
    asked = {"reason": "Article 17 request 12", "confirmation": address, **values}
    with tenant_scope(world.id):
        return destroy_mailbox_backups(mailbox=mailbox, **asked)


def tick(world: World) -> None:
    """What the workers do when the tick has rung for all that is due."""
    for place_id, tenant_id, queue in due_places():
        assert (tenant_id, queue) == (world.id, world.queue)
        work.work_on(place_id, tenant_id)


def again(world: World) -> None:
    """The pause after a failure, or the lease of a worker that died, is over."""
    with tenant_scope(world.id):
        DestructionPlace.objects.exclude(next_try_at=None).update(next_try_at=Now())
    tick(world)


def certificate(world: World) -> dict[str, object]:
    with tenant_scope(world.id):
        row = DestructionCertificate.objects.get()
    assert hashlib.sha256(row.content.encode()).hexdigest() == row.sha256
    content = json.loads(row.content)
    assert isinstance(content, dict)
    return content


def objects(world: World, *parts: str) -> list[Path]:
    place = Path(world.repository.location) / "tenants" / str(world.id)
    return [path for path in place.joinpath(*parts).rglob("*") if path.is_file()]


def alone(world: World, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, with the recovery passphrase and nothing else."""
    file = tmp_path / "passphrase"
    if not file.exists():
        file.write_text(PASSPHRASE)
        file.chmod(0o600)
    command, *rest = arguments
    return subprocess.run(
        [
            *(sys.executable, "-m", "backups.repository", command, world.repository.location),
            *("--recovery-passphrase-file", str(file), *rest),
        ],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def exported(world: World, tmp_path: Path) -> dict[str, set[str]]:
    """By mailbox the SHA-256 of every file that the command writes out."""
    to = tmp_path / f"out {len(list(tmp_path.iterdir()))}"
    run = alone(world, tmp_path, "export", "--to", str(to))
    assert run.returncode == 0, run.stderr
    found: dict[str, set[str]] = {}
    for line in (to / "manifest.jsonl").read_text().splitlines():
        entry = json.loads(line)
        content = (to / entry["file"]).read_bytes()
        found.setdefault(entry["mailbox"], set()).add(hashlib.sha256(content).hexdigest())
    return found


def digests(world: World, address: str) -> set[str]:
    return {hashlib.sha256(p).hexdigest() for p in world.sandbox_payloads(address).values()}


@pytest.fixture
def backed_up(world: World) -> World:
    assert world.run_job().state == "success"
    with tenant_scope(world.id):
        keys = tenant_keys()
    place = FolderBackend(Path(world.repository.location))
    write_recovery(place, world.id, keys, PASSPHRASE, Cost(memory=64, passes=1, lanes=1))
    return world


@pytest.fixture
def locked(backed_up: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The storage deletes no commit and no segment, as under an object lock."""
    delete = FolderBackend.delete

    def refuse(self: FolderBackend, key: str) -> None:
        if "/commits/" in key or "/segments/" in key:
            raise Refused(f"{key}: locked until tomorrow")
        delete(self, key)

    monkeypatch.setattr(FolderBackend, "delete", refuse)
    return backed_up


class TestWhatIsGone:
    def test_the_passphrase_reads_the_others_and_not_this_one(
        self, locked: World, tmp_path: Path
    ) -> None:
        mara, jun = (str(locked.mailbox(address).pk) for address in (MARA, JUN))
        before = exported(locked, tmp_path)
        assert before == {mara: digests(locked, MARA), jun: digests(locked, JUN)}
        destroy(locked)
        tick(locked)
        assert objects(locked, "commits", mara), "the ciphertext is still there"
        assert exported(locked, tmp_path) == {jun: digests(locked, JUN)}
        told = alone(locked, tmp_path, "points", "--mailbox", mara)
        assert "destroyed on request" in told.stderr
        check = alone(locked, tmp_path, "verify")
        assert check.returncode == 0, check.stderr

    def test_no_row_and_no_key_of_it_is_left(self, backed_up: World) -> None:
        old = backed_up.mailbox(MARA).pk
        destroy(backed_up)
        with tenant_scope(backed_up.id):
            assert not ItemVersion.objects.filter(backup__mailbox__address=MARA).exists()
            assert not MailboxKey.objects.filter(mailbox_id=old).exists()
            assert not MailboxBackup.objects.filter(mailbox_id=old).exists()
            assert not Task.objects.filter(mailbox_id=old).exists()
            assert ItemVersion.objects.filter(backup__mailbox__address=JUN).count() == 3

    def test_commits_go_and_collection_goes_on(self, backed_up: World) -> None:
        mara = str(backed_up.mailbox(MARA).pk)
        destroy(backed_up)
        tick(backed_up)
        assert objects(backed_up, "commits", mara) == []
        collected = collect(backed_up.repository.pk, backed_up.id, grace=timedelta(0))
        assert collected is not None
        assert backed_up.payloads(JUN) == backed_up.sandbox_payloads(JUN)

    def test_what_the_storage_keeps_does_not_stop_collection(self, locked: World) -> None:
        destroy(locked)
        tick(locked)
        assert collect(locked.repository.pk, locked.id, grace=timedelta(0)) is not None

    def test_a_worker_with_an_old_picture_cannot_bring_the_key_back(self, backed_up: World) -> None:
        old = backed_up.mailbox(MARA).pk
        destroy(backed_up)
        with tenant_scope(backed_up.id), pytest.raises(KeyDestroyed):
            mailbox_key(old, tenant_keys())


class TestAfterwards:
    def test_it_is_backed_up_again_under_a_new_key(self, backed_up: World, tmp_path: Path) -> None:
        old = backed_up.mailbox(MARA).pk
        destroy(backed_up)
        tick(backed_up)
        assert backed_up.run_job().state == "success"
        new = backed_up.mailbox(MARA).pk
        assert new != old
        assert exported(backed_up, tmp_path)[str(new)] == digests(backed_up, MARA)
        backed_up.verify()

    def test_old_holds_go_along(self, backed_up: World) -> None:
        with tenant_scope(backed_up.id):
            LegalHold.objects.create(
                mailbox=backed_up.mailbox(), reason="Case 12", released_at=Now()
            )
        destroy(backed_up)
        with tenant_scope(backed_up.id):
            assert LegalHold.objects.get().mailbox.address == MARA


class TestRefusals:
    def test_under_legal_hold(self, backed_up: World) -> None:
        with tenant_scope(backed_up.id):
            LegalHold.objects.create(mailbox=backed_up.mailbox(), reason="Case 12")
        with pytest.raises(DestructionRefused, match="legal hold"):
            destroy(backed_up)
        assert len(backed_up.current()) == 3

    def test_a_hold_that_only_the_chain_knows(self, backed_up: World) -> None:
        with tenant_scope(backed_up.id):
            told = {"0190b0a0-0000-7000-8000-000000000001": "Case 12"}
            MailboxBackup.objects.update(holds=told)
        with pytest.raises(DestructionRefused, match="legal hold"):
            destroy(backed_up)

    def test_while_a_task_waits_or_runs(self, backed_up: World) -> None:
        session = backed_up.start()
        with pytest.raises(DestructionRefused, match="under way or waits"):
            destroy(backed_up)
        Task.objects.using(OPERATOR).filter(session=session.pk).update(state=State.STOPPED)
        destroy(backed_up)

    @pytest.mark.parametrize(
        ("values", "why"),
        [({"confirmation": "mara"}, "to confirm"), ({"reason": " "}, "reason")],
    )
    def test_without_confirmation_or_reason(
        self, backed_up: World, values: dict[str, str], why: str
    ) -> None:
        with pytest.raises(DestructionRefused, match=why):
            destroy(backed_up, **values)
        assert len(backed_up.current()) == 3

    def test_of_what_has_no_backup(self, backed_up: World) -> None:
        destroy(backed_up)
        with pytest.raises(DestructionRefused, match="no backup"):
            destroy(backed_up)


class TestInterruptions:
    def test_a_repository_that_does_not_answer_is_tried_again_later(
        self, backed_up: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mara = str(backed_up.mailbox(MARA).pk)
        destroy(backed_up)
        with monkeypatch.context() as patch:

            def fail(self: FolderBackend, key: str) -> None:
                raise Unavailable(f"{key}: no answer")

            patch.setattr(FolderBackend, "delete", fail)
            tick(backed_up)
        assert due_places() == [], "nothing retries at once"
        with tenant_scope(backed_up.id):
            place = DestructionPlace.objects.get()
            assert "no answer" in place.problem
            assert not DestructionCertificate.objects.exists()
        again(backed_up)
        assert objects(backed_up, "commits", mara) == []
        assert certificate(backed_up)["mailbox"] == {"id": mara, "address": MARA}

    @pytest.mark.parametrize("at", ["_destroyed", "_sweep", "issue"])
    def test_killed_between_any_two_steps_it_is_taken_up(
        self, backed_up: World, monkeypatch: pytest.MonkeyPatch, at: str
    ) -> None:
        destroy(backed_up)
        step = getattr(work, at)
        with monkeypatch.context() as patch:

            def die_after(*values: object) -> object:
                step(*values)
                raise KeyboardInterrupt

            patch.setattr(work, at, die_after)
            with pytest.raises(KeyboardInterrupt):
                tick(backed_up)
        assert due_places() == []
        again(backed_up)
        with tenant_scope(backed_up.id):
            assert Destruction.objects.get().finished_at is not None
        (place,) = certificate(backed_up)["places"]
        assert place["unreadable"]["commits"]["objects"] == 1
        assert [thing["name"].rpartition(".")[2] for thing in place["objects"]] == ["1"]

    def test_two_workers_at_one_place_are_one(self, backed_up: World) -> None:
        destroy(backed_up)
        (due,) = due_places()
        work.work_on(due[0], due[1])
        work.work_on(due[0], due[1])
        with tenant_scope(backed_up.id):
            assert DestructionCertificate.objects.count() == 1


class TestCertificate:
    def test_it_names_keys_rows_and_ciphertext(self, backed_up: World) -> None:
        mara = backed_up.mailbox(MARA).pk
        with tenant_scope(backed_up.id):
            wrapped = bytes(MailboxKey.objects.get(mailbox_id=mara).wrapped)
        destroy(backed_up)
        tick(backed_up)
        told = certificate(backed_up)
        (key,) = told["database"]["keys"]
        assert key["key"] == f"mailbox {mara}"
        assert key["sha256"] == hashlib.sha256(wrapped).hexdigest()
        rows = told["database"]["rows"]
        assert (rows["backups_itemversion"], rows["backups_mailboxkey"]) == (3, 1)
        assert told["contents"]["item_versions"] == 3
        assert told["contents"]["restore_points"] == 1
        (place,) = told["places"]
        assert place["objects"][0]["sha256"] == key["sha256"]
        assert place["still_there"] == {}
        assert told["reason"] == "Article 17 request 12"
        with tenant_scope(backed_up.id):
            event = AuditEvent.objects.get(action="destruction.finished")
            assert event.detail["sha256"] == DestructionCertificate.objects.get().sha256

    def test_it_says_what_the_storage_keeps_and_the_rest_goes_later(
        self, locked: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        destroy(locked)
        tick(locked)
        (place,) = certificate(locked)["places"]
        assert place["still_there"]["commits"]["objects"] == 1
        assert "locked until tomorrow" in place["still_there_because"]
        monkeypatch.undo()
        assert due_places() == []
        again(locked)
        with tenant_scope(locked.id):
            assert DestructionPlace.objects.get().next_try_at is None
            assert AuditEvent.objects.filter(action="destruction.swept").count() == 1
            assert open_vault(locked.repository.pk).mailboxes() == [locked.mailbox(JUN).pk]
