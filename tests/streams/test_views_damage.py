"""Views of damaged items: whatever the bytes are, something is shown and nothing is raised."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.streams import MailError, item_view, open_stream, read_ics, read_msg, read_vcard
from backups.streams.native import names, tags
from backups.streams.native.assembly import binary, file_attachment, text
from backups.streams.native.item import write_item
from backups.streams.native.properties import BINARY, MULTIPLE
from backups.streams.native.tokens import Node
from tests.streams.conftest import corpus_files
from tests.streams.samples import BUILD
from tests.streams.test_protected_views import signed_message
from tests.streams.test_rtf import HTML, SIMPLE
from tests.streams.test_views import MEMBERS, compressed, draft
from tests.streams.test_views_events import changed_weekly, event, exception_message

ROUNDS = 12
"""Damaged copies of each file of the corpus."""


def samples() -> Iterator[bytes]:
    """One item of each kind whose detail is read out of bytes."""
    series = event()
    series.name_binary(names.APPOINTMENT_RECUR, changed_weekly())
    series.attachments.append(exception_message(series.named[0][2], "<p>x</p>"))  # type: ignore[arg-type]
    yield write_item(series.item(), build=BUILD)
    group = draft("IPM.DistList")
    group.named.append(
        (names.DISTRIBUTION_LIST_MEMBERS, MULTIPLE | BINARY, [m for m, _ in MEMBERS])
    )
    yield write_item(group.item(), build=BUILD)
    for mime_type, inside in (("multipart/signed", False), ("application/pkcs7-mime", True)):
        signed = draft("IPM.Note.SMIME")
        raw = signed_message(inside=inside)
        signed.attachments.append(file_attachment(0, "smime.p7m", mime_type, raw))
        yield write_item(signed.item(), build=BUILD)
    for rtf in (SIMPLE, compressed(HTML)):
        mail = draft("IPM.Workflow", "Step")
        mail.add(binary(tags.RTF_COMPRESSED, rtf), text(tags.DISPLAY_NAME, "x"))
        yield write_item(mail.item(), build=BUILD)


SAMPLES = list(samples())


def look(payload: bytes) -> None:
    """Everything that a page takes of a view is text that can be written."""
    view = item_view(payload)
    shown = (
        view.subject,
        view.text,
        view.html,
        *view.notes,
        *(t for fact in view.facts for t in fact),
    )
    "".join(shown).encode("utf-8")


def values(node: Node) -> Iterator[tuple[int, int]]:
    pending = [node]
    while pending:
        found = pending.pop()
        yield from ((start, stop) for _, start, stop, _ in found.properties if stop > start)
        pending += found.children


def damaged(payload: bytes, chance: random.Random) -> bytes:
    """``payload`` with bytes changed inside values only, so that the stream stays readable."""
    stream = open_stream(payload)
    content = bytearray(stream.content[0 : len(stream.content)])
    places = list(values(stream.scan.root))
    for start, stop in chance.sample(places, min(len(places), 8)):
        for _ in range(chance.randrange(1, 4)):
            content[chance.randrange(start, min(stop, start + 4096))] = chance.randrange(256)
    head = len(payload) - sum(8 + size for size in stream.container.frames)
    frame = (2).to_bytes(4, "little") + len(content).to_bytes(4, "little")
    return payload[:head] + frame + bytes(content)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SAMPLES), st.randoms(use_true_random=False))
def test_damaged_values_are_noted_and_never_raised(payload: bytes, chance: random.Random) -> None:
    look(damaged(payload, chance))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_stream_that_is_cut_or_overwritten_is_shown_as_far_as_it_goes(
    payload: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(payload)))
    look(payload[:at])
    look(payload[:at] + data.draw(st.binary(max_size=40)) + payload[at + 20 :])


def made(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes()
    try:
        if path.suffix == ".msg":
            files = [read_msg(raw)]
        elif path.suffix == ".ics":
            files = list(read_ics(raw))[:5]
        else:
            files = list(read_vcard(raw))[:5]
    except MailError:
        return
    yield from (file.payload for file in files if file.payload is not None)


@pytest.mark.corpus
@pytest.mark.parametrize("kind", ["msg", "ics", "vcf"])
def test_real_items_with_flipped_bytes_are_shown(kind: str) -> None:
    chance = random.Random(20260504)
    seen = 0
    for path in corpus_files(kind):
        for payload in made(path):
            look(payload)
            for _ in range(ROUNDS if kind == "msg" else 2):
                look(damaged(payload, chance))
                seen += 1
    assert seen > 100
