"""A large content is not joined: whatever is asked of it, the answers are those of a joined one."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator

import pytest

from backups.parts import MAX_PART, CutItem, join
from backups.streams import Item, Property, open_stream, write_item
from backups.streams.native import content as contents
from backups.streams.native import tags
from backups.streams.native.container import BUFFER_SIZE
from backups.streams.native.content import FramedContent
from backups.streams.native.properties import BINARY, MULTIPLE, STRING, UNICODE, PropertyName
from backups.streams.native.tokens import Owner
from backups.streams.native.walk import Closed, Found, Opened

from .samples import BUILD, framed, from_hex, golden, letter

UTF8 = 0x8000 | 65001 & 0x7FFF


def _answers(payload: bytes) -> tuple[object, ...]:
    stream = open_stream(payload)
    fault = str(stream.scan.fault)
    whole = (stream.summary(), stream.digest(), stream.item()) if fault == "None" else ()
    return (fault, stream.index(), _data(stream.cut()), list(_told(payload)), whole)


def _data(item: CutItem) -> tuple[object, list[object]]:
    return item.recipe, [(part.role, part.data) for part in item.parts]


def _told(payload: bytes) -> Iterator[object]:
    for step in open_stream(payload).walk():
        yield step.read() if isinstance(step, Found) else step


def _many(count: int) -> Item:
    """An item whose small values, names and multi-values lie across many windows."""
    item = letter(body="Line of text. " * 500, attachment=bytes(range(256)) * 64)
    names = [PropertyName(tags.PS_PUBLIC_STRINGS, name="n" * (n % 90 + 1)) for n in range(count)]
    item.properties += [
        Property.of(0x8001 + n, MULTIPLE | STRING, ["a" * (n % 40), "b"], name)
        for n, name in enumerate(names)
    ]
    return item


@pytest.mark.parametrize("frame", [None, 1, 7, 100_000])
def test_content_in_buffers_reads_as_joined_content_does(
    frame: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = write_item(_many(3_000), build=BUILD)
    if frame is not None:
        content = open_stream(payload).content[: 40_000 if frame < 10 else len(payload)]
        payload = framed(content, *(frame,) * (len(content) // frame))
    joined = _answers(payload)

    monkeypatch.setattr(contents, "JOINED", 0)

    assert isinstance(open_stream(payload).content, FramedContent)
    assert _answers(payload) == joined


def test_every_cut_of_the_golden_stream_is_found_in_buffers_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = open_stream(golden()).content[:]
    cuts = [framed(whole[:stop], *(5,) * (stop // 5)) for stop in range(1, len(whole))]
    joined = [_answers(payload) for payload in cuts]

    monkeypatch.setattr(contents, "JOINED", 0)

    assert [_answers(payload) for payload in cuts] == joined


@pytest.mark.parametrize("shift", range(0, 40, 3))
def test_a_name_may_lie_across_the_end_of_a_window(shift: int) -> None:
    filler = Property.of(0x6800, BINARY, bytes(1024 * 1024))
    name = PropertyName(tags.PS_PUBLIC_STRINGS, name="Keywords")
    item = Item(properties=[filler])
    item.properties += [Property.of(0x6801, BINARY, bytes(180)) for _ in range(1_000)]
    item.properties += [Property.of(0x6802, BINARY, bytes(shift))]
    item.properties += [Property.of(0x8001, MULTIPLE | STRING, ["red"], name)] * 2_000
    payload = write_item(item, build=BUILD)

    stream = open_stream(payload)

    assert isinstance(stream.content, FramedContent)
    assert stream.summary().properties == 3_002
    assert stream.index().categories == ("red",)
    assert write_item(stream.item()) == payload


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (UNICODE, "ü" * 1_000_000),
        (UTF8, "ü€" * 700_001),
        (0x84E4, "ü" * 1_500_000),
        (0x84B0, "a" * 600_000 + "\0"),
    ],
)
def test_the_digest_of_a_large_text_does_not_depend_on_its_encoding(kind: int, value: str) -> None:
    plain = Item(properties=[Property.of(tags.BODY, STRING, value)])
    coded = Item(properties=[Property.of(tags.BODY, kind, value)])
    text = value.removesuffix("\0").encode("utf-16-le")
    wanted = hashlib.sha256(
        b"stowage item digest 1\nM" + bytes([0, 0, 0, 1]) + bytes([0, 0, 0, 2, 0x10, 0, 0, 0x1F])
    )
    if not value.endswith("\0"):
        wanted.update(len(text).to_bytes(4, "big") + text + b".")
        assert open_stream(write_item(coded, build=BUILD)).digest() == wanted.digest()
    assert (
        open_stream(write_item(plain, build=BUILD)).digest()
        == open_stream(write_item(coded, build=BUILD)).digest()
    )


def test_a_damaged_large_text_counts_as_the_bytes_it_has() -> None:
    raw = b"\xff" * 2_000_000
    item = Item(properties=[Property(tags.BODY << 16 | UTF8, raw)])
    head = bytes([0, 0, 0, 1]) + bytes([0, 0, 0, 2, 0x10, 0]) + UTF8.to_bytes(2, "big")
    wanted = b"stowage item digest 1\nM" + head + len(raw).to_bytes(4, "big") + raw + b"."

    assert open_stream(write_item(item, build=BUILD)).digest() == hashlib.sha256(wanted).digest()


def test_a_large_item_is_read_in_little_more_memory_than_it_has() -> None:
    size = 24 * 1024 * 1024
    payload = write_item(letter(attachment=bytes(size)), build=BUILD)
    tracemalloc.start()
    try:
        stream = open_stream(payload)
        summary, record, digest = stream.summary(), stream.index(), stream.digest()
        item = stream.cut()
        longest = max(len(part.data) for part in item.parts)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert summary.size == len(payload)
    assert record.attachments[0][1] == size
    assert record.digest == digest.hex()
    assert longest == MAX_PART
    assert peak < 12 * 1024 * 1024
    assert join(item.recipe, [part.data for part in item.parts]) == payload


def test_an_item_is_told_in_the_order_of_its_stream_with_values_in_pieces() -> None:
    payload = write_item(letter(attachment=bytes(3 * BUFFER_SIZE)), build=BUILD)

    steps = list(open_stream(payload).walk())

    shape = [(type(step), step.owner, step.depth) for step in steps if not isinstance(step, Found)]
    data = next(s for s in steps if isinstance(s, Found) and s.id == tags.ATTACH_DATA)
    assert shape[0] == (Opened, Owner.MESSAGE, 0)
    assert shape[-1] == (Closed, Owner.MESSAGE, 0)
    assert (Opened, Owner.ATTACHMENT, 1) in shape
    assert [len(piece) for piece in data.pieces(50_000)] == [50_000, 3 * BUFFER_SIZE - 50_000]
    assert data.read().value == bytes(3 * BUFFER_SIZE)


def test_a_stream_that_breaks_off_is_told_as_far_as_it_goes() -> None:
    payload = framed(from_hex("0300 1700 02000000  0300 0040  0300 210E 0100"))

    steps = list(open_stream(payload).walk())

    assert [type(step) for step in steps] == [Opened, Found, Opened, Closed, Closed]
