"""A stream assembled by hand from the specification: our own encoder proves little."""

from __future__ import annotations

from uuid import UUID

from backups.streams import ServerBuild, index_record, item_view, read_item, validate, write_item
from backups.streams.native import tags

from .samples import SENT, golden


def test_the_hand_made_stream_is_valid_and_counted() -> None:
    summary = validate(golden())

    assert summary.build == ServerBuild(15, 20, 4566, 6022)
    assert str(summary.build) == "15.20.4566.6022"
    assert summary.item_class == "IPM.Note"
    assert (summary.properties, summary.recipients) == (23, 1)
    assert (summary.attachments, summary.embedded, summary.buffers) == (2, 1, 3)


def test_every_kind_of_value_is_read() -> None:
    item = read_item(golden())
    values = {p.name or p.id: p.value for p in item.properties}
    named = {(n.lid or n.name): v for n, v in values.items() if not isinstance(n, int)}

    assert values[tags.IMPORTANCE] == 2
    assert values[tags.MESSAGE_CLASS] == "IPM.Note"
    assert values[tags.READ_RECEIPT_REQUESTED] is True
    assert values[tags.SUBJECT] == "Hi!"
    assert values[tags.CLIENT_SUBMIT_TIME] == SENT
    assert values[tags.CONVERSATION_INDEX] == b"\x01\xca\x09"
    assert values[tags.BODY] == "caf…"
    assert named == {
        "Keywords": ["a", "bc"],
        0x8510: -1,
        0x8511: [UUID(bytes_le=bytes.fromhex("00112233445566778899AABBCCDDEEFF"))],
        0x8512: [],
    }


def test_recipients_attachments_and_embedded_messages_are_read() -> None:
    item = read_item(golden())

    assert [p.value for p in item.recipients[0].properties] == [1, "Ben", "b@e.o"]
    assert [p.id for p in item.between] == [0x4016]
    assert [p.value for p in item.attachments[0].properties] == [0, b"\0\1\2\3\4", "a.b"]
    assert item.attachments[0].embedded is None
    embedded = item.attachments[1].embedded
    assert embedded is not None
    assert [p.value for p in embedded.properties] == ["In"]


def test_what_is_read_is_written_back_byte_for_byte() -> None:
    assert write_item(read_item(golden())) == golden()


def test_another_build_and_the_usual_buffers_are_written_when_asked_for() -> None:
    rewritten = write_item(read_item(golden()), build=(14, 1, 139))

    summary = validate(rewritten)
    assert summary.build == ServerBuild(14, 1, 139, 0)
    assert summary.buffers == 1
    assert rewritten[48:62] == bytes.fromhex("04000000 06000000 010E 8B80 0000")


def test_the_index_and_the_view_say_what_the_stream_says() -> None:
    record = index_record(golden())
    view = item_view(golden())

    assert (record.subject, record.to, record.sent_at) == ("Hi!", "Ben <b@e.o>", SENT)
    assert (record.importance, record.is_read) == (2, True)
    assert record.categories == ("a", "bc")
    assert record.attachments == (("a.b", 5), ("", 14))
    assert record.notes == view.notes == ()
    assert view.text == "caf…"
    assert [file.embedded for file in view.attachments] == [False, True]
