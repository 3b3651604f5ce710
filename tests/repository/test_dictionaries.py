"""Dictionaries save space, and whatever becomes of them costs no mail."""

from __future__ import annotations

import random
from collections.abc import Collection
from datetime import datetime, timedelta

import pytest
from backports import zstd

from backups.parts import CutItem
from backups.repository import Damaged, FolderBackend, Location, Repository, Vault, training
from backups.repository.blobs import read_header
from backups.repository.check import check
from backups.repository.dictionaries import Dictionaries
from backups.repository.training import Samples

from .world import ACME, ANNA, MORNING, World, raw, read_all, with_attachment

PHRASES = [random.Random(phrase).randbytes(30).hex() for phrase in range(60)]
OTHER_PHRASES = [random.Random(1_000 + phrase).randbytes(30).hex() for phrase in range(60)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "ENOUGH_BYTES", 60_000)
    monkeypatch.setattr(training, "ENOUGH_PARTS", 50)
    monkeypatch.setattr(training, "SIZE", 8_000)
    monkeypatch.setattr("backups.repository.filling.PAYS", 20_000)


def mails(count: int, start: int = 0, phrases: list[str] = PHRASES) -> list[CutItem]:
    found = []
    for number in range(start, start + count):
        chance = random.Random(number)
        text = f"Message {number}. " + " ".join(chance.choice(phrases) for _ in range(10))
        found.append(raw(text.encode() * 2))
    return found


def nothing_known(ids: Collection[bytes]) -> dict[bytes, Location]:
    return {}


def store(vault: Vault, cuts: list[CutItem], now: datetime = MORNING) -> int:
    """Bytes of the packs."""
    writer = vault.writer(nothing_known, clock=lambda: now)
    writer.add(cuts)
    writer.flush()
    return writer.bytes_stored


def numbers(world: World) -> list[int]:
    return Dictionaries(world.backend, ACME, world.keys.metadata_key).numbers()


def dictionary_path(world: World, number: int = 1) -> str:
    return f"tenants/{ACME}/dictionaries/{number:010d}"


def back_up(world: World, count: int = 100) -> dict[str, bytes]:
    world.back_up(ANNA, {f"mail {n}": cut for n, cut in enumerate(mails(count))})
    return {f"mail {n}": cut.parts[0].data for n, cut in enumerate(mails(count))}


def used(world: World) -> set[int]:
    """Dictionaries that the headers of all blobs name."""
    found = set()
    for pack in world.vault.packs():
        content = world.backend.get(f"tenants/{ACME}/packs/{pack[:2]}/{pack}")
        for _, offset, _ in world.vault.read_pack(pack).blobs:
            found.add(read_header(content[offset:], "it").dictionary)
    return found


def test_the_first_mail_of_a_tenant_makes_a_dictionary_and_uses_it(world: World) -> None:
    contents = back_up(world)
    assert numbers(world) == [1]
    assert used(world) == {1}
    assert read_all(world.reopened(), ANNA) == contents
    assert check(world.repository, world.root).findings == []


def test_it_makes_small_parts_smaller(world: World) -> None:
    few = mails(60, start=5_000)
    without = store(world.vault, few[:10]) / 10
    back_up(world)
    assert store(world.vault, few) / 60 < 0.8 * without


def test_a_pack_with_little_in_it_carries_no_dictionary(world: World) -> None:
    back_up(world)
    (pack,) = world.vault.packs()
    assert list(world.vault.read_pack(pack).dictionaries) == [1]
    store(world.vault, mails(3, start=7_000))
    (small_pack,) = set(world.vault.packs()) - {pack}
    assert world.vault.read_pack(small_pack).dictionaries == {}


def test_attachments_and_large_parts_use_none(world: World) -> None:
    back_up(world)
    before = set(world.vault.packs())
    large = " ".join(random.Random(1).choices(PHRASES, k=2_000)).encode()
    store(world.vault, [with_attachment(large, b"small attachment" * 3), *mails(60, 9_000)])
    for pack in set(world.vault.packs()) - before:
        content = world.backend.get(f"tenants/{ACME}/packs/{pack[:2]}/{pack}")
        stored = world.vault.read_pack(pack)
        headers = [read_header(content[offset:], "it") for _, offset, _ in stored.blobs]
        for header in headers:
            may = stored.pack_class == 0 and header.length < 64 * 1024
            assert header.dictionary == (1 if may else 0)


@pytest.mark.parametrize("loss", ["gone", "damaged", "another under its number"])
def test_a_dictionary_that_is_lost_costs_nothing(world: World, loss: str) -> None:
    contents = back_up(world)
    path = world.path / dictionary_path(world)
    if loss == "damaged":
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        named = {finding.object for finding in check(world.repository, world.root).findings}
        assert named == {dictionary_path(world)}
    else:
        path.unlink()
    if loss == "another under its number":
        content = zstd.train_dict([m.parts[0].data for m in mails(60, 40, OTHER_PHRASES)], 4_000)
        dictionaries = Dictionaries(world.backend, ACME, world.keys.metadata_key)
        dictionaries.create(content.dict_content, MORNING)
    assert read_all(world.reopened(), ANNA) == contents
    world.back_up(ANNA, {"next": raw(b"life goes on")})
    assert read_all(world.reopened(), ANNA) == {**contents, "next": b"life goes on"}


def test_a_damaged_dictionary_is_replaced_by_the_next(world: World) -> None:
    back_up(world)
    path = world.path / dictionary_path(world)
    path.write_bytes(b"STWZ, or what is left of it")
    store(world.vault, mails(100, start=3_000))
    assert numbers(world) == [1, 2]


def test_a_storage_that_hides_dictionaries_stops_no_backup(world: World) -> None:
    class Hiding(FolderBackend):
        def list(self, prefix: str):  # type: ignore[no-untyped-def]
            if prefix.endswith("dictionaries/"):
                raise Damaged(prefix, "access denied")
            return super().list(prefix)

    repository = Repository(Hiding(world.path), world.repository.id)
    vault = repository.vault(ACME, world.keys, world.mailbox_keys.__getitem__)
    assert store(vault, mails(100)) > 0
    assert numbers(world) == []


def test_of_two_that_train_at_once_both_use_the_first(world: World) -> None:
    class Late(FolderBackend):
        """Somebody else's dictionary comes between looking and creating."""

        def put_immutable(self, key: str, data: bytes | bytearray | memoryview) -> None:
            if key == dictionary_path(world) and not self.exists(key):
                theirs = zstd.train_dict([m.parts[0].data for m in mails(90, 400)], 6_000)
                dictionaries = Dictionaries(world.backend, ACME, world.keys.metadata_key)
                dictionaries.create(theirs.dict_content, MORNING)
            super().put_immutable(key, data)

    repository = Repository(Late(world.path), world.repository.id)
    vault = repository.vault(ACME, world.keys, world.mailbox_keys.__getitem__)
    store(vault, mails(100))
    winner = Dictionaries(world.backend, ACME, world.keys.metadata_key).get(1)
    (pack,) = vault.packs()
    assert vault.read_pack(pack).dictionaries == {1: winner.content}


@pytest.mark.parametrize(
    ("days", "phrases", "expected"),
    [(89, OTHER_PHRASES, [1]), (91, PHRASES, [1]), (91, OTHER_PHRASES, [1, 2])],
    ids=["young", "old and as good", "old and worse"],
)
def test_a_dictionary_is_replaced_when_it_is_old_and_a_new_one_is_better(
    world: World, days: int, phrases: list[str], expected: list[int]
) -> None:
    back_up(world)
    later = MORNING + timedelta(days=days)
    age = Dictionaries(world.backend, ACME, world.keys.metadata_key).get(1).trained_at
    assert age is not None
    store(world.vault, mails(200, 2_000, phrases), age + (later - MORNING))
    assert numbers(world) == expected


def test_samples_stay_within_their_bounds_and_are_a_fair_choice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "KEPT_BYTES", 100_000)
    samples = Samples()
    for number in range(5_000):
        samples.offer(b"%05d" % number * 100)
    kept = sorted(int(part[:5]) for part in samples._kept)
    assert sum(map(len, samples._kept)) <= 100_000
    assert len(kept) >= 150
    assert sum(number > 2_500 for number in kept) > len(kept) / 4
