"""Power cuts, kills, full and failing disks at every call of a small backup."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from backups.repository import (
    FolderBackend,
    Location,
    NoSpace,
    NotFound,
    Repository,
    RepositoryError,
    Unavailable,
)
from backups.repository.check import check

from .disk import Disk, PowerCut, broken, fates, full
from .survivor import Promised, require_kept, require_sound, survivor_of
from .world import ACME, ANNA, BEN, REPOSITORY, World, raw, read_all

MOST_CALLS = 400
CONTENT = random.Random(6).randbytes(120_000)


class Bench:
    """A new repository, copied as often as it is wanted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._world = World(folder / "new")
        self._copies = 0

    def copy(self) -> World:
        self._copies += 1
        shutil.copytree(self._world.path, path := self._folder / f"{self._copies}" / "repository")
        return survivor_of(self._world, path)


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """What survives is up to the disk of these tests; the machine's own would only take time."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def every_call(bench: Bench) -> Iterator[tuple[World, Disk, Promised]]:
    """Copies with a disk that fails one call later each time, until no call is left to fail."""
    for call in range(MOST_CALLS):
        world = bench.copy()
        disk = Disk(world.path)
        disk.fail_at = call
        promised = Promised()
        yield world, disk, promised
        if promised.steps == 3 and len(disk.calls) <= call:
            assert call > 50
            return
        shutil.rmtree(world.path.parent)
    pytest.fail("the backup never came to its end")


def test_a_power_cut_at_any_call_breaks_no_promise(bench: Bench, tmp_path: Path) -> None:
    for world, disk, promised in every_call(bench):
        with disk.installed(), contextlib.suppress(PowerCut):
            promised.back_up(world)
        for fate in fates(seeds=1):
            disk.left_behind(fate, left := tmp_path / "left")
            require_kept(survivor_of(world, left), promised)
            shutil.rmtree(left)


def test_a_power_cut_while_a_repository_is_made_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    for call in range(MOST_CALLS):
        disk = Disk(tmp_path / f"{call}")
        disk.fail_at = call
        world = None
        with disk.installed(), contextlib.suppress(PowerCut):
            world = World(disk.root)
        for fate in fates(seeds=1):
            disk.left_behind(fate, left := tmp_path / "left")
            assert Repository.open_or_create(FolderBackend(left), REPOSITORY).id == REPOSITORY
            if world is not None:
                require_kept(survivor_of(world, left), Promised())
            shutil.rmtree(left)
        if world is not None:
            assert call > 20
            return
    pytest.fail("the repository was never made")


def kill_at(world: World, disk: Disk, pipe: int) -> None:
    """In a child: dies as by kill -9, and tells of each step that has returned."""
    disk.failure = lambda: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[return-value]
    promised = Promised()
    with disk.installed():
        while promised.steps < 3:
            promised.back_up(world, only_next=True)
            os.write(pipe, b".")


def test_a_kill_at_any_call_breaks_no_promise(bench: Bench) -> None:
    fork = multiprocessing.get_context("fork")
    for world, disk, promised in every_call(bench):
        reading, writing = os.pipe()
        child = fork.Process(target=kill_at, args=(world, disk, writing))
        child.start()
        os.close(writing)
        child.join(30)
        assert child.exitcode in (0, -signal.SIGKILL)
        promised.steps = len(os.read(reading, 10))
        os.close(reading)
        if child.exitcode == 0:
            disk.calls.clear()
        else:
            disk.calls.extend("." * MOST_CALLS)
        require_kept(survivor_of(world, world.path), promised)


@pytest.mark.parametrize(
    ("failure", "error", "lasting"),
    [(full, NoSpace, True), (full, NoSpace, False), (broken, Unavailable, False)],
    ids=["the disk is full", "the disk is full for one call", "one call fails"],
)
def test_a_disk_that_fails_at_any_call_breaks_no_promise(
    bench: Bench, tmp_path: Path, failure: object, error: type[RepositoryError], lasting: bool
) -> None:
    told = 0
    for world, disk, promised in every_call(bench):
        disk.failure, disk.lasting = failure, lasting  # type: ignore[assignment]
        with disk.installed():
            try:
                promised.back_up(world)
            except error as said:
                told += 1
                assert str(world.path) in str(said)
        # The power goes too, before anybody has looked after it.
        disk.left_behind(fates(0)[0], left := tmp_path / "left")
        require_kept(survivor_of(world, left), promised)
        shutil.rmtree(left)
        require_kept(survivor_of(world, world.path), promised)
    assert told > 30


def test_a_read_that_fails_at_any_call_is_never_less_mail(bench: Bench) -> None:
    world = bench.copy()
    Promised().back_up(world)
    expected = {mailbox: read_all(world.vault, mailbox) for mailbox in (ANNA, BEN)}
    failures = 0
    for call in range(MOST_CALLS):
        disk = Disk(world.path)
        disk.failure = broken
        disk.fail_read_at = call
        with disk.installed():
            try:
                vault = Repository.open(FolderBackend(world.path)).escrowed_vault(ACME, world.root)
                assert vault.mailboxes() == [ANNA, BEN]
                found = {mailbox: read_all(vault, mailbox) for mailbox in (ANNA, BEN)}
                assert found == expected
            except Unavailable as error:
                failures += 1
                assert "Input/output error" in str(error)
        if disk.reads < call:
            break
    assert failures == call - 1 > 30
    require_sound(world)


def test_a_removal_that_was_not_synced_is_not_called_done(bench: Bench, tmp_path: Path) -> None:
    key = "tenants/one/packs/ab/abcdef"
    done = False
    for call in range(10):
        world = bench.copy()
        world.backend.put_immutable(key, b"content")
        disk = Disk(world.path)
        disk.fail_at = call
        with disk.installed():
            try:
                world.backend.delete(key)
                done = True
            except PowerCut:
                pass
        for number, fate in enumerate(fates(3)):
            disk.left_behind(fate, left := tmp_path / f"left {call} {number}")
            after = FolderBackend(left)
            if after.exists(key):
                assert not done
                assert after.get(key) == b"content"
                after.delete(key)
            with pytest.raises(NotFound):
                after.delete(key)
        if done:
            assert call == 2
            return


def test_after_a_full_disk_a_new_writer_goes_on(filled: World) -> None:
    def nothing_known(ids: Collection[bytes]) -> dict[bytes, Location]:
        return {}

    before = read_all(filled.vault, ANNA)
    disk = Disk(filled.path)
    disk.fail_at, disk.failure = 3, full
    writer = filled.vault.writer(nothing_known)
    with disk.installed(), pytest.raises(NoSpace):
        writer.add([raw(CONTENT)])
        writer.flush()
    assert writer.taken() == []
    with pytest.raises(RepositoryError, match="can't go on"):
        writer.add([raw(b"more")])
    filled.back_up(ANNA, {"big": raw(CONTENT)})
    assert read_all(filled.reopened(), ANNA) == {**before, "big": CONTENT}
    assert check(filled.repository, filled.root).findings == []
