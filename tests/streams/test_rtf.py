"""Bodies out of RTF. The samples are those of MS-OXRTFCP 3 or written by its rules (MS-OXRTFEX)."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.streams.views.compressed import MAX_COMPRESSED, unpack
from backups.streams.views.rtf import Source, source_of, text_of

SIMPLE = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af320"
    "68656c090020627705b06c647d0a800fa0"
)
CROSSING = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
"""A reference that goes on where it is writing."""

HTML = rb"""{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0
{\fonttbl{\f0\fswiss Arial;}{\f1\fmodern\fcharset204 Courier New;}{\f2\fnil\fcharset128 Mincho;}}
{\colortbl\red0\green0\blue0;}\uc1\pard\plain\deftab360 \f0\fs24
{\*\htmltag19 <html>}
{\*\htmltag2 \par }{\*\generator Nobody;}
{\*\htmltag64 <p class="a\{b\}">}\htmlrtf {\htmlrtf0 Caf\'e9 {\f1 \'cf\'f0\'e8}
{\f2 \'93\'fa\'96\'7b\'83A}
\htmlrtf\par}\htmlrtf0
{\*\mhtmltag84 <a href="rewritten">}{\*\htmltag84 <a href="http://e.example/">}\htmlrtf \ul\htmlrtf0
{\*\htmltag84 &amp;}\htmlrtf &\htmlrtf0 \u8364?5\~\emdash\tab{\*\htmltag92 </a>}
\htmlrtf unseen {nor this} \htmlrtf0 {\*\htmltag72 </p>}\line\par
{\*\htmltag27 </html>}}"""


def test_the_published_samples_unpack() -> None:
    notes: list[str] = []
    assert unpack(SIMPLE, notes) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert unpack(CROSSING, notes) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert notes == []


def test_an_uncompressed_body_is_taken_as_it_is() -> None:
    body = b"{\\rtf1 plain}"
    raw = struct.pack("<II4sI", len(body) + 12, len(body), b"MELA", 0) + body
    assert unpack(raw, []) == body


def test_a_wrong_checksum_is_noted_and_the_text_still_read() -> None:
    notes: list[str] = []
    raw = SIMPLE[:12] + b"\0\0\0\0" + SIMPLE[16:]
    assert unpack(raw, notes).endswith(b"hello world}\r\n")
    assert notes == ["RTF body: its checksum is wrong, it may be damaged"]


@pytest.mark.parametrize("size", range(len(SIMPLE)))
def test_a_body_that_is_cut_off_gives_its_beginning_and_a_note(size: int) -> None:
    notes: list[str] = []
    found = unpack(SIMPLE[:size], notes)
    assert b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n".startswith(found)
    assert notes


def test_a_body_of_another_compression_or_size_is_named() -> None:
    notes: list[str] = []
    assert unpack(struct.pack("<II4sI", 12, 0, b"ZZZZ", 0), notes) == b""
    assert unpack(struct.pack("<II4sI", 12, 1, b"LZFu", 0), notes) == b""
    huge = struct.pack("<II4sI", MAX_COMPRESSED + 13, 9, b"LZFu", 0) + bytes(MAX_COMPRESSED + 1)
    assert unpack(huge, notes) == b""
    assert [note.split(":")[1][:14] for note in notes] == [
        " compressed in",
        " 0 of 1 bytes ",
        " 4194305 bytes",
    ]


def test_a_claimed_size_allocates_nothing() -> None:
    notes: list[str] = []
    raw = SIMPLE[:4] + struct.pack("<I", 0xFFFFFFFF) + SIMPLE[8:]
    assert len(unpack(raw, notes)) == 43
    assert notes == ["RTF body: 43 of 4294967295 bytes are there"]


def test_encapsulated_html_comes_out_as_it_went_in() -> None:
    assert source_of(HTML) is Source.HTML
    assert text_of(HTML) == (
        '<html>\r\n<p class="a{b}">Café При日本ア<a href="http://e.example/">&amp;€5\xa0—\t</a></p>'
        "\r\n\r\n</html>"
    )


def test_encapsulated_text_comes_out_as_it_went_in() -> None:
    rtf = rb"{\rtf1\ansi\ansicpg1251\fromtext \deff0{\fonttbl{\f0 Arial;}}\f0\fs20 one\par"
    rtf += b"\r\n\\'e4\\'e6\\'ff\\tab {\\*\\htmltag1 <p>}\\{3\\}\\par\r\n}"
    assert source_of(rtf) is Source.TEXT
    assert text_of(rtf) == "one\r\nджя\t{3}\r\n"


def test_the_text_of_real_rtf_is_what_a_reader_sees() -> None:
    rtf = (
        rb"{\rtf1\ansi\deff0{\fonttbl{\f0\fcharset0 Tahoma;}{\f1\fcharset161 Tahoma;}}"
        rb"{\stylesheet{\s1 heading 1;}}{\info{\author Nobody}}{\header top}"
        rb'\pard See {\field{\*\fldinst{HYPERLINK "http://e.example/"}}{\fldrslt this page}}\par'
        rb"\f1\'f9\f0\u-10179 ?\u-8704 ?{\pict\bin3 }{}}\ldblquote x\rdblquote\cell y\row"
        rb"{\object{\*\objclass Word}{\result picture}}}"
    )
    assert source_of(rtf) is Source.RTF
    assert text_of(rtf) == "See this page\r\nω😀“x”\ty\r\npicture"


def test_a_fallback_is_skipped_as_long_as_it_is() -> None:
    assert text_of(rb"{\rtf1\uc2 a\u233 ??b\u233 \'3f\'3fc{\uc0\u233 d}\u233 ?}e}") == "aébécédée"


def test_an_unknown_code_page_is_read_as_western() -> None:
    assert text_of(rb"{\rtf1\ansi\ansicpg31999 \'e9}") == "é"


def test_deep_groups_and_bare_braces_are_read_in_one_pass() -> None:
    depth = 200_000
    rtf = b"{\\rtf1 a" + b"{" * depth + b"b" + b"}" * depth + b"c}" + b"}" * 9 + b"d"
    assert text_of(rtf) == "abcd"
    assert text_of(b"{\\rtf1 " + b"\\" * 100_001) == "\\" * 50_000


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail(raw: bytes) -> None:
    text_of(b"{\\rtf1\\fromhtml1 " + raw).encode()
    text_of(raw).encode()
    unpack(raw, [])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.integers(0, len(HTML)))
def test_damage_inside_a_body_never_fails_it(raw: bytes, at: int) -> None:
    damaged = HTML[:at] + raw + HTML[at + len(raw) :]
    assert len(text_of(damaged)) <= 2 * len(damaged)
