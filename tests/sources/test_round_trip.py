"""Out of one mailbox and into another, and the items are the same.

``STOWAGE_CORPUS_ONE_IN=1`` takes every file of the corpus. ``PORTAL_TEST_GRAPH_DIRECTORY``,
``…_CLIENT_ID``, ``…_CERTIFICATE`` and ``…_KEY`` (PEM files) and ``…_MAILBOX`` (an address) let the
same be done in a real mailbox that is there for it: what is restored is deleted again.
"""

import os
from pathlib import Path

import pytest

from backups.sources import GraphSettings, GraphSource
from backups.sources.graph import Patience
from backups.streams import normalised_digest
from sandbox.load import load_folder
from tests.sources.conftest import World, everything
from tests.sources.exchange import folders
from tests.sources.test_ews_round_trip import KINDS, round_trip

CORPUS = os.environ.get("STOWAGE_CORPUS", "")
ONE_IN = int(os.environ.get("STOWAGE_CORPUS_ONE_IN", "10"))
REAL = {
    name: os.environ.get(f"PORTAL_TEST_GRAPH_{name}", "")
    for name in ("DIRECTORY", "CLIENT_ID", "CERTIFICATE", "KEY", "MAILBOX")
}
MICROSOFT = ("https://login.microsoftonline.com", "https://graph.microsoft.com")


def takes_back_what_it_gave(source: GraphSource, mailbox: str) -> None:
    """Up to 20 items of the inbox, restored into a folder of their own and deleted again."""
    inbox = folders(source, mailbox)["inbox"].id
    made = source.create_folder(mailbox, None, "Stowage test", "IPF.Note")
    changes, _ = everything(source, mailbox, inbox)
    some = sorted(changes.values(), key=lambda change: change.id)[:20]
    for item in source.export(mailbox, some):
        assert item.error is None
        restored = source.create(mailbox, made.id, bytes(item.payload))
        there, _ = everything(source, mailbox, made.id)
        (back,) = source.export(mailbox, [there[restored.id]])
        assert normalised_digest(back.payload) == normalised_digest(item.payload)
        source.delete(mailbox, restored.id, made.id)


def test_a_mailbox_takes_back_what_it_gave(world: World, source: GraphSource):
    world.add_mail(3)
    takes_back_what_it_gave(source, world.mailbox)
    kept = {folder.name: folder.items for folder in folders(source, world.mailbox).values()}
    assert (kept["Inbox"], kept["Stowage test"]) == (3, 0)


def test_what_is_restored_elsewhere_has_the_same_digest(world: World, source: GraphSource):
    world.add_mail(20)
    world.add_mail(15, "Inbox/Projects", "Grüße\r\n" * 500)
    other = world.sandbox.add_mailbox(f"copy.{world.address}")
    assert round_trip(source, world.mailbox, other.mailbox, normalised_digest) == (35, [])


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS, reason="needs real mail in STOWAGE_CORPUS")
def test_real_items_survive_the_round_trip(world: World, tmp_path: Path):
    # Waits out the limit of 150 MB in five minutes by the test's own clock.
    patience = Patience(longest_wait=600, sleep=world.sleep, now=lambda: world.clock)
    source = GraphSource(world.settings, patience)
    world.sources.append(source)
    files = sorted(path for kind in KINDS for path in Path(CORPUS).rglob(kind))
    for number, path in enumerate(files[::ONE_IN]):
        (tmp_path / f"{number}{path.suffix}").symlink_to(path)
    report = load_folder(world.sandbox.store, [world.mailbox], tmp_path)
    assert report.loaded > 0.95 * report.found > 0
    other = world.sandbox.add_mailbox(f"copy.{world.address}")
    done = round_trip(source, world.mailbox, other.mailbox, normalised_digest)
    assert done == (report.loaded, [])


@pytest.mark.skipif(
    not all(REAL.values()),
    reason="needs a real organization in PORTAL_TEST_GRAPH_DIRECTORY, _CLIENT_ID, …",
)
def test_a_real_mailbox_takes_back_what_it_gave():
    source = GraphSource(
        GraphSettings(
            *MICROSOFT,
            REAL["DIRECTORY"],
            REAL["CLIENT_ID"],
            Path(REAL["CERTIFICATE"]).read_text(encoding="ascii"),
            Path(REAL["KEY"]).read_text(encoding="ascii"),
        )
    )
    found = {one.address.lower(): one.id for one in source.discover()}
    takes_back_what_it_gave(source, found[REAL["MAILBOX"].lower()])
