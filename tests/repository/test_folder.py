"""The folder backend: names, lengths, errors, power cuts and full disks."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest

from backups.repository import (
    AlreadyExists,
    Damaged,
    FolderBackend,
    NoSpace,
    NotARepository,
    NotFound,
    Repository,
    RepositoryError,
    Unavailable,
)
from backups.repository.errors import Refused

from .disk import Disk, PowerCut, broken, fates, full
from .world import ACME, REPOSITORY

CONTENT = random.Random(6).randbytes(120_000)
KEY = "tenants/one/packs/ab/abcdef"


@pytest.fixture
def folder(tmp_path: Path) -> FolderBackend:
    backend = FolderBackend(tmp_path / "repository")
    Repository.create(backend, REPOSITORY)
    return backend


def files(folder: FolderBackend) -> set[str]:
    return {str(p.relative_to(folder.path)) for p in folder.path.rglob("*") if p.is_file()}


def test_an_object_is_read_whole_and_in_pieces(folder: FolderBackend) -> None:
    folder.put_immutable(KEY, bytearray(CONTENT))
    assert folder.get(KEY) == CONTENT
    assert folder.get(KEY, 100, 50) == CONTENT[100:150]
    assert folder.get(KEY, len(CONTENT) - 5) == CONTENT[-5:]
    assert folder.size(KEY) == len(CONTENT)
    assert folder.exists(KEY)
    assert not folder.exists("tenants/one/packs/ab/other")
    assert folder.free_bytes()


def test_nothing_is_ever_overwritten(folder: FolderBackend) -> None:
    folder.put_immutable(KEY, b"first")
    with pytest.raises(AlreadyExists, match=KEY):
        folder.put_immutable(KEY, b"second")
    assert folder.get(KEY) == b"first"
    assert files(folder) == {"stowage.json", KEY}


@pytest.mark.parametrize(("offset", "length"), [(119_999, 2), (120_001, None), (0, 120_001)])
def test_fewer_bytes_than_wanted_are_damage(
    folder: FolderBackend, offset: int, length: int | None
) -> None:
    folder.put_immutable(KEY, CONTENT)
    with pytest.raises(Damaged, match=f"{KEY}: too short"):
        folder.get(KEY, offset, length)


def test_a_read_that_ends_early_is_damage_and_one_in_pieces_is_not(folder: FolderBackend) -> None:
    folder.put_immutable(KEY, CONTENT)
    real = os.pread
    with mock.patch.object(os, "pread", lambda fd, n, at: real(fd, min(n, 7_000), at)):
        assert folder.get(KEY) == CONTENT
    with (
        mock.patch.object(os, "pread", lambda fd, n, at: real(fd, n, at) if at < 9 else b""),
        mock.patch.object(os, "fstat", lambda fd: mock.Mock(st_size=len(CONTENT) + 1)),
        pytest.raises(Damaged, match="ends at 120000"),
    ):
        folder.get(KEY)


def test_listing_is_by_prefix_and_shows_no_unfinished_file(folder: FolderBackend) -> None:
    for key in ("tenants/one/keys/a.1", "tenants/one/keys/b.1", "tenants/two/keys/a.1"):
        folder.put_immutable(key, b"x")
    (folder.path / "tenants/one/keys/.c.1.0123.tmp").write_bytes(b"half")
    assert list(folder.list("tenants/one/")) == ["tenants/one/keys/a.1", "tenants/one/keys/b.1"]
    assert list(folder.list("tenants/one/keys/b")) == ["tenants/one/keys/b.1"]
    assert list(folder.list("tenants/three/")) == []
    assert len(list(folder.list(""))) == 4


def test_folders_are_those_that_hold_something(folder: FolderBackend) -> None:
    for key in ("tenants/one/keys/a.1", "tenants/two/keys/a.1", "tenants/three/keys/a.1"):
        folder.put_immutable(key, b"x" * len(key))
    folder.delete("tenants/two/keys/a.1")
    (folder.path / "tenants/four/keys").mkdir(parents=True)
    (folder.path / "tenants/four/keys/.c.1.0123.tmp").write_bytes(b"half")
    (folder.path / "tenants/a-file").write_bytes(b"x")
    assert folder.folders("tenants/") == ["one", "three"]
    assert folder.folders("tenants/one/keys/") == folder.folders("tenants/none/") == []
    assert dict(folder.sizes("tenants/")) == {
        "tenants/a-file": 1,
        "tenants/one/keys/a.1": 20,
        "tenants/three/keys/a.1": 22,
    }


def test_leftovers_are_removed_only_when_they_are_old(folder: FolderBackend) -> None:
    folder.put_immutable(KEY, b"x")
    old, new = (folder.path / "tenants/one" / name for name in (".old.12.tmp", ".new.34.tmp"))
    for leftover in (old, new):
        leftover.write_bytes(b"half")
    os.utime(old, (1, 1))
    assert folder.remove_leftovers() == 1
    assert (old.exists(), new.exists()) == (False, True)
    assert folder.get(KEY) == b"x"


def test_delete_takes_one_object(folder: FolderBackend) -> None:
    folder.put_immutable(KEY, b"x")
    folder.delete(KEY)
    assert not folder.exists(KEY)
    with pytest.raises(NotFound):
        folder.delete(KEY)


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/.hidden", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(folder: FolderBackend, key: str) -> None:
    with pytest.raises(RepositoryError, match="can't be the name"):
        folder.put_immutable(key, b"x")
    with pytest.raises(RepositoryError, match="can't be the name"):
        folder.get(key)


def test_an_unmounted_disk_is_not_an_empty_repository(folder: FolderBackend) -> None:
    folder.put_immutable(KEY, b"x")
    folder.path.rename(folder.path.with_name("elsewhere"))
    folder.path.mkdir()
    for use in (
        lambda: folder.get(KEY),
        lambda: folder.exists(KEY),
        lambda: list(folder.list("tenants/")),
        lambda: list(folder.sizes("tenants/")),
        lambda: folder.folders("tenants/"),
        lambda: folder.put_immutable("tenants/new", b"x"),
        lambda: folder.delete(KEY),
    ):
        with pytest.raises(Unavailable, match="is the disk mounted"):
            use()
    assert list(folder.path.iterdir()) == []


def test_a_listing_names_each_object_once_even_when_the_storage_repeats_itself(
    folder: FolderBackend,
) -> None:
    keys = [f"tenants/one/keys/{name}.1" for name in "abc"]
    for key in keys:
        folder.put_immutable(key, b"x")
    real = os.scandir

    @contextlib.contextmanager
    def twice(path: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        with real(path) as first, real(path) as second:
            yield itertools.chain(first, second)

    with mock.patch.object(os, "scandir", twice):
        assert list(folder.list("tenants/")) == keys
        assert folder.folders("tenants/") == ["one"]


@pytest.mark.parametrize("reason", [errno.EIO, errno.ESTALE, errno.ENOENT])
@pytest.mark.parametrize("broken", ["tenants", "two", "packs"])
def test_a_listing_that_breaks_off_anywhere_is_no_end(
    folder: FolderBackend, reason: int, broken: str
) -> None:
    for key in ("tenants/one/keys/a.1", "tenants/two/packs/ab/abcdef"):
        folder.put_immutable(key, b"x")
    real = os.scandir

    @contextlib.contextmanager
    def breaking(path: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        def entries() -> Iterator[os.DirEntry[str]]:
            with real(path) as found:
                yield next(found)
                if path.name == broken:
                    raise OSError(reason, os.strerror(reason))
                yield from found

        yield entries()

    with mock.patch.object(os, "scandir", breaking), pytest.raises(Unavailable, match=broken):
        list(folder.list("tenants/"))


@pytest.mark.parametrize("reason", [errno.EIO, errno.ESTALE, errno.ENOENT])
@pytest.mark.parametrize("broken", ["tenants", "two", "packs"])
def test_folders_that_can_not_be_looked_into_are_not_passed_over(
    folder: FolderBackend, reason: int, broken: str
) -> None:
    for key in ("tenants/one/keys/a.1", "tenants/two/packs/ab/abcdef"):
        folder.put_immutable(key, b"x")
    real = os.scandir

    def breaking(path: Path) -> object:
        if path.name == broken:
            raise OSError(reason, os.strerror(reason))
        return real(path)

    with mock.patch.object(os, "scandir", breaking), pytest.raises(Unavailable, match="tenants"):
        folder.folders("tenants/")


def test_a_folder_that_vanishes_while_it_is_listed_is_no_end(folder: FolderBackend) -> None:
    for key in ("tenants/one/keys/a.1", "tenants/two/keys/a.1"):
        folder.put_immutable(key, b"x")
    listing = folder.list("tenants/")
    assert next(listing) == "tenants/one/keys/a.1"
    (folder.path / "tenants/two").rename(folder.path / "elsewhere")
    with pytest.raises(Unavailable, match="two"):
        next(listing)


def test_a_network_that_loses_the_answer_to_a_link_does_not_lose_the_object(
    folder: FolderBackend,
) -> None:
    real = os.link

    def repeated(source: str, target: str, **more: bool) -> None:
        real(source, target, **more)
        real(source, target, **more)

    with mock.patch.object(os, "link", repeated):
        folder.put_immutable(KEY, b"first")
        with pytest.raises(AlreadyExists):
            folder.put_immutable(KEY, b"second")
    assert folder.get(KEY) == b"first"


def test_an_object_that_may_not_be_deleted_stays_and_the_refusal_is_said(
    folder: FolderBackend,
) -> None:
    folder.put_immutable(KEY, b"x")
    for reason in (errno.EACCES, errno.EPERM, errno.EROFS):
        refusal = OSError(reason, os.strerror(reason))
        with (
            mock.patch.object(os, "unlink", side_effect=refusal),
            pytest.raises(Refused, match=f"abcdef: {os.strerror(reason)}"),
        ):
            folder.delete(KEY)
    assert folder.get(KEY) == b"x"


def test_of_several_that_create_one_object_exactly_one_wins(folder: FolderBackend) -> None:
    start = threading.Barrier(4)

    def create(number: int) -> bool:
        backend = FolderBackend(folder.path)
        start.wait()
        try:
            backend.put_immutable(KEY, bytes([number]) * 1000)
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(create, range(4)))
    assert won.count(True) == 1
    assert folder.get(KEY) == bytes([won.index(True)]) * 1000
    assert files(folder) == {"stowage.json", KEY}


def test_refused_access_is_not_absence(folder: FolderBackend) -> None:
    folder.put_immutable(KEY, b"x")
    refused = OSError(errno.EACCES, os.strerror(errno.EACCES))
    for name in ("open", "scandir"):
        with (
            mock.patch.object(os, name, side_effect=refused),
            pytest.raises(Unavailable, match="Permission denied"),
        ):
            folder.get(KEY) if name == "open" else list(folder.list("tenants/"))


def test_a_file_system_without_hard_links_is_refused_plainly(tmp_path: Path) -> None:
    no_links = OSError(errno.EPERM, os.strerror(errno.EPERM))
    with (
        mock.patch.object(os, "link", side_effect=no_links),
        pytest.raises(Refused, match=r"stowage\.json: the file system can't make a hard link"),
    ):
        Repository.create(FolderBackend(tmp_path / "repository"), REPOSITORY)
    assert list((tmp_path / "repository").iterdir()) == []


def test_creating_refuses_what_is_there(folder: FolderBackend, tmp_path: Path) -> None:
    with pytest.raises(AlreadyExists):
        Repository.create(folder, REPOSITORY)
    assert Repository.open_or_create(folder, REPOSITORY).id == REPOSITORY
    with pytest.raises(RepositoryError, match=str(REPOSITORY)):
        Repository.open_or_create(folder, ACME)
    folder.put_immutable(KEY, b"x")
    (folder.path / "stowage.json").unlink()
    with pytest.raises(RepositoryError, match="bring it back"):
        Repository.create(folder, ACME)
    with pytest.raises(NotARepository):
        Repository.open(folder)
    with pytest.raises(NotARepository):
        Repository.open(FolderBackend(tmp_path / "nowhere"))


def test_content_is_synced_before_its_name_and_the_name_after(folder: FolderBackend) -> None:
    folder.put_immutable("tenants/one/keys/first.1", b"x")
    disk = Disk(folder.path)
    with disk.installed():
        folder.put_immutable("tenants/one/keys/second.1", b"x")
    assert disk.calls == ["create", "write", "sync file", "link", "unlink", "sync folder"]


@pytest.mark.parametrize("asked_again", [False, True])
def test_an_object_that_exists_already_survives_a_power_cut(
    folder: FolderBackend, asked_again: bool
) -> None:
    """Whoever made it may not have come to syncing its name; who relies on it has to."""
    folder.put_immutable("tenants/one/packs/ab/first", b"x")
    disk = Disk(folder.path)
    disk.fail_at, disk.lasting, disk.failure = 7, False, broken
    with disk.installed():
        with pytest.raises(Unavailable):
            folder.put_immutable(KEY, CONTENT)
        assert disk.calls[5:] == ["link", "unlink", "sync folder failed"]
        disk.fail_at = None
        if asked_again:
            with pytest.raises(AlreadyExists):
                FolderBackend(folder.path).put_immutable(KEY, CONTENT)
    disk.left_behind(fates(0)[0], left := folder.path.with_name("left"))
    assert FolderBackend(left).exists(KEY) == asked_again
    assert FolderBackend(left).get("tenants/one/packs/ab/first") == b"x"


def test_a_power_cut_at_any_call_leaves_the_object_whole_or_absent(tmp_path: Path) -> None:
    outcomes = set()
    for call in range(100):
        backend = FolderBackend(tmp_path / f"{call}" / "repository")
        Repository.create(backend, REPOSITORY)
        disk = Disk(backend.path)
        disk.fail_at = call
        returned = False
        with disk.installed(), contextlib.suppress(PowerCut):
            backend.put_immutable(KEY, CONTENT)
            returned = True
        for fate in fates(seeds=3):
            disk.left_behind(fate, left := tmp_path / f"{call}" / fate.name)
            after = FolderBackend(left)
            present = after.exists(KEY)
            outcomes.add((returned, present))
            assert present or not returned
            if not present:
                after.put_immutable(KEY, CONTENT)
            assert after.get(KEY) == CONTENT
        if returned:
            break
    assert call > 10
    assert outcomes == {(False, False), (False, True), (True, True)}


@pytest.mark.parametrize("forgotten", ["sync file", "sync folder"])
def test_the_disk_of_these_tests_does_lose_what_is_not_synced(
    tmp_path: Path, forgotten: str
) -> None:
    backend = FolderBackend(tmp_path / "repository")
    Repository.create(backend, REPOSITORY)
    disk = Disk(backend.path)
    real = disk.fsync

    def forgetful(descriptor: int) -> None:
        is_folder = os.fstat(descriptor).st_mode & 0o040000
        if bool(is_folder) != (forgotten == "sync folder"):
            real(descriptor)

    disk.fsync = forgetful  # type: ignore[method-assign]
    with disk.installed():
        backend.put_immutable(KEY, CONTENT)
    lost = set()
    for fate in fates(seeds=0):
        disk.left_behind(fate, left := tmp_path / fate.name)
        after = FolderBackend(left)
        if not after.exists(KEY) or after.get(KEY) != CONTENT:
            lost.add(fate.name)
    names = {"nothing survives", "content survives, names do not"}
    contents = {"names survive, content does not", "names survive, content is zeros"}
    assert lost == (names if forgotten == "sync folder" else contents | {"nothing survives"})


def test_a_full_disk_at_any_call_is_said_with_the_path(tmp_path: Path) -> None:
    refused = 0
    for step in range(100):
        backend = FolderBackend(tmp_path / f"{step}" / "repository")
        Repository.create(backend, REPOSITORY)
        disk = Disk(backend.path)
        disk.fail_at, disk.failure = step, full
        with disk.installed():
            try:
                backend.put_immutable(KEY, CONTENT)
            except NoSpace as error:
                refused += 1
                assert str(backend.path) in str(error)
                assert "No space left" in str(error)
            else:
                break
        assert not backend.exists(KEY) or backend.get(KEY) == CONTENT
        assert all(not name.endswith(".tmp") for name in files(backend))
    assert refused > 10
