"""``python -m backups.repository``: the folder and the root key are all it needs."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock
from uuid import UUID

import pytest

from backups.repository import CommitKind, RootKey
from backups.standalone import progress
from backups.standalone.main import main

from .bucket import BUCKET, CREDENTIALS, Fault, backend_at, front_of, moto_server
from .world import ACME, ANNA, BEN, GLOBEX, REPOSITORY, World, raw

ROOT = Path(__file__).parents[2]


class Command:
    def __init__(self, world: World, folder: Path, capfdbinary: pytest.CaptureFixture[bytes]):
        self._path = str(world.path)
        self._key = str(world.key_file(folder))
        self._captured = capfdbinary
        self.errors = ""

    def __call__(self, name: str, *options: object) -> tuple[int, bytes]:
        arguments = [name, self._path, "--root-key-file", self._key, *map(str, options)]
        status = main(arguments)
        written, errors = self._captured.readouterr()
        self.errors = errors.decode()
        return status, written

    def json(self, name: str, *options: object) -> tuple[int, object]:
        """The one object, or the list of those on the lines."""
        status, written = self(name, "--json", *options)
        rows = [json.loads(line) for line in written.splitlines()]
        return status, rows if name in ("mailboxes", "points", "ls", "find") else rows[0]


@pytest.fixture
def command(filled: World, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    return Command(filled, tmp_path, capfdbinary)


def test_info_needs_no_key(filled: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(filled.path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["repository"] == str(REPOSITORY)
    assert answer["format"] == 1
    assert answer["tenants"][str(ACME)]["packs"] == 4
    assert answer["tenants"][str(ACME)]["commits"] == 3


def test_mailboxes_and_points_tell_what_can_be_restored(command: Command) -> None:
    status, rows = command.json("mailboxes")
    assert status == 0
    assert [(r["mailbox"], r["points"], r["latest"], r["items"]) for r in rows] == [
        (str(ANNA), 2, 2, 2),
        (str(BEN), 1, 1, 1),
    ]
    _, rows = command.json("points", "--mailbox", ANNA)
    assert [(r["sequence"], r["items"], r["taken_at"]) for r in rows] == [
        (1, 2, "2026-11-23T08:30:15.250000+00:00"),
        (2, 2, "2026-11-24T08:30:15.250000+00:00"),
    ]
    _, text = command("points", "--mailbox", ANNA)
    assert text.decode().splitlines()[0].startswith(f"{ANNA}\t1\t2026-11-23T08:30:15")


def test_ls_shows_a_point_and_cat_gives_the_bytes(command: Command, filled: World) -> None:
    _, rows = command.json("ls", "--mailbox", ANNA, "--point", "1")
    assert {(r["folder"], r["item_id"], r["subject"]) for r in rows} == {
        ("Top/Inbox", "hello", "about hello"),
        ("Top/Inbox", "report", "about report"),
    }
    status, content = command("cat", "--mailbox", ANNA, "--item", "hello", "--point", "1")
    assert (status, content) == (0, filled.contents[ANNA, "hello"])
    status, _ = command("cat", "--mailbox", ANNA, "--item", "hello", "--point", "latest")
    assert status == 2
    assert "no item hello" in command.errors


def test_export_writes_every_item_and_a_manifest(
    command: Command, filled: World, tmp_path: Path
) -> None:
    to = tmp_path / "out"
    status, answer = command.json("export", "--to", to)
    expected = {(ANNA, "report"), (ANNA, "late"), (BEN, "copy")}
    total = sum(len(filled.contents[key]) for key in expected)
    assert status == 0
    assert answer == {"mailboxes": 2, "items": 3, "bytes": total, "failed": []}
    lines = [json.loads(line) for line in (to / "manifest.jsonl").read_text().splitlines()]
    assert {(UUID(line["mailbox"]), line["item_id"]) for line in lines} == expected
    for line in lines:
        content = (to / line["file"]).read_bytes()
        assert content == filled.contents[UUID(line["mailbox"]), line["item_id"]]
        assert line["size"] == len(content)
        assert line["sha256"] == hashlib.sha256(content).hexdigest()
        assert (line["folder"], line["folder_id"]) == ("Top/Inbox", "inbox-id")
        assert (line["change_key"], line["item_class"]) == (f"{line['item_id']}-1", "IPM.Note")
        assert Path(line["file"]).parent.name == line["mailbox"]
    status, _ = command("export", "--to", to)
    assert status == 2
    assert "holds this export, finished" in command.errors


def test_export_at_a_point_of_one_mailbox(command: Command, tmp_path: Path) -> None:
    options = ("--mailbox", ANNA, "--point", "1", "--to", tmp_path / "out")
    _, answer = command.json("export", *options)
    assert isinstance(answer, dict)
    assert (answer["mailboxes"], answer["items"]) == (1, 2)


def test_export_names_what_it_can_not_read_and_goes_on(
    command: Command, filled: World, tmp_path: Path
) -> None:
    at = filled.known[filled.vault.state(ANNA).items["late"].blobs[0].id]
    path = filled.path / f"tenants/{ACME}/packs/{at.pack[:2]}/{at.pack}"
    content = bytearray(path.read_bytes())
    content[at.offset + 90] ^= 1
    path.write_bytes(content)
    status, answer = command.json("export", "--to", tmp_path / "out")
    assert status == 1
    assert isinstance(answer, dict)
    assert answer["items"] == 2
    assert [failure["item_id"] for failure in answer["failed"]] == ["late"]
    assert at.pack in command.errors


def test_a_mailbox_that_can_not_be_opened_does_not_stop_the_others(
    command: Command, filled: World, tmp_path: Path
) -> None:
    filled.backend.delete(f"tenants/{ACME}/keys/mailbox-{ANNA}.1")
    status, answer = command.json("export", "--to", tmp_path / "out")
    assert status == 1
    assert isinstance(answer, dict)
    assert (answer["mailboxes"], answer["items"]) == (1, 1)
    assert f"mailbox-{ANNA}.1" in command.errors


def test_what_a_run_left_unfinished_is_in_no_restore_point(command: Command, filled: World) -> None:
    filled.back_up(ANNA, {"half": raw(b"half")}, kind=CommitKind.PARTIAL, removed=["late"])
    _, rows = command.json("ls", "--mailbox", ANNA)
    assert {r["item_id"] for r in rows} == {"report", "late"}
    status, _ = command("ls", "--mailbox", ANNA, "--point", "3")
    assert status == 2
    assert "3 is not a restore point" in command.errors
    filled.back_up(ANNA, {"rest": raw(b"rest")})
    _, rows = command.json("ls", "--mailbox", ANNA)
    assert {r["item_id"] for r in rows} == {"report", "half", "rest"}


def test_check_says_all_is_well_and_what_is_not(command: Command, filled: World) -> None:
    status, text = command("check")
    assert status == 0
    assert b"4 packs, 5 blobs, 3 commits of 2 mailboxes, 4 items checked" in text
    key = f"tenants/{ACME}/commits/{BEN}/0000000001"
    (filled.path / key).write_bytes(b"STWC")
    status, answer = command.json("check")
    assert status == 1
    assert isinstance(answer, dict)
    (finding,) = answer["findings"]
    assert (finding["object"], finding["mailbox"]) == (key, str(BEN))
    assert main(["check", str(filled.path)]) == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("export",), "--to"),
        (("cat",), "--mailbox and --item"),
        (("ls", "--point", "1"), "needs --mailbox"),
        (("ls", "--mailbox", GLOBEX), f"no mailbox {GLOBEX}"),
        (("points", "--tenant", GLOBEX), f"no tenant {GLOBEX}"),
    ],
)
def test_wrong_usage_is_said_with_status_two(
    command: Command, options: tuple[object, ...], says: str
) -> None:
    name, *rest = options
    status, _ = command(str(name), *rest)
    assert status == 2
    assert says in command.errors


def test_a_wrong_key_is_said_with_status_three_and_an_open_one_with_two(
    command: Command, filled: World, tmp_path: Path
) -> None:
    for wrong in ("mailboxes", "check"):
        (tmp_path / "root.key").unlink()
        RootKey.generate_file(tmp_path / "root.key")
        status, _ = command(wrong)
        assert status == 3
        assert "tenant.1: wrapped under key" in command.errors
    (tmp_path / "root.key").chmod(0o644)
    status, _ = command("info")
    assert status == 2
    assert "chmod 600" in command.errors


def test_a_folder_that_is_no_repository_is_said_with_status_three(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(tmp_path)]) == 3
    assert main(["info", str(tmp_path / "nowhere")]) == 3
    assert "not a repository" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main(["frobnicate", str(tmp_path)])
    assert left.value.code == 2


def test_a_subject_can_not_command_the_terminal(command: Command, filled: World) -> None:
    commit = filled.next_commit(BEN, {"evil": raw(b"x")})
    evil = dataclasses.replace(commit.items[0], index={"subject": "a\x1b[2Jb\nc\ud800"})
    filled.vault.write_commit(dataclasses.replace(commit, items=[evil]))
    status, text = command("ls", "--mailbox", BEN)
    assert status == 0
    assert b"\x1b" not in text
    assert len(text.splitlines()) == 2


READ_ONLY = """
import sys
from backups.standalone.main import main
status = main(sys.argv[1:])
assert not {name for name in sys.modules if name.split(".")[0] in ("django", "celery", "psycopg")}
sys.exit(status)
"""


def test_it_runs_without_django_and_writes_nothing(filled: World, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in filled.path.rglob("*")}
    arguments = ["check", str(filled.path), "--root-key-file", str(filled.key_file(tmp_path))]
    for start in (["-c", READ_ONLY], ["-m", "backups.repository"]):
        done = subprocess.run(
            [sys.executable, *start, *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert "0 findings" in done.stdout
    assert {p: p.stat().st_mtime_ns for p in filled.path.rglob("*")} == before


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_says_how_far_it_is(
    filled: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "SECONDS", 0)
    key = ["--root-key-file", str(filled.key_file(tmp_path))]
    assert main(["export", str(filled.path), *key, "--to", str(tmp_path / "out")]) == 0
    assert "mailbox 1: 1 of 2 items (50%), " in terminal.getvalue()
    assert main(["check", str(filled.path), *key]) == 0
    assert "1 of 4 packs (" in terminal.getvalue()
    assert "0 findings" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r"), "the line is gone when the answer comes"
    said = terminal.getvalue()
    assert main(["check", str(filled.path), *key, "--json"]) == 0
    assert terminal.getvalue() == said, "no pictures beside JSON"


def test_how_far_it_is_has_a_rate_and_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal, seconds = Terminal(), [0.0]
    monkeypatch.setattr(sys, "stderr", terminal)
    meter = progress.Progress(quiet=False, clock=lambda: seconds[0]).meter("Inbox", 100)
    meter.skip(50)
    seconds[0] = 10.0
    meter.step(10, size=50_000_000)
    assert terminal.getvalue().lstrip("\r") == (
        "Inbox: 60 of 100 items (60%), 50.0 MB, 5.0 MB/s, 0:40 left"
    )


def test_a_mailbox_is_also_known_by_its_address(command: Command, filled: World) -> None:
    commit = filled.next_commit(BEN, {"new": raw(b"x")})
    named = dataclasses.replace(commit, coverage={"address": "ben@acme.example"})
    filled.vault.write_commit(named)
    _, rows = command.json("mailboxes")
    assert isinstance(rows, list)
    assert [row["address"] for row in rows] == ["", "ben@acme.example"]
    _, rows = command.json("ls", "--mailbox", "Ben@acme.example")
    assert isinstance(rows, list)
    assert {row["item_id"] for row in rows} == {"copy", "new"}
    status, _ = command("ls", "--mailbox", "nobody@acme.example")
    assert (status, "no mailbox nobody@acme.example" in command.errors) == (2, True)
    status, answer = command.json("check", "--mailbox", "ben@acme.example")
    assert isinstance(answer, dict)
    assert (status, answer["mailboxes"]) == (0, 1)


def test_a_reader_that_goes_away_is_no_error(filled: World, tmp_path: Path) -> None:
    filled.back_up(ANNA, {f"item-{n}": raw(b"%d" % n) for n in range(500)})
    arguments = ["ls", str(filled.path), "--root-key-file", str(filled.key_file(tmp_path))]
    with subprocess.Popen(
        [sys.executable, "-m", "backups.repository", *arguments, "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.read(10)
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 0


def test_a_newer_format_and_a_refused_folder_are_said_with_status_three(
    command: Command, filled: World
) -> None:
    marker = filled.path / "stowage.json"
    content = marker.read_bytes()
    marker.write_bytes(content.replace(b'"format": 1', b'"format": 2'))
    status, _ = command("info")
    assert (status, "format 2, this version reads 1" in command.errors) == (3, True)
    marker.write_bytes(content)
    refused = OSError(errno.EACCES, os.strerror(errno.EACCES))
    with mock.patch.object(os, "scandir", side_effect=refused):
        status, _ = command("info")
    assert (status, "tenants: Permission denied" in command.errors) == (3, True)


def test_on_a_terminal_the_columns_have_names(
    filled: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    place = [str(filled.path), "--root-key-file", str(filled.key_file(tmp_path))]
    assert main(["mailboxes", *place]) == 0
    assert terminal.getvalue().startswith("mailbox\taddress\tpoints\tlatest")


def test_a_folder_of_repositories_is_said_to_be_one(
    filled: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(filled.path.parent)]) == 3
    assert f"not a repository; in it are: {filled.path}" in capsys.readouterr().err


def test_a_bucket_is_read_with_credentials_from_the_environment(
    filled: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    key = ["--root-key-file", str(filled.key_file(tmp_path))]
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(f"AWS_{name.upper()}", value)
    with moto_server() as store, front_of(store) as front:
        front.make_bucket(BUCKET)
        bucket = backend_at(front, "acme")
        bucket.put_immutable("stowage.json", (filled.path / "stowage.json").read_bytes())
        for name in filled.backend.list("tenants/"):
            bucket.put_immutable(name, filled.backend.get(name))
        place = f"s3://{BUCKET}/acme?endpoint={front.url}"
        front.requests.clear()
        assert main(["info", place]) == 0
        assert not any("/packs/" in request for request in front.requests), "sizes are listed"
        assert b"2 mailboxes, 4 packs" in capfdbinary.readouterr().out
        index, to = str(tmp_path / "index.sqlite"), tmp_path / "out"
        assert main(["rebuild", place, *key, "--into", index]) == 0
        export = ["export", place, *key, "--index", index, "--to", str(to)]
        assert main(export) == 0
        files = {file.read_bytes() for file in to.rglob("*.fts")}
        assert files == {
            filled.contents[of] for of in ((ANNA, "report"), (ANNA, "late"), (BEN, "copy"))
        }
        assert main(["check", place, *key]) == 0
    capfdbinary.readouterr()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert main(["info", place]) == 2
    assert b"no access_key_id" in capfdbinary.readouterr().err


def test_a_bucket_that_does_not_let_in_is_said_with_status_three(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(f"AWS_{name.upper()}", value)
    with moto_server() as store, front_of(store) as front:
        front.make_bucket(BUCKET)
        front.order(Fault.DENY, "GET stowage.json")
        assert main(["info", f"s3://{BUCKET}/acme?endpoint={front.url}"]) == 3
        assert "403" in capsys.readouterr().err
        assert main(["info", f"s3://{BUCKET}/acme?endpoint={front.url}"]) == 3
        assert "not a repository" in capsys.readouterr().err
