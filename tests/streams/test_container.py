from __future__ import annotations

import base64
import struct

import pytest

from backups.streams import (
    StreamError,
    StreamTruncated,
    StreamUnknown,
    cut,
    decode_export,
    open_stream,
    validate,
    write_item,
)
from backups.streams.native.container import BUFFER_SIZE

from .samples import BUILD, MESSAGE, PREFIX, framed, from_hex, golden, letter

TEXT = base64.b64encode(golden())


@pytest.mark.parametrize("text", [TEXT, TEXT.decode(), b"\r\n  " + TEXT + b"\n"])
def test_an_export_is_decoded_from_bytes_or_text(text: str | bytes) -> None:
    assert decode_export(text) == golden()


def test_the_servers_truncation_marker_is_refused_with_its_place() -> None:
    with pytest.raises(StreamTruncated) as caught:
        decode_export(TEXT[:40] + b"=== Truncated Data ===")

    assert caught.value.offset == 40


@pytest.mark.parametrize("length", [1, 2, 3])
def test_base64_that_is_cut_off_is_truncated(length: int) -> None:
    with pytest.raises(StreamTruncated):
        decode_export(TEXT[: 40 + length])


@pytest.mark.parametrize("wrong", ["AQ AA", "AQA\n", "AQ*A", "AQÄA", "A=AA", "AQAA-_AA"])
def test_what_is_not_strict_base64_is_refused(wrong: str) -> None:
    with pytest.raises(StreamError):
        decode_export(wrong)


def test_base64_that_ends_early_on_a_boundary_is_caught_by_the_lengths() -> None:
    payload = decode_export(TEXT[:-8])

    with pytest.raises(StreamTruncated, match="operation 2 wants"):
        validate(payload)


def test_every_shorter_payload_is_refused() -> None:
    payload = golden()

    for length in range(len(payload)):
        with pytest.raises(StreamError):
            validate(payload[:length])


def test_a_truncated_stream_is_refused_with_its_offset_and_property() -> None:
    content = from_hex(MESSAGE)
    shortened = framed(content[:40])

    with pytest.raises(StreamTruncated) as caught:
        validate(shortened)

    assert caught.value.prop == 0x001A84B0
    assert caught.value.offset == len(from_hex(PREFIX)) + 8 + 20
    assert "property 0x001A84B0" in str(caught.value)


def test_an_offset_counts_the_heads_of_earlier_buffers() -> None:
    content = from_hex(MESSAGE)

    with pytest.raises(StreamTruncated) as caught:
        validate(framed(content[:40], 10, 5))

    assert caught.value.offset == len(from_hex(PREFIX)) + 3 * 8 + 20


def test_bytes_after_the_last_operation_are_refused() -> None:
    with pytest.raises(StreamTruncated):
        validate(golden() + b"\0\0")


def test_operations_of_a_wrong_length_are_refused() -> None:
    payload = bytearray(golden())
    payload[4] = 7

    with pytest.raises(StreamError, match="7 bytes instead of 8"):
        validate(bytes(payload))


@pytest.mark.parametrize(
    "payload", [b"", from_hex(PREFIX), from_hex(PREFIX) + bytes([2, *[0] * 7])]
)
def test_a_payload_without_content_is_refused(payload: bytes) -> None:
    with pytest.raises(StreamTruncated, match="no content"):
        validate(payload)


def test_a_payload_that_does_not_start_with_config_is_refused() -> None:
    with pytest.raises(StreamError, match="where Config must be"):
        validate(b"<html><body>Service unavailable</body></html>")


def test_an_unknown_operation_is_named_and_the_item_can_still_be_kept() -> None:
    payload = golden() + struct.pack("<II", 99, 3) + b"new"

    with pytest.raises(StreamUnknown, match="unknown operation 99") as caught:
        validate(payload)

    assert caught.value.offset == len(golden())
    assert open_stream(payload).index().subject == "Hi!"
    assert b"".join(part.data for part in cut(payload).parts) == payload


def test_buffers_are_31680_bytes_when_we_write_them() -> None:
    payload = write_item(letter(attachment=bytes(100_000)), build=BUILD)

    frames = open_stream(payload).container.frames

    assert set(frames[:-1]) == {BUFFER_SIZE} == {31_680}
    assert frames[-1] < BUFFER_SIZE
    assert validate(payload).build == BUILD


@pytest.mark.parametrize("build", [(0x0F14, 0x91D6, 0x1786), (15, 20, 0x8000), (15, 20, 1, 70000)])
def test_a_build_that_does_not_fit_its_fields_is_refused(build: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="not a server build"):
        write_item(letter(), build=build)


def test_an_item_that_was_not_read_needs_a_build() -> None:
    with pytest.raises(ValueError, match="needs a server build"):
        write_item(letter())
