"""Servers without ExportItems: MIME and what it leaves out."""

import email
import email.policy
from email.message import EmailMessage

import pytest

from backups.mime_items import MARK, Facts, MimeItemError, is_mime_item, pack_up, unpack
from backups.parts import Layout
from backups.sources import Refused, Retry
from backups.sources.ews.mime import create_item
from backups.streams import cut_mime, read_item
from backups.streams.native import tags
from sandbox.faults import Fault, Kind
from tests.sources.exchange import Server, folders, listed
from tests.sources.letters import mail

FACTS = Facts("IPM.Note", ("Blau", "x" * 300), ((0x0E07, "Integer", "1"),))


@pytest.fixture
def old(server: Server):
    server.sandbox.set_bulk_transfer("acme.example", supported=False)
    yield server
    server.sandbox.set_bulk_transfer("acme.example", supported=True)


def test_a_container_is_a_message_and_gives_back_what_went_in():
    letter = mail(1, "Grüße\r\n" * 50)
    payload = pack_up(FACTS, letter)
    assert unpack(payload) == (FACTS, letter)
    parsed = email.message_from_bytes(payload, policy=email.policy.default)
    assert parsed["Subject"] == "Mail 1"
    assert parsed["Stowage-Item"].startswith("1")
    assert max(map(len, payload.split(b"\r\n\r\n")[0].split(b"\r\n"))) <= 998
    assert is_mime_item(payload)


def test_a_container_is_cut_as_the_message_it_is():
    payload = pack_up(FACTS, mail(1, "A line of the body.\r\n" * 500))
    cut = cut_mime(payload)
    assert cut.recipe.layout is Layout.MIME
    assert len(cut.parts) > cut.recipe.skeleton_parts
    assert cut.matches(payload)


@pytest.mark.parametrize(
    "payload",
    [
        MARK,
        MARK + b" !!!\r\nFrom: a\r\n",
        MARK + b" e30=\r\n",
        MARK + b" bnVsbA==\r\n",
        MARK + b" e30",
    ],
)
def test_a_container_that_says_nonsense_is_refused(payload: bytes):
    with pytest.raises(MimeItemError):
        unpack(payload)
    with pytest.raises(Refused):
        create_item("folder", payload)


def test_a_native_stream_is_no_container(server: Server):
    (payload,) = server.payloads(*server.add_mail())
    assert not is_mime_item(payload)


def test_an_old_server_gives_mime_and_says_so(old: Server):
    source = old.connect()
    old.add_mail(25)
    assert source.server().native is False
    changes = listed(source, old.address)
    items = list(source.export(old.address, changes))
    assert all(is_mime_item(item.payload) for item in items)
    assert {item.id: item.change_key for item in items} == {
        change.id: change.change_key for change in changes
    }


def test_what_an_old_server_takes_back_is_no_draft_and_keeps_dates_and_marks(old: Server):
    source, store = old.connect(), old.sandbox.store
    (item,) = old.add_mail()
    tree = read_item(store.payload(old.mailbox, item))
    (payload,) = (one.payload for one in source.export(old.address, listed(source, old.address)))
    target = old.another()
    inbox = folders(source, target)["inbox"].id

    made = source.create(target, inbox, payload)

    assert source.matching(target, inbox, old.message_id(item)) == [made]
    other = store.user(target).mailbox
    (back,) = store.items(store.folder(other, "inbox").id, 0, 10, None)
    again = read_item(store.payload(other, back.id))
    for tag in (
        tags.MESSAGE_FLAGS,
        tags.MESSAGE_DELIVERY_TIME,
        tags.CLIENT_SUBMIT_TIME,
        tags.SUBJECT,
        tags.MESSAGE_CLASS,
    ):
        assert again.find(tag).value == tree.find(tag).value, hex(tag)


def test_mime_that_an_old_server_cannot_make_is_an_error_of_that_item(old: Server):
    source = old.connect()
    ids = old.add_mail(3)
    old.sandbox.faults.add(
        Fault(Kind.FAILED_ITEM, item=ids[0], times=9, code="ErrorMimeContentConversionFailed")
    )
    items = list(source.export(old.address, listed(source, old.address)))
    assert [type(item.error).__name__ for item in items if item.error] == ["Damaged"]


def test_attachments_that_mime_leaves_out_are_missed_and_named(old: Server):
    source = old.connect()
    letter = EmailMessage()
    letter["Subject"], letter["Message-ID"] = "With a file", "<file@acme.example>"
    letter.set_content("See the file.")
    letter.add_attachment(
        b"%PDF" + bytes(900), maintype="application", subtype="pdf", filename="offer.pdf"
    )
    item = old.sandbox.add_mail(old.address, "Inbox", letter.as_bytes())
    changes = listed(source, old.address)

    old.sandbox.faults.add(Fault(Kind.BARE_ITEM, item=item.id, times=9))
    (bad,) = source.export(old.address, changes)
    assert isinstance(bad.error, Retry)
    assert "offer.pdf" in str(bad.error)

    old.sandbox.faults.clear()
    old.sandbox.faults.add(Fault(Kind.BARE_ITEM, item=item.id))
    (good,) = source.export(old.address, changes)
    assert b"offer.pdf" in good.payload
