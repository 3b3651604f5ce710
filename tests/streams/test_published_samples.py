"""The streams printed in Microsoft's documentation, each cut short by its publisher."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pybase64
import pytest

from backups.streams import StreamTruncated, index_record, validate
from backups.streams.errors import StreamError
from backups.streams.native.container import read_container
from backups.streams.native.fields import Fields
from backups.streams.native.tokens import scan


def as_far_as_given(path: Path) -> bytes:
    text = b"".join(path.read_bytes().split())
    return pybase64.b64decode(text[: len(text) // 4 * 4])


def up_to_the_cut(payload: bytes) -> bytes:
    """The content of the one buffer, which is announced longer than what is printed."""
    for start in range(62, len(payload)):
        if payload[start : start + 4] == b"\x02\0\0\0":
            return payload[start + 8 :]
    raise AssertionError("no TransferBuffer")


@pytest.mark.parametrize(
    "name",
    [
        "ews-exportitems-2010sp1",
        "ews-uploaditems-a",
        "ews-uploaditems-b",
        "graph-importitem-15.20",
    ],
)
def test_a_published_sample_is_refused_as_truncated(published: Path, name: str) -> None:
    payload = as_far_as_given(published / f"{name}.truncated.b64")

    with pytest.raises(StreamTruncated, match="operation 2 wants"):
        validate(payload)


def test_a_published_sample_is_read_up_to_its_cut(published: Path) -> None:
    payload = as_far_as_given(published / "ews-exportitems-2010sp1.truncated.b64")
    content = up_to_the_cut(payload)

    found = scan(content)
    notes: list[str] = []
    fields = Fields(found.root, content, notes)

    assert isinstance(found.fault, StreamError)
    assert found.fault.prop == 0x003F0102
    assert found.properties == 10
    assert fields.text(0x001A) == "IPM.Note"
    assert fields.text(0x0037) == "Interesting - from EWSMA"
    assert fields.text(0x4008).startswith("/O=FIRST ORGANIZATION/")
    assert fields.time(0x0039) == datetime(2010, 3, 31, 21, 14, 4, tzinfo=UTC)
    assert fields.binary(0x003B).startswith(b"EX:/O=FIRST")
    assert notes == []


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("ews-exportitems-2010sp1", "14.1.139.0"),
        ("ews-uploaditems-a", "14.1.164.0"),
        ("graph-importitem-15.20", "15.20.4566.6022"),
    ],
)
def test_the_server_build_of_a_published_sample_is_read(
    published: Path, name: str, build: str
) -> None:
    payload = as_far_as_given(published / f"{name}.truncated.b64")
    one_property = payload[:62] + bytes.fromhex("02000000 08000000 03001700 01000000")

    assert str(read_container(one_property).build) == build


def test_the_index_of_a_truncated_stream_says_why_it_is_empty(published: Path) -> None:
    record = index_record(as_far_as_given(published / "graph-importitem-15.20.truncated.b64"))

    assert record.digest == ""
    assert "operation 2 wants 31680 bytes" in record.notes[0]
