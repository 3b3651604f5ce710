"""Checkpoints, expiry and holds: however a chain is read, every offered point is as it was."""

from __future__ import annotations

import dataclasses
import random
import subprocess
import sys
from pathlib import Path

import pytest

from backups.repository import (
    CommitKind,
    Damaged,
    Expired,
    FolderRecord,
    Hold,
    NotFound,
    browse,
    chain,
    segments,
)
from backups.repository.check import check

from .world import ACME, ANNA, HOLD, INBOX, ROOT, World, raw, read_all

FOLDER = Path(__file__).parents[2]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint in every third commit, and several segments in each."""
    monkeypatch.setattr(chain, "COMMITS_PER_CHECKPOINT", 3)
    monkeypatch.setattr(segments, "MAX_ENTRIES", 4)


def checkpoints(world: World) -> list[int]:
    return [s.commit.sequence for s in world.vault.commits(ANNA) if s.commit.checkpoint]


def collect(world: World, before: int) -> None:
    """As the collector does it: commits before one with a checkpoint go."""
    for sequence in world.vault.sequences(ANNA):
        if sequence < before:
            world.backend.delete(f"tenants/{ACME}/commits/{ANNA}/{sequence:010d}")


def expire(world: World, points: list[int], versions: list[tuple[str, int]] | None = None) -> None:
    expired = Expired(points, versions or [])
    world.vault.write_commit(world.next_commit(ANNA, kind=CommitKind.EXPIRY, expired=expired))


class Model:
    """What the mailbox held at each point, kept as plainly as can be."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.now: dict[str, tuple[bytes, int]] = {}
        self.points: dict[int, dict[str, tuple[bytes, int]]] = {}

    def step(self) -> None:
        action = self.chance.choice(["run", "run", "run", "partial", "expire", "versions", "void"])
        sequence = self.world.head(ANNA)[0] + 1
        if action in ("run", "partial"):
            self._run(sequence, complete=action == "run")
        elif action == "expire" and len(self.points) > 1:
            gone = self.chance.sample(sorted(self.points), k=len(self.points) // 2)
            expire(self.world, gone)
            for point in gone:
                del self.points[point]
        elif action == "versions" and self.points:
            held = self.chance.choice(list(self.points.values()))
            gone = [
                (name, first) for name, (_, first) in held.items() if self.chance.random() < 0.3
            ]
            expire(self.world, [], gone)
            for state in (self.now, *self.points.values()):
                for name, first in gone:
                    if name in state and state[name][1] == first:
                        del state[name]
        else:
            self.world.back_up(ANNA, {"ghost": raw(b"boo")}, kind=CommitKind.VOID)

    def _run(self, sequence: int, *, complete: bool) -> None:
        names = [f"item {n}" for n in range(15)]
        removed = [name for name in self.now if self.chance.random() < 0.2]
        changed = self.chance.sample(names, k=self.chance.randrange(5))
        contents = {name: f"{name} at {sequence}".encode() for name in changed}
        self.world.back_up(
            ANNA,
            {name: raw(content) for name, content in contents.items()},
            kind=CommitKind.COMPLETE if complete else CommitKind.PARTIAL,
            removed=removed,
        )
        self.now = {name: held for name, held in self.now.items() if name not in removed}
        self.now |= {name: (content, sequence) for name, content in contents.items()}
        if complete:
            self.points[sequence] = dict(self.now)

    def verify(self) -> None:
        vault = self.world.reopened()
        assert read_all(vault, ANNA) == {name: held for name, (held, _) in self.now.items()}
        assert list(vault.state(ANNA).points) == sorted(self.points)
        assert vault.latest_point(ANNA) == max(self.points, default=None)
        for point, held in self.points.items():
            assert read_all(vault, ANNA, point) == {name: text for name, (text, _) in held.items()}
            state = vault.state(ANNA, point)
            assert state.first == {name: first for name, (_, first) in held.items()}
            assert state.size == sum(len(text) for text, _ in held.values())


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("seed", range(6))
def test_every_offered_point_is_as_it_was_whatever_expires_or_is_collected(
    world: World, seed: int
) -> None:
    model = Model(world, seed)
    for number in range(1, 25):
        model.step()
        if number % 6 == 0:
            model.verify()
        if number % 9 == 0:
            collect(world, max(checkpoints(world), default=0))
            model.verify()
    assert check(world.repository, world.root).findings == []


@pytest.mark.usefixtures("often")
def test_counts_at_points_are_those_when_they_were_taken(world: World) -> None:
    world.back_up(ANNA, {"a": raw(b"12345"), "b": raw(b"123")})
    world.back_up(ANNA, {"c": raw(b"1")}, removed=["a"])
    world.back_up(ANNA, {"b": raw(b"1234567")})
    world.back_up(ANNA, removed=["c"])
    assert checkpoints(world) == [3]
    found = browse.points(world.reopened(), ANNA)
    assert [(p.sequence, p.items, p.bytes) for p in found] == [
        (1, 2, 8),
        (2, 2, 4),
        (3, 2, 8),
        (4, 1, 7),
    ]


@pytest.mark.usefixtures("often")
def test_folders_at_an_old_point_are_those_of_then(world: World) -> None:
    world.back_up(ANNA, {"a": raw(b"1")})
    renamed = FolderRecord(INBOX.id, ROOT.id, "Posteingang", "IPF.Note", "inbox")
    world.vault.write_commit(dataclasses.replace(world.next_commit(ANNA), folders=[renamed]))
    world.vault.write_commit(
        dataclasses.replace(world.next_commit(ANNA), removed_folders=[ROOT.id])
    )
    world.back_up(ANNA)
    collect(world, 3)
    vault = world.reopened()
    assert vault.state(ANNA, 1).folders == {ROOT.id: ROOT, INBOX.id: INBOX}
    assert vault.state(ANNA, 2).folders == {ROOT.id: ROOT, INBOX.id: renamed}
    assert vault.state(ANNA).folders == {INBOX.id: renamed}


@pytest.mark.usefixtures("often")
def test_a_lifted_hold_is_over_and_a_placed_one_outlives_a_checkpoint(world: World) -> None:
    for placed in (True, False, True):
        hold = Hold(HOLD, "Case 7", placed=placed)
        world.vault.write_commit(world.next_commit(ANNA, kind=CommitKind.HOLD, hold=hold))
        assert world.reopened().state(ANNA).holds == ({HOLD: "Case 7"} if placed else {})
    assert checkpoints(world) == [3]


def test_segments_that_did_not_change_are_not_written_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "COMMITS_PER_CHECKPOINT", 2)
    monkeypatch.setattr(segments, "_ENDS", 8)
    world.back_up(ANNA)
    world.back_up(ANNA, {f"item {n:03d}": raw(b"%d" % n) for n in range(200)})
    prefix = f"tenants/{ACME}/segments/{ANNA}/"
    before = set(world.backend.list(prefix))
    world.back_up(ANNA, {"item 077": raw(b"changed")})
    world.back_up(ANNA, {"item 150a": raw(b"new")})
    after = set(world.backend.list(prefix))
    assert len(before) > 10
    assert 1 <= len(after - before) <= 2
    assert read_all(world.reopened(), ANNA)["item 150a"] == b"new"


def test_a_mailbox_that_grows_gets_checkpoints_by_its_growth(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "CHANGES_PER_CHECKPOINT", 10)
    for start in range(0, 60, 6):
        world.back_up(ANNA, {f"item {n}": raw(b"x") for n in range(start, start + 6)})
    # Ten changes, and half of what was held: 12, 24 and 36 items, then 18 more.
    assert checkpoints(world) == [2, 4, 6, 9]


@pytest.mark.usefixtures("often")
def test_a_damaged_segment_is_named_and_an_older_way_is_taken(world: World) -> None:
    contents = {f"item {n}": raw(b"%d" % n) for n in range(12)}
    world.back_up(ANNA, contents)
    for _ in range(3):
        world.back_up(ANNA)
    whole = read_all(world.vault, ANNA)
    for key in world.backend.list(f"tenants/{ACME}/segments/"):
        path = world.path / key
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        findings = check(world.repository, world.root).findings
        assert key in {finding.object for finding in findings}
    assert read_all(world.reopened(), ANNA) == whole
    world.back_up(ANNA)
    world.back_up(ANNA)
    assert checkpoints(world) == [3, 6]
    collect(world, 3)
    world.backend.delete(f"tenants/{ACME}/commits/{ANNA}/{6:010d}")
    with pytest.raises(Damaged):
        world.reopened().state(ANNA)


@pytest.mark.usefixtures("often")
def test_commits_missing_before_a_checkpoint_are_normal_and_others_are_damage(
    world: World,
) -> None:
    for number in range(5):
        world.back_up(ANNA, {f"item {number}": raw(b"x")})
    world.backend.delete(f"tenants/{ACME}/commits/{ANNA}/{2:010d}")
    vault = world.reopened()
    assert [stored.commit.sequence for stored in vault.commits(ANNA)] == [3, 4, 5]
    assert set(read_all(vault, ANNA, 1)) == {"item 0"}
    assert check(world.repository, world.root).findings == []
    lost = f"tenants/{ACME}/commits/{ANNA}/{4:010d}"
    world.backend.delete(lost)
    with pytest.raises(Damaged, match=lost):
        list(world.reopened().commits(ANNA))
    with pytest.raises(Damaged, match=lost):
        world.reopened().state(ANNA)
    assert lost in {finding.object for finding in check(world.repository, world.root).findings}


@pytest.mark.usefixtures("often")
def test_a_commit_before_the_checkpoint_that_is_no_point_can_not_be_asked_for(
    world: World,
) -> None:
    world.back_up(ANNA, {"a": raw(b"1")}, kind=CommitKind.PARTIAL)
    world.back_up(ANNA)
    world.back_up(ANNA)
    with pytest.raises(NotFound):
        world.vault.state(ANNA, 1)
    with pytest.raises(browse.NoSuchPoint):
        browse.state_at(world.vault, ANNA, 1)


def test_expired_versions_are_gone_even_from_points_before(world: World) -> None:
    world.back_up(ANNA, {"keep": raw(b"1"), "old": raw(b"2")})
    world.back_up(ANNA)
    expire(world, [], [("old", 1)])
    for point in (1, 2):
        assert set(read_all(world.reopened(), ANNA, point)) == {"keep"}


def test_check_does_not_miss_what_no_point_needs_any_more(world: World) -> None:
    """Its parts may be collected while the commit that brought it is still there."""
    world.back_up(ANNA, {"old": raw(b"2" * 50)})
    world.back_up(ANNA, removed=["old"])
    expire(world, [1])
    (old,) = world.known.values()
    world.backend.delete(f"tenants/{ACME}/packs/{old.pack[:2]}/{old.pack}")
    assert check(world.repository, world.root).findings == []


MEMORY = """
import hashlib, sys, uuid
from datetime import UTC, datetime
from backups.parts import Layout, Recipe
from backups.repository import (
    BlobRef, Commit, CommitKind, FolderBackend, ItemRecord, Repository, TenantKeys, NO_COMMIT)
mailbox = uuid.uuid4()
vault = Repository.create(FolderBackend(sys.argv[1]), uuid.uuid4()).vault(
    uuid.uuid4(), TenantKeys.generate(), lambda mailbox: bytes(32))
def item(number):
    digests = [hashlib.sha256(b"%d %d" % (number, n)).digest() for n in range(5)]
    name = digests[0].hex() * 2
    refs = (BlobRef(digests[1], digests[2], 900), BlobRef(digests[3], digests[4], 7000))
    index = {"subject": f"subject {name[:60]}", "from": f"{name[:20]}@example.net", "size": 8000,
        "to": [f"{name[20:40]}@example.net"], "sent": datetime(2026, 1, 1, tzinfo=UTC),
        "received": datetime(2026, 1, 1, tzinfo=UTC), "message_id": name[:50], "attachments": []}
    recipe = Recipe(Layout.FTS, 1, 40, ((8000, 1),), ((number % 900, 1),))
    return ItemRecord(name, name[:60], "folder-" + digests[3].hex()[0] * 80, "IPM.Note", 8000,
        digests[1], recipe, refs, index)
previous = NO_COMMIT
for sequence in range(1, 51):
    items = [item(n) for n in range(sequence * 2000, sequence * 2000 + 2000)]
    previous = vault.write_commit(Commit(mailbox, sequence, CommitKind.PARTIAL, previous, mailbox,
        datetime.now(UTC), items=items))
    del items
if sys.argv[2] == "read":
    state = vault.state(mailbox)
    assert len(state.items) == 100_000
print(*(l.split()[1] for l in open("/proc/self/status") if l.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("what", ["write", "read"])
def test_a_mailbox_of_100_000_items_stays_under_300_mb_of_memory(tmp_path: Path, what: str) -> None:
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "repository"), what]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300_000
