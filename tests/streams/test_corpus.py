"""Real mail: every file becomes a stream, is cut, joined and written again."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.parts import join
from backups.streams import (
    MailError,
    from_mime,
    item_view,
    normalised_digest,
    open_stream,
    write_item,
)
from backups.streams.native.properties import BINARY, TIME, Property
from backups.streams.native.tags import CREATION_TIME, LAST_MODIFICATION_TIME

from .samples import SENT

pytestmark = pytest.mark.corpus

CLASSES = ("IPM.Note", "REPORT.IPM.Note.", "IPM.Schedule.Meeting.")

REFUSED = {
    "apache__james-project/server/apps/distributed-pop3-app/src/test/resources/attachment.eml": (
        "the mail is empty"
    ),
}
"""Files of the corpus that hold no mail, with the reason that is given."""


def test_every_mail_becomes_a_stream_and_comes_back(mails: list[Path]) -> None:
    refused: dict[str, str] = {}
    for path in mails:
        try:
            payload = from_mime(path.read_bytes())
        except MailError as error:
            refused[path.as_posix().split("/mail/", 1)[1]] = str(error)
            continue
        stream = open_stream(payload)
        assert stream.summary().item_class.startswith(CLASSES), path
        assert stream.index().notes == (), path
        item = stream.cut()
        assert join(item.recipe, [part.data for part in item.parts]) == payload, path
        assert write_item(stream.item()) == payload, path
    assert refused == REFUSED


def test_the_digest_of_real_mail_outlives_an_import(mails: list[Path]) -> None:
    for path in mails[::10]:
        payload = from_mime(path.read_bytes())
        item = open_stream(payload).item()
        item.properties = [
            p
            for p in item.properties
            if p.id not in (CREATION_TIME, LAST_MODIFICATION_TIME, 0x65E0, 0x65E2)
        ]
        item.properties += [
            Property.of(CREATION_TIME, TIME, SENT),
            Property.of(0x65E0, BINARY, b"source key"),
            Property.of(0x65E2, BINARY, b"change key"),
        ]
        imported = write_item(item, build=(14, 1, 139))
        assert imported != payload
        assert normalised_digest(imported) == normalised_digest(payload), path


def test_real_mail_is_viewed_without_a_note(mails: list[Path]) -> None:
    """But of signatures that are none: how the mail is written is in test_corpus_mail.py."""
    for path in mails[::10]:
        view = item_view(from_mime(path.read_bytes()))
        assert all("S/MIME" in note for note in view.notes), path
