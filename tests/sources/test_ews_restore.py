import pytest

from backups.sources import Gone, NotPermitted, Refused, Retry, Throttled
from backups.streams import normalised_digest
from sandbox.faults import Fault, Kind
from tests.sources.exchange import Server, folders, listed


def test_a_folder_is_created_at_the_top_and_inside_another(server: Server):
    source = server.connect()
    top = source.create_folder(server.address, None, "Restored <1> & more", "IPF.Note")
    inner = source.create_folder(server.address, top.id, "Calendar", "IPF.Appointment")
    tree = {folder.id: folder for folder in folders(source, server.address).values()}
    assert (tree[top.id].name, tree[top.id].kind) == ("Restored <1> & more", "IPF.Note")
    assert (tree[inner.id].parent_id, tree[inner.id].kind) == (top.id, "IPF.Appointment")


def test_a_folder_whose_name_is_taken_is_refused(server: Server):
    source = server.connect()
    source.create_folder(server.address, None, "Twice", "IPF.Note")
    with pytest.raises(Refused):
        source.create_folder(server.address, None, "Twice", "IPF.Note")


def test_a_name_that_xml_cannot_carry_is_refused_by_name(server: Server):
    with pytest.raises(Refused, match=r"U\+0007"):
        server.connect().create_folder(server.address, None, "Bell \a", "IPF.Note")


def test_what_is_created_is_found_and_is_the_same_item(server: Server):
    source = server.connect()
    (item,) = server.add_mail()
    (payload,) = server.payloads(item)
    drafts = folders(source, server.address)["drafts"].id
    assert source.matching(server.address, drafts, server.message_id(item)) == []

    made = source.create(server.address, drafts, payload)

    assert source.matching(server.address, drafts, server.message_id(item)) == [made]
    (change,) = listed(source, server.address, "drafts")
    assert (change.id, change.change_key) == (made.id, made.change_key)
    (back,) = source.export(server.address, [change])
    assert normalised_digest(back.payload) == normalised_digest(payload)


def test_a_stream_that_the_server_cannot_read_is_refused_or_damaged(server: Server):
    source = server.connect()
    drafts = folders(source, server.address)["drafts"].id
    with pytest.raises(Exception, match="ErrorCorruptData"):
        source.create(server.address, drafts, b"no stream")
    assert listed(source, server.address, "drafts") == []


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.TRUNCATED])
def test_a_create_whose_answer_is_lost_is_not_done_twice(server: Server, kind: Kind):
    source = server.connect()
    (item,) = server.add_mail()
    (payload,) = server.payloads(item)
    drafts = folders(source, server.address)["drafts"].id
    server.sandbox.faults.add(Fault(kind, "UploadItems"))
    with pytest.raises(Retry):
        source.create(server.address, drafts, payload)
    assert len(source.matching(server.address, drafts, server.message_id(item))) == 1


def test_a_create_that_the_server_is_too_busy_for_is_throttled(server: Server):
    source = server.connect()
    (item,) = server.add_mail()
    (payload,) = server.payloads(item)
    drafts = folders(source, server.address)["drafts"].id
    server.sandbox.faults.add(Fault(Kind.STATUS, "UploadItems", status=503))
    with pytest.raises(Throttled):
        source.create(server.address, drafts, payload)
    assert listed(server.connect(), server.address, "drafts") == []


def test_a_request_that_is_too_large_for_the_server_is_refused(server: Server):
    source = server.connect()
    drafts = folders(source, server.address)["drafts"].id
    server.sandbox.faults.add(Fault(Kind.STATUS, "UploadItems", status=413))
    with pytest.raises(Refused, match="this size"):
        source.create(server.address, drafts, b"large")


def test_a_create_into_a_folder_that_is_not_there_is_gone(server: Server):
    source = server.connect()
    store = server.sandbox.store
    made = store.folder_at(server.mailbox, "Short-lived")
    place = folders(source, server.address)["Short-lived"].id
    store.remove_folder(server.mailbox, made.id)
    (payload,) = server.payloads(*server.add_mail())
    with pytest.raises(Gone):
        source.create(server.address, place, payload)


def test_deleted_items_stay_recoverable(server: Server):
    source = server.connect()
    server.add_mail()
    (change,) = listed(source, server.address)
    source.delete(server.address, change.id)
    assert listed(source, server.address) == []
    assert len(listed(source, server.address, "recoverableitemsdeletions")) == 1
    with pytest.raises(Gone):
        source.delete(server.address, change.id)


def test_writing_takes_impersonation(server: Server):
    account = server.sandbox.register_server_account("acme.example", "reader", impersonates=False)
    source = server.connect(account=account.user_name, password=account.password)
    with pytest.raises(NotPermitted) as caught:
        source.create_folder(server.address, None, "No", "IPF.Note")
    assert caught.value.permission == "ApplicationImpersonation"
