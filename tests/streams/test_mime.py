"""Mail as it travels becomes an item; what is broken in it is survived."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from backups.streams import (
    Item,
    PropertyName,
    StreamError,
    from_mime,
    index_record,
    item_view,
    read_item,
    validate,
)
from backups.streams.native import tags

PLAIN = b"""\
Received: from mx.example by acme.example; Fri, 4 Sep 2026 10:00:09 +0200
From: "Anna, Sales" <anna@acme.example>
To: Ben <ben@acme.example>, "Cleo" <cleo@acme.example>
Cc: dora@acme.example
Subject: Re: Plans
Date: Fri, 4 Sep 2026 08:00:00 +0000
Message-ID: <two@acme.example>
In-Reply-To: <one@acme.example>
References: <zero@acme.example> <one@acme.example>
Importance: High
Keywords: Red, Travel
X-Mailer: Pine
Status: RO

Hello Ben
"""

MIXED = b"""\
From: anna@acme.example
Subject: files
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=M

--M
Content-Type: multipart/alternative; boundary=A

--A
Content-Type: text/plain; charset=utf-8

plain \xc3\xbc
--A
Content-Type: multipart/related; boundary=R

--R
Content-Type: text/html; charset=iso-8859-1

<p>html \xfc<img src="cid:pic@x">
--R
Content-Type: image/png; name=pic.png
Content-Id: <pic@x>
Content-Transfer-Encoding: base64

AAEC
--R--
--A--
--M
Content-Type: application/pdf
Content-Disposition: attachment; filename*=utf-8''M%C3%A4rz.pdf
Content-Transfer-Encoding: base64

JVBERg==
--M
Content-Type: message/rfc822

From: Ben <ben@acme.example>
To: anna@acme.example
Subject: inner

inner body
--M
Content-Type: text/plain

a list's footer
--M--
"""


def item_of(raw: bytes) -> Item:
    payload = from_mime(raw)
    validate(payload)
    return read_item(payload)


def values(item: Item) -> dict[int | PropertyName, object]:
    return {p.name or p.id: p.value for p in item.properties}


def test_the_head_of_a_mail_becomes_properties() -> None:
    found = values(item_of(PLAIN))
    record = index_record(from_mime(PLAIN))

    assert found[tags.MESSAGE_CLASS] == "IPM.Note"
    assert found[tags.SUBJECT] == "Re: Plans"
    assert (found[tags.SUBJECT_PREFIX], found[tags.CONVERSATION_TOPIC]) == ("Re: ", "Plans")
    assert found[tags.SENDER_NAME] == "Anna, Sales"
    assert found[tags.SENDER_SMTP_ADDRESS] == "anna@acme.example"
    assert found[tags.INTERNET_MESSAGE_ID] == "<two@acme.example>"
    assert found[tags.IN_REPLY_TO_ID] == "<one@acme.example>"
    assert found[tags.INTERNET_REFERENCES] == "<zero@acme.example> <one@acme.example>"
    assert found[tags.CLIENT_SUBMIT_TIME] == datetime(2026, 9, 4, 8, 0, 0, tzinfo=UTC)
    assert found[tags.MESSAGE_DELIVERY_TIME] == datetime(2026, 9, 4, 8, 0, 9, tzinfo=UTC)
    assert found[tags.BODY] == "Hello Ben\n"
    assert found[PropertyName(tags.PS_INTERNET_HEADERS, name="x-mailer")] == "Pine"
    assert (record.importance, record.is_read) == (2, True)
    assert record.categories == ("Red", "Travel")
    assert record.to == "Ben <ben@acme.example>; Cleo <cleo@acme.example>"
    assert record.cc == "dora@acme.example"


def test_the_header_block_is_kept_as_it_came() -> None:
    raw = b"Subject:no  space\nX-Folded: one\n\ttwo\nDKIM-Signature: v=1;\n  b=abc=\n\nbody"

    head = values(item_of(raw))[tags.TRANSPORT_MESSAGE_HEADERS]

    assert head == (
        "Subject:no  space\r\nX-Folded: one\r\n\ttwo\r\nDKIM-Signature: v=1;\r\n  b=abc=\r\n\r\n"
    )


def test_bodies_and_attachments_are_sorted() -> None:
    view = item_view(from_mime(MIXED))

    assert view.text == "plain ü"
    assert view.html.startswith("<p>html ü")
    assert [(f.name, f.mime_type, f.content_id, f.inline) for f in view.attachments] == [
        ("pic.png", "image/png", "pic@x", True),
        ("März.pdf", "application/pdf", "", False),
        ("inner", "message/rfc822", "", False),
        ("ATT00004.txt", "text/plain", "", False),
    ]
    assert [f.size for f in view.attachments][:2] == [3, 4]


def test_an_attached_mail_becomes_an_embedded_message() -> None:
    attachment = item_of(MIXED).attachments[2]

    assert attachment.embedded is not None
    inner = values(attachment.embedded)
    assert inner[tags.SUBJECT] == "inner"
    assert inner[tags.BODY] == "inner body"
    assert len(attachment.embedded.recipients) == 1
    assert {p.id: p.value for p in attachment.properties}[tags.ATTACH_METHOD] == 5


def test_mails_of_one_thread_share_a_conversation() -> None:
    first = index_record(from_mime(b"Message-ID: <zero@acme.example>\n\nx"))
    reply = index_record(from_mime(PLAIN))
    other = index_record(from_mime(b"Message-ID: <9@acme.example>\n\nx"))

    assert first.conversation == reply.conversation != other.conversation


def test_the_same_mail_gives_the_same_stream() -> None:
    assert from_mime(MIXED) == from_mime(MIXED)


@pytest.mark.parametrize(
    "raw",
    [
        b"From anna Fri Sep  4 08:00:00 2026\n" + PLAIN,
        b">From anna Fri Sep  4 08:00:00 2026\r\n" + PLAIN,
        b"\n\r\n" + PLAIN,
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.replace(b"\n", b"\r\n"),
        PLAIN.replace(b"\n", b"\r"),
    ],
    ids=["From_ line", "quoted From_ line", "blank lines", "byte order mark", "CRLF", "CR"],
)
def test_how_a_mail_was_stored_does_not_matter(raw: bytes) -> None:
    found = values(item_of(raw))

    assert found[tags.SUBJECT] == "Re: Plans"
    assert str(found[tags.BODY]).strip() == "Hello Ben"
    assert "From anna" not in str(found[tags.TRANSPORT_MESSAGE_HEADERS])


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        (b"=?utf-8?B?w7w=?=", "ü"),
        (b"=?utf-8?Q?=C3?= =?utf-8?Q?=BC_x?=", "ü x"),
        (b"=?ISO-8859-1?q?caf=E9?= and =?utf-8*en?Q?t=C3=A9?=", "café and té"),
        (b"=?x-unknown?Q?caf=C3=A9?=", "café"),
        (b"=?utf-8?B?!!!?=", ""),
        (b"=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
        (b"=?gb2312?B?xOO6ww==?=", "你好"),
        (b"raw utf-8 \xc3\xbc", "raw utf-8 ü"),
        (b"raw latin \xfc", "raw latin ü"),
        (b"folded\n over\n\tlines", "folded over\tlines"),
        (b"nul\0l", "null"),
    ],
)
def test_a_subject_is_decoded_however_it_is_written(header: bytes, subject: str) -> None:
    assert index_record(from_mime(b"Subject: " + header + b"\n\nx")).subject == subject


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        (b"utf-8", b"\xc3\xbc", "ü"),
        (b"utf-8", b"ok \xff", "ok \ufffd"),
        (b"us-ascii", b"\xc3\xbc", "ü"),
        (b"us-ascii", b"\x93q\x94", "“q”"),
        (b"iso-8859-1", b"\x80 5", "€ 5"),
        (b"no-such-charset", b"\xfc", "ü"),
        (b'"', b"x", "x"),
        (b"idna", b"x", "x"),
        (b"hex", b"x", "x"),
        (b"\0", b"x", "x"),
        (b"koi8-r", b"\xc1", "а"),  # noqa: RUF001
        (b"iso-2022-jp", b"\x1b$B$3\x1b(B", "こ"),
        (b"utf-16", b"x\x00y", "x\ufffd"),
    ],
)
def test_a_body_is_decoded_however_it_is_labelled(charset: bytes, raw: bytes, text: str) -> None:
    mail = b"Content-Type: text/plain; charset=" + charset + b"\n\n" + raw
    html = b"Content-Type: text/html; charset=" + charset + b"\n\n" + raw

    assert item_view(from_mime(mail)).text == text
    assert item_view(from_mime(html)).html == text


def test_html_bytes_are_kept_where_their_charset_has_a_code_page() -> None:
    mail = b"Content-Type: text/html; charset=koi8-r\n\n<b>\xc1\xc2"

    found = values(item_of(mail))

    assert found[tags.HTML] == b"<b>\xc1\xc2"
    assert found[tags.INTERNET_CODEPAGE] == 20866


@pytest.mark.parametrize(
    "raw",
    [
        b"no header at all",
        b"\x00\xff\xfe\x01" * 50,
        b"Subject: only a head",
        b": no name\nSubject: x\n\nbody",
        b"Subject: x\nbroken line\nTo: y@z\n\nbody",
        b"Date: not a date\nReceived: nonsense; also\n\nx",
        b"Date: Mon, 99 Foo 99999999999 99:99:99 +9999\n\nx",
        b"From: " + b"(" * 5000 + b"\n\nx",
        b"To: undisclosed-recipients:;\n\nx",
        b"To: " + b"a@b," * 3000 + b"\n\nx",
        b"Content-Type: multipart/mixed\n\nno boundary",
        b"Content-Type: multipart/mixed; boundary=x\n\n--y\n\nnever its boundary",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x",
        b"Content-Type: text\n\nx",
        b"Content-Type: ;;;;\n\nx",
        b"Content-Type: text/plain; charset*=x''%ff%\n\nx",
        b"Content-Type: a/b; name*0*=utf-8''%C3; name*2=z; name*x=y\n\nx",
        b"Content-Transfer-Encoding: base64\n\n!!!not base64",
        b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\nbroken",
        b"Content-Transfer-Encoding: \xfc\n\nx",
        b"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA==",
        b"Content-Type: message/delivery-status\n\nStatus: 5.0\n\nAction: failed\n",
        b"Content-Type: message/partial; id=x\n\nhalf",
        b"Subject: \xed\xa0\xbd lone surrogate\n\nx",
    ],
)
def test_a_broken_mail_becomes_an_item_all_the_same(raw: bytes) -> None:
    payload = from_mime(raw)

    validate(payload)
    assert index_record(payload).notes == ()


@pytest.mark.parametrize("raw", [b"", b"\r\n\n", b"From anna Fri Sep  4 08:00:00 2026\n"])
def test_a_mail_that_holds_nothing_is_refused_with_its_reason(raw: bytes) -> None:
    with pytest.raises(StreamError, match=r"^the mail is empty$"):
        from_mime(raw)


def test_mails_inside_mails_beyond_the_limit_are_kept_as_bytes() -> None:
    raw = b"Content-Type: message/rfc822\n\n" * 60 + b"Subject: innermost\n\nfound"

    payload = from_mime(raw)

    assert validate(payload).embedded == 30
    assert b"Subject: innermost" in payload


def test_parts_nested_beyond_reading_are_kept_as_bytes() -> None:
    parts = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(2000)
    )

    payload = from_mime(parts + b"\ninnermost")

    validate(payload)
    assert "innermost" in item_view(payload).text


def test_a_name_with_a_path_is_kept_as_a_name() -> None:
    name = base64.b64encode("../../etc/pass‮wd".encode()).decode()
    raw = f'Content-Type: image/gif; name="=?utf-8?B?{name}?="\n\nx'.encode()

    assert item_view(from_mime(raw)).attachments[0].name == "../../etc/pass‮wd"
