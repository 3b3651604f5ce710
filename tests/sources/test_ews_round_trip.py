"""Out of one mailbox of a server and into another, and the items are the same.

``PORTAL_TEST_EWS_URL``, ``…_USER`` (an address) and ``…_PASSWORD`` let the same be done with a
real server, in a mailbox that is there for it: what is restored is deleted again.
"""

import os
from pathlib import Path

import pytest

from backups.sources import MailboxSource
from backups.sources.ews import Auth, EwsSettings, EwsSource
from backups.streams import normalised_digest, open_item
from sandbox.load import load_folder
from tests.sources.conftest import everything
from tests.sources.exchange import Server, folders

CORPUS = os.environ.get("STOWAGE_CORPUS", "")
REAL_URL = os.environ.get("PORTAL_TEST_EWS_URL", "")
ONE_IN = int(os.environ.get("STOWAGE_CORPUS_ONE_IN", "10"))
KINDS = ("*.eml", "*.ics", "*.vcf", "*.msg")


def carried(payload: bytes) -> bytes:
    """A digest of what MIME and the properties beside it carry."""
    return open_item(payload).digest()


def all_items(source: MailboxSource, mailbox: str) -> dict[str, bytes]:
    """Streams by id of the whole mailbox; every item must come."""
    found = {}
    for folder in folders(source, mailbox).values():
        changes, _ = everything(source, mailbox, folder.id)
        for item in source.export(mailbox, list(changes.values())):
            assert item.error is None
            found[item.id] = item.payload
    return found


def round_trip(source: MailboxSource, origin: str, target: str, digest) -> tuple[int, list[str]]:
    """(items that came back, what differs by name) after a way into an empty mailbox."""
    place = folders(source, target)["inbox"].id
    expected = {}
    for item, payload in all_items(source, origin).items():
        expected[source.create(target, place, payload).id] = (item, digest(payload))
    back = all_items(source, target)
    assert back.keys() == expected.keys()
    differ = [expected[item][0] for item in back if digest(back[item]) != expected[item][1]]
    return len(back), differ


def load(server: Server, folder: Path, *kinds: str) -> int:
    for number, path in enumerate(
        sorted(one for kind in kinds for one in Path(CORPUS).rglob(kind))[::ONE_IN]
    ):
        (folder / f"{number}{path.suffix}").symlink_to(path)
    report = load_folder(server.sandbox.store, [server.mailbox], folder)
    assert report.loaded > 0
    return report.loaded


def test_what_is_restored_elsewhere_has_the_same_digest(server: Server):
    server.add_mail(20)
    server.add_mail(15, "Inbox/Projects", "Grüße\r\n" * 500)
    done = round_trip(server.connect(), server.address, server.another(), normalised_digest)
    assert done == (35, [])


def test_mime_that_is_restored_elsewhere_carries_the_same(server: Server):
    server.add_mail(20)
    server.sandbox.set_bulk_transfer("acme.example", supported=False)
    try:
        done = round_trip(server.connect(), server.address, server.another(), carried)
    finally:
        server.sandbox.set_bulk_transfer("acme.example", supported=True)
    assert done == (20, [])


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS, reason="needs real mail in STOWAGE_CORPUS")
def test_real_items_survive_the_round_trip(server: Server, tmp_path: Path):
    loaded = load(server, tmp_path, *KINDS)
    source = server.connect(auth=Auth.NTLM)
    done = round_trip(source, server.address, server.another(), normalised_digest)
    assert done == (loaded, [])


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS, reason="needs real mail in STOWAGE_CORPUS")
def test_real_mail_survives_as_mime(server: Server, tmp_path: Path):
    loaded = load(server, tmp_path, "*.eml")
    server.sandbox.set_bulk_transfer("acme.example", supported=False)
    try:
        count, differ = round_trip(server.connect(), server.address, server.another(), carried)
    finally:
        server.sandbox.set_bulk_transfer("acme.example", supported=True)
    assert (count, differ) == (loaded, [])


@pytest.mark.skipif(not REAL_URL, reason="needs a real server in PORTAL_TEST_EWS_URL")
def test_a_real_server_takes_back_what_it_gave():
    address = os.environ["PORTAL_TEST_EWS_USER"]
    source = EwsSource(
        EwsSettings(
            REAL_URL,
            address,
            os.environ["PORTAL_TEST_EWS_PASSWORD"],
            addresses=(address,),
            impersonation=False,
        )
    )
    inbox = folders(source, address)["inbox"].id
    made = source.create_folder(address, None, "Stowage test", "IPF.Note")
    changes, _ = everything(source, address, inbox)
    some = sorted(changes.values(), key=lambda change: change.id)[:20]
    for item in source.export(address, some):
        assert item.error is None
        restored = source.create(address, made.id, bytes(item.payload))
        found, _ = everything(source, address, made.id)
        (back,) = source.export(address, [found[restored.id]])
        assert normalised_digest(back.payload) == normalised_digest(item.payload)
        source.delete(address, restored.id)
