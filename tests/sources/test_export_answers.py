"""The reader of export answers, fed with bytes alone."""

import base64
import json
import tempfile
from mmap import mmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.sources import Damaged, Retry, payloads
from backups.sources.graph.answers import ExportReader
from backups.sources.graph.problems import BrokenAnswer


def read(text: str | bytes, size: int = 7) -> list:
    raw = text.encode() if isinstance(text, str) else text
    reader = ExportReader()
    for start in range(0, len(raw), size):
        reader.feed(raw[start : start + size])
    return reader.finish()


def answer(*entities: dict) -> str:
    return json.dumps({"@odata.context": 'has "data": in it', "value": list(entities)})


def streams(*payloads: bytes) -> str:
    return answer(
        *(
            {"itemId": f"{n}", "changeKey": "k", "data": base64.b64encode(one).decode()}
            for n, one in enumerate(payloads)
        )
    )


@given(
    st.lists(st.binary(min_size=1, max_size=200), max_size=4),
    st.integers(min_value=1, max_value=64),
    st.booleans(),
)
def test_streams_come_out_however_the_answer_was_cut(sent: list[bytes], size: int, escape: bool):
    text = answer(
        *(
            {"itemId": f'"data":{n}\\', "changeKey": "k", "data": base64.b64encode(one).decode()}
            for n, one in enumerate(sent)
        )
    )
    items = read(text.replace("/", "\\/") if escape else text, size)
    assert [item.payload for item in items] == sent
    assert [item.id for item in items] == [f'"data":{n}\\' for n in range(len(sent))]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("QUJD*A==", Damaged),
        ("QUJ D", Damaged),
        ("QUJDR", Retry),
        ("QQ==QUJD", Damaged),
        ("", Retry),
        ("QUJDRA==\\n", Damaged),
        ("QUJD=== Truncated Data ===", Retry),
        ("QUI==== Truncated Data ===", Retry),
        ("=== Truncated", Damaged),
    ],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_anything_but_strict_base64_is_an_error_of_the_item(
    data: str, error: type[Exception], size: int
):
    good = '{"itemId":"b","data":"QUJD"}'
    items = read(f'{{"value":[{{"itemId":"a","data":"{data}"}},{good}]}}', size)
    assert items[0].payload is None
    assert isinstance(items[0].error, error)
    assert items[1].payload == b"ABC"


@given(st.integers(min_value=0, max_value=10_000))
def test_an_answer_cut_anywhere_is_never_taken_for_whole(cut: int):
    whole = answer({"itemId": "a", "data": base64.b64encode(bytes(90)).decode()}, {"itemId": "b"})
    with pytest.raises(BrokenAnswer):
        read(whole[: cut % len(whole)])


@pytest.mark.parametrize("text", ["[]", "{}", '{"value": 3}', '{"value": [3]}', "null", "<html>"])
def test_json_that_is_no_export_answer_is_broken(text: str):
    with pytest.raises(BrokenAnswer):
        read(text)


def test_an_item_without_a_stream_or_an_error_is_to_be_asked_again():
    first, second = read('{"value":[{"itemId":"a","data":null},{"itemId":"b"}]}')
    assert isinstance(first.error, Retry)
    assert isinstance(second.error, Retry)


def test_a_large_stream_goes_to_a_file_without_a_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(payloads, "IN_MEMORY", 1_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    small, large = b"s" * 1_000, bytes(range(256)) * 50

    kept, spooled = (item.payload for item in read(streams(small, large), 100))

    assert isinstance(kept, bytes)
    assert isinstance(spooled, mmap)
    assert (kept, spooled[:]) == (small, large)
    assert list(tmp_path.iterdir()) == []


def test_no_room_for_a_large_stream_is_an_error_of_that_item_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(payloads, "IN_MEMORY", 1_000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))

    small, large = read(streams(b"small", bytes(5_000)), 100)

    assert small.payload == b"small"
    assert isinstance(large.error, Retry)
    assert "no room" in str(large.error)


def test_base64_with_bits_beyond_its_last_byte_is_damaged() -> None:
    text = b'{"value": [{"itemId": "a", "changeKey": "b", "data": "QUJDRB=="}]}'

    (item,) = read(text, 100)

    assert isinstance(item.error, Damaged)
