"""Items written as mail files, read back by another parser."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from backups.streams import (
    Item,
    Property,
    Recipient,
    attachment_content,
    from_mime,
    item_view,
    to_eml,
    write_eml,
    write_item,
)
from backups.streams.native import tags
from backups.streams.native.properties import BINARY, INTEGER32, UNICODE

from .samples import BUILD, letter
from .test_mime import MIXED, PLAIN


def parsed(eml: bytes) -> EmailMessage:
    message = message_from_bytes(eml, policy=default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def written(item: Item) -> bytes:
    return to_eml(write_item(item, build=BUILD))


def test_the_head_is_the_one_the_mail_came_with() -> None:
    eml = to_eml(from_mime(PLAIN.replace(b"\n", b"\r\n")))
    head, _, body = PLAIN.replace(b"\n", b"\r\n").partition(b"\r\n\r\n")

    assert eml.startswith(head + b"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain")
    assert eml.endswith(b"\r\n\r\n" + body)


def test_alternatives_inline_images_and_attachments_have_their_places() -> None:
    message = parsed(to_eml(from_mime(MIXED)))

    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
        "message/rfc822",
        "text/plain",
        "text/plain",
    ]
    body, html = message.get_body(["plain"]), message.get_body(["html"])
    assert body is not None
    assert body.get_content() == "plain ü"
    assert html is not None
    assert 'html ü<img src="cid:pic@x">' in html.get_content()
    image, pdf = list(message.walk())[5:7]
    assert (image["Content-ID"], image.get_content_disposition()) == ("<pic@x>", "inline")
    assert image.get_payload(decode=True) == b"\0\1\2"
    assert (pdf.get_filename(), pdf.get_payload(decode=True)) == ("März.pdf", b"%PDF")


def test_an_embedded_message_is_written_as_a_mail() -> None:
    inner = next(
        part.get_payload(0)
        for part in parsed(to_eml(from_mime(MIXED))).walk()
        if part.get_content_type() == "message/rfc822"
    )

    assert inner["Subject"] == "inner"
    assert inner["To"] == "anna@acme.example"
    assert inner.get_content().strip() == "inner body"


def test_an_item_that_never_travelled_gets_a_head() -> None:
    message = parsed(written(letter(body="Grüße\r\nAnna")))

    assert message["From"] == "Anna <anna@acme.example>"
    assert message["To"] == "Ben <ben@acme.example>"
    assert message["Subject"] == "Plans for März"
    assert message["Message-ID"] == "<plans@acme.example>"
    assert message["Date"].datetime.isoformat() == "2010-03-31T21:14:04+00:00"
    body = message.get_body()
    assert body is not None
    assert body.get_content().splitlines() == ["Grüße", "Anna"]
    assert [part.get_filename() for part in message.iter_attachments()] == ["plan.pdf"]


def test_no_property_can_start_a_header_field_of_its_own() -> None:
    evil = "x\r\nBcc: mallory@evil.example\r\n\r\nbody"
    item = letter()
    item.properties[1] = Property.of(tags.SUBJECT, UNICODE, evil)
    item.properties[2] = Property.of(tags.SENT_REPRESENTING_NAME, UNICODE, evil)
    item.properties[6] = Property.of(tags.INTERNET_MESSAGE_ID, UNICODE, evil)
    item.recipients.append(
        Recipient(
            [
                Property.of(tags.RECIPIENT_TYPE, INTEGER32, 2),
                Property.of(tags.SMTP_ADDRESS, UNICODE, evil),
            ]
        )
    )
    item.attachments[0].properties += [
        Property.of(tags.ATTACH_MIME_TAG, UNICODE, evil),
        Property.of(tags.ATTACH_CONTENT_ID, UNICODE, evil),
    ]
    item.attachments[0].properties[0] = Property.of(tags.ATTACH_LONG_FILENAME, UNICODE, evil)

    message = message_from_bytes(written(item), policy=default)

    assert all(part["Bcc"] is None for part in message.walk())


def test_lines_too_long_for_mail_are_encoded() -> None:
    eml = written(letter(body="x" * 5000))

    assert max(map(len, eml.split(b"\r\n"))) <= 998
    body = parsed(eml).get_body()
    assert body is not None
    assert body.get_content() == "x" * 5000


@pytest.mark.parametrize("html", ["<b>ü</b>", b"<b>\xc3\xbc</b>"])
def test_an_html_body_is_read_as_text_or_as_bytes(html: str | bytes) -> None:
    kind = UNICODE if isinstance(html, str) else BINARY
    item = Item([Property.of(tags.HTML, kind, html)])

    assert item_view(write_item(item, build=BUILD)).html == "<b>ü</b>"


def test_a_large_attachment_is_written_in_pieces() -> None:
    large = bytes(range(256)) * 40_000
    payload = write_item(letter(attachment=large), build=BUILD)

    pieces = list(write_eml(payload))

    assert max(map(len, pieces)) < 2_000_000
    assert len(pieces) > 5
    assert b"".join(pieces) == to_eml(payload)
    attached = next(parsed(to_eml(payload)).iter_attachments())
    assert attached.get_payload(decode=True) == large


def test_the_same_item_is_written_the_same_way() -> None:
    assert to_eml(from_mime(MIXED)) == to_eml(from_mime(MIXED))


def test_a_mail_that_holds_its_own_export_is_written_with_other_boundaries() -> None:
    first = to_eml(from_mime(MIXED))
    outer = b"Content-Type: multipart/mixed; boundary=o\n\n--o\n\ntext\n--o\n"
    outer += b"Content-Type: message/x\n\n"

    eml = to_eml(from_mime(outer + first + b"\n--o--\n"))

    parts = message_from_bytes(eml).get_payload()
    assert isinstance(parts, list)
    assert [part.get_content_type() for part in parts] == ["text/plain", "message/x"]
    assert b"=_1_" in first
    assert first in eml


def test_ten_thousand_attachments_keep_their_order() -> None:
    part = b"--b\nContent-Type: image/png; name=%d.png\n\n%d\n"
    files = b"".join(part % (n, n) for n in range(10_000))
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + files + b"--b--\n"

    eml = to_eml(from_mime(raw))

    names = re.findall(rb'filename="(\d+).png"', eml)
    assert names == [b"%d" % n for n in range(10_000)]


def test_mails_two_hundred_levels_deep_are_written_again() -> None:
    raw = b"Content-Type: message/rfc822\n\n" * 200 + b"Subject: innermost\n\nfound"

    eml = to_eml(from_mime(raw))

    assert b"Subject: innermost" in eml


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("plan.pdf", "plan.pdf"),
        ('say "hi".txt', 'say "hi".txt'),
        ("a\\b.txt", "a\\b.txt"),
        ("März.pdf", "März.pdf"),
        ("ガーデン" * 60 + ".txt", "ガーデン" * 60 + ".txt"),
        ("x" * 300 + ".txt", "x" * 300 + ".txt"),
        ("two\r\nBcc: mallory@evil.example", "two Bcc: mallory@evil.example"),
        ("nul\x00.txt", "nul.txt"),
    ],
)
def test_a_file_keeps_its_name(name: str, written: str) -> None:
    item = letter()
    item.attachments[0].properties[0] = Property.of(tags.ATTACH_LONG_FILENAME, UNICODE, name)

    eml = to_eml(write_item(item, build=BUILD))

    message = message_from_bytes(eml, policy=default)
    assert [part.get_filename() for part in message.iter_attachments()] == [written]
    assert message["Bcc"] is None
    assert max(map(len, eml.split(b"\r\n"))) <= 998


def test_people_without_a_mail_address_are_named_all_the_same() -> None:
    item = letter()
    item.recipients[0].properties[2] = Property.of(
        tags.SMTP_ADDRESS, UNICODE, "/O=ACME/OU=FIRST/CN=RECIPIENTS/CN=BEN"
    )
    item.recipients.append(
        Recipient(
            [
                Property.of(tags.RECIPIENT_TYPE, INTEGER32, 3),
                Property.of(tags.DISPLAY_NAME, UNICODE, "Cleo, Müller"),
                Property.of(tags.SMTP_ADDRESS, UNICODE, "cleo@acme.example"),
            ]
        )
    )

    message = parsed(written(item))

    assert message["To"].groups[0].display_name == "Ben"
    assert message["To"].addresses == ()
    assert message["Bcc"].addresses[0].display_name == "Cleo, Müller"


def test_a_draft_opens_as_one() -> None:
    item = letter()
    item.properties[5] = Property.of(tags.MESSAGE_FLAGS, INTEGER32, tags.FLAG_UNSENT)

    assert parsed(written(item))["X-Unsent"] == "1"


def test_text_that_flows_still_flows() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\none \r\ntwo\r\n--b--\r\n"
    )

    eml = to_eml(from_mime(raw))

    assert b'text/plain; charset="utf-8"; format=flowed; delsp=yes\r\n' in eml
    assert b"one \r\ntwo" in eml


def test_html_keeps_its_charset() -> None:
    raw = b"Content-Type: text/html; charset=koi8-r\r\n\r\n<b>\xc1\xc2</b>"

    message = parsed(to_eml(from_mime(raw)))

    assert message.get_content_charset() == "koi8-r"
    assert message.get_payload(decode=True) == b"<b>\xc1\xc2</b>"


def test_a_picture_that_the_html_shows_by_its_id_is_inline_without_a_flag() -> None:
    item = letter(extra=[Property.of(tags.HTML, UNICODE, '<img src="cid:a%40b">')])
    item.attachments[0].properties.append(Property.of(tags.ATTACH_CONTENT_ID, UNICODE, "a@b"))

    kinds = [part.get_content_type() for part in parsed(written(item)).walk()]

    assert kinds == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "application/pdf",
    ]


def test_an_attachment_is_fetched_by_its_number() -> None:
    payload = from_mime(MIXED)

    assert attachment_content(payload, 1) == b"%PDF"
    assert b"Subject: inner\r\n" in attachment_content(payload, 2)
    with pytest.raises(LookupError, match="no attachment 4"):
        attachment_content(payload, 4)
