"""winmail.dat, alone and in mail; tnefparse reads the same files."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
import tnefparse
from hypothesis import given
from hypothesis import strategies as st

from backups.streams import from_mime, item_view, read_item, validate
from backups.streams.native import tags
from backups.streams.native.properties import Property
from backups.streams.outlook.tnef import read_tnef

from .conftest import corpus_files

SIGNATURE = bytes.fromhex("789F3E22 0100")


def attribute(level: int, number: int, value: bytes) -> bytes:
    """MS-OXTNEF 2.1.1.1: level, number, length, value, and the sum of its bytes."""
    return (
        struct.pack("<BII", level, number, len(value))
        + value
        + struct.pack("<H", sum(value) & 0xFFFF)
    )


# MS-OXTNEF 2.1.3.4: a count, then type, id, name, values; all on multiples of four bytes.
PROPERTIES = bytes.fromhex(
    """
    06000000
    1F00 3700  01000000 0A000000  500 06C00 61006E00 0000 0000
    0300 1700  02000000
    0B00 2900  01000000
    4000 3900  0076 5E17 17D1CA01
    1E00 0010  01000000 05000000  6361668500 000000
    1F00 0480  2903020000000000C000000000000046 01000000 12000000
               4B006500790077006F00720064007300 0000 0000  01000000 04000000 61000000
    """.replace("500 06C00", "50006C00")
    .replace(" ", "")
    .replace("\n", "")
)
TITLE = attribute(2, 0x00018010, b"plan.txt\0")
MADE = (
    SIGNATURE
    + attribute(1, 0x00069007, struct.pack("<II", 1252, 0))
    + attribute(1, 0x00078008, b"IPM.Microsoft Mail.Note\0")
    + attribute(1, 0x00069003, PROPERTIES)
    + attribute(2, 0x00069002, b"\0" * 14)
    + TITLE
    + attribute(2, 0x0006800F, b"attached")
)


def values(properties: list[Property]) -> dict[int, object]:
    return {p.id: p.value for p in properties if p.name is None}


def test_properties_are_copied_as_they_are() -> None:
    made = read_tnef(MADE)
    assert made.payload is not None
    assert made.notes == ()
    validate(made.payload)
    item = read_item(made.payload)
    found = values(item.properties)

    assert found[tags.MESSAGE_CLASS] == "IPM.Note"
    assert found[tags.SUBJECT] == "Plan"
    assert found[tags.IMPORTANCE] == 2
    assert found[tags.READ_RECEIPT_REQUESTED] is True
    assert found[tags.BODY] == "caf…"
    assert str(found[tags.CLIENT_SUBMIT_TIME]) == "2010-03-31 21:14:04+00:00"
    assert {p.name.name: p.value for p in item.properties if p.name} == {"Keywords": "a"}
    file = values(item.attachments[0].properties)
    assert (file[tags.ATTACH_LONG_FILENAME], file[tags.ATTACH_DATA]) == ("plan.txt", b"attached")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not a TNEF file"),
        (b"no TNEF at all", "not a TNEF file"),
        (SIGNATURE, "the TNEF file holds nothing that can be read"),
    ],
)
def test_what_is_no_tnef_is_refused_with_its_reason(raw: bytes, reason: str) -> None:
    assert read_tnef(raw).reason == reason


def test_a_file_that_is_cut_short_gives_what_it_has() -> None:
    made = read_tnef(MADE[:-5])

    assert made.payload is not None
    assert values(read_item(made.payload).properties)[tags.SUBJECT] == "Plan"
    assert made.notes == ("attribute 0x0006800F is cut short",)


@given(st.integers(0, len(MADE) - 1), st.binary(min_size=1, max_size=8))
def test_damage_never_raises(position: int, noise: bytes) -> None:
    made = read_tnef(MADE[:position] + noise + MADE[position + len(noise) :])

    assert made.payload is not None or made.reason
    if made.payload is not None:
        validate(made.payload)


def test_a_mail_takes_over_what_its_winmail_dat_holds() -> None:
    from base64 import encodebytes

    mail = (
        b"From: anna@acme.example\nTo: ben@acme.example\nSubject: Re: Plan\n"
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nHello\n"
        b"--b\nContent-Type: application/ms-tnef; name=winmail.dat\n"
        b"Content-Transfer-Encoding: base64\n\n" + encodebytes(MADE) + b"--b--\n"
    )

    view = item_view(from_mime(mail))
    found = values(read_item(from_mime(mail)).properties)

    assert (view.subject, view.text) == ("Re: Plan", "Hello")
    assert [(file.name, file.size) for file in view.attachments] == [("plan.txt", 8)]
    assert found[tags.IMPORTANCE] == 2


def test_a_winmail_dat_that_cannot_be_opened_stays_a_file() -> None:
    mail = b"Content-Type: application/ms-tnef; name=winmail.dat\n\nno TNEF at all"

    assert [file.name for file in item_view(from_mime(mail)).attachments] == ["winmail.dat"]


@pytest.mark.corpus
def test_real_files_hold_what_tnefparse_reads_in_them() -> None:
    for path in corpus_files("tnef"):
        raw = path.read_bytes()
        made = read_tnef(raw)
        if path.name == "oom.tnef":
            assert made.reason == "the TNEF file holds nothing that can be read"
            continue
        assert made.payload is not None, path
        validate(made.payload)
        item = read_item(made.payload)
        other = tnefparse.TNEF(raw, do_checksum=False)
        ours = [values(a.properties).get(tags.ATTACH_DATA, b"") for a in item.attachments]
        theirs = [a.data for a in other.attachments]
        for mine, other_data in zip(ours, theirs, strict=True):
            # It leaves the interface of an OLE object, 16 bytes, before the object's storage, and
            # takes zero bytes off the end of a value.
            shown = other_data.rstrip(b"\0")
            assert isinstance(mine, bytes)
            assert mine.rstrip(b"\0") in (b"", shown, shown[16:]), path


@pytest.mark.corpus
def test_damaged_real_files_never_raise() -> None:
    chance = random.Random(4)
    for path in corpus_files("tnef"):
        raw = bytearray(Path(path).read_bytes()[:20_000])
        for _ in range(20):
            damaged = bytearray(raw)
            for _ in range(5):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            made = read_tnef(bytes(damaged))
            assert made.payload is not None or made.reason
