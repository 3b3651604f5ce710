"""A ZIP of many items: names for every system, nothing joined, problems named."""

from __future__ import annotations

import io
import shutil
import subprocess
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.streams import Entry, ExportedFile, StreamError, Unavailable, write_zip
from backups.streams.export import archive
from backups.streams.export.names import MAX_PATH, Paths

WHEN = datetime(2024, 2, 29, 13, 14, 16, tzinfo=UTC)


def entry(name: str, *folder: str, content: bytes = b"x", suffix: str = ".eml") -> Entry:
    file = ExportedFile(suffix, "message/rfc822", iter([content]))
    return Entry(folder, name, lambda: file, WHEN)


def opened(*entries: Entry) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(write_zip(entries))))


def test_the_tree_of_folders_is_kept_with_dates_and_contents():
    found = opened(entry("Plan", "Inbox", "Falcon", content=b"1"), entry("März", content=b"2"))
    assert found.testzip() is None
    assert found.namelist() == ["Inbox/Falcon/Plan.eml", "März.eml"]
    assert found.read("März.eml") == b"2"
    plan, march = found.infolist()
    assert plan.date_time == (2024, 2, 29, 13, 14, 16)
    assert march.flag_bits & 0x800  # the name is UTF-8
    # Extended timestamp: id 0x5455, five bytes, a modification time in seconds since 1970.
    assert plan.extra == bytes.fromhex("5554 0500 01") + int(WHEN.timestamp()).to_bytes(4, "little")


def test_an_archive_of_nothing_is_an_archive():
    assert opened().namelist() == []


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [
        (("..",), "../../etc/passwd", "folder/_.._etc_passwd.eml"),
        (("C:\\Windows",), "CON", "C__Windows/_CON.eml"),
        (("aux",), "nul .txt", "_aux/_nul .txt.eml"),
        (("a/b",), "\u202egnp.exe", "a_b/gnp.exe.eml"),
        (("dots. . ",), "tab\there\x00", "dots/tab here_.eml"),
        ((), "e\u0301", "\u00e9.eml"),
    ],
)
def test_no_name_leaves_its_folder_or_means_a_device(folder: tuple[str, ...], name: str, path: str):
    assert opened(entry(name, *folder)).namelist() == [path]


def test_names_that_are_one_where_case_makes_no_difference_are_numbered():
    found = opened(
        *(
            entry(name, "Inbox")
            for name in ("Same", "SAME", "same", "same (2)", "Straße", "STRASSE")
        ),
        entry("Same", "INBOX"),
    )
    assert found.namelist() == [
        "Inbox/Same.eml",
        "Inbox/SAME (2).eml",
        "Inbox/same (3).eml",
        "Inbox/same (2) (2).eml",
        "Inbox/Straße.eml",
        "Inbox/STRASSE (2).eml",
        "INBOX (2)/Same.eml",
    ]


def test_a_file_and_a_folder_never_have_the_same_path():
    found = opened(entry("x"), entry("y", "x.eml"), entry("z", "x.eml"))
    assert found.namelist() == ["x.eml", "x.eml (2)/y.eml", "x.eml (2)/z.eml"]


def test_a_deep_tree_ends_where_a_path_would_be_too_long():
    folder = tuple("Very long folder name" for _ in range(30))
    first, second = opened(entry("n" * 300, *folder), entry("n" * 300, *folder)).namelist()
    assert first.startswith("Very long folder name/" * 5)
    assert max(len(first), len(second)) <= MAX_PATH
    assert first != second
    assert first.endswith(".eml")


def test_ten_thousand_items_of_one_name_are_numbered_in_no_time():
    paths = Paths()
    found = [paths.file(("Inbox",), "Invoice", ".eml") for _ in range(10_000)]
    assert found[-1] == "Inbox/Invoice (10000).eml"
    assert len(set(found)) == 10_000


@given(st.lists(st.tuples(st.lists(st.text(max_size=90), max_size=5), st.text(max_size=90))))
def test_any_names_give_paths_that_differ_and_fit(items: list[tuple[list[str], str]]):
    paths = Paths()
    found = [paths.file(folder, name, ".eml") for folder, name in items]
    assert len({unicodedata.normalize("NFC", path.casefold()) for path in found}) == len(found)
    for path in found:
        assert len(path.encode("utf-16-le")) <= 2 * MAX_PATH
        for part in path.split("/"):
            assert part == part.strip(" ")
            assert not part.endswith(".")
            assert len(part.encode()) < 255


def test_what_can_not_be_had_is_named_in_the_last_file():
    def gone() -> ExportedFile:
        raise Unavailable("it is not in the backups any more.")

    def torn() -> Iterator[bytes]:
        yield b"the beginning"
        raise StreamError("the end is missing", offset=7)

    half = ExportedFile(".eml", "message/rfc822", torn())
    found = opened(
        entry("problems"),
        Entry(("Inbox",), "One\r\ntwo", gone),
        Entry((), "", lambda: half),
        entry("problems", suffix=".txt"),
    )
    assert found.testzip() is None
    assert found.namelist() == ["problems.eml", "item.eml", "problems.txt", "problems (2).txt"]
    assert found.read("item.eml") == b"the beginning"
    assert found.read("problems (2).txt").decode() == (
        "Inbox/One two: it is not in the backups any more.\r\n"
        "(no subject): the file is not whole: the end is missing at byte 7\r\n"
    )


def test_a_large_item_goes_through_piece_by_piece():
    piece = bytes(range(256)) * 4096
    large = ExportedFile(".bin", "application/octet-stream", (piece for _ in range(64)))
    tracemalloc.start()
    size = sum(len(part) for part in write_zip([Entry((), "large", lambda: large)]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 64 * len(piece)
    assert peak < 8 * len(piece)


def test_items_beyond_what_a_plain_zip_holds_are_written_as_zip64(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(archive, "_LARGE", 10)
    file = ExportedFile(".bin", "application/octet-stream", iter([b"content"]))
    raw = b"".join(write_zip([Entry((), "a", lambda: file, size=11)]))
    version_needed = int.from_bytes(raw[4:6], "little")
    assert version_needed == 45
    assert zipfile.ZipFile(io.BytesIO(raw)).read("a.bin") == b"content"


@pytest.mark.parametrize(
    "command",
    [("unzip", "-tq"), ("7z", "t", "-bso0"), ("bsdtar", "-tf"), ("python", "-m", "zipfile", "-t")],
    ids=lambda command: command[0],
)
def test_other_programs_take_the_archive(command: tuple[str, ...], tmp_path: Path):
    program = shutil.which(command[0])
    if program is None:
        pytest.skip(f"there is no {command[0]} here")
    path = tmp_path / "items.zip"
    names = ("Plan", "März", "日本語", "CON", "x" * 300)
    entries = [entry(name, "Inbox", "Übung", content=name.encode() * 999) for name in names]
    path.write_bytes(b"".join(write_zip(entries)))
    subprocess.run([program, *command[1:], path], check=True, capture_output=True)
