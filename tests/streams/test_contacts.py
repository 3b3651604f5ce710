"""Contact cards: what becomes of them, and how they are written."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest
import vobject
from hypothesis import given
from hypothesis import strategies as st

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
    write_item,
    write_vcf,
)
from backups.streams.native import names, tags
from backups.streams.native.assembly import SERVER_BUILD, Draft, text
from backups.streams.native.entry_ids import one_off

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


LIST = """\
BEGIN:VCARD
VERSION:4.0
KIND:group
FN:Board
UID:urn:uuid:1
MEMBER:urn:uuid:ANNA
MEMBER;X-CN="Ben, B.":mailto:ben@acme.example
MEMBER:urn:uuid:nobody
END:VCARD
BEGIN:VCARD
VERSION:4.0
FN:Anna Adler
UID:urn:uuid:anna
EMAIL:anna@acme.example
END:VCARD
"""


def crc(raw: bytes) -> int:
    """CRC-32 bit by bit, from zero and without an inversion; a list of Outlook's own agrees."""
    value = 0
    for byte in raw:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value


def test_a_group_becomes_a_distribution_list_with_its_members():
    board, _ = read_vcard(LIST.encode())
    assert board.payload is not None
    item = read_item(board.payload)
    assert item.find(tags.MESSAGE_CLASS).value == "IPM.DistList"
    assert item.named(names.DISTRIBUTION_LIST_NAME).value == "Board"
    entries = item.named(names.DISTRIBUTION_LIST_MEMBERS).value
    assert entries == item.named(names.DISTRIBUTION_LIST_ONE_OFF_MEMBERS).value
    # MS-OXCDATA 2.2.5.1: flags, provider, version, Unicode without rich text, three strings.
    strings = "Anna Adler\0SMTP\0anna@acme.example\0".encode("utf-16-le")
    head = bytes.fromhex("00000000 812B1FA4BEA310199D6E00DD010F5402 0000 0190")
    assert entries[0] == head + strings
    assert len(entries) == 2
    checksum = item.named(names.DISTRIBUTION_LIST_CHECKSUM).value
    assert checksum & 0xFFFFFFFF == crc(b"".join(entries))
    assert "MEMBER:urn:uuid:nobody" in item.named(names.KEPT_LINES).value
    assert board.notes == (
        "a member that is in no card of the file is kept as text: urn:uuid:nobody",
    )


@pytest.mark.parametrize(
    ("version", "lines"),
    [
        ("4.0", ("KIND:group", 'MEMBER;X-CN="Ben, B.":mailto:ben@acme.example')),
        (
            "3.0",
            (
                "X-ADDRESSBOOKSERVER-KIND:group",
                "X-ADDRESSBOOKSERVER-MEMBER:mailto:ben@acme.example",
            ),
        ),
    ],
)
def test_a_distribution_list_is_written_as_a_group(version: str, lines: tuple[str, ...]):
    board = next(read_vcard(LIST.replace(';X-CN="Ben, B."', "").encode()))
    if version == "4.0":
        board = next(read_vcard(LIST.encode()))
    raw = write_vcf(board.payload, version=version).decode().replace("\r\n ", "")
    for line in lines:
        assert f"\r\n{line}\r\n" in raw
    again = next(read_vcard(raw.encode()))
    members = names.DISTRIBUTION_LIST_MEMBERS
    assert read_item(again.payload).named(members).value == (
        read_item(board.payload).named(members).value
    )


def test_a_long_list_is_in_the_stream_that_has_no_limit():
    people = "".join(f"MEMBER:mailto:person{n:04}@acme.example\n" for n in range(500))
    card = f"BEGIN:VCARD\nVERSION:4.0\nKIND:group\nFN:All\n{people}END:VCARD\n"
    (payload,) = from_vcard(card.encode())
    item = read_item(payload)
    assert item.named(names.DISTRIBUTION_LIST_MEMBERS) is None
    raw = item.named(names.DISTRIBUTION_LIST_STREAM).value
    # MS-OXOCNTC 2.2.2.2.4: version 1, build, flags, count, sizes, then the members.
    version, _, _, flags, count, total, _, extra = struct.unpack_from("<HHIIIIII", raw)
    assert (version, flags, count, extra) == (1, 1, 500, 0)
    assert len(raw) == 28 + 2 * total + 12 * count + 8
    assert write_vcf(payload, version="4.0").count(b"MEMBER:mailto:person0") == 500
    assert index_record(payload).notes == ()


def test_members_that_are_wrapped_or_cut_off_are_read_as_far_as_they_go():
    wrapped = bytes(4) + bytes.fromhex("C091ADD3519DCF11A4A900AA0047FAA4") + b"\0"
    entry = wrapped + one_off("Ben", "SMTP", "ben@acme.example")
    contact = wrapped[:-1] + b"\xc3" + bytes(46)
    draft = Draft()
    draft.add(text(tags.MESSAGE_CLASS, "IPM.DistList"), text(tags.DISPLAY_NAME, "Two"))
    draft.named.append((names.DISTRIBUTION_LIST_MEMBERS, 0x1102, [entry, contact, entry[:30]]))
    raw = write_vcf(write_item(draft.item(), build=SERVER_BUILD), version="4.0")
    assert raw.count(b"\r\nMEMBER") == 1
    assert b"MEMBER;X-CN=Ben:mailto:ben@acme.example" in raw


RICH = f"""\
BEGIN:VCARD
VERSION:4.0
FN:Zo\u00eb Marchetti
N:Marchetti;Zo\u00eb;Anna,Maria;Dr.;Jr.,M.D.
NICKNAME:Zo,Z
ADR;TYPE=work;PREF=1;LABEL="Via Gioia 8\\nMilano":;;Via Gioia 8;Milano;MI;20124;Italy
EMAIL:second@acme.example
EMAIL;PREF=1:first@acme.example
RELATED;TYPE=spouse;VALUE=text:Ugo
RELATED;TYPE=child;VALUE=text:Ada
RELATED;TYPE=friend:urn:uuid:2
IMPP:sip:zoe@acme.example
URL;TYPE=home:https://zoe.example/a,b;c
BDAY:--0203
ANNIVERSARY:20090808
GENDER:F
LANG:it
KEY:data:application/pgp-keys;base64,AAEC
LOGO:data:image/png;base64,{PIXEL}
PHOTO:data:image/png;base64,{PIXEL}
item1.TEL:+39 1
item1.X-ABLabel:_$!<HomeFAX>!$_
TEL;VALUE=uri;TYPE=cell:tel:+39-2
REV:20240102T030405Z
END:VCARD
"""


def test_a_card_of_version_four_finds_its_places():
    (payload,) = from_vcard(RICH.encode())
    item = read_item(payload)
    assert item.find(tags.MIDDLE_NAME).value == "Anna Maria"
    assert item.find(tags.GENERATION).value == "Jr., M.D."
    assert item.find(tags.NICKNAME).value == "Zo, Z"
    assert item.named(names.email(0, 3)).value == "first@acme.example"
    assert item.named(names.WORK_ADDRESS).value == "Via Gioia 8\r\nMilano"
    assert item.named(names.POSTAL_ADDRESS_ID).value == 2
    assert item.find(tags.LOCALITY).value == "Milano"
    assert item.find(tags.SPOUSE_NAME).value == "Ugo"
    assert item.find(tags.CHILDRENS_NAMES).value == ["Ada"]
    assert item.named(names.INSTANT_MESSAGING).value == "sip:zoe@acme.example"
    assert item.find(tags.PERSONAL_HOME_PAGE).value == "https://zoe.example/a,b;c"
    assert item.find(tags.WEDDING_ANNIVERSARY).value == datetime(2009, 8, 8, 11, 59, tzinfo=UTC)
    assert item.named(names.ANNIVERSARY_LOCAL).value == datetime(2009, 8, 8, tzinfo=UTC)
    assert item.find(tags.GENDER).value == 1
    assert item.find(tags.LANGUAGE).value == "it"
    assert item.find(tags.HOME_FAX).value == "+39 1"
    assert item.find(tags.MOBILE_TELEPHONE).value == "+39-2"
    assert item.find(tags.LAST_MODIFICATION_TIME).value == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert item.named(names.KEPT_LINES).value == [
        "RELATED;TYPE=friend:urn:uuid:2",
        "BDAY:--0203",
    ]
    files = [view.name for view in item_view(payload).attachments]
    assert files == ["Key.asc", "Logo.png", "ContactPicture.png"]


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_nothing_of_a_card_is_lost_when_it_is_written(version: str):
    (payload,) = from_vcard(RICH.encode())
    raw = write_vcf(payload, version=version)
    assert max(map(len, raw.split(b"\r\n"))) <= 75
    (again,) = from_vcard(raw)
    before, after = read_item(payload), read_item(again)
    assert {(p.id, p.name, p.raw) for p in before.properties if not p.name} == {
        (p.id, p.name, p.raw) for p in after.properties if not p.name
    }
    assert {p.name: p.value for p in before.properties if p.name} == {
        p.name: p.value for p in after.properties if p.name
    }
    assert [file.properties for file in before.attachments] == [
        file.properties for file in after.attachments
    ]


def test_old_types_charsets_and_quoted_printable_are_understood():
    raw = (
        b"BEGIN:VCARD\r\nVERSION:2.1\r\nFN;CHARSET=SHIFT_JIS:\x88\xc9\x94\x5c\r\n"
        b"TEL;WORK;FAX:1\r\nTEL;HOME;VOICE:2\r\nTEL;X-NEC-PHS:3\r\n"
        b"NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:one=0D=0A=\r\ntw=C3=B6\r\n"
        b"PHOTO;GIF;BASE64:\r\n R0lGODlhAQABAAAAACw=\r\n\r\nEND:VCARD\r\n"
    )
    (payload,) = from_vcard(raw)
    item = read_item(payload)
    assert item.find(tags.DISPLAY_NAME).value == "伊能"
    assert item.find(tags.BUSINESS_FAX).value == "1"
    assert item.find(tags.HOME_TELEPHONE).value == "2"
    assert item.find(tags.OTHER_TELEPHONE).value == "3"
    assert item.find(tags.BODY).value == "one\r\ntwö"
    assert attachment_content(payload, 0).startswith(b"GIF89a")


def test_the_first_of_several_is_taken_and_the_others_are_kept():
    raw = b"BEGIN:VCARD\nFN:A\nNOTE:1\nNOTE:2\nTITLE:3\nTITLE:4\nURL:5\nURL:6\nEND:VCARD\n"
    (payload,) = from_vcard(raw)
    item = read_item(payload)
    assert item.find(tags.BODY).value == "1"
    assert item.find(tags.TITLE).value == "3"
    assert item.named(names.KEPT_LINES).value == ["NOTE:2", "TITLE:4", "URL:6"]


@given(st.binary(max_size=300), st.sampled_from(["", "N;", "ADR;A=", "PHOTO;ENCODING=b:"]))
def test_whatever_stands_in_a_card_gives_a_contact_or_a_reason(raw: bytes, start: str):
    text = b"BEGIN:VCARD\n" + start.encode() + raw + b"\nEND:VCARD\n"
    for made in read_vcard(text):
        assert (made.payload is None) == bool(made.reason)
        if made.payload is not None:
            validate(made.payload)
            for version in ("3.0", "4.0"):
                assert write_vcf(made.payload, version=version).endswith(b"END:VCARD\r\n")


@pytest.mark.parametrize(
    "line", ["A" + ";a" * 50_000, "A;x=" + '"a",' * 50_000, "A;x=" + '"' * 99_999]
)
def test_a_line_of_a_hundred_thousand_characters_is_read_at_once(line: str):
    (payload,) = from_vcard(f"BEGIN:VCARD\n{line}:1\nFN:A\nEND:VCARD\n".encode())
    assert index_record(payload).subject == "A"
