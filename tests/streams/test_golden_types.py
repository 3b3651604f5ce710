"""Every type of MS-OXCDATA 2.11.1 on the wire of MS-OXCFXICS 2.2.4.1, written out by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from uuid import UUID

import pytest

from backups.streams import StreamTruncated, StreamUnknown, read_item, validate, write_item

from .samples import framed, from_hex

APRIL = datetime(2001, 4, 1, tzinfo=UTC)

SINGLE = [
    ("PtypInteger16 -2", "0200 0068 FEFF", -2),
    ("PtypInteger32 305419896", "0300 0068 78563412", 0x12345678),
    ("PtypFloating32 -1.5", "0400 0068 0000C0BF", -1.5),
    ("PtypFloating64 1/3", "0500 0068 555555555555D53F", 1 / 3),
    ("PtypFloating64 infinity", "0500 0068 000000000000F07F", math.inf),
    ("PtypCurrency 1.2345", "0600 0068 3930000000000000", 12345),
    ("PtypFloatingTime 2.25 days", "0700 0068 0000000000000240", 2.25),
    ("PtypErrorCode MAPI_E_NOT_FOUND", "0A00 0068 0F010480", 0x8004010F),
    ("PtypBoolean true", "0B00 0068 0100", True),
    ("PtypBoolean false", "0B00 0068 0000", False),
    ("PtypInteger64 -1", "1400 0068 FFFFFFFFFFFFFFFF", -1),
    ("PtypTime 2001-04-01", "4000 0068 0040CBB13EBAC001", APRIL),
    (
        "PtypGuid PS_MAPI",
        "4800 0068 2803020000000000C000000000000046",
        UUID("00020328-0000-0000-c000-000000000046"),
    ),
    ("PtypString8 in Windows-1252", "1E00 0068 05000000 6361668000", "caf€"),
    ("PtypString", "1F00 0068 06000000 5A00FC000000", "Zü"),
    ("an empty PtypString", "1F00 0068 02000000 0000", ""),
    ("a string without any byte", "1F00 0068 00000000", ""),
    ("Windows-1251", "E384 0068 04000000 CCE8F000", "Мир"),
    ("Shift JIS", "A483 0068 05000000 93FA967B00", "日本"),
    ("GB 18030 by its number in 15 bits", "98D6 0068 03000000 D6D000", "中"),
    ("UTF-8 by its number in 15 bits", "E9FD 0068 04000000 E282AC00", "€"),
    ("UTF-16 big endian", "B184 0068 06000000 004100420000", "AB"),
    ("ISO 8859-15", "BDEF 0068 02000000 A400", "€"),
    ("KOI8-R", "82D1 0068 04000000 EDC9D200", "Мир"),
    ("PtypBinary", "0201 0068 03000000 00FF7F", b"\x00\xff\x7f"),
    ("PtypObject", "0D00 0068 04000000 D0CF11E0", b"\xd0\xcf\x11\xe0"),
    ("PtypServerId", "FB00 0068 05000000 0102030405", b"\1\2\3\4\5"),
]

MULTIPLE = [
    ("16-bit integers", "0210 0068 03000000 0100 FFFF 0080", [1, -1, -32768]),
    ("32-bit integers", "0310 0068 01000000 FFFFFF7F", [2147483647]),
    ("32-bit floats", "0410 0068 02000000 0000803F 00000040", [1.0, 2.0]),
    ("64-bit floats", "0510 0068 01000000 000000000000F0BF", [-1.0]),
    ("currencies", "0610 0068 01000000 1027000000000000", [10000]),
    ("floating times", "0710 0068 01000000 000000000000F03F", [1.0]),
    ("64-bit integers", "1410 0068 01000000 0000000000000080", [-(2**63)]),
    ("times", "4010 0068 01000000 0040CBB13EBAC001", [APRIL]),
    (
        "GUIDs",
        "4810 0068 01000000 2803020000000000C000000000000046",
        [UUID("00020328-0000-0000-c000-000000000046")],
    ),
    ("strings of bytes", "1E10 0068 02000000 02000000 6100 03000000 626300", ["a", "bc"]),
    ("strings", "1F10 0068 01000000 04000000 61000000", ["a"]),
    ("strings in Windows-1252", "E494 0068 02000000 02000000 FC00 01000000 00", ["ü", ""]),
    (
        "binaries",
        "0211 0068 03000000 01000000 AA 00000000 02000000 BBCC",
        [b"\xaa", b"", b"\xbb\xcc"],
    ),
    ("none", "0211 0068 00000000", []),
]


@pytest.mark.parametrize(("wire", "value"), [line[1:] for line in SINGLE + MULTIPLE])
def test_a_value_is_read_as_the_specification_says(wire: str, value: object) -> None:
    item = read_item(framed(from_hex(wire)))

    assert [(prop.id, prop.value) for prop in item.properties] == [(0x6800, value)]
    assert type(item.properties[0].value) is type(value)
    assert write_item(item) == framed(from_hex(wire))


@pytest.mark.parametrize("wire", [line[1] for line in SINGLE + MULTIPLE])
def test_a_value_that_is_cut_off_anywhere_is_named_with_its_place(wire: str) -> None:
    content = from_hex(wire)
    whole = framed(content)
    at = len(whole) - len(content)

    for stop in range(1, len(content)):
        with pytest.raises(StreamTruncated) as caught:
            validate(framed(content[:stop]))
        assert caught.value.offset == at
        assert stop < 4 or caught.value.prop == 0x68000000 | int.from_bytes(content[:2], "little")


@pytest.mark.parametrize("kind", ["0000", "0100", "FD00", "FE00", "FF0F", "4110"])
def test_a_type_that_no_value_of_an_item_has_is_named(kind: str) -> None:
    with pytest.raises(StreamUnknown, match="unknown type") as caught:
        validate(framed(from_hex(f"{kind} 0068 00000000")))

    assert caught.value.prop is not None
    assert caught.value.prop >> 16 == 0x6800


def test_a_value_whose_page_is_not_known_is_kept_and_says_so() -> None:
    item = read_item(framed(from_hex("0180 0068 02000000 4100")))

    with pytest.raises(ValueError, match="code page 1"):
        _ = item.properties[0].value
    assert write_item(item) == framed(from_hex("0180 0068 02000000 4100"))
