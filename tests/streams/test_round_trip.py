"""Whatever an item holds comes back byte for byte."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.parts import join
from backups.streams import (
    Attachment,
    Item,
    Property,
    PropertyName,
    Recipient,
    StreamTruncated,
    StreamUnknown,
    cut,
    index_record,
    normalised_digest,
    read_item,
    validate,
    write_item,
)
from backups.streams.native import tokens
from backups.streams.native.properties import (
    BINARY,
    BOOLEAN,
    CURRENCY,
    FIXED_SIZES,
    FLOATING64,
    GUID,
    INTEGER16,
    INTEGER32,
    INTEGER64,
    MULTIPLE,
    STRING,
    STRING8,
    TIME,
    UNICODE,
)

from .samples import BUILD, framed, from_hex, golden, letter

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NAMES = st.builds(PropertyName, st.uuids(), lid=st.integers(0, 2**32 - 1)) | st.builds(
    PropertyName, st.uuids(), name=TEXT.filter(bool)
)
FIXED = st.sampled_from(sorted(FIXED_SIZES)).flatmap(
    lambda kind: st.tuples(
        st.just(kind), st.binary(min_size=FIXED_SIZES[kind], max_size=FIXED_SIZES[kind])
    )
)
VARIABLE = st.tuples(
    st.sampled_from([BINARY, STRING, STRING8, UNICODE, 0x84E4, 0xFDE9, 0x000D, 0x00FB]),
    st.binary(max_size=60) | st.binary(min_size=2048, max_size=2100),
)
MANY = st.lists(st.binary(max_size=9), max_size=4).map(
    lambda values: (
        MULTIPLE | BINARY,
        struct.pack("<I", len(values)) + b"".join(struct.pack("<I", len(v)) + v for v in values),
    )
)
# Ids whose PT_LONG tags are markers stay out: no property has them.
IDS = st.integers(0x0001, 0x3FFF) | st.integers(0x4100, 0x7FFF)


@st.composite
def properties(draw: st.DrawFn) -> Property:
    kind, raw = draw(FIXED | VARIABLE | MANY)
    if draw(st.booleans()):
        return Property(draw(st.integers(0x8000, 0xFFFE)) << 16 | kind, raw, draw(NAMES))
    return Property(draw(IDS) << 16 | kind, raw)


LISTS = st.lists(properties(), max_size=5)
ITEMS = st.recursive(
    st.builds(Item, LISTS, st.lists(st.builds(Recipient, LISTS), max_size=2)),
    lambda inner: st.builds(
        Item,
        LISTS,
        st.lists(st.builds(Recipient, LISTS), max_size=2),
        st.just([]),
        st.lists(st.builds(Attachment, LISTS, st.none() | inner), max_size=2),
    ),
    max_leaves=4,
)


@settings(deadline=None)
@given(ITEMS)
def test_an_item_is_read_as_it_was_written(item: Item) -> None:
    item.properties.append(Property.of(0x001A, UNICODE, "IPM.Note"))
    payload = write_item(item, build=BUILD)

    again = read_item(payload)

    assert (again.properties, again.recipients) == (item.properties, item.recipients)
    assert again.attachments == item.attachments
    assert write_item(again) == payload


@settings(deadline=None)
@given(ITEMS, st.lists(st.integers(1, 40), max_size=4))
def test_an_item_is_joined_from_its_parts(item: Item, sizes: list[int]) -> None:
    item.properties.append(Property.of(0x1000, UNICODE, "long " * 600))
    payload = write_item(item, build=BUILD)
    content = b"".join(
        payload[start : start + size]
        for start, size in _buffers(payload)  # the same content in other buffers
    )
    reframed = framed(content, *sizes)

    for whole in (payload, reframed):
        pieces = cut(whole)
        assert join(pieces.recipe, [part.data for part in pieces.parts]) == whole
        assert len(pieces.parts) > 1
    assert normalised_digest(reframed) == normalised_digest(payload)


def _buffers(payload: bytes) -> list[tuple[int, int]]:
    found, position = [], 0
    while position < len(payload):
        opcode, size = struct.unpack_from("<II", payload, position)
        position += 8
        if opcode == 2:
            found.append((position, size))
        position += size
    return found


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (INTEGER16, -2),
        (INTEGER32, -70_000),
        (INTEGER64, 2**40),
        (FLOATING64, 0.5),
        (CURRENCY, 12_345),
        (BOOLEAN, True),
        (TIME, datetime(1601, 1, 1, tzinfo=UTC)),
        (TIME, datetime(2026, 11, 23, 12, 30, 59, 123_456, tzinfo=UTC)),
        (GUID, UUID(int=7)),
        (BINARY, b"\0\xff"),
        (STRING, "Grüße 🎉"),
        (0x84E4, "Grüße"),
        (0xFDE9, "Grüße 🎉"),
        (MULTIPLE | STRING, ["a", "", "ü"]),
        (MULTIPLE | UNICODE, ["a", "ü"]),
        (MULTIPLE | INTEGER32, [1, -1]),
        (MULTIPLE | BINARY, [b"", b"x"]),
    ],
)
def test_a_value_comes_back_from_its_bytes(kind: int, value: object) -> None:
    written = Property.of(0x6800, kind, value)
    item = Item([written])

    assert read_item(write_item(item, build=BUILD)).properties[0].value == value


@pytest.mark.parametrize(
    ("kind", "value", "error"),
    [
        (INTEGER16, 70_000, ValueError),
        (INTEGER32, "1", ValueError),
        (BINARY, "text", TypeError),
        (TIME, datetime(1600, 1, 1, tzinfo=UTC), ValueError),
        (0x84E4, "🎉", ValueError),
        (0x8FFF, "text", ValueError),
        (MULTIPLE | INTEGER32, 1, TypeError),
        (0x0001, None, TypeError),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_refused(
    kind: int, value: object, error: type[Exception]
) -> None:
    with pytest.raises(error):
        Property.of(0x6800, kind, value)


def _nested(depth: int) -> bytes:
    start, stop = from_hex("0300 0040 0300 0140"), from_hex("0300 0240 0300 0E40")
    prop = from_hex("0300 1700 01000000")
    return framed(prop + (start + prop) * depth + stop * depth)


@pytest.mark.parametrize("depth", [1, 200, 50_000])
def test_messages_inside_each_other_are_read_to_any_depth(depth: int) -> None:
    payload = _nested(depth)
    item = cut(payload)

    assert validate(payload).embedded == depth
    assert write_item(read_item(payload)) == payload
    assert normalised_digest(payload) != normalised_digest(_nested(depth - 1))
    assert len(index_record(payload).digest) == 64
    assert join(item.recipe, [part.data for part in item.parts]) == payload


def test_a_stream_of_too_many_objects_is_stored_but_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "MAX_OBJECTS", 100)
    recipients = framed(from_hex("0300 0340 0300 0440") * 100)
    properties = framed(from_hex("0B00 2900 0100") * 100)
    values = framed(from_hex("0211 0168 64000000" + "00000000" * 100) * 2)

    for payload in (recipients, properties, values):
        with pytest.raises(StreamUnknown, match="more than 100 properties"):
            validate(payload)
        assert b"".join(part.data for part in cut(payload).parts) == payload


def test_a_multi_value_that_claims_more_values_than_there_are_bytes_is_truncated() -> None:
    payload = framed(from_hex("0211 0168 FFFFFFFF 00000000"))

    with pytest.raises(StreamTruncated, match="multi-value is cut off"):
        validate(payload)


def test_a_property_name_without_end_is_not_searched_for_long() -> None:
    payload = framed(from_hex("1400 0480" + "00" * 16 + "01") + b"a" * 200_000)

    with pytest.raises(StreamUnknown, match="name without end"):
        validate(payload)


def test_an_order_that_the_grammar_does_not_have_is_stored_but_not_decoded() -> None:
    content = from_hex("0300 0340 0300 0440 0300 0040 0300 0E40 0300 0340 0300 0440")
    payload = framed(content)

    assert validate(payload).recipients == 2
    with pytest.raises(StreamUnknown, match="out of order"):
        read_item(payload)


def test_reading_and_writing_keep_odd_buffers() -> None:
    payload = framed(from_hex("0300 1700 01000000"), 3, 1)

    assert write_item(read_item(payload)) == payload


def test_an_edited_item_gets_new_buffers() -> None:
    item = read_item(golden())
    item.properties = letter(body="x" * 40_000).properties

    summary = validate(write_item(item))

    assert summary.buffers == 3
    assert summary.build == BUILD
