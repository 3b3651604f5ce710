"""What is read back is what was stored, and each part is stored once."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from backups.parts import MAX_PART, CutItem, Layout, Part, Recipe, Role
from backups.repository import (
    BlobRef,
    Damaged,
    FolderBackend,
    Location,
    NoSpace,
    PackClass,
    Repository,
    RepositoryError,
    TenantKeys,
    WriterFailed,
    packs,
)
from backups.repository.blobs import BlobCodec
from backups.repository.dictionaries import Dictionary

from .world import (
    ACME,
    ANNA,
    BEN,
    GLOBEX,
    World,
    content_of,
    raw,
    read_all,
    record,
    with_attachment,
)

ROOT = Path(__file__).parents[2]


def nothing_known(ids: Collection[bytes]) -> dict[bytes, Location]:
    return {}


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"text " * 500, random.Random(2).randbytes(70_000), bytes(MAX_PART + 1)],
    ids=["empty", "one byte", "text", "incompressible", "more than one blob"],
)
def test_an_item_comes_back_byte_for_byte(world: World, content: bytes) -> None:
    world.back_up(ANNA, {"item": raw(content)})
    assert read_all(world.reopened(), ANNA) == {"item": content}


def test_an_item_stream_with_frames_and_holes_comes_back(world: World) -> None:
    recipe = Recipe(Layout.FTS, 1, 4, ((10, 2), (5, 1)), ((3, 1), (3, 2)))
    parts = (
        Part(Role.SKELETON, b"HEADabcdef"),
        Part(Role.BODY, b"0123456789"),
        Part(Role.ATTACHMENT, b"ABCDEFGHI"),
    )
    cut = CutItem(recipe, parts)
    world.back_up(ANNA, {"stream": cut})
    assert read_all(world.reopened(), ANNA) == {"stream": content_of(cut)}


def test_every_restore_point_is_as_it_was(filled: World) -> None:
    vault = filled.reopened()
    assert read_all(vault, ANNA, 1) == {
        name: filled.contents[ANNA, name] for name in ("hello", "report")
    }
    assert read_all(vault, ANNA) == {
        name: filled.contents[ANNA, name] for name in ("report", "late")
    }
    assert read_all(vault, BEN) == {"copy": filled.contents[BEN, "copy"]}


def test_an_attachment_that_many_hold_is_stored_once(world: World) -> None:
    attachment = random.Random(3).randbytes(50_000)
    writer = world.vault.writer(nothing_known)
    first, second = writer.add(
        [with_attachment(f"to number {n}".encode(), attachment) for n in range(2)]
    )
    (third,) = writer.add([with_attachment(b"to number 3", attachment)])
    writer.flush()
    assert first[1] == second[1] == third[1]
    assert (writer.blobs_new, writer.blobs_known) == (4, 2)
    assert writer.bytes_in - writer.bytes_new == 2 * len(attachment)
    assert writer.bytes_stored < 60_000


def test_what_the_catalog_knows_is_not_stored_again(filled: World) -> None:
    asked: list[Collection[bytes]] = []

    def locate(ids: Collection[bytes]) -> dict[bytes, Location]:
        asked.append(ids)
        return {i: filled.known[i] for i in ids if i in filled.known}

    writer = filled.vault.writer(locate)
    writer.add([raw(filled.contents[ANNA, "hello"]), raw(b"something new")])
    writer.flush()
    assert (writer.blobs_known, writer.blobs_new) == (1, 1)
    assert [len(ids) for ids in asked] == [2]


def test_two_tenants_share_nothing_and_read_nothing_of_each_other(world: World) -> None:
    keys = TenantKeys.generate()
    other = world.repository.vault(GLOBEX, keys, world.mailbox_keys.__getitem__)
    (ours,) = world.store([raw(b"the same text")])
    writer = other.writer(nothing_known)
    (theirs,) = writer.add([raw(b"the same text")])
    writer.flush()
    assert ours[0].id != theirs[0].id
    assert ours[0].key != theirs[0].key
    assert writer.blobs_new == 1
    ours_on_their_side = world.backend.path / "tenants" / str(GLOBEX) / "packs"
    (their_pack,) = (p for p in ours_on_their_side.rglob("*") if p.is_file())
    as_ours = their_pack.parents[3] / str(ACME) / "packs" / their_pack.parent.name / their_pack.name
    as_ours.parent.mkdir(parents=True, exist_ok=True)
    as_ours.write_bytes(their_pack.read_bytes())
    with pytest.raises(Damaged, match=their_pack.name):
        world.vault.pack_index()


def test_packs_stay_under_their_limit_and_keep_their_class(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "LIMIT", 64 * 1024)
    # So each call waits until the parts before its own are packed.
    monkeypatch.setattr("backups.repository.writer.AHEAD", 1)
    chance = random.Random(4)
    writer = world.vault.writer(nothing_known)
    cuts = [with_attachment(chance.randbytes(3_000), chance.randbytes(9_000)) for _ in range(30)]
    for cut in cuts:
        writer.add([cut])
    before_flush = writer.taken()
    writer.flush()
    stored = before_flush + writer.taken()
    assert len(before_flush) >= 4
    assert {pack.pack_class for pack in stored} == {PackClass.SKELETON, PackClass.ATTACHMENT}
    for pack in stored:
        assert pack.size <= 64 * 1024
        assert pack.size == world.backend.size(f"tenants/{ACME}/packs/{pack.id[:2]}/{pack.id}")
        assert world.vault.read_pack(pack.id) == pack
    assert writer.bytes_stored == sum(pack.size for pack in stored)
    assert writer.taken() == []


def test_a_blob_that_is_in_no_pack_is_named(filled: World) -> None:
    item = filled.vault.state(ANNA).items["late"]
    with pytest.raises(Damaged, match=item.blobs[0].id.hex()):
        filled.vault.read_item(item.recipe, item.blobs, item.sha256, lambda ids: {})


def test_an_item_whose_bytes_are_not_those_of_its_hash_is_refused(filled: World) -> None:
    item = filled.vault.state(ANNA).items["late"]
    with pytest.raises(Damaged, match="not those that were backed up"):
        filled.vault.read_item(item.recipe, item.blobs, bytes(32), lambda ids: filled.known)


def test_after_an_error_a_writer_refuses_to_go_on(world: World) -> None:
    class Failing(FolderBackend):
        def put_immutable(self, key: str, data: bytes | bytearray | memoryview) -> None:
            raise RepositoryError("the disk is gone")

    repository = Repository(Failing(world.path), world.repository.id)
    vault = repository.vault(ACME, world.keys, world.mailbox_keys.__getitem__)
    writer = vault.writer(nothing_known)
    writer.add([raw(b"lost")])
    with pytest.raises(RepositoryError, match="the disk is gone"):
        writer.flush()
    with pytest.raises(RepositoryError, match="can't go on"):
        writer.flush()
    assert writer.taken() == []


@pytest.mark.parametrize("spoiled", ["a bit", "all of it"])
def test_a_blob_that_memory_spoiled_never_leaves_it(
    world: World, monkeypatch: pytest.MonkeyPatch, spoiled: str
) -> None:
    seal = BlobCodec.seal

    def spoils(
        codec: BlobCodec,
        ref: BlobRef,
        pack_class: PackClass,
        plaintext: bytes,
        dictionary: Dictionary | None = None,
    ) -> bytes:
        if spoiled == "all of it":
            return seal(codec, ref, pack_class, plaintext[::-1], dictionary)
        blob = bytearray(seal(codec, ref, pack_class, plaintext, dictionary))
        blob[-1] ^= 1
        return bytes(blob)

    with monkeypatch.context() as patch:
        patch.setattr(BlobCodec, "seal", spoils)
        with pytest.raises(Damaged, match="in memory"):
            world.back_up(ANNA, {"one": raw(b"content of an item")})
    assert list(world.vault.packs()) == []
    world.back_up(ANNA, {"one": raw(b"content of an item")})
    assert read_all(world.reopened(), ANNA) == {"one": b"content of an item"}


class RunOut(list[Part]):
    """Parts that can be made once; the second time memory is used up behind the first."""

    rounds = 0

    def __iter__(self) -> Iterator[Part]:
        self.rounds += 1
        for number, part in enumerate(super().__iter__()):
            if self.rounds > 1 and number > 0:
                raise MemoryError
            yield part


def test_after_any_error_a_writer_refuses_to_go_on(world: World) -> None:
    """What it had taken and not handed on is lost, and it would be called known."""
    first, second = Part(Role.SKELETON, b"taken"), Part(Role.SKELETON, b"never made")
    item = CutItem(Recipe(Layout.RAW, 2, 0, (), ()), RunOut([first, second]))
    writer = world.vault.writer(nothing_known)
    with pytest.raises(MemoryError):
        writer.add([item])
    with pytest.raises(WriterFailed, match="MemoryError"):
        writer.add([raw(b"taken")])
    with pytest.raises(WriterFailed, match="MemoryError"):
        writer.flush()


def test_what_fails_while_the_next_items_are_read_is_said_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(FolderBackend):
        def put_immutable(self, key: str, data: bytes | bytearray | memoryview) -> None:
            raise NoSpace(f"{key}: no space left")

    monkeypatch.setattr(packs, "LIMIT", 64 * 1024)
    monkeypatch.setattr("backups.repository.writer.AHEAD", 1)
    repository = Repository(Full(world.path), world.repository.id)
    vault = repository.vault(ACME, world.keys, world.mailbox_keys.__getitem__)
    writer = vault.writer(nothing_known)
    chance = random.Random(6)
    with pytest.raises(NoSpace, match="no space left"):
        for _ in range(30):
            writer.add([with_attachment(b"see there", chance.randbytes(9_000))])
    with pytest.raises(RepositoryError, match="can't go on"):
        writer.flush()
    assert (writer.taken(), writer.bytes_stored) == ([], 0)


def test_the_thread_of_a_writer_ends_with_it(world: World) -> None:
    before = set(threading.enumerate())
    writer = world.vault.writer(nothing_known)
    writer.add([raw(b"never flushed")])
    (packing,) = set(threading.enumerate()) - before
    del writer
    packing.join(timeout=60)
    assert not packing.is_alive()


def test_the_references_of_one_item_are_enough_to_read_it(world: World) -> None:
    cut = with_attachment(b"text of the mail", bytes(range(256)) * 20)
    (refs,) = world.store([cut])
    item = record("one", cut, refs)
    content = world.vault.read_item(cut.recipe, refs, item.sha256, lambda ids: world.known)
    assert content == content_of(cut)


MEMORY = """
import random, sys, uuid
from backups.parts import CutItem, Layout, Part, Recipe, Role
from backups.repository import FolderBackend, Repository, TenantKeys
chance = random.Random(5)
vault = Repository.create(FolderBackend(sys.argv[1]), uuid.uuid4()).vault(
    uuid.uuid4(), TenantKeys.generate(), lambda mailbox: bytes(32))
writer = vault.writer(lambda ids: {})
recipe = Recipe(Layout.RAW, 1, 0, (), ())
for _ in range(30):
    parts = [Part(role, chance.randbytes(2_500_000)) for role in (Role.BODY, Role.ATTACHMENT)]
    writer.add([CutItem(recipe, (part,)) for part in parts])
writer.flush()
assert writer.bytes_stored > 150_000_000
print(*(l.split()[1] for l in open("/proc/self/status") if l.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_the_storage_layer_stays_under_150_mb_of_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "repository")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150_000
