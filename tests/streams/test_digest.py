"""The digest follows what an item says, and nothing that a server makes of it."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest

from backups.streams import Item, Property, normalised_digest, read_item, write_item
from backups.streams.native import tags
from backups.streams.native.digest import EXCLUDED
from backups.streams.native.properties import BINARY, INTEGER32, STRING, TIME, UNICODE

from .samples import BUILD, KEYWORDS, MULTIPLE, NUMBERED, SENT, framed, from_hex, letter


def digest(item: Item, build: tuple[int, int, int, int] = BUILD) -> bytes:
    return normalised_digest(write_item(item, build=build))


def with_extra(*extra: Property) -> Item:
    return letter(extra=list(extra))


ORIGINAL = digest(letter())


@pytest.mark.parametrize("number", sorted(EXCLUDED), ids=lambda number: EXCLUDED[number][0])
def test_what_a_server_sets_changes_nothing(number: int) -> None:
    assert digest(with_extra(Property.of(number, BINARY, b"new"))) == ORIGINAL


def test_the_build_changes_nothing() -> None:
    assert digest(letter(), build=(14, 1, 139, 0)) == ORIGINAL


def test_the_dates_and_ids_of_an_import_change_nothing() -> None:
    before = with_extra(
        Property.of(tags.CREATION_TIME, TIME, SENT), Property.of(0x65E2, BINARY, b"\x01" * 22)
    )
    after = with_extra(
        Property.of(0x65E0, BINARY, b"\x02" * 22),
        Property.of(tags.LAST_MODIFICATION_TIME, TIME, SENT.replace(year=2026)),
    )

    assert digest(before) == digest(after) == ORIGINAL


def test_the_order_of_properties_changes_nothing() -> None:
    item = letter()
    item.properties.reverse()

    assert digest(item) == ORIGINAL


def test_the_encoding_of_a_string_changes_nothing() -> None:
    item = letter()
    item.properties = [
        Property.of(p.id, kind, p.value) if p.id == tags.SUBJECT else p
        for p, kind in zip(item.properties, [0x84E4] * len(item.properties), strict=True)
    ]

    assert item.properties[1].kind == 0x84E4
    assert digest(item) == ORIGINAL


def test_the_number_that_a_mailbox_gives_to_a_name_changes_nothing() -> None:
    one = with_extra(Property.of(0x8001, INTEGER32, 5, NUMBERED))
    two = with_extra(Property.of(0x8FFF, INTEGER32, 5, NUMBERED))

    assert digest(one) == digest(two) != ORIGINAL


def test_flags_that_a_server_computes_change_nothing_but_the_read_state_does() -> None:
    def flagged(flags: int) -> Item:
        item = letter()
        item.properties = [
            Property.of(tags.MESSAGE_FLAGS, INTEGER32, flags) if p.id == tags.MESSAGE_FLAGS else p
            for p in item.properties
        ]
        return item

    assert digest(flagged(0x2411)) == ORIGINAL
    assert digest(flagged(0x2410)) != ORIGINAL


def changed_subject() -> Item:
    item = letter()
    item.properties[1] = Property.of(tags.SUBJECT, UNICODE, "Plans for April")
    return item


def another_recipient() -> Item:
    item = letter()
    item.recipients *= 2
    return item


def renamed_attachment() -> Item:
    item = letter()
    item.attachments[0].properties[0] = Property.of(tags.ATTACH_LONG_FILENAME, UNICODE, "x.pdf")
    return item


def moved_property() -> Item:
    """The same bytes in another place: a property of the recipient on the message."""
    item = letter()
    item.properties.append(item.recipients[0].properties.pop())
    return item


@pytest.mark.parametrize(
    "item",
    [
        changed_subject(),
        another_recipient(),
        renamed_attachment(),
        moved_property(),
        letter(body="Hello!"),
        letter(body="Hello" * 2000),
        letter(attachment=b"attacheD"),
        letter(attachment=bytes(100_000)),
        letter(embedded=letter()),
        letter(embedded=letter(body="x")),
        with_extra(Property.of(0x8001, MULTIPLE | STRING, ["Red"], KEYWORDS)),
        with_extra(Property.of(0x6800, INTEGER32, 1)),
    ],
)
def test_what_a_person_changes_changes_the_digest(item: Item) -> None:
    found = {digest(item), digest(letter())}

    assert len(found) == 2


def test_an_item_keeps_its_digest_when_it_is_written_again() -> None:
    payload = write_item(letter(embedded=letter()), build=BUILD)

    assert normalised_digest(write_item(read_item(payload), build=(16, 0, 1))) == normalised_digest(
        payload
    )


def test_the_format_page_lists_what_is_left_out() -> None:
    page = (Path(__file__).parents[2] / "docs" / "streams.md").read_text("utf-8")

    rows = [f"| {name} | 0x{number:04X} | {why} |" for number, (name, why) in EXCLUDED.items()]

    assert [row for row in rows if row not in page] == []


def test_the_digest_is_what_the_format_page_says() -> None:
    """Put together here from the page alone: digests are kept for years."""

    def prop(number: int, kind: int, value: bytes) -> bytes:
        key = struct.pack(">H", number)
        return struct.pack(">I2sHI", 2, key, kind, len(value)) + value

    content = from_hex(
        """
        B084 3700  06000000 41004200 0000    PidTagSubject "AB"
        E484 1A00  03000000 49504D           PidTagMessageClass "IPM", not terminated
        0300 070E  31000000                  PidTagMessageFlags
        0300 080E  99999999                  PidTagMessageSize, left out
        0300 0340                            StartRecip
        0300 150C  01000000
        0300 0440                            EndToRecip
        """
    )
    canonical = (
        b"stowage item digest 1\n"
        b"M\0\0\0\3"
        + prop(0x001A, 0x001F, "IPM".encode("utf-16-le"))
        + prop(0x0037, 0x001F, "AB".encode("utf-16-le"))
        + prop(0x0E07, 0x0003, b"\x01\0\0\0")
        + b"R\0\0\0\1"
        + prop(0x0C15, 0x0003, b"\x01\0\0\0")
        + b".."
    )

    assert normalised_digest(framed(content)) == hashlib.sha256(canonical).digest()
