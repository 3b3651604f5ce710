"""Items that are stored as MIME are read as the items they are."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

import pytest

from backups.mime_items import MARK, Facts, pack_up, unpack
from backups.streams import (
    Format,
    StreamError,
    attachment_content,
    export_file,
    item_view,
    mime_form,
    native_form,
    open_item,
    read_item,
)
from backups.streams.export.inputs import read_bytes
from backups.streams.native import tags

READ = (0x0E07, "Integer", "17")
ARRIVED = (0x0E06, "SystemTime", "2026-11-20T08:30:00Z")
FACTS = Facts("IPM.Note", ("Blau", "Rot"), (READ, ARRIVED))
EVENT = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1@acme.example\r\n"
    b"SUMMARY:Stand-up\r\nDTSTAMP:20261101T000000Z\r\nDTSTART:20261123T090000Z\r\n"
    b"DTEND:20261123T093000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nN:Haddad;Noor;;;\r\nFN:Noor Haddad\r\nEND:VCARD\r\n"


def letter(boundary: str = "one", *, text: str = "See the file.") -> bytes:
    made = EmailMessage()
    made["From"], made["To"] = "Noor <noor@example.net>", "mara@acme.example"
    made["Subject"], made["Message-ID"] = "Offer", "<offer@example.net>"
    made["Date"] = "Fri, 20 Nov 2026 08:30:00 +0000"
    made.set_content(text)
    made.add_attachment(b"%PDF" * 2000, maintype="application", subtype="pdf", filename="o.pdf")
    made.set_boundary(boundary)
    return made.as_bytes(policy=SMTP)


def test_the_index_says_what_the_mime_and_the_field_say():
    payload = pack_up(FACTS, letter())
    record = open_item(payload).index()
    assert (record.subject, record.sender_address) == ("Offer", "noor@example.net")
    assert record.message_id == "<offer@example.net>"
    assert record.attachments == (("o.pdf", 8000),)
    assert (record.is_read, record.is_draft, record.categories) == (True, False, ("Blau", "Rot"))
    assert record.received_at is not None
    assert record.received_at.isoformat() == "2026-11-20T08:30:00+00:00"
    assert record.size == len(payload)
    assert record.digest == open_item(payload).digest().hex()


def test_what_is_shown_and_saved_comes_out_of_the_mime():
    payload = pack_up(FACTS, letter())
    stream = native_form(payload)
    view = item_view(stream)
    assert (view.subject, view.text.strip()) == ("Offer", "See the file.")
    assert attachment_content(stream, 0) == b"%PDF" * 2000


@pytest.mark.parametrize(
    ("mime", "item_class", "format"),
    [
        (letter(), "IPM.Note", Format.EML),
        (EVENT, "IPM.Appointment", Format.ICS),
        (CARD, "IPM.Contact", Format.VCF),
    ],
)
def test_a_file_in_the_form_that_is_stored_is_the_mime_byte_for_byte(mime, item_class, format):
    payload = pack_up(Facts(item_class, (), ()), mime)
    for file in (export_file(payload), export_file(payload, format)):
        assert (file.suffix, file.content()) == (format.suffix, mime)
    assert export_file(payload, Format.FTS).content() == payload
    assert export_file(payload, Format.MSG).content()[:4] == bytes.fromhex("D0CF11E0")
    assert open_item(payload).index().item_class == item_class


def test_the_digest_stays_when_a_server_makes_the_mime_anew_and_changes_with_the_item():
    digest = open_item(pack_up(FACTS, letter())).digest()
    assert open_item(pack_up(FACTS, letter("another"))).digest() == digest
    assert open_item(pack_up(FACTS, b"X-Host: b\r\n" + letter())).digest() == digest
    assert open_item(pack_up(FACTS, letter(text="Another."))).digest() != digest
    unread = Facts("IPM.Note", FACTS.categories, ((0x0E07, "Integer", "16"), ARRIVED))
    assert open_item(pack_up(unread, letter())).digest() != digest


def test_mime_that_signs_or_reports_keeps_the_class_that_it_makes():
    raw = (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=b\r\n'
        b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nText\r\n--b\r\n"
        b"Content-Type: application/pkcs7-signature\r\n\r\nxx\r\n--b--\r\n"
    )
    record = open_item(pack_up(Facts("IPM.Note", (), ()), raw)).index()
    assert record.item_class == "IPM.Note.SMIME.MultipartSigned"
    record = open_item(pack_up(Facts("IPM.Note.Custom", (), ()), letter())).index()
    assert record.item_class == "IPM.Note.Custom"


@pytest.mark.parametrize("payload", [MARK, MARK + b" e30=\r\nA: b\r\n\r\n", pack_up(FACTS, b" ")])
def test_what_holds_no_item_is_refused(payload: bytes):
    with pytest.raises(StreamError):
        open_item(payload)
    with pytest.raises(StreamError):
        native_form(payload)
    assert export_file(payload).content() == payload


def test_mime_that_nothing_can_be_made_of_is_kept_and_noted():
    payload = pack_up(Facts("IPM.Appointment", (), ()), b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
    item = open_item(payload)
    item.check()
    record = item.index()
    assert record.item_class == "IPM.Appointment"
    assert record.notes == ("the file holds no calendar object",)
    assert item.cut().matches(payload)
    other = pack_up(Facts("IPM.Appointment", (), ()), b"BEGIN:VCALENDAR\r\n\r\nEND:VCALENDAR\r\n")
    assert open_item(other).digest() != item.digest()


def test_values_that_no_property_can_hold_are_left_out():
    facts = Facts(
        "IPM.Note",
        (),
        ((0x1080, "Integer", "9" * 30), (0x0E06, "SystemTime", "soon"), (0x9999, "Integer", "1")),
    )
    tree = read_item(native_form(pack_up(facts, letter())))
    assert tree.find(0x1080) is None
    assert tree.find(0x9999) is None
    assert tree.find(tags.MESSAGE_DELIVERY_TIME) is not None


def test_a_native_stream_becomes_mime_with_what_stands_beside_it():
    stream = native_form(pack_up(FACTS, letter()))
    facts, mime = unpack(mime_form(stream))
    assert facts.item_class == "IPM.Note"
    assert facts.categories == ("Blau", "Rot")
    assert {READ, ARRIVED} <= set(facts.properties)
    assert b"Subject: Offer" in mime
    assert mime_form(pack_up(FACTS, letter())) == pack_up(FACTS, letter())
    assert open_item(mime_form(stream)).digest() == open_item(pack_up(FACTS, letter())).digest()


def test_the_command_reads_such_an_item_from_a_file():
    (found,) = read_bytes("1.fts", pack_up(FACTS, letter()))
    assert item_view(found.payload or b"").subject == "Offer"
