"""Files for people: their format and their names."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.streams import export_file, safe_name, write_item

from .samples import BUILD, letter


def test_a_mail_is_exported_as_eml():
    file = export_file(write_item(letter(), build=BUILD))
    assert (file.suffix, file.media_type) == (".eml", "message/rfc822")
    assert b"Message-ID: <plans@acme.example>" in file.content()


def test_what_is_no_stream_is_exported_as_its_bytes():
    file = export_file(b"no stream at all")
    assert (file.suffix, file.content()) == (".fts", b"no stream at all")


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("Plans for März", "Plans for März"),
        ("Re: a/b\\c", "Re_ a_b_c"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("", "item"),
        (" . ", "item"),
        ("NUL", "_NUL"),
        ("com1.txt", "_com1.txt"),
        ("Console", "Console"),
        ("pay\u202egpj.exe", "paygpj.exe"),
        ("two\r\nlines\x00", "two lines_"),
        ("half \ud83d pair", "half _ pair"),
    ],
)
def test_a_subject_becomes_a_name_for_every_system(subject: str, name: str):
    assert safe_name(subject) == name


@given(st.text(max_size=400))
def test_a_safe_name_has_no_path_and_fits(subject: str):
    name = safe_name(subject)
    assert name
    assert len(name.encode()) <= 121
    assert not set(name) & set('<>:"/\\|?*')
    assert name == name.strip(" .")
    assert all(unicodedata.category(c) not in ("Cc", "Cf") for c in name)
