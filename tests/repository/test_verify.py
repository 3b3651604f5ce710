"""Verifying in steps and by samples; damage that was stored again is healed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from backups.repository import FolderBackend, Repository, located
from backups.repository import layout as names
from backups.repository.check import check
from backups.repository.findings import Finding, Report
from backups.repository.verify import Position, Sample, Scope, Verification
from backups.standalone.main import main

from .test_damage import flipped
from .world import ACME, ANNA, BEN, MORNING, World, raw, read_all, with_attachment


def verification(world: World, report: Report, **asked: object) -> Verification:
    vault = world.reopened()
    return Verification(world.backend, ACME, vault, report, root=world.root, **asked)  # type: ignore[arg-type]


def in_slices(world: World, steps: int, **asked: object) -> list[Finding]:
    """As a worker does it: a few steps, then somebody else goes on from the note."""
    found: list[Finding] = []
    note = ""
    for _ in range(1_000):
        report = Report(full=True)
        going: Iterator[Position] = verification(world, report, **asked).steps(Position.of(note))
        done = 0
        for position in going:
            done += str(position) != note
            note = str(position)
            if done == steps:
                break
        found += report.findings
        if Position.of(note).stage == "done":
            return found
    raise AssertionError("it never ends")


def damage(world: World, mailbox, item: str, part: int = 0) -> str:  # type: ignore[no-untyped-def]
    """Flips a bit of the content; the pack's key."""
    at = world.known[world.vault.state(mailbox).items[item].blobs[part].id]
    flipped(world.path / names.pack_key(ACME, at.pack), at.offset + 90, 2)
    return names.pack_key(ACME, at.pack)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_verification_in_slices_finds_what_one_in_one_go_finds(filled: World, steps: int) -> None:
    damage(filled, BEN, "copy", 1)
    damage(filled, ANNA, "late")
    whole = check(filled.repository, filled.root).findings
    assert {f.item for f in whole} == {None, "report", "copy", "late"}
    sliced = in_slices(filled, steps)
    assert set(sliced) == set(whole)
    assert len([f for f in sliced if f.item]) == 3


def test_slices_read_every_item_once(filled: World) -> None:
    locate = located(filled.known)
    read = []

    def counting(ids):  # type: ignore[no-untyped-def]
        read.append(tuple(sorted(ids)))
        return locate(ids)

    in_slices(filled, 1, locate=counting)
    assert len(read) == 4


def test_samples_side_by_side_are_everything_and_do_not_overlap(world: World) -> None:
    world.back_up(ANNA, {f"mail-{n}": raw(b"Subject: %d\r\n\r\n" % n) for n in range(200)})
    read = []
    for number in range(10):
        report = Report(full=True)
        scope = Scope(objects=False, sample=Sample.numbered(10, number))
        verification(world, report, scope=scope).run()
        assert report.findings == []
        read.append(report.items)
    assert sum(read) == 200
    assert 5 < min(read) <= max(read) < 40


def test_a_sample_by_age_leaves_out_what_is_younger(filled: World) -> None:
    report = Report(full=True)
    sample = Sample(stored_before=MORNING + timedelta(hours=1))
    verification(filled, report, scope=Scope(objects=False, sample=sample)).run()
    assert report.items == 3  # Anna's later mail came a day after


def test_items_with_suspect_parts_are_read_whatever_the_sample(filled: World) -> None:
    damage(filled, BEN, "copy", 1)
    suspect = {filled.vault.state(BEN).items["copy"].blobs[1].id}
    report = Report(full=True)
    scope = Scope(objects=False, sample=Sample(0), suspect=suspect)
    verification(filled, report, scope=scope).run()
    assert {(f.mailbox, f.point, f.item, f.first) for f in report.findings} == {
        (ANNA, 1, "report", 1),
        (BEN, 1, "copy", 1),
    }


def test_what_is_stored_again_heals_every_mailbox_that_has_it(filled: World) -> None:
    pack = damage(filled, BEN, "copy", 1)
    # A portal takes the damaged part out of its index; the next backup then stores it anew.
    del filled.known[filled.vault.state(BEN).items["copy"].blobs[1].id]
    attachment = random.Random(1).randbytes(20_000)
    filled.back_up(BEN, {"again": with_attachment(b"Subject: again\r\n\r\nhere", attachment)})
    findings = check(filled.repository, filled.root).findings
    assert [(f.object.partition(" at ")[0], f.item) for f in findings] == [(pack, None)]
    for mailbox in (ANNA, BEN):
        for item, content in read_all(filled.reopened(), mailbox).items():
            assert content == filled.contents[mailbox, item]


@pytest.mark.parametrize("which", [0, 1])
def test_of_two_copies_the_sound_one_is_read_whichever_is_listed_first(
    world: World, which: int
) -> None:
    content = random.Random(4).randbytes(20_000)
    world.back_up(ANNA, {"one": raw(content)})
    first = dict(world.known)
    world.known.clear()
    world.store([raw(content)])
    (blob,) = first
    copies = sorted([first[blob], world.known[blob]], key=lambda at: at.pack)
    assert copies[0].pack != copies[1].pack
    flipped(world.path / names.pack_key(ACME, copies[which].pack), copies[which].offset + 90, 2)
    assert read_all(world.reopened(), ANNA) == {"one": content}


def test_the_command_verifies_a_sample(
    filled: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, key = str(filled.path), str(filled.key_file(tmp_path))
    items = 0
    for seed in range(4):
        arguments = ["verify", place, "--root-key-file", key, "--percent", "25"]
        assert main([*arguments, "--seed", str(seed), "--json"]) == 0
        items += json.loads(capsys.readouterr().out)["items"]
    assert items == 4
    damage(filled, BEN, "copy")
    assert main(["verify", place, "--root-key-file", key, "--older-than", "0"]) == 1
    assert "item copy" in capsys.readouterr().out
    assert main(["verify", place, "--root-key-file", key]) == 1
    assert main(["verify", place]) == 1
    assert main(["verify", place, "--percent", "5"]) == 2


def test_without_keys_a_verification_goes_on_after_each_object_too(filled: World) -> None:
    pack = damage(filled, BEN, "copy")
    backend = Repository.open(FolderBackend(filled.path)).backend
    found, note = [], ""
    while Position.of(note).stage != "done":
        report = Report(full=False)
        steps = Verification(backend, ACME, None, report).steps(Position.of(note))
        note = str(next(steps))
        found += report.findings
    assert [f.object for f in found if f.object.startswith(pack)]
