"""python -m backups.streams: show, validate, export."""

from __future__ import annotations

import base64
import io
import json
import mailbox
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from backups.streams import from_mime, write_item, write_msg
from backups.streams.command import main

from .samples import BUILD, golden, letter

ROOT = Path(__file__).parents[2]
MAIL = (
    b"From: Anna <anna@acme.example>\r\nTo: ben@acme.example\r\nSubject: Plans\r\n"
    b"Date: Wed, 31 Mar 2010 21:14:04 +0000\r\n\r\nHello \x1b[31mred\r\n"
)
CARD = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Anna Adler\r\nN:Adler;Anna;;;\r\nEND:VCARD\r\n"
EVENT = (
    b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Stand-up\r\n"
    b"DTSTART:20240229T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def run(*arguments: str, given: bytes = b"") -> tuple[int, bytes, str]:
    """Status, output and errors of the command in a process of its own."""
    command = [sys.executable, "-m", "backups.streams", *arguments]
    done = subprocess.run(command, input=given, capture_output=True, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """One file of each format that needs no other program to make."""
    payload = write_item(letter(), build=BUILD)
    (tmp_path / "letter.fts").write_bytes(payload)
    (tmp_path / "letter.txt").write_bytes(base64.b64encode(payload) + b"\n")
    (tmp_path / "mail.eml").write_bytes(MAIL)
    (tmp_path / "two.mbox").write_bytes(b"From a Wed Mar 31 21:14:04 2010\n" + MAIL)
    (tmp_path / "anna.vcf").write_bytes(CARD)
    (tmp_path / "event.ics").write_bytes(EVENT)
    (tmp_path / "letter.msg").write_bytes(b"".join(write_msg(payload)))
    return tmp_path


def test_every_format_is_known_by_its_first_bytes(files: Path, capsys: pytest.CaptureFixture[str]):
    for path in list(files.iterdir()):
        path.rename(path.with_suffix(".unknown-" + path.suffix[1:]))
    assert main(["validate", *map(str, sorted(files.iterdir()))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(", ")[:2] for line in lines] == [
        ["anna.unknown-vcf: ok", "IPM.Contact"],
        ["event.unknown-ics: ok", "IPM.Appointment"],
        ["letter.unknown-fts: ok", "IPM.Note"],
        ["letter.unknown-msg: ok", "IPM.Note"],
        ["letter.unknown-txt: ok", "IPM.Note"],
        ["mail.unknown-eml: ok", "IPM.Note"],
        ["two.unknown-mbox: ok", "IPM.Note"],
    ]


def test_an_item_is_shown_without_what_steers_a_terminal(
    files: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["show", str(files / "mail.eml")]) == 0
    out = capsys.readouterr().out
    assert "From                Anna <anna@acme.example>\n" in out
    assert "Sent                2010-03-31 21:14:04 UTC\n" in out
    assert "  Hello \ufffd[31mred\n" in out
    assert "\x1b" not in out


def test_attachments_are_shown_as_a_tree(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    inner = letter(attachment=b"12345")
    (tmp_path / "a.fts").write_bytes(write_item(letter(embedded=inner), build=BUILD))
    assert main(["show", str(tmp_path / "a.fts")]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("Attachments")
    assert lines[start + 1] == "  0  plan.pdf  file, 8 bytes"
    assert lines[start + 2].startswith("  1  without a name  message: Plans for März, ")
    assert lines[start + 3] == "    0  plan.pdf  file, 5 bytes"


def test_every_property_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "golden.fts").write_bytes(golden())
    assert main(["show", "--properties", str(tmp_path / "golden.fts")]) == 0
    out = capsys.readouterr().out
    assert "  0x003784B0 PidTagSubject (String) Hi!\n" in out
    assert "\n  [recipient]\n" in out
    assert "    0x37010102 PidTagAttachDataBinary (Binary) 5 bytes: 0001020304\n" in out


def test_properties_are_told_as_json(tmp_path: Path):
    status, out, _ = run("show", "--json", "-", given=golden())
    assert status == 0
    assert json.loads(out)["size"] == len(golden())


def test_a_broken_stream_is_named_with_place_and_property(tmp_path: Path):
    (tmp_path / "cut.fts").write_bytes(golden()[:-30])
    status, out, _ = run("validate", str(tmp_path / "cut.fts"))
    assert status == 1
    assert out.decode().startswith("cut.fts: broken: operation 2 wants ")
    assert b" at byte " in out
    status, out, err = run("validate", "-", given=base64.b64encode(golden())[:-1])
    assert (status, err) == (
        1,
        "standard input: the base64 text is cut off at byte "
        f"{len(base64.b64encode(golden())) - 1}\n",
    )


def test_a_broken_object_costs_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "cards.vcf").write_bytes(CARD + CARD[:40])
    assert main(["validate", str(tmp_path / "cards.vcf")]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("cards.vcf#card 1, Anna Adler: ok")
    assert err == "cards.vcf#card 2: it ends before END:VCARD\n"


def test_a_file_that_is_not_there_is_said_and_the_others_are_read(
    files: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["validate", str(files / "none.eml"), str(files / "mail.eml")]) == 2
    out, err = capsys.readouterr()
    assert err == f"{files / 'none.eml'}: No such file or directory\n"
    assert out.startswith("mail.eml: ok")


def test_items_are_written_under_names_that_are_free(
    files: Path, capsys: pytest.CaptureFixture[str]
):
    to = files / "out"
    to.mkdir()
    (to / "Plans.eml").write_bytes(b"mine")
    names = ("mail.eml", "two.mbox", "anna.vcf", "event.ics")
    assert main(["export", "--to", str(to), *(str(files / name) for name in names)]) == 0
    written = sorted(path.name for path in to.iterdir())
    assert written == [
        "Anna Adler.vcf",
        "Plans (2).eml",
        "Plans (3).eml",
        "Plans.eml",
        "Stand-up.ics",
    ]
    assert (to / "Plans.eml").read_bytes() == b"mine"
    assert capsys.readouterr().out.splitlines()[0] == str(to / "Plans (2).eml")


@pytest.mark.parametrize("subject", ["../../up", "/etc/passwd", "NUL", "..", "a\\b"])
def test_no_subject_leads_out_of_the_folder(subject: str, tmp_path: Path):
    (tmp_path / "m.eml").write_bytes(MAIL.replace(b"Plans", subject.encode()))
    to = tmp_path / "in" / "side"
    assert main(["export", "--to", str(to), str(tmp_path / "m.eml")]) == 0
    (written,) = to.iterdir()
    assert written.is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "m.eml"]
    assert written.name not in ("NUL.eml", "..")


@pytest.mark.parametrize(
    ("format", "start"),
    [
        ("fts", b"\x01\0\0\0\x08\0\0\0"),
        ("json", b'{\n  "format"'),
        ("msg", bytes.fromhex("D0CF11E0A1B11AE1")),
        ("eml", b"From: Anna"),
        ("mbox", b"From anna@acme.example Wed Mar 31 21:14:04 2010\n"),
        ("zip", b"PK\x03\x04"),
    ],
)
def test_one_item_goes_to_the_standard_output(format: str, start: bytes):
    status, out, err = run("export", "--format", format, "--to", "-", "-", given=MAIL)
    assert (status, err) == (0, "")
    assert out.startswith(start)


def test_the_standard_output_takes_cards_but_not_two_mails(files: Path):
    mails = [str(files / "mail.eml"), str(files / "two.mbox")]
    status, out, err = run("export", "--to", "-", *mails)
    assert (status, out.count(b"\nSubject:")) == (1, 1)
    assert err == "two.mbox: the standard output takes one item; choose a folder\n"
    cards = [str(files / "anna.vcf")] * 2
    status, out, _ = run("export", "--format", "vcf4", "--to", "-", *cards)
    assert (status, out.count(b"BEGIN:VCARD\r\nVERSION:4.0\r\n")) == (0, 2)


def test_an_item_that_a_format_does_not_fit_is_said(files: Path):
    to = files / "out"
    status, _, err = run("export", "--format", "ics", "--to", str(to), str(files / "anna.vcf"))
    assert status == 1
    assert err.startswith("anna.vcf: ")
    assert not to.exists() or not list(to.iterdir())


def test_several_items_become_one_archive_or_one_mailbox(files: Path, tmp_path: Path):
    names = [str(files / name) for name in ("mail.eml", "letter.msg", "event.ics")]
    status, out, _ = run("export", "--format", "zip", "--to", "-", *names)
    assert status == 0
    archive = zipfile.ZipFile(io.BytesIO(out))
    assert archive.namelist() == ["Plans.eml", "Plans for März.eml", "Stand-up.ics"]
    status, _, _ = run("export", "--format", "mbox", "--to", str(files / "out"), *names)
    box = mailbox.mbox(files / "out" / "items.mbox")
    assert (status, len(box)) == (0, 3)


def test_a_broken_item_does_not_end_a_mailbox(files: Path):
    (files / "broken.fts").write_bytes(golden()[:30])
    names = [str(files / name) for name in ("mail.eml", "broken.fts", "letter.fts")]
    status, out, err = run("export", "--format", "mbox", "--to", "-", *names)
    assert status == 1
    assert out.count(b"\nSubject:") == 2
    assert err.startswith("broken.fts: ")


def test_a_folder_that_can_not_be_written_to_is_named(files: Path):
    status, _, err = run("export", "--to", str(files / "mail.eml"), str(files / "anna.vcf"))
    assert status == 2
    assert err.startswith(str(files / "mail.eml"))


def test_a_wrong_command_is_explained():
    status, _, err = run("export", "--format", "docx", "--to", "-", "x")
    assert status == 2
    assert "invalid choice: 'docx'" in err
    status, out, _ = run("export", "--help")
    assert status == 0
    assert b"no file is overwritten" in b" ".join(out.split())


def test_the_bytes_of_a_stream_come_out_as_they_went_in():
    payload = from_mime(MAIL)
    _, out, _ = run("export", "--format", "fts", "--to", "-", "-", given=payload)
    assert out == payload
