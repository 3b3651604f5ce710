from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.parts import MAX_PART, Coding, Layout, Part, Recipe, Role, Transfer, join
from backups.streams import cut, cut_mime, write_item
from backups.streams.mail.leaves import MAX_DEPTH, leaves

from .samples import BUILD, letter

PICTURE = bytes(range(256)) * 40
PAGE = b"<p>A paragraph of a letter.</p>\r\n" * 100


def in_lines(content: bytes, line: int = 76, end: bytes = b"\r\n") -> bytes:
    """Base64 as a mail program writes it, made with nothing of ours."""
    text = base64.b64encode(content)
    return b"".join(text[at : at + line] + end for at in range(0, len(text), line))


def mail(*parts: bytes, boundary: bytes = b"b", end: bytes = b"\r\n") -> bytes:
    """A multipart of ``parts``, each with its own header."""
    head = b'Subject: x\r\nContent-Type: multipart/mixed;\r\n boundary="' + boundary + b'"\r\n\r\n'
    body = b"".join(b"--" + boundary + end + part + end for part in parts)
    return head.replace(b"\r\n", end) + body + b"--" + boundary + b"--" + end


def attached(text: bytes, end: bytes = b"\r\n") -> bytes:
    head = (b"Content-Type: image/png", b"Content-Transfer-Encoding: base64", b"", b"")
    return end.join(head) + text


def outside(raw: bytes) -> list[Part]:
    """The parts that are no skeleton, of a message that joins to the same bytes."""
    item = cut_mime(raw)
    assert join(item.recipe, [part.data for part in item.parts]) == raw
    assert item.matches(raw)
    assert Recipe.from_record(item.recipe.to_record()) == item.recipe
    return list(item.parts[item.recipe.skeleton_parts :])


@pytest.mark.parametrize("line", [4, 60, 64, 72, 75, 76, 100, 998, 4096])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_attachment_is_the_same_part_however_its_lines_are_broken(line: int, end: bytes) -> None:
    raw = mail(attached(in_lines(PICTURE, line, end), end), end=end)

    assert outside(raw) == [Part(Role.ATTACHMENT, PICTURE)]


@pytest.mark.parametrize("size", [2048, 2049, 2050, 57 * 100, 57 * 100 + 1])
def test_an_attachment_of_any_length_is_decoded(size: int) -> None:
    content = (PICTURE * 2)[:size]

    assert outside(mail(attached(in_lines(content)))) == [Part(Role.ATTACHMENT, content)]
    unbroken = base64.b64encode(content)
    assert outside(mail(attached(unbroken))) == [Part(Role.ATTACHMENT, content)]


def test_an_attachment_of_a_mail_is_the_part_that_it_is_in_an_item_stream() -> None:
    large = PICTURE * 1000
    stream = cut(write_item(letter(attachment=large), build=BUILD))

    parts = outside(mail(attached(in_lines(large, 72, b"\n"), b"\n"), end=b"\n"))

    assert [len(part.data) for part in parts] == [MAX_PART, MAX_PART, 10_240_000 - 2 * MAX_PART]
    assert parts == list(stream.parts[1:])


@pytest.mark.parametrize(
    "text",
    [
        in_lines(PICTURE)[:-40] + b"\r\n",
        in_lines(PICTURE)[:800] + b" " + in_lines(PICTURE)[800:],
        in_lines(PICTURE[:5000]) + in_lines(PICTURE[5000:]),
        in_lines(PICTURE, 3),
        in_lines(PICTURE).replace(b"\r\n", b"\r\r\n"),
        in_lines(PICTURE).replace(b"\r\n", b"\n", 3),
        in_lines(PICTURE).replace(b"/w==", b"/x=="),
        in_lines(PICTURE) + b"-- \r\nA list's footer, which is no base64.\r\n",
        b"=" * 4000,
        b"\xff" * 4000,
    ],
)
def test_base64_that_encoding_would_not_give_back_stays_as_it_stands(text: bytes) -> None:
    part = attached(text)

    assert [p.data for p in outside(mail(part))] == [text]


def test_blank_lines_around_base64_belong_to_the_skeleton() -> None:
    raw = mail(attached(b"\r\n\r\n" + in_lines(PICTURE) + b"\r\n \r\n"))

    assert outside(raw) == [Part(Role.ATTACHMENT, PICTURE)]


def test_texts_are_bodies_and_what_is_attached_is_an_attachment() -> None:
    coded = base64.encodebytes(PAGE)
    raw = mail(
        b"\r\n" + PAGE,
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + PAGE,
        b"Content-Type: TEXT/HTML\r\nContent-Transfer-Encoding: Base64\r\n\r\n" + coded,
        b"Content-Type: text/csv\r\nContent-Disposition: Attachment; filename=a\r\n\r\n" + PAGE,
        b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + PICTURE,
        b"Content-Type: text/plain\r\n\r\nshort",
    )

    assert outside(raw) == [
        Part(Role.BODY, PAGE),
        Part(Role.BODY, PAGE),
        Part(Role.BODY, PAGE),
        Part(Role.ATTACHMENT, PAGE),
        Part(Role.ATTACHMENT, PICTURE),
    ]


def test_a_mail_without_parts_is_one_body() -> None:
    head = b"Subject: x\r\n\r\n"

    assert outside(head + PAGE) == [Part(Role.BODY, PAGE)]
    assert outside(b"\r\n" + PAGE) == [Part(Role.BODY, PAGE)]
    assert outside(b"Subject: x\n\n" + PAGE) == [Part(Role.BODY, PAGE)]
    assert outside(head) == outside(b"") == outside(b"\n") == outside(b"Subject: x") == []
    assert outside(attached(in_lines(PICTURE))) == [Part(Role.ATTACHMENT, PICTURE)]


def test_messages_inside_messages_are_cut_too() -> None:
    inner = mail(attached(in_lines(PICTURE)), b"\r\n" + PAGE, boundary=b"inner")
    forwarded = b"Content-Type: message/rfc822\r\n\r\n" + inner
    outer = mail(forwarded, attached(in_lines(PICTURE, 60)), boundary=b"outer")
    twice = (
        b"Content-Type: message/rfc822\r\n\r\n" + b"Content-Type: message/rfc822\r\n\r\n" + outer
    )

    assert outside(twice) == [
        Part(Role.ATTACHMENT, PICTURE),
        Part(Role.BODY, PAGE),
        Part(Role.ATTACHMENT, PICTURE),
    ]


def test_multiparts_inside_each_other_are_told_apart_by_their_boundaries() -> None:
    """One boundary begins with the other, a hyphen-hyphen line is text, an end is missing."""
    alternative = b"Content-Type: multipart/alternative; boundary=bb--\r\n\r\n"
    alternative += b"--bb--\r\n\r\n" + PAGE + b"\r\n-- \r\n--b b\r\n--bb\r\n--bb----\r\nepilogue"
    unended = b"Content-Type: multipart/related; boundary=c \r\n\r\n--c\r\n\r\n" + PAGE
    raw = mail(alternative, unended, attached(in_lines(PICTURE)), boundary=b"bb")

    signed = PAGE + b"\r\n-- \r\n--b b"
    assert outside(raw)[:1] == [Part(Role.BODY, signed)]
    assert outside(raw)[1:] == [Part(Role.BODY, PAGE), Part(Role.ATTACHMENT, PICTURE)]


def test_the_line_end_before_a_boundary_belongs_to_the_boundary() -> None:
    raw = mail(b"Content-Type: text/plain\n\n" + b"x" * 3000 + b"\n", end=b"\n")

    assert [(raw[leaf.start - 1 : leaf.stop + 2]) for leaf in leaves(raw)] == [
        b"\n" + b"x" * 3000 + b"\n\n-"
    ]


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 5000])
def test_deep_nesting_is_cut_as_far_as_it_is_read(depth: int) -> None:
    raw = b""
    for level in range(depth):
        head = b"--%d\r\n" % (level - 1) if level else b""
        raw += head + b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n" % level
    raw += b"--%d\r\n\r\n" % (depth - 1) + PAGE

    assert len(outside(raw)) == 1
    assert len(outside(b"Content-Type: message/rfc822\n\n" * depth + b"\n" + PAGE)) == 1


def test_a_large_message_that_is_none_is_skeleton_in_pieces() -> None:
    item = cut_mime(b"\x01" * (2 * MAX_PART + 1))

    assert [len(part.data) for part in item.parts] == [MAX_PART, MAX_PART, 1]
    assert item.recipe.layout is Layout.MIME


def test_the_recipe_says_how_each_part_is_encoded() -> None:
    raw = mail(attached(in_lines(PICTURE, 60)), attached(PICTURE), attached(in_lines(PAGE)))

    assert cut_mime(raw).recipe.codings == (
        Coding(Transfer.BASE64_CRLF, 60),
        Coding(Transfer.PLAIN),
        Coding(Transfer.BASE64_CRLF, 76),
    )


lines = st.sampled_from(
    [
        b"--a",
        b"--b",
        b"--a--",
        b"--b--",
        b"",
        b"",
        b"Content-Type: multipart/mixed; boundary=a",
        b'Content-Type: multipart/mixed; boundary="b"',
        b"Content-Type: message/rfc822",
        b"Content-Transfer-Encoding: base64",
        b" boundary=a",
        base64.b64encode(PICTURE),
        in_lines(PICTURE, 64, b"\n"),
        PAGE,
        b"AAAA",
        b"=",
    ]
)
scraps = st.lists(st.tuples(lines, st.sampled_from([b"\n", b"\r\n", b"\r", b""])), max_size=40)


@settings(max_examples=300, deadline=None)
@given(scraps)
def test_whatever_is_cut_joins_to_the_same_bytes(found: list[tuple[bytes, bytes]]) -> None:
    raw = b"".join(line + end for line, end in found)

    parts = outside(raw)

    assert all(len(part.data) >= 2048 for part in parts)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_cut(raw: bytes) -> None:
    outside(raw)
