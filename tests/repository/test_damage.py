"""A bit flipped, a tail cut off, an object gone: found, and named."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.repository import (
    Damaged,
    FolderBackend,
    Repository,
    RepositoryError,
    RootKey,
    located,
)
from backups.repository.check import Report, check
from backups.repository.packs import TRAILER

from .world import ACME, ANNA, BEN, World, read_all


def objects(world: World, part: str) -> list[str]:
    return [key for key in world.backend.list("") if part in key]


def named(world: World, root: RootKey | None, key: str) -> bool:
    """Whether a check says that something is wrong with ``key``."""
    try:
        repository = Repository.open(FolderBackend(world.path))
        found = [finding.object for finding in check(repository, root).findings]
    except RepositoryError as error:
        found = [str(error)]
    return any(key in name for name in found)


def flipped(path: Path, position: int, bit: int) -> bytes:
    content = bytearray(path.read_bytes())
    original = bytes(content)
    content[position] ^= 1 << bit
    path.write_bytes(content)
    return original


def pack_positions(size: int, directory: int) -> Iterator[int]:
    """Every byte of the header, of the first blob's header, of directory and trailer; and more."""
    yield from range(8)
    yield from range(8, 88)
    yield from range(88, size - TRAILER - directory, 97)
    yield from range(size - TRAILER - directory, size)


def test_a_sound_repository_has_no_findings(filled: World) -> None:
    report = check(filled.repository, filled.root)
    assert report.findings == []
    assert report.unknown == []
    assert report.full
    assert (report.tenants, report.mailboxes, report.commits, report.items) == (1, 2, 3, 4)
    assert report.bytes == sum(map(len, filled.contents.values()))
    assert (report.packs, report.blobs) == (4, 5)


@pytest.mark.parametrize("with_keys", [True, False])
def test_a_bit_flipped_anywhere_in_a_pack_is_found(filled: World, with_keys: bool) -> None:
    chance = random.Random(7)
    root = filled.root if with_keys else None
    key = objects(filled, "/packs/")[0]
    path = filled.path / key
    size = path.stat().st_size
    directory = int.from_bytes(path.read_bytes()[-TRAILER:][:4], "little")
    for position in pack_positions(size, directory):
        original = flipped(path, position, chance.randrange(8))
        assert named(filled, root, key), position
        path.write_bytes(original)
    assert not named(filled, root, key)


def test_a_bit_flipped_anywhere_in_a_commit_is_found(filled: World) -> None:
    key = objects(filled, f"/commits/{ANNA}/")[0]
    path = filled.path / key
    for position in range(path.stat().st_size):
        original = flipped(path, position, position % 8)
        assert named(filled, filled.root, key), position
        path.write_bytes(original)


@pytest.mark.parametrize("which", ["tenant.1", f"mailbox-{ANNA}.1", "stowage.json"])
def test_a_bit_flipped_anywhere_in_a_key_or_the_marker_is_found(filled: World, which: str) -> None:
    (key,) = objects(filled, which)
    path = filled.path / key
    for position in range(path.stat().st_size):
        original = flipped(path, position, position % 8)
        assert named(filled, filled.root, key), position
        path.write_bytes(original)


@pytest.mark.parametrize("part", ["/packs/", "/commits/", "tenant.1", "mailbox-", "stowage.json"])
def test_an_object_that_was_cut_off_is_found(filled: World, part: str) -> None:
    key = objects(filled, part)[0]
    path = filled.path / key
    whole = path.read_bytes()
    for length in (0, 1, 7, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert named(filled, filled.root, key), length
    path.write_bytes(whole + b"\0")
    assert named(filled, filled.root, key)


def test_damage_is_told_with_mailbox_point_and_item(filled: World) -> None:
    item = filled.vault.state(BEN).items["copy"]
    attachment = filled.known[item.blobs[1].id]
    key = f"tenants/{ACME}/packs/{attachment.pack[:2]}/{attachment.pack}"
    flipped(filled.path / key, attachment.offset + 1000, 3)
    told = {(f.mailbox, f.point, f.item) for f in check(filled.repository, filled.root).findings}
    assert told == {(None, None, None), (ANNA, 1, "report"), (BEN, 1, "copy")}


def test_a_missing_pack_is_told_by_the_items_that_need_it(filled: World) -> None:
    item = filled.vault.state(ANNA).items["late"]
    pack = filled.known[item.blobs[0].id].pack
    filled.backend.delete(f"tenants/{ACME}/packs/{pack[:2]}/{pack}")
    (finding,) = check(filled.repository, filled.root).findings
    assert (finding.mailbox, finding.point, finding.item) == (ANNA, 2, "late")
    assert item.blobs[0].id.hex() in finding.object
    with pytest.raises(Damaged, match=pack):
        filled.vault.read_item(item.recipe, item.blobs, item.sha256, located(filled.known))


def test_damage_of_one_item_leaves_the_others_readable(filled: World) -> None:
    item = filled.vault.state(ANNA).items["late"]
    at = filled.known[item.blobs[0].id]
    flipped(filled.path / f"tenants/{ACME}/packs/{at.pack[:2]}/{at.pack}", at.offset + 90, 0)
    vault = filled.reopened()
    assert read_all(vault, ANNA, 1) == {
        name: filled.contents[ANNA, name] for name in ("hello", "report")
    }
    with pytest.raises(Damaged, match=f"{at.pack} at {at.offset}"):
        read_all(vault, ANNA, 2)


def test_a_directory_that_is_unreadable_is_told_and_can_be_passed_over(filled: World) -> None:
    key = objects(filled, "/packs/")[0]
    flipped(filled.path / key, -1 - TRAILER, 0)
    with pytest.raises(Damaged, match=key):
        filled.vault.pack_index()
    damaged: list[Damaged] = []
    assert 3 <= len(filled.vault.pack_index(damaged)) < len(filled.known)
    assert [error.key for error in damaged] == [key]


def test_a_directory_of_another_pack_is_refused(filled: World) -> None:
    """Both are genuine; a swap of ends must not send a reader to the wrong blobs."""
    ours, other = (filled.path / key for key in objects(filled, "/packs/")[:2])

    def end(path: Path) -> int:
        return TRAILER + int.from_bytes(path.read_bytes()[-TRAILER:][:4], "little")

    swapped = ours.read_bytes()[: -end(ours)] + other.read_bytes()[-end(other) :]
    ours.write_bytes(swapped)
    assert named(filled, filled.root, str(ours.relative_to(filled.path)))


def test_a_wrong_root_key_is_said_and_is_not_damage(filled: World) -> None:
    with pytest.raises(RepositoryError, match="wrapped under key"):
        check(filled.repository, RootKey(bytes(32)))


def test_objects_that_are_none_of_the_formats_are_listed_as_unknown(filled: World) -> None:
    stray = filled.path / "tenants" / str(ACME) / "packs" / "ab" / "notes.txt"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x")
    report: Report = check(filled.repository, filled.root)
    assert report.unknown == [str(stray.relative_to(filled.path))]
    assert report.findings == []


def test_a_commit_under_the_keys_of_another_repository_is_named(
    filled: World, tmp_path: Path
) -> None:
    other = World(tmp_path / "other")
    other.back_up(ANNA)
    key = objects(other, "/commits/")[0]
    shutil.copy(other.path / key, filled.path / key)
    assert named(filled, filled.root, key)
