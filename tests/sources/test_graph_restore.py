import logging

import pytest

from backups.sources import Gone, GraphSource, NotPermitted, Refused, Retry, SourceError
from backups.streams import normalised_digest
from sandbox.faults import Fault, Kind
from sandbox.registration import BACKUP_ROLES
from tests.sources.conftest import World, everything, folders


def test_an_imported_item_has_new_bytes_and_the_same_normalised_digest(
    world: World, source: GraphSource
):
    (item,) = world.add_mail()
    payload = world.payload(item)
    made = source.create(world.mailbox, world.inbox(), payload)
    assert made.id != item
    stored = world.payload(made.id)
    assert stored != payload
    assert normalised_digest(stored) == normalised_digest(payload)


def test_many_items_go_through_one_session(world: World, source: GraphSource):
    ids = world.add_mail(4)
    before = source.requests
    for item in ids:
        source.create(world.mailbox, world.inbox(), world.payload(item))
    assert source.requests == before + 5


def test_a_session_that_the_server_no_longer_knows_is_replaced(world: World, source: GraphSource):
    (item,) = world.add_mail()
    source.create(world.mailbox, world.inbox(), world.payload(item))
    with world.sandbox.store.database.write() as db:
        db.execute("UPDATE import_sessions SET expires_at = 0")
    assert source.create(world.mailbox, world.inbox(), world.payload(item)).id


def test_a_stream_that_the_server_finds_corrupt_is_refused(world: World, source: GraphSource):
    with pytest.raises(Refused, match="ErrorCorruptData"):
        source.create(world.mailbox, world.inbox(), b"not a stream")


def test_an_import_into_a_folder_that_is_not_there_is_gone(world: World, source: GraphSource):
    (item,) = world.add_mail()
    with pytest.raises(Gone):
        source.create(world.mailbox, "no-such-folder", world.payload(item))


def test_an_import_whose_answer_was_lost_is_not_done_again_unasked(
    world: World, source: GraphSource
):
    (item,) = world.add_mail()
    target = world.sandbox.store.folder_at(world.mailbox, "Restored").id
    world.sandbox.faults.add(Fault(Kind.LOST, "importItem"))
    with pytest.raises(Retry):
        source.create(world.mailbox, target, world.payload(item))
    found = source.matching(world.mailbox, target, world.message_id(item))
    assert len(found) == 1


def test_an_import_that_the_server_put_off_is_done_again(world: World, source: GraphSource):
    (item,) = world.add_mail()
    target = world.sandbox.store.folder_at(world.mailbox, "Restored").id
    world.sandbox.faults.add(Fault(Kind.STATUS, "importItem", 2, status=429, retry_after=3))
    source.create(world.mailbox, target, world.payload(item))
    assert len(source.matching(world.mailbox, target, world.message_id(item))) == 1
    assert source.throttled_seconds == 6


def test_matching_finds_the_message_in_its_folder_only(world: World, source: GraphSource):
    item, other = world.add_mail(2)
    found = source.matching(world.mailbox, world.inbox(), world.message_id(item))
    assert [reference.id for reference in found] == [item]
    elsewhere = folders(source, world.mailbox)["Archive"].id
    assert source.matching(world.mailbox, elsewhere, world.message_id(other)) == []


@pytest.mark.parametrize(
    "message_id", ["<it's@x>", "<a') or (1 eq 1@x>", "<%27&$top=1#@x>", "<é@x>"]
)
def test_a_message_id_with_quotes_stays_one_value(
    world: World, source: GraphSource, message_id: str
):
    world.add_mail(2)
    assert source.matching(world.mailbox, world.inbox(), message_id) == []


def test_folders_are_made_at_the_top_and_below_others(world: World, source: GraphSource):
    top = source.create_folder(world.mailbox, None, "Restored 2026", "IPF.Note")
    below = source.create_folder(world.mailbox, top.id, "Kontakte", "IPF.Contact")
    found = folders(source, world.mailbox)
    assert found["Restored 2026"].parent_id == found["Inbox"].parent_id
    assert found["Kontakte"] == below
    assert (below.parent_id, below.kind) == (top.id, "IPF.Contact")


def test_a_folder_name_that_is_taken_is_refused(world: World, source: GraphSource):
    source.create_folder(world.mailbox, None, "Restored", "IPF.Note")
    with pytest.raises(Refused, match="exists"):
        source.create_folder(world.mailbox, None, "restored", "IPF.Note")


def test_deleting_what_is_not_there_is_gone(world: World, source: GraphSource):
    (item,) = world.add_mail()
    source.delete(world.mailbox, item, world.inbox())
    with pytest.raises(Gone):
        source.delete(world.mailbox, item)


def test_a_backup_registration_can_not_write(world: World):
    (item,) = world.add_mail()
    source = world.connect(*BACKUP_ROLES)
    for attempt in (
        lambda: source.create(world.mailbox, world.inbox(), world.payload(item)),
        lambda: source.create_folder(world.mailbox, None, "New", "IPF.Note"),
        lambda: source.delete(world.mailbox, item),
    ):
        with pytest.raises(NotPermitted):
            attempt()
    assert list(everything(source, world.mailbox, world.inbox())[0]) == [item]


def test_the_import_url_is_in_no_log_and_no_message(
    world: World, source: GraphSource, caplog: pytest.LogCaptureFixture
):
    (item,) = world.add_mail()
    caplog.set_level(logging.DEBUG)
    source.create(world.mailbox, world.inbox(), world.payload(item))
    world.sandbox.faults.add(Fault(Kind.STATUS, "importItem", 1, status=500))
    with pytest.raises(SourceError) as caught:
        source.create(world.mailbox, world.inbox(), world.payload(item))
    with world.sandbox.store.database.read() as db:
        tokens = [row["token"] for row in db.execute("SELECT token FROM import_sessions")]
    assert tokens
    assert "importItem" in caplog.text
    told = caplog.text + str(caught.value) + repr(caught.value.__cause__)
    assert not [token for token in tokens if token in told]
    assert "authtoken" not in told
