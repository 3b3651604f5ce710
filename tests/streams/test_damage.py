"""No input makes the reader hang, fall over or raise anything but its own errors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.parts import join
from backups.streams import (
    StreamError,
    StreamTruncated,
    StreamUnknown,
    attachment_content,
    cut,
    index_record,
    item_view,
    normalised_digest,
    read_item,
    to_eml,
    validate,
    write_item,
)
from backups.streams.native.fields import MAX_NOTES

from .samples import BUILD, framed, from_hex, golden, letter

ORIGINAL = golden()
EDITS = st.lists(
    st.tuples(st.integers(0, len(ORIGINAL) - 1), st.integers(0, 255)), min_size=1, max_size=6
)
# Mostly sensible streams, so that damage is met deep inside and not at the first tag.
PIECES = st.lists(
    st.sampled_from(
        [
            *map(from_hex, ("0300 0040", "0300 0140", "0300 0240", "0300 0340", "0300 0440")),
            *map(from_hex, ("0300 0E40", "0300 1700 02000000", "B084 3700 04000000 4100 0000")),
            from_hex("4000 3900 FFFFFFFF FFFFFFFF"),
            from_hex("0201 0137 03000000 010203"),
            from_hex("0000 1234"),
            from_hex("FF8F 3700 01000000 41"),
            from_hex("1F10 0380"),
        ]
    )
    | st.binary(max_size=8),
    max_size=12,
)


def everything(payload: bytes) -> None:
    """Ask for all there is; only the stream's own errors may come out, and not from all."""
    for asked in (validate, read_item, normalised_digest, cut, to_eml):
        try:
            asked(payload)
        except StreamError as error:
            assert 0 <= error.offset <= len(payload)
    record = index_record(payload)
    assert record.size == len(payload)
    assert len(record.notes) <= MAX_NOTES
    assert record == type(record).from_record(record.to_record())
    for file in item_view(payload).attachments:
        attachment_content(payload, file.number)


@settings(deadline=None, max_examples=300)
@given(EDITS)
def test_a_stream_with_changed_bytes_is_read_or_refused(edits: list[tuple[int, int]]) -> None:
    payload = bytearray(ORIGINAL)
    for place, value in edits:
        payload[place] = value

    everything(bytes(payload))


@settings(deadline=None, max_examples=300)
@given(PIECES)
def test_a_stream_of_odd_pieces_is_read_or_refused(pieces: list[bytes]) -> None:
    everything(framed(b"".join(pieces)))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(payload: bytes) -> None:
    everything(payload)


@settings(deadline=None, max_examples=200)
@given(PIECES)
def test_cutting_never_fails_where_the_container_is_sound(pieces: list[bytes]) -> None:
    payload = framed(b"\x03\x00\x17\x00" + b"".join(pieces))

    item = cut(payload)

    assert join(item.recipe, [part.data for part in item.parts]) == payload


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("0300 0340", "the recipient is not closed"),
        ("0300 0040 0300 0140", "the message is not closed"),
        ("0300", "a property tag is cut off"),
        ("B084 3700 0800", "a length is cut off"),
        ("0310 0068 0200", "a count is cut off"),
        ("1F10 0068 02000000 02000000 4100", "a multi-value is cut off"),
        ("1F10 0068 FFFFFFFF", "a multi-value is cut off"),
        ("0310 0068 FFFFFFFF", "a value of 17179869184 bytes"),
        ("0201 0137 FFFFFFFF 00", "a value of 4294967295 bytes"),
        ("0300 0180 08200600", "a property name is cut off"),
        ("0300 0180 0820060000000000C000000000000046 01 4100", "a property name has no end"),
    ],
)
def test_a_stream_that_ends_early_is_truncated(content: str, reason: str) -> None:
    with pytest.raises(StreamTruncated, match=reason):
        validate(framed(from_hex(content)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("0300 0440", "a recipient ends inside a message"),
        ("0300 0240", "a message ends inside a message"),
        ("0300 0340 0300 0E40", "a attachment ends inside a recipient"),
        ("0300 0340 0300 0340", "a recipient starts inside a recipient"),
        ("0300 0140", "a message starts inside a message"),
    ],
)
def test_markers_that_do_not_balance_are_refused(content: str, reason: str) -> None:
    with pytest.raises(StreamError, match=reason):
        validate(framed(from_hex(content)))


@pytest.mark.parametrize(
    "content",
    [
        "0100 3700",
        "0110 3700 00000000",
        "FF0F 3700",
        "0300 0940",
        "0300 0180 0820060000000000C000000000000046 02 00000000",
    ],
)
def test_what_this_reader_does_not_know_is_told_apart_from_damage(content: str) -> None:
    payload = framed(from_hex("B084 3700 04000000 4100 0000" + content))

    with pytest.raises(StreamUnknown):
        validate(payload)
    assert index_record(payload).subject == "A"
    assert len(cut(payload).parts) == 1


def test_a_damaged_property_leaves_a_note_and_hides_no_other() -> None:
    content = from_hex(
        "4000 3900 FFFFFFFF FFFFFFFF" + "FF8F 3700 01000000 41" + "0300 1700 02000000"
    )

    record = index_record(framed(content))

    assert record.importance == 2
    assert record.sent_at is None
    assert sorted(record.notes) == [
        "property 0x00378FFF: unknown code page 4095",
        "property 0x00390040: no such date: 18446744073709551615",
    ]
    assert len(record.digest) == 64


def test_text_that_does_not_decode_is_shown_as_far_as_it_does() -> None:
    lone_surrogate = from_hex("B084 3700 06000000 4100 3DD8 4200")

    assert index_record(framed(lone_surrogate)).subject == "A\ufffdB"
    assert index_record(framed(from_hex("B084 3700 03000000 4100 42"))).subject == "A\ufffd"
    assert index_record(framed(from_hex("B084 3700 08000000 4100 0000 4200 0000"))).subject == "AB"


def test_ten_thousand_attachments_are_counted_but_not_all_named() -> None:
    item = letter()
    item.attachments *= 10_000

    record = index_record(write_item(item, build=BUILD))

    assert len(record.attachments) == 100
    assert record.notes == ("9900 more attachments are not listed",)
