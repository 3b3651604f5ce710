"""Out of one mailbox and into another, and the items are the same."""

import os
from pathlib import Path

import pytest

from backups.sources import GraphSource
from backups.streams import normalised_digest
from sandbox.load import load_folder
from sandbox.testing import Sandbox
from tests.sources.conftest import World, everything, exported

CORPUS = os.environ.get("STOWAGE_CORPUS", "")
ONE_IN = 10


def round_trip(sandbox: Sandbox, source: GraphSource, origin: str, target: str) -> int:
    """Export all of ``origin`` into the inbox of ``target``; how many items came back the same."""
    inbox = sandbox.store.folder(target, "inbox").id
    digests = {}
    for folder in sandbox.store.folders(origin):
        changes, _ = everything(source, origin, folder.id)
        for item in source.export(origin, list(changes.values())):
            made = source.create(target, inbox, item.payload)
            digests[made.id] = normalised_digest(item.payload)
    changes, _ = everything(source, target, inbox)
    back = exported(source, target, list(changes.values()))
    assert {item: normalised_digest(back[item].payload) for item in back} == digests
    return len(back)


def test_what_is_restored_elsewhere_has_the_same_digest(world: World, source: GraphSource):
    world.add_mail(20)
    world.add_mail(15, "Inbox/Projects", "Grüße\r\n" * 500)
    other = world.sandbox.add_mailbox(f"copy.{world.address}")
    assert round_trip(world.sandbox, source, world.mailbox, other.mailbox) == 35


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS, reason="needs real mail in STOWAGE_CORPUS")
def test_real_mail_survives_the_round_trip(world: World, source: GraphSource, tmp_path: Path):
    for number, path in enumerate(sorted(Path(CORPUS).rglob("*.eml"))[::ONE_IN]):
        (tmp_path / f"{number}.eml").symlink_to(path)
    report = load_folder(world.sandbox.store, [world.mailbox], tmp_path)
    assert report.loaded > 0.99 * report.found > 0
    other = world.sandbox.add_mailbox(f"copy.{world.address}")
    assert round_trip(world.sandbox, source, world.mailbox, other.mailbox) == report.loaded
