"""Blobs that are copied into other packs read as before."""

from __future__ import annotations

import random
from collections.abc import Collection
from pathlib import Path

import pytest

from backups.repository import Damaged, Location, NotFound, training
from backups.repository.check import check

from .world import ACME, ANNA, World, raw, read_all, with_attachment

PHRASES = [random.Random(phrase).randbytes(30).hex() for phrase in range(60)]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A pack with a dictionary, and one of attachments."""
    monkeypatch.setattr(training, "ENOUGH_BYTES", 60_000)
    monkeypatch.setattr(training, "ENOUGH_PARTS", 50)
    monkeypatch.setattr(training, "SIZE", 8_000)
    monkeypatch.setattr("backups.repository.filling.PAYS", 20_000)
    made = World(tmp_path / "repository")
    items = {}
    for number in range(150):
        chance = random.Random(number)
        text = f"Message {number}. " + " ".join(chance.choice(PHRASES) for _ in range(10))
        items[f"mail-{number}"] = raw(text.encode() * 2)
    items["attached"] = with_attachment(b"with a file", random.Random(1).randbytes(50_000))
    made.back_up(ANNA, items)
    return made


def wanted_of(world: World, names: Collection[str]) -> dict[str, set[bytes]]:
    """By pack: the blobs of these items."""
    index: dict[bytes, Location] = world.vault.pack_index()
    found: dict[str, set[bytes]] = {}
    for item in world.vault.state(ANNA).items.values():
        if item.item_id in names:
            for ref in item.blobs:
                found.setdefault(index[ref.id].pack, set()).add(ref.id)
    return found


def test_copies_read_alone_with_their_dictionaries(world: World) -> None:
    before = read_all(world.vault, ANNA)
    repacker = world.vault.repacker()
    old = list(world.vault.packs())
    for pack, blobs in wanted_of(world, before).items():
        repacker.copy(pack, blobs)
    repacker.flush()
    new = repacker.taken()
    assert any(pack.dictionaries for pack in new)
    assert repacker.taken() == []
    for pack in old:
        world.vault.delete_pack(pack)
    for number in world.backend.list(f"tenants/{ACME}/dictionaries/"):
        world.backend.delete(number)
    assert set(world.vault.packs()) == {pack.id for pack in new}
    assert read_all(world.reopened(), ANNA) == before


def test_only_what_is_wanted_is_copied(world: World) -> None:
    repacker = world.vault.repacker()
    wanted = wanted_of(world, ["mail-3", "mail-4"])
    for pack, blobs in wanted.items():
        repacker.copy(pack, blobs)
    repacker.flush()
    copied = {entry[0] for pack in repacker.taken() for entry in pack.blobs}
    assert copied == set().union(*wanted.values())


def test_a_damaged_pack_is_not_copied_from(world: World) -> None:
    (pack, blobs), *_ = wanted_of(world, ["mail-3"]).items()
    path = next(world.path.glob(f"tenants/*/packs/*/{pack}"))
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged):
        world.vault.repacker().copy(pack, blobs)


def test_a_blob_that_is_not_there_is_said_to_be_missing(world: World) -> None:
    pack = next(iter(world.vault.packs()))
    with pytest.raises(Damaged):
        world.vault.repacker().copy(pack, {bytes(32)})
    with pytest.raises(NotFound):
        world.vault.repacker().copy("0" * 64, {bytes(32)})


def test_after_repacking_the_check_finds_nothing_wrong(world: World) -> None:
    repacker = world.vault.repacker()
    for pack, blobs in wanted_of(world, [f"mail-{n}" for n in range(150)]).items():
        repacker.copy(pack, blobs)
    repacker.flush()
    assert not check(world.repository, world.root).findings
