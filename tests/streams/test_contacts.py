"""Contact cards: what becomes of them, and how they are written."""

from __future__ import annotations

import pytest
import vobject

from backups.streams import (
    MailError,
    attachment_content,
    export_file,
    from_vcard,
    index_record,
    item_view,
    read_item,
    read_vcard,
    validate,
    write_vcf,
)
from backups.streams.native import names, tags

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
CARD = f"""\
BEGIN:VCARD
VERSION:3.0
FN:Zoë Marchetti
N:Marchetti;Zoë;Anna;Dr.;
ORG:Initech\\, Inc.;Purchasing
TITLE:Buyer
EMAIL;TYPE=INTERNET:zoe@initech.example
EMAIL;TYPE=INTERNET,HOME:zoe@home.example
TEL;TYPE=WORK,VOICE:+39 02 5550142
TEL;TYPE=CELL:+39 333 5550142
TEL;TYPE=WORK,FAX:+39 02 5550143
ADR;TYPE=WORK:;;Via Gioia 8;Milano;MI;20124;Italy
ADR;TYPE=HOME:;Scala B;Via Roma 1;Como;;22100;Italy
BDAY:1984-02-29
NOTE:Line one\\nline two
CATEGORIES:Suppliers,Italy
PHOTO;ENCODING=b;TYPE=PNG:{PIXEL}
X-SHOE-SIZE:39
END:VCARD
"""


def test_a_card_becomes_a_contact():
    (payload,) = from_vcard(CARD.encode())
    assert validate(payload).item_class == "IPM.Contact"
    item = read_item(payload)
    assert item.find(tags.SURNAME).value == "Marchetti"
    assert item.find(tags.COMPANY_NAME).value == "Initech, Inc."
    assert item.find(tags.MOBILE_TELEPHONE).value == "+39 333 5550142"
    assert item.find(tags.BUSINESS_FAX).value == "+39 02 5550143"
    assert item.find(tags.HOME_STREET).value == "Scala B\r\nVia Roma 1"
    assert item.named(names.email(1, 3)).value == "zoe@home.example"
    assert item.named(names.WORK_CITY).value == "Milano"
    assert item.named(names.FILE_UNDER).value == "Marchetti, Zoë"
    assert item.named(names.KEPT_LINES).value == ["X-SHOE-SIZE:39"]
    assert attachment_content(payload, 0).startswith(b"\x89PNG")


def test_a_contact_is_found_and_shown_by_its_name():
    (payload,) = from_vcard(CARD.encode())
    record = index_record(payload)
    assert (record.subject, record.notes) == ("Zoë Marchetti", ())
    assert record.categories == ("Suppliers", "Italy")
    facts = dict(item_view(payload).facts)
    assert facts["Name"] == "Zoë Marchetti"
    assert facts["Birthday"] == "1984-02-29"
    assert facts["Business address"] == "Via Gioia 8\r\n20124 Milano\r\nMI\r\nItaly"


def test_a_contact_written_as_vcf_says_the_same_to_another_parser():
    (payload,) = from_vcard(CARD.encode())
    file = export_file(payload)
    suffix, raw = file.suffix, file.content()
    assert suffix == ".vcf"
    assert max(map(len, raw.split(b"\r\n"))) <= 75
    card = vobject.readOne(raw.decode())
    assert card.fn.value == "Zoë Marchetti"
    assert (card.n.value.family, card.n.value.prefix) == ("Marchetti", "Dr.")
    assert card.org.value == ["Initech, Inc.", "Purchasing"]
    assert [mail.value for mail in card.email_list] == ["zoe@initech.example", "zoe@home.example"]
    assert card.adr_list[0].value.city == "Milano"
    assert card.note.value == "Line one\nline two"
    assert card.photo.value.startswith(b"\x89PNG")
    assert card.x_shoe_size.value == "39"


def test_one_card_of_several_that_is_cut_short_is_named():
    made = list(read_vcard((CARD + CARD[:60]).encode()))
    assert [entry.payload is not None for entry in made] == [True, False]
    assert (made[1].label, made[1].reason) == ("card 2", "it ends before END:VCARD")
    with pytest.raises(MailError, match="card 2: it ends before"):
        from_vcard((CARD + CARD[:60]).encode())


@pytest.mark.parametrize("raw", [b"", b"hello", b"\xef\xbb\xbf"])
def test_a_file_without_cards_is_refused(raw: bytes):
    with pytest.raises(MailError, match="holds no vCard"):
        list(read_vcard(raw))


@pytest.mark.parametrize(
    "raw",
    [
        b"BEGIN:VCARD\r\nVERSION:2.1\r\nN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:"
        b"M=FCller;J=FCrgen\r\nEND:VCARD\r\n",
        "BEGIN:VCARD\nVERSION:2.1\nN:Müller;Jürgen\nEND:VCARD\n".encode("cp1252"),
        "\ufeffBEGIN:VCARD\nVERSION:4.0\nN:Müller;Jürgen;;;\nEND:VCARD\n".encode(),
        "BEGIN:VCARD\nVERSION:3.0\nN:Müller;Jür\n gen;;;\nEND:VCARD\n".encode("utf-16"),
    ],
)
def test_names_are_read_whatever_version_and_encoding(raw: bytes):
    (payload,) = from_vcard(raw)
    assert index_record(payload).subject == "Jürgen Müller"


def test_a_line_that_is_none_costs_nothing_else_of_its_card():
    (made,) = read_vcard(b"BEGIN:VCARD\nFN:Anna\n;;no name:x\nTEL;TYPE=CELL:1\nEND:VCARD\n")
    assert made.payload is not None
    assert made.notes == ("a line that can't be read is kept as text: ;;no name:x",)
    assert dict(item_view(made.payload).facts)["Mobile phone"] == "1"


def test_an_agents_card_inside_a_card_is_kept_as_text():
    text = "BEGIN:VCARD\nFN:Boss\nAGENT:\nBEGIN:VCARD\nFN:Agent\nEND:VCARD\nEND:VCARD\n"
    (payload,) = from_vcard(text.encode())
    assert index_record(payload).subject == "Boss"
    (kept,) = read_item(payload).named(names.KEPT_LINES).value
    assert kept == "AGENT:BEGIN:VCARD\\nFN:Agent\\nEND:VCARD"
    assert write_vcf(payload).count(b"\r\nFN:") == 1


def test_a_subject_can_not_break_out_of_its_line():
    (payload,) = from_vcard(b"BEGIN:VCARD\nFN:A\\nEND:VCARD\\nB\nEND:VCARD\n")
    written = write_vcf(payload)
    assert written.count(b"\r\nEND:VCARD") == 1
