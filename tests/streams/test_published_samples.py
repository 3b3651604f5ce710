"""The streams printed in Microsoft's documentation, each cut short by its publisher."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pybase64
import pytest

from backups.parts import Layout
from backups.streams import StreamTruncated, index_record, item_view, validate
from backups.streams.native.container import read_container
from backups.streams.native.stream import open_cut_off
from backups.streams.native.walk import Found


def as_far_as_given(path: Path) -> bytes:
    text = b"".join(path.read_bytes().split())
    return pybase64.b64decode(text[: len(text) // 4 * 4])


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

    record, view = index_record(payload), item_view(payload)
    found = {
        step.id: step.read() for step in open_cut_off(payload).walk() if isinstance(step, Found)
    }

    assert (record.item_class, record.subject) == ("IPM.Note", "Interesting - from EWSMA")
    assert record.sent_at == datetime(2010, 3, 31, 21, 14, 4, tzinfo=UTC)
    assert record.digest == ""
    assert record.notes == ("operation 2 wants 8210 bytes, 410 are there at byte 62",)
    assert view.subject == record.subject
    assert view.notes[0] == record.notes[0]
    assert len(found) == 10
    assert str(found[0x4008].value).startswith("/O=FIRST ORGANIZATION/")
    assert bytes(found[0x003B].raw).startswith(b"EX:/O=FIRST")


@pytest.mark.parametrize(
    ("name", "item_class", "properties"),
    [
        ("ews-uploaditems-a", "IPM.Note", 8),
        ("ews-uploaditems-b", "IPM.Note", 8),
        ("graph-importitem-15.20", "", 1),
    ],
)
def test_every_published_sample_tells_what_it_has(
    published: Path, name: str, item_class: str, properties: int
) -> None:
    stream = open_cut_off(as_far_as_given(published / f"{name}.truncated.b64"))

    assert stream.index().item_class == item_class
    assert stream.scan.properties == properties
    assert stream.cut().recipe.layout is Layout.RAW


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
