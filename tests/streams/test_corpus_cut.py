"""Real mail cut as it arrived, and its attachments beside those of the item streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.parts import CutItem, Recipe, Role, Transfer
from backups.streams import StreamError, cut, cut_mime, from_mime

pytestmark = pytest.mark.corpus

MEASURED = {Role.SKELETON: 19_500_000, Role.BODY: 16_300_000, Role.ATTACHMENT: 6_400_000}
"""Bytes of the corpus' 44 MB: at most so much skeleton, at least so much of the others."""


def test_every_mail_is_cut_and_joins_to_the_same_bytes(mails: list[Path]) -> None:
    sizes = dict.fromkeys(Role, 0)
    for path in mails:
        raw = path.read_bytes()
        item = cut_mime(raw)
        assert item.matches(raw), path
        assert Recipe.from_record(item.recipe.to_record()) == item.recipe, path
        for part in item.parts:
            sizes[part.role] += len(part.data)

    assert sizes[Role.SKELETON] <= MEASURED[Role.SKELETON]
    assert sizes[Role.BODY] >= MEASURED[Role.BODY]
    assert sizes[Role.ATTACHMENT] >= MEASURED[Role.ATTACHMENT]


def test_attachments_are_the_parts_that_they_are_in_streams(mails: list[Path]) -> None:
    """The others lie in S/MIME, which a stream keeps as one, in TNEF or in a message in base64."""
    same = other = 0
    for path in mails:
        raw = path.read_bytes()
        wanted = _decoded(cut_mime(raw))
        if not wanted:
            continue
        try:
            stored = {part.data for part in cut(from_mime(raw)).parts}
        except StreamError:
            continue
        same += len(wanted & stored)
        other += len(wanted - stored)

    assert same > 9 * other


def _decoded(item: CutItem) -> set[bytes]:
    """The attachments that stood in base64."""
    found = set()
    for (_, number), coding in zip(item.recipe.holes, item.recipe.codings, strict=True):
        part = item.parts[number]
        if coding.transfer is not Transfer.PLAIN and part.role is Role.ATTACHMENT:
            found.add(part.data)
    return found
