"""Outlook's stores: what is none, and what damage does to one. Whole ones are in the corpus."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from backups.streams import MailError, open_stream, read_store

from .conftest import corpus_files


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not an Outlook store"),
        (b"From: a@b\r\n\r\n", "not an Outlook store"),
        (b"!BDN", "the store is damaged, or of a kind that is not read"),
        (b"!BDN" + bytes(4096), "the store is damaged, or of a kind that is not read"),
    ],
)
def test_what_is_no_store_is_refused_with_a_reason(tmp_path: Path, raw: bytes, reason: str):
    path = tmp_path / "outlook.pst"
    path.write_bytes(raw)
    with pytest.raises(MailError) as refused:
        list(read_store(path))
    assert str(refused.value) == reason


def test_a_store_that_is_not_there_is_an_error_of_the_system(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        list(read_store(tmp_path / "nowhere.pst"))


@pytest.mark.corpus
def test_damaged_stores_give_reasons_notes_or_an_error_and_whole_streams(tmp_path: Path):
    (whole,) = (p.read_bytes() for p in corpus_files("pst") if p.name == "dist-list.pst")
    source = random.Random(3)
    path = tmp_path / "damaged.pst"
    refused = items = 0
    for _ in range(60):
        raw = bytearray(whole)
        for _ in range(source.randrange(1, 300)):
            raw[source.randrange(len(raw))] ^= 1 << source.randrange(8)
        if source.random() < 0.3:
            del raw[source.randrange(len(raw)) :]
        path.write_bytes(raw)
        try:
            for item in read_store(path):
                assert (item.made.payload is None) == bool(item.made.reason)
                if item.made.payload is not None:
                    open_stream(item.made.payload).summary()
                    items += 1
        except MailError:
            refused += 1
    assert refused
    assert items


@pytest.mark.corpus
def test_a_store_that_is_left_early_is_released(tmp_path: Path):
    (path,) = (p for p in corpus_files("pst") if p.name == "testPST.pst")
    for _ in range(3):
        first = next(iter(read_store(path)))
        assert first.item_class == "IPM.Note"
    assert len(list(read_store(path))) == 7
