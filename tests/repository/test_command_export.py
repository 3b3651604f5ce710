"""``export``: readable files, and an export that was broken off."""

from __future__ import annotations

import dataclasses
import email
import email.policy
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from backups.repository import Damaged, Vault
from backups.standalone import export as exporting
from backups.standalone.main import main
from backups.streams import cut_whole, from_mime, from_vcard, index_record

from .world import ANNA, BEN, INBOX, World, raw

CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ben Ode\r\nN:Ode;Ben;;;\r\nEND:VCARD\r\n"
ADDRESS = "anna@acme.example"


def mail(subject: str) -> bytes:
    text = f"From: ben@acme.example\r\nTo: {ADDRESS}\r\nSubject: {subject}\r\n"
    return from_mime(f"{text}Message-ID: <{subject}@acme.example>\r\n\r\nHello\r\n".encode())


def card() -> bytes:
    return from_vcard(CARD)[0]


@pytest.fixture
def office(world: World) -> World:
    """Anna's mailbox with two mails of one subject, a contact, and something unknown."""
    contents = {
        "one": mail("Report"),
        "two": mail("report"),
        "card": card(),
        "odd": b"no item stream at all",
    }
    cuts = {name: cut_whole(content) for name, content in contents.items()}
    commit = world.next_commit(ANNA, cuts)
    items = [
        dataclasses.replace(
            item,
            item_class=index_record(contents[item.item_id]).item_class or "IPM.Unknown",
            index=index_record(contents[item.item_id]).to_record(),
        )
        for item in commit.items
    ]
    world.vault.write_commit(
        dataclasses.replace(commit, items=items, coverage={"address": ADDRESS})
    )
    return world


class Out:
    def __init__(self, world: World, folder: Path) -> None:
        self.path = folder / "out"
        self._arguments = ["export", str(world.path), "--to", str(self.path)]
        self._arguments += ["--root-key-file", str(world.key_file(folder))]

    def __call__(self, *options: str) -> int:
        return main([*self._arguments, *options])

    @property
    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.path / "manifest.jsonl").open()]

    @property
    def files(self) -> set[str]:
        found = {str(p.relative_to(self.path)) for p in self.path.rglob("*") if p.is_file()}
        return found - {"manifest.jsonl", "export.json"}


@pytest.fixture
def out(world: World, tmp_path: Path) -> Out:
    return Out(world, tmp_path)


def test_items_become_files_that_people_open_in_their_folders(office: World, out: Out) -> None:
    assert out("--format", "usual") == 0
    inbox = f"{ADDRESS}/Top/Inbox"
    assert out.files == {
        f"{inbox}/Report.eml",
        f"{inbox}/report (2).eml",
        f"{inbox}/Ben Ode.vcf",
        f"{inbox}/item.fts",
    }
    assert {line["file"] for line in out.lines} == out.files
    parsed = email.message_from_bytes(
        (out.path / inbox / "Report.eml").read_bytes(), policy=email.policy.default
    )
    assert (parsed["Subject"], parsed["Message-ID"]) == ("Report", "<Report@acme.example>")
    assert (out.path / inbox / "item.fts").read_bytes() == b"no item stream at all"
    assert out.path.stat().st_mode & 0o777 == 0o700


def test_what_makes_no_sense_in_a_format_is_not_left_out(office: World, out: Out) -> None:
    assert out("--format", "eml") == 0
    assert {Path(file).suffix for file in out.files} == {".eml", ".vcf", ".fts"}


def test_every_item_can_be_an_outlook_message(office: World, out: Out) -> None:
    assert out("--format", "msg") == 0
    assert sorted(Path(file).suffix for file in out.files) == [".fts", ".msg", ".msg", ".msg"]


def test_two_mailboxes_of_one_address_do_not_meet(office: World, out: Out) -> None:
    commit = office.next_commit(BEN, {"b": cut_whole(mail("Report"))})
    office.vault.write_commit(dataclasses.replace(commit, coverage={"address": ADDRESS.upper()}))
    assert out("--format", "usual") == 0
    folders = {file.partition("/")[0] for file in out.files}
    assert folders == {ADDRESS, f"{ADDRESS.upper()} {BEN}"}


class Stopped(BaseException):
    """As if somebody had killed it."""


def stopping_after(most: int) -> Iterator[None]:
    for _ in range(most):
        yield
    raise Stopped


@pytest.mark.parametrize("form", ["fts", "usual"])
@pytest.mark.parametrize("renamed", [0, 1, 2, 3, 4])
def test_an_export_that_was_killed_goes_on(
    office: World, out: Out, tmp_path: Path, form: str, renamed: int
) -> None:
    """Killed between the line in the manifest and the file's own name."""
    real, steps = Path.replace, stopping_after(renamed)

    def replace(self: Path, target: Path) -> Path:
        if target.suffix not in (".json", ".jsonl"):
            next(steps)
        return real(self, target)

    (tmp_path / "whole").mkdir()
    whole = Out(office, tmp_path / "whole")
    assert whole("--format", form) == 0
    with (
        mock.patch.object(Path, "replace", replace),
        mock.patch.object(Path, "unlink"),
    ):
        try:
            out("--format", form)
        except Stopped:
            assert renamed < 4
    if renamed == 4:
        return
    assert len(out.lines) == renamed + 1
    assert out("--format", form) == 0
    assert sorted(line["item_id"] for line in out.lines) == ["card", "odd", "one", "two"]
    assert {line["file"] for line in out.lines} == out.files == whole.files
    for line in out.lines:
        assert (out.path / line["file"]).stat().st_size == line["file_bytes"]


def test_it_goes_on_at_the_point_where_it_began(
    office: World, out: Out, capsys: pytest.CaptureFixture[str]
) -> None:
    with mock.patch.object(Vault, "read_item", side_effect=[b"x", KeyboardInterrupt]):
        assert out() == 130
    assert "interrupted" in capsys.readouterr().err
    office.back_up(ANNA, {"later": raw(b"later")})
    assert out() == 0
    assert {line["item_id"] for line in out.lines} == {"one", "two", "card", "odd"}
    assert {line["point"] for line in out.lines} == {1}


def test_a_full_disk_is_said_and_gone_on_from(
    office: World, out: Out, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Path.open

    def full(self: Path, *args: str, **options: str) -> object:
        if self.name == "2.fts.part":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return real(self, *args, **options)

    with mock.patch.object(Path, "open", full):
        assert out() == 4
    said = capsys.readouterr().err
    assert "2.fts.part: No space left on device; the same command goes on" in said
    assert out("--json") == 0
    assert json.loads(capsys.readouterr().out)["items"] == 4


def test_what_could_not_be_read_is_tried_again_and_the_rest_is_not(office: World, out: Out) -> None:
    real = Vault.read_item
    read: list[bytes] = []

    def damaged(self: Vault, *args: object) -> bytes:
        content: bytes = real(self, *args)
        if content == mail("report") and not read:
            raise Damaged("packs/x", "by order of the test")
        return content

    with mock.patch.object(Vault, "read_item", damaged):
        assert out("--format", "usual") == 1
    assert len(out.lines) == 3
    with mock.patch.object(Vault, "read_item", autospec=True, side_effect=real) as again:
        assert out("--format", "usual") == 0
    assert again.call_count == 1
    assert len(out.lines) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [(("--format", "msg"), "holds another export"), ((), "holds this export, finished")],
)
def test_a_folder_takes_one_export(
    office: World, out: Out, options: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert out() == 0
    assert out(*options) == 2
    assert says in capsys.readouterr().err


def test_a_folder_with_other_things_in_it_is_refused(
    office: World, out: Out, capsys: pytest.CaptureFixture[str]
) -> None:
    out.path.mkdir()
    (out.path / "notes.txt").write_text("mine")
    assert out() == 2
    assert "no export to go on with" in capsys.readouterr().err
    (out.path / "notes.txt").rename(out.path / exporting.STATE)
    assert out() == 2
    assert "export.json: can't be read" in capsys.readouterr().err


def test_a_folder_named_as_an_address_leads_nowhere_else(office: World, out: Out) -> None:
    evil = dataclasses.replace(INBOX, name="../../etc")
    commit = office.next_commit(ANNA, {"x": cut_whole(mail("../passwd"))})
    place = {"address": "../../anna@acme.example"}
    office.vault.write_commit(dataclasses.replace(commit, folders=[evil], coverage=place))
    assert out("--format", "usual") == 0
    assert not any(".." in Path(file).parts for file in out.files)
    assert len(out.files) == 5
