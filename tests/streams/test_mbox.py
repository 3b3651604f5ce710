"""Many mails in one file, as Python's own mailbox reads them."""

from __future__ import annotations

import mailbox
from pathlib import Path

import pytest

from backups.streams import StreamError, from_mime, split_mbox, to_eml, write_item, write_mbox

from .samples import BUILD, letter

TRICKY = "From the start\n>From below\n>>From deeper\nfrom small\n"


def payload(subject: str, body: str) -> bytes:
    head = (
        f"From: anna@acme.example\nSubject: {subject}\nMessage-ID: <{subject}@acme.example>\n"
        "Date: Fri, 4 Sep 2026 08:00:00 +0000\n\n"
    )
    return from_mime((head + body).encode())


def test_a_mailbox_is_read_by_another_program(tmp_path: Path) -> None:
    file = tmp_path / "all.mbox"
    file.write_bytes(b"".join(write_mbox([payload("one", "first"), payload("two", TRICKY)])))

    box = mailbox.mbox(file, create=False)

    assert [message["Subject"] for message in box] == ["one", "two"]
    assert [message.get_from() for message in box] == [
        "anna@acme.example Fri Sep  4 08:00:00 2026"
    ] * 2
    box.close()


def test_from_lines_are_quoted_at_every_level() -> None:
    written = b"".join(write_mbox([payload("two", TRICKY)]))

    assert b"\n>From the start\n>>From below\n>>>From deeper\nfrom small\n" in written
    assert b"\r" not in written
    assert written.endswith(b"\n\n")


def test_what_is_written_is_split_into_the_same_mails() -> None:
    payloads = [payload("one", "first\n\n"), payload("two", TRICKY), payload("three", "")]

    found = list(split_mbox(b"".join(write_mbox(payloads))))

    expected = [to_eml(p).replace(b"\r\n", b"\n") for p in payloads]
    assert [mail.rstrip(b"\n") for mail in found] == [mail.rstrip(b"\n") for mail in expected]


def test_an_item_without_sender_and_date_gets_a_line_all_the_same() -> None:
    item = letter()
    item.properties = [p for p in item.properties if p.id in (0x001A, 0x0037)]

    written = b"".join(write_mbox([write_item(item, build=BUILD)]))

    assert written.startswith(b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n")


def test_a_line_longer_than_what_is_held_is_quoted_once() -> None:
    long = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/x\n\n"
    line = b"From " + b"x" * 3_000_000 + b"From "

    written = b"".join(write_mbox([from_mime(long + line + b"\n--b--\n")]))

    assert b"\n>From xxx" in written
    assert b"x>From" not in written


@pytest.mark.parametrize(
    ("text", "mails"),
    [
        (b"", 0),
        (b"no mailbox", 0),
        (b"From a Fri Sep  4 08:00:00 2026\nSubject: x\n\nbody\n", 1),
        (b"From a Fri Sep  4 08:00:00 2026\n\nFrom here on it is text\n", 1),
        (b"From a Fri Sep  4 08:00:00 2026\nx\nFrom b Fri Sep  4 08:00:00 2026\n", 1),
        (b"From a Fri Sep  4 08:00:00 2026\nx\n\nFrom b\nSubject: y\n\n", 2),
        (b"From a Fri Sep  4 08:00:00 2026\r\nx: y\r\n\r\nFrom b 08:00\r\n\r\n", 2),
    ],
)
def test_a_mail_begins_where_a_from_line_stands_alone(text: bytes, mails: int) -> None:
    assert len(list(split_mbox(text))) == mails


def test_a_broken_item_gives_nothing_of_itself() -> None:
    with pytest.raises(StreamError):
        next(iter(write_mbox([b"no stream"])))
