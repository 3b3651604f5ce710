"""Views of the corpus' Outlook files. Skipped where the corpus is absent."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from backups.streams import Kind, Origin, item_view, open_stream, read_msg
from backups.streams.native import tags
from backups.streams.native.fields import Fields
from backups.streams.outlook.pst import read_store
from backups.streams.views.body import body_of
from backups.streams.views.compressed import unpack
from backups.streams.views.details import DistributionListView, EventView
from backups.streams.views.plain import plain_text
from backups.streams.views.rtf import Source, source_of, text_of
from tests.streams.conftest import corpus_files

pytestmark = pytest.mark.corpus

_BLANK = re.compile(r"\s+")


@pytest.fixture(scope="module")
def messages() -> dict[Path, bytes]:
    """The streams of the .msg files that are read."""
    made = {path: read_msg(path.read_bytes()) for path in corpus_files("msg")}
    return {path: file.payload for path, file in made.items() if file.payload is not None}


def fields_of(payload: bytes) -> Fields:
    stream = open_stream(payload)
    return Fields(stream.scan.root, stream.content, [])


def test_every_outlook_file_is_shown_without_a_note(messages: dict[Path, bytes]) -> None:
    views = {path.name: item_view(payload) for path, payload in messages.items()}
    assert {name: view.notes for name, view in views.items() if view.notes} == {}
    kinds = Counter(view.kind for view in views.values())
    assert kinds[Kind.MESSAGE] > 50
    assert kinds[Kind.SMIME] == 4
    assert {Kind.EVENT, Kind.CONTACT, Kind.TASK, Kind.NOTE, Kind.OTHER} <= set(kinds)


def test_html_out_of_rtf_reads_as_the_html_beside_it(messages: dict[Path, bytes]) -> None:
    compared = 0
    for path, payload in messages.items():
        fields = fields_of(payload)
        rtf = unpack(fields.binary(tags.RTF_COMPRESSED), []) if fields.has(0x1009) else b""
        body = body_of(fields, [])
        if source_of(rtf) is Source.HTML and body.origin is Origin.HTML:
            ours, theirs = (plain_text(html) for html in (text_of(rtf), body.html))
            assert _BLANK.sub("", ours) == _BLANK.sub("", theirs), path
            compared += 1
    assert compared == 8


def test_text_out_of_rtf_is_the_text_beside_it(messages: dict[Path, bytes]) -> None:
    compared = 0
    for path, payload in messages.items():
        fields = fields_of(payload)
        rtf = unpack(fields.binary(tags.RTF_COMPRESSED), []) if fields.has(0x1009) else b""
        if source_of(rtf) is Source.TEXT:
            assert text_of(rtf) == fields.text(tags.BODY), path
            compared += 1
    assert compared == 5


def test_html_out_of_rtf_holds_the_words_of_the_plain_body(messages: dict[Path, bytes]) -> None:
    """PidTagBody adds link targets, picture texts and rules, so its words are looked for."""
    compared = missing = 0
    for payload in messages.values():
        fields = fields_of(payload)
        body = body_of(fields, [])
        if body.origin is not Origin.RTF_HTML or not body.text:
            continue
        shown = set(re.findall(r"\w{4,}", plain_text(body.html)))
        wanted = re.findall(r"\w{4,}", re.sub(r"<[^<>]*>|\[[^\]]*\]|\S+://\S+", " ", body.text))
        compared += len(wanted)
        missing += sum(word not in shown for word in wanted)
    assert compared > 3_000
    assert missing <= compared // 100


def test_the_items_of_outlook_stores_are_shown_without_a_note() -> None:
    views = [
        item_view(item.made.payload)
        for path in corpus_files("pst")
        for item in read_store(path)
        if item.made.payload is not None
    ]
    assert [view.notes for view in views if view.notes] == []
    events = [view.detail for view in views if isinstance(view.detail, EventView)]
    (series,) = (event.recurrence for event in events if event.recurrence is not None)
    assert (series.words, series.deleted) == ("Every week on Tuesday", (date(2016, 8, 9),))
    # At 8 in Pacific time, moved by one hour and by two.
    assert [(change.original.day, change.start.hour) for change in series.exceptions] == [
        (23, 16),
        (30, 17),
    ]
    lists = [view.detail for view in views if isinstance(view.detail, DistributionListView)]
    assert [member.address for member in lists[0].members] == [
        "contact1@rjohnson.id.au",
        "dist1@rjohnson.id.au",
        "dist2@rjohnson.id.au",
    ]
