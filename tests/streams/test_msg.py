"""Message files: what is written, what is read, and what damage does."""

from __future__ import annotations

import io
import random
import struct
import zlib
from uuid import UUID

import olefile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.streams import (
    Attachment,
    Item,
    MailError,
    Property,
    PropertyName,
    Recipient,
    StreamError,
    open_stream,
    read_item,
    read_msg,
    to_msg,
    write_item,
    write_msg,
)
from backups.streams.native.properties import BINARY, BOOLEAN, INTEGER32, OBJECT, UNICODE
from tests.fuzz.counting import lines_run

from .outlook_files import PS_PUBLIC_STRINGS, seen_in_file
from .samples import BUILD, KEYWORDS, golden, letter

COMMON = UUID("00062008-0000-0000-C000-000000000046")
WINDOWS_1251 = 0x8000 | 1251
ANOTHER_SET = UUID("11111111-2222-3333-4444-555555555555")


def payload_of(item: Item) -> bytes:
    return write_item(item, build=BUILD)


def opened(raw: bytes) -> olefile.OleFileIO:
    """The file as olefile sees it, which must find nothing wrong with it."""
    file = olefile.OleFileIO(io.BytesIO(raw), raise_defects=olefile.DEFECT_UNSURE)
    assert file.parsing_issues == []
    return file


def table(file: olefile.OleFileIO, path: str, header: int) -> dict[int, tuple[int, bytes]]:
    """{tag: (flags, 8 bytes)} of a property stream (MS-OXMSG 2.4)."""
    raw = file.openstream(path).read()
    assert (len(raw) - header) % 16 == 0
    rows = struct.iter_unpack("<II8s", raw[header:])
    return {tag: (flags, value) for tag, flags, value in rows}


def test_a_message_file_is_laid_out_as_the_specification_says():
    file = opened(to_msg(payload_of(letter())))
    assert file.root.clsid == "00020D0B-0000-0000-C000-000000000046"
    header = file.openstream("__properties_version1.0").read()[:32]
    assert struct.unpack("<8x4I8x", header) == (1, 1, 1, 1)
    entries = table(file, "__properties_version1.0", 32)
    subject = "Plans for März".encode("utf-16-le")
    assert file.openstream("__substg1.0_0037001F").read() == subject
    assert entries[0x0037001F] == (6, struct.pack("<II", len(subject) + 2, 0))
    assert entries[0x0E070003] == (6, struct.pack("<II", 1, 0))
    assert struct.unpack("<Q", entries[0x340D0003][1])[0] & 0x40000
    recipient = table(file, "__recip_version1.0_#00000000/__properties_version1.0", 8)
    assert recipient[0x0C150003] == (6, struct.pack("<II", 1, 0))
    inside = "__attach_version1.0_#00000000"
    attachment = table(file, f"{inside}/__properties_version1.0", 8)
    assert attachment[0x37010102] == (6, struct.pack("<II", 8, 0))
    assert attachment[0x37050003] == (6, struct.pack("<II", 1, 0))
    assert file.openstream(f"{inside}/__substg1.0_37010102").read() == b"attached"


def test_an_embedded_message_is_a_storage_with_a_shorter_header():
    file = opened(to_msg(payload_of(letter(embedded=letter()))))
    inside = "__attach_version1.0_#00000001"
    attachment = table(file, f"{inside}/__properties_version1.0", 8)
    assert attachment[0x3701000D] == (6, struct.pack("<II", 0xFFFFFFFF, 1))
    assert attachment[0x37050003][1][:4] == struct.pack("<I", 5)
    message = f"{inside}/__substg1.0_3701000D"
    assert file.openstream(f"{message}/__properties_version1.0").read()[8:24] == struct.pack(
        "<4I", 1, 1, 1, 1
    )
    assert 0x0037001F in table(file, f"{message}/__properties_version1.0", 24)
    assert not file.exists(f"{message}/__nameid_version1.0")


def test_named_properties_are_listed_once_and_found_by_their_hash():
    names = [
        PropertyName(PS_PUBLIC_STRINGS, name="Keywords"),
        PropertyName(COMMON, lid=0x8503),
        PropertyName(ANOTHER_SET, name="x"),
    ]
    marks = [Property.of(0x8000 + n, UNICODE, "v", name) for n, name in enumerate(names, 7)]
    embedded = letter(extra=marks[1:])
    file = opened(to_msg(payload_of(letter(extra=marks, embedded=embedded))))
    listing = "__nameid_version1.0/__substg1.0_"
    assert file.openstream(f"{listing}00020102").read() == COMMON.bytes_le + ANOTHER_SET.bytes_le
    entries = file.openstream(f"{listing}00030102").read()
    keywords, x = "Keywords".encode("utf-16-le"), "x".encode("utf-16-le")
    assert entries == struct.pack(
        "<IHHIHHIHH", 0, 2 << 1 | 1, 0, 0x8503, 3 << 1, 1, 4 + len(keywords), 4 << 1 | 1, 2
    )
    texts = struct.pack("<I", 16) + keywords + struct.pack("<I", 2) + x + b"\0\0"
    assert file.openstream(f"{listing}00040102").read() == texts
    crc = zlib.crc32(keywords, 0xFFFFFFFF) ^ 0xFFFFFFFF
    place = 0x1000 + (crc ^ (2 << 1 | 1)) % 31
    entry = struct.pack("<IHH", crc, 2 << 1 | 1, 0)
    assert entry in file.openstream(f"{listing}{place:04X}0102").read()
    place = 0x1000 + (0x8503 ^ (3 << 1)) % 31
    entry = struct.pack("<IHH", 0x8503, 3 << 1, 1)
    assert entry in file.openstream(f"{listing}{place:04X}0102").read()


def test_strings_of_any_code_page_become_unicode():
    item = Item(
        [
            Property.of(0x37, WINDOWS_1251, "Почта"),
            Property(0x1000 << 16 | 0x8000 | 4000, b"abc\0"),
            Property(0x70 << 16 | 0x1E, b"K\xf6ln\0"),
            Property.of(0x8001, 0x101F, ["one", "zwei"], KEYWORDS),
        ]
    )
    seen = seen_in_file(to_msg(payload_of(item))).properties
    assert seen[0x37, 0x1F] == "Почта".encode("utf-16-le")
    assert seen[0x1000, 0x1F] == "abc".encode("utf-16-le")
    assert seen[0x70, 0x1F] == "Köln".encode("utf-16-le")
    expected = ["one".encode("utf-16-le"), "zwei".encode("utf-16-le")]
    assert seen[(PS_PUBLIC_STRINGS, "Keywords"), 0x101F] == expected


def test_what_belongs_to_the_transfer_stays_out_and_what_a_reader_needs_comes_in():
    seen = seen_in_file(to_msg(golden()))
    assert (0x4016, 3) not in seen.properties
    assert seen.properties[0x1A, 0x1F] == "IPM.Note".encode("utf-16-le")
    assert [recipient[0x3000, 3] for recipient in seen.recipients] == [bytes(4)]
    assert [properties[0x3705, 3][:1] for properties, _ in seen.attachments] == [b"\1", b"\5"]


def test_an_ole_object_is_a_storage_in_the_file_and_a_compound_file_in_the_stream():
    picture = to_msg(payload_of(letter(body="any compound file will do")))
    item = letter()
    item.attachments[0].properties = [
        Property.of(0x3705, INTEGER32, 6),
        Property.of(0x3701, OBJECT, picture),
    ]
    file = opened(to_msg(payload_of(item)))
    inside = "__attach_version1.0_#00000000"
    entries = table(file, f"{inside}/__properties_version1.0", 8)
    assert entries[0x3701000D] == (6, struct.pack("<II", 0xFFFFFFFF, 4))
    assert file.exists(f"{inside}/__substg1.0_3701000D/__substg1.0_1000001F")


def test_an_ole_object_comes_back_as_it_was():
    """Its storage has no property stream: that is what tells it from a message."""
    raw = bytearray(to_msg(payload_of(letter(embedded=Item([Property.of(0x37, UNICODE, "x")])))))
    name = "__properties_version1.0".encode("utf-16-le")
    last = raw.rfind(name)
    raw[last : last + len(name)] = "__properties_version9.9".encode("utf-16-le")
    made = read_msg(bytes(raw))
    assert made.payload is not None
    assert made.notes == ()
    objects = [p for a in read_item(made.payload).attachments for p in a.properties]
    (found,) = (p for p in objects if p.kind == OBJECT)
    assert set(map(tuple, opened(found.raw).listdir())) == {
        ("__properties_version9.9",),
        ("__substg1.0_0037001F",),
        ("__substg1.0_001A001F",),
    }
    again = read_msg(to_msg(made.payload))
    assert again.payload == made.payload


def test_bytes_that_only_look_like_an_ole_object_are_kept_as_they_are():
    broken = bytes.fromhex("d0cf11e0a1b11ae1") + b"no compound file"
    item = letter()
    item.attachments[0].properties = [Property.of(0x3701, OBJECT, broken)]
    seen = seen_in_file(to_msg(payload_of(item)))
    assert seen.attachments[0][0][0x3701, 0x102] == broken


def test_two_hundred_messages_inside_each_other_are_written_and_read():
    item = letter(body="0")
    for level in range(1, 201):
        item = letter(body=str(level), embedded=item)
    payload = payload_of(item)
    made = read_msg(to_msg(payload))
    assert made.payload is not None
    assert made.notes == ()
    found, depth = read_item(made.payload), 0
    while (inner := found.attachments[-1].embedded) is not None:
        found, depth = inner, depth + 1
    assert depth == 200
    assert found.find(0x1000).value == "0"  # type: ignore[union-attr]


def test_twice_as_many_attachments_take_twice_the_work():
    def work(count: int) -> int:
        item = letter()
        item.attachments *= count
        payload = payload_of(item)

        def there_and_back() -> None:
            made = read_msg(to_msg(payload))
            assert made.payload is not None
            assert len(read_item(made.payload).attachments) == count

        return lines_run(there_and_back)

    assert work(1_000) < 2.3 * work(500)


def test_ten_thousand_attachments_are_written_and_read():
    item = letter()
    item.attachments *= 10_000
    made = read_msg(to_msg(payload_of(item)))
    assert made.payload is not None
    assert len(read_item(made.payload).attachments) == 10_000


def test_a_large_attachment_is_written_in_pieces_and_needs_sectors_beyond_the_header():
    """More than 109 FAT sectors cover 7 MB: the list of them goes on in sectors of its own."""
    content = random.Random(1).randbytes(9_000_000)
    payload = payload_of(letter(attachment=content))
    pieces = list(write_msg(payload))
    assert max(map(len, pieces)) <= 1024 * 1024
    raw = b"".join(pieces)
    assert struct.unpack_from("<I", raw, 0x48)[0] == 1
    with opened(raw) as file:
        found = file.openstream("__attach_version1.0_#00000000/__substg1.0_37010102").read()
    assert found == content
    made = read_msg(raw)
    assert made.payload is not None
    assert made.notes == ()


def test_the_same_stream_gives_the_same_file_and_the_same_stream_again():
    payload = payload_of(letter(embedded=letter()))
    first = to_msg(payload)
    assert to_msg(payload) == first
    made = read_msg(first)
    assert made.payload is not None
    assert to_msg(made.payload) == first


def test_a_stream_that_is_not_whole_is_no_message_file():
    with pytest.raises(StreamError):
        write_msg(golden()[:-3])


def test_more_names_than_a_message_file_can_list_are_refused():
    marks = [
        Property.of(0x8000, BOOLEAN, True, PropertyName(COMMON, lid=number))
        for number in range(0x8000)
    ]
    with pytest.raises(MailError, match="named properties"):
        to_msg(payload_of(Item(marks)))


PROPERTIES = st.one_of(
    st.builds(
        lambda v: Property.of(0x37, UNICODE, v), st.text(alphabet="aä€\U0001f600 ", max_size=40)
    ),
    st.builds(lambda v: Property.of(0x3FDE, INTEGER32, v), st.integers(-(2**31), 2**31 - 1)),
    st.builds(lambda v: Property.of(0x10F4, BOOLEAN, v), st.booleans()),
    st.builds(lambda v: Property.of(0x300B, BINARY, v), st.binary(max_size=5000)),
    st.builds(lambda v: Property.of(0x1096, 0x0014, v), st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda v: Property.of(0x6001, 0x0048, v), st.uuids()),
    st.builds(lambda v: Property.of(0x6002, 0x1003, v), st.lists(st.integers(0, 9), max_size=4)),
    st.builds(
        lambda v: Property.of(0x6003, 0x1102, v), st.lists(st.binary(max_size=9), max_size=4)
    ),
    st.builds(
        lambda v, n: Property.of(0x8000, UNICODE, v, PropertyName(COMMON, name=n)),
        st.text(alphabet="xyz", max_size=9),
        st.text(alphabet="Näme", max_size=9),
    ),
)
BAGS = st.lists(PROPERTIES, max_size=6, unique_by=lambda p: (p.tag, p.name))
MESSAGES = st.recursive(
    st.builds(Item, BAGS, st.lists(st.builds(Recipient, BAGS), max_size=3)),
    lambda inner: st.builds(
        Item,
        BAGS,
        st.lists(st.builds(Recipient, BAGS), max_size=2),
        attachments=st.lists(st.builds(Attachment, BAGS, st.none() | inner), max_size=3),
    ),
    max_leaves=6,
)


def comparable(item: Item) -> object:
    """What an item holds, without what a file adds and the ids of named properties."""
    added = {0x340D, 0x1A, 0x0E21, 0x3000, 0x3705}

    def bag(properties: list[Property]) -> set[object]:
        kept = [p for p in properties if p.name or p.id not in added]
        return {(p.name or p.id, p.kind, p.raw) for p in kept}

    return (
        bag(item.properties),
        [bag(recipient.properties) for recipient in item.recipients],
        [
            (bag(a.properties), comparable(a.embedded) if a.embedded else None)
            for a in item.attachments
        ],
    )


@settings(max_examples=60, deadline=None)
@given(MESSAGES)
def test_any_item_comes_back_from_its_message_file(item: Item):
    raw = to_msg(payload_of(item)) if item.properties else None
    if raw is None:
        return
    opened(raw).close()
    made = read_msg(raw)
    assert made.payload is not None
    assert made.notes == ()
    assert comparable(read_item(made.payload)) == comparable(item)


def test_damage_gives_a_reason_or_notes_and_never_more_than_the_file_holds():
    whole = to_msg(payload_of(letter(body="x" * 9000, embedded=letter(attachment=b"y" * 6000))))
    source = random.Random(7)
    refused = 0
    for _ in range(400):
        raw = bytearray(whole)
        for _ in range(source.randrange(1, 40)):
            raw[source.randrange(len(raw))] = source.randrange(256)
        if source.random() < 0.3:
            del raw[source.randrange(len(raw)) :]
        made = read_msg(bytes(raw))
        assert (made.payload is None) == bool(made.reason)
        refused += made.payload is None
        if made.payload is not None:
            open_stream(made.payload).summary()
            assert len(made.payload) < 3 * len(raw) + 2_000_000
            to_msg(made.payload)
    assert 0 < refused < 400


def test_streams_that_share_their_sectors_do_not_multiply_the_file():
    """A thousand attachments that all point to the same megabyte."""
    item = letter(attachment=b"z" * 1_000_000)
    item.attachments += letter(attachment=b"w" * 4096).attachments * 1000
    raw = bytearray(to_msg(payload_of(item)))
    with opened(bytes(raw)) as file:
        entries = [e for e in file.direntries if e is not None and e.name.endswith("37010102")]
        large = next(e for e in entries if e.size == 1_000_000)
        directory = 512 + 512 * file.first_dir_sector
    for entry in entries:
        struct.pack_into("<IQ", raw, directory + 128 * entry.sid + 116, large.isectStart, 1_000_000)
    made = read_msg(bytes(raw))
    assert made.payload is not None
    assert any("lie over each other" in note for note in made.notes)
    assert len(made.payload) < 3 * len(raw)


def test_a_file_whose_list_of_properties_is_empty_is_no_item():
    raw = to_msg(payload_of(Item([Property.of(0x3FDE, INTEGER32, 1)])))
    with opened(raw) as file:
        listed = file.openstream("__properties_version1.0").read()
    class_name = "__substg1.0_001A001F".encode("utf-16-le")
    damaged = raw.replace(listed, bytes(len(listed))).replace(class_name, b"x" * len(class_name))
    assert read_msg(damaged).reason == "it holds nothing that can be read"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not an Outlook message file"),
        (b"From: a@b\r\n\r\n", "not an Outlook message file"),
        (bytes.fromhex("d0cf11e0a1b11ae1"), "the file is cut short in its header"),
        (
            bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600),
            "the file is damaged: it has no directory",
        ),
    ],
)
def test_what_is_no_message_file_is_refused_with_a_reason(raw: bytes, reason: str):
    made = read_msg(raw)
    assert made.payload is None
    assert made.reason == reason
