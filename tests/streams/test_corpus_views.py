"""Views of the corpus' Outlook files. Skipped where the corpus is absent."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from backups.streams import Kind, Origin, item_view, open_stream, read_msg
from backups.streams.native import tags
from backups.streams.native.fields import Fields
from backups.streams.views.body import body_of
from backups.streams.views.compressed import unpack
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
