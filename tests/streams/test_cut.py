from __future__ import annotations

import struct

import pytest

from backups.parts import MAX_PART, Layout, Recipe, RecipeError, Role, join
from backups.streams import Property, cut, write_item
from backups.streams.native import tags
from backups.streams.native.cut import SMALLEST_PART
from backups.streams.native.properties import BINARY, UNICODE

from .samples import BUILD, framed, from_hex, golden, letter

BODY = "A long letter. " * 200
ATTACHMENT = bytes(range(256)) * 20


def test_bodies_and_attachments_become_parts_of_their_value_bytes_only() -> None:
    html, rtf = b"<p>" * 1000, b"\x01" * 3000
    extra = [
        Property.of(tags.RTF_COMPRESSED, BINARY, rtf),
        Property.of(tags.HTML, BINARY, html),
        Property.of(tags.TRANSPORT_MESSAGE_HEADERS, UNICODE, "X: y\r\n" * 900),
    ]
    item = cut(write_item(letter(body=BODY, attachment=ATTACHMENT, extra=extra), build=BUILD))

    parts = [(part.role, part.data) for part in item.parts[1:]]

    assert item.recipe.layout is Layout.FTS
    assert parts == [
        (Role.BODY, (BODY + "\0").encode("utf-16-le")),
        (Role.BODY, rtf),
        (Role.BODY, html),
        (Role.ATTACHMENT, ATTACHMENT),
    ]


def test_values_below_two_kilobytes_stay_in_the_skeleton() -> None:
    under = cut(write_item(letter(attachment=bytes(SMALLEST_PART - 1)), build=BUILD))
    at = cut(write_item(letter(attachment=bytes(SMALLEST_PART)), build=BUILD))

    assert [part.role for part in under.parts] == [Role.SKELETON]
    assert [part.role for part in at.parts] == [Role.SKELETON, Role.ATTACHMENT]


def test_an_attachment_of_an_embedded_message_is_the_same_part() -> None:
    outer = write_item(letter(embedded=letter(attachment=ATTACHMENT)), build=BUILD)
    plain = write_item(letter(attachment=ATTACHMENT), build=(14, 1, 139))

    assert cut(outer).parts[1] == cut(plain).parts[1]


def test_a_large_attachment_is_cut_into_pieces_that_join() -> None:
    payload = write_item(letter(attachment=bytes(2 * MAX_PART + 1)), build=BUILD)

    item = cut(payload)

    assert [len(part.data) for part in item.parts[1:]] == [MAX_PART, MAX_PART, 1]
    assert len({offset for offset, _ in item.recipe.holes}) == 1
    assert join(item.recipe, [part.data for part in item.parts]) == payload


def test_a_large_skeleton_is_cut_into_pieces_that_join() -> None:
    extra = [Property.of(0x6800, BINARY, bytes(MAX_PART))]
    payload = write_item(letter(extra=extra, attachment=ATTACHMENT), build=BUILD)

    item = cut(payload)

    assert item.recipe.skeleton_parts == 2
    assert max(len(part.data) for part in item.parts) == MAX_PART
    assert join(item.recipe, [part.data for part in item.parts]) == payload


@pytest.mark.parametrize(
    "tail",
    [
        struct.pack("<II", 2, 0),
        struct.pack("<II", 4, 6) + b"\0" * 6,
        struct.pack("<II", 7, 1) + b"x",
        struct.pack("<II", 2, 3) + b"\1\2\3",
    ],
)
def test_an_unusual_payload_is_kept_whole(tail: bytes) -> None:
    payload = framed(from_hex("0201 0137 00100000" + "00" * 4096)) + tail

    item = cut(payload)

    assert item.recipe.layout is Layout.RAW
    assert {part.role for part in item.parts} == {Role.SKELETON}
    assert join(item.recipe, [part.data for part in item.parts]) == payload


def test_a_recipe_survives_being_stored() -> None:
    item = cut(write_item(letter(body=BODY, attachment=ATTACHMENT), build=BUILD))

    assert Recipe.from_record(item.recipe.to_record()) == item.recipe


def test_a_recipe_with_wrong_parts_is_refused() -> None:
    item = cut(golden())
    parts = [part.data for part in item.parts]

    with pytest.raises(RecipeError, match="wants 1 skeleton parts, got 0"):
        join(item.recipe, [])
    with pytest.raises(RecipeError, match="frames hold"):
        join(item.recipe, [parts[0] + b"x"])


@pytest.mark.parametrize(
    "record",
    [
        None,
        7,
        [],
        [0, 1, 2, 3, 4],
        [9, 1, 0, [], []],
        [0, -1, 0, [], []],
        [1, 1, 0, [[0, 5]], []],
        [1, 1, 0, [[1]], []],
        [0, 1, 0, [], [["a", 1]]],
    ],
)
def test_what_is_no_recipe_is_refused(record: object) -> None:
    with pytest.raises(RecipeError):
        Recipe.from_record(record)


def test_a_hostile_recipe_can_neither_loop_nor_grow_the_item() -> None:
    endless = Recipe(Layout.FTS, 1, 0, ((0, 2**60), (4, 1)), ())
    copies = Recipe(Layout.RAW, 1, 0, (), tuple((0, 1) for _ in range(1000)))

    with pytest.raises(RecipeError):
        join(endless, [b"abcd"])
    with pytest.raises(RecipeError, match="more than one hole"):
        join(copies, [b"abcd", bytes(1000)])
