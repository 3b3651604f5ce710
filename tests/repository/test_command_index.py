"""``rebuild`` makes an index from the repository alone; what it answers is what the commits say."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest

from backups.repository import CommitKind, Expired, Vault, destroy_mailbox_key
from backups.standalone import index as index_file
from backups.standalone.main import main

from .world import ACME, ANNA, BEN, INBOX, World, raw

PROJECTS = dataclasses.replace(INBOX, id="projects-id", name="Projects/2026", parent_id=INBOX.id)
DAY = 86_400 * 1_000_000
MICROSECONDS = 1_790_000_000 * 1_000_000
"""2026-09-21, 14:13:20."""


class Command:
    def __init__(self, world: World, folder: Path, captured: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self.file = folder / "index.sqlite"
        self.errors = ""
        self.key = ["--root-key-file", str(world.key_file(folder))]
        self.captured = captured

    def run(self, name: str, *options: str) -> tuple[int, list[dict[str, object]]]:
        status = main([name, str(self.world.path), *options, "--json"])
        written, self.errors = self.captured.readouterr()
        return status, [json.loads(line) for line in written.splitlines()]

    def rebuild(self, *options: str) -> dict[str, object]:
        status, rows = self.run("rebuild", *self.key, "--into", str(self.file), *options)
        assert status == 0, self.errors
        return rows[0]

    def indexed(self, name: str, *options: str) -> tuple[int, list[dict[str, object]]]:
        """Without any key."""
        return self.run(name, "--index", str(self.file), *options)

    def found(self, *options: str) -> set[object]:
        status, rows = self.indexed("find", *options)
        assert status == 0, self.errors
        return {row["item_id"] for row in rows}

    def require_same_answers(self, *more: str) -> None:
        for name in ("mailboxes", "points", "ls"):
            of = more if name == "ls" else ()
            with_index, without = self.indexed(name, *of), self.run(name, *self.key, *of)
            assert with_index[0] == without[0] == 0
            assert _sorted(with_index[1]) == _sorted(without[1]), name


def _sorted(rows: list[dict[str, object]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@pytest.fixture
def command(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(world, tmp_path, capsys)


def put(world: World, **items: dict[str, object]) -> None:
    """Into Anna's mailbox, with these index records; ``folder`` says which folder."""
    commit = world.next_commit(ANNA, {name: raw(name.encode() * 9) for name in items})
    named = [
        dataclasses.replace(item, folder_id=str(index.pop("folder", INBOX.id)), index=index)
        for item, index in zip(commit.items, items.values(), strict=True)
    ]
    commit = dataclasses.replace(
        commit,
        items=named,
        folders=[*commit.folders, PROJECTS],
        coverage={"address": "anna@acme.example"},
    )
    world.vault.write_commit(commit)


@pytest.fixture
def searched(world: World, command: Command) -> Command:
    put(
        world,
        plan={
            "subject": "The reports of Z\u00fcrich",
            "sender_name": "Mei Tanaka",
            "sender_address": "mei@globex.example",
            "to": "Anna Berg <anna@acme.example>",
            "received_at": MICROSECONDS,
        },
        bill={
            "subject": "Invoice",
            "sender_address": "billing@globex.example",
            "cc": "Mei Tanaka <mei@globex.example>",
            "attachments": [["Invoice 4711.pdf", 9000]],
            "received_at": MICROSECONDS + DAY,
            "folder": PROJECTS.id,
        },
        odd={"subject": 7, "received_at": "soon"},
    )
    command.rebuild()
    return command


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {"plan", "bill", "odd"}),
        (("--find", "zurich"), {"plan"}),
        (("--words", "mei tanaka"), {"plan", "bill"}),
        (("--from", "mei@globex.example"), {"plan"}),
        (("--from", "globex"), {"plan", "bill"}),
        (("--to-person", "mei"), {"bill"}),
        (("--subject", "repor*"), {"plan"}),
        (("--subject", "repor"), set()),
        (("--find", '"globex tanaka"'), set()),
        (("--find", '"of Zürich" reports'), {"plan"}),
        (("--attachment", "4711"), {"bill"}),
        (("--find", "4711 OR nothing"), set()),
        (("--since", "2026-09-22"), {"bill"}),
        (("--until", "2026-09-21"), {"plan"}),
        (("--since", "2026-09-21", "--until", "2026-09-22"), {"plan", "bill"}),
        (("--folder", "projects\\/2026"), {"bill"}),
        (("--folder", "inbox"), {"plan", "bill", "odd"}),
        (("--find", "invoice", "--from", "mei"), set()),
        (("--mailbox", "Anna@acme.example", "--find", "invoice"), {"bill"}),
    ],
)
def test_items_are_found_without_a_key(
    searched: Command, options: tuple[str, ...], expected: set[object]
) -> None:
    assert searched.found(*options) == expected


def test_sqlite_without_words_finds_parts_of_words(world: World, command: Command) -> None:
    with mock.patch.object(index_file.Index, "_knows_fts5", return_value=False):
        put(world, plan={"subject": "Reports"}, bill={"subject": "Invoice"})
        assert command.rebuild()["words"] is False
    assert command.found("--find", "repo*") == command.found("--subject", "port") == {"plan"}


@pytest.mark.parametrize("text", ['--find=""', "--subject=%", "--find=*", "--from=-"])
def test_what_nothing_can_be_found_by_is_wrong_usage(searched: Command, text: str) -> None:
    status, _ = searched.indexed("find", text)
    assert (status, "nothing can be found by" in searched.errors) == (2, True)


def test_the_index_answers_as_the_commits_do(filled: World, command: Command) -> None:
    assert command.rebuild() == {
        "file": str(command.file),
        "words": True,
        "mailboxes": 2,
        "points": 3,
        "versions": 4,
        "packs": 4,
    }
    command.require_same_answers()
    command.require_same_answers("--mailbox", str(ANNA), "--point", "1")
    status, _ = command.indexed("ls", "--mailbox", str(ANNA), "--point", "9")
    assert (status, "9 is not a restore point" in command.errors) == (2, True)


def test_deleted_items_are_found_at_the_newest_point_that_had_them(
    filled: World, command: Command
) -> None:
    command.rebuild()
    assert command.found("--find", "hello") == set()
    _, (row,) = command.indexed("find", "--find", "hello", "--ever")
    assert (row["item_id"], row["point"], row["folder"]) == ("hello", 1, "Top/Inbox")
    _, rows = command.indexed("find", "--ever", "--mailbox", str(ANNA))
    assert sorted(str(row["item_id"]) for row in rows) == ["hello", "late", "report"]


def test_content_still_needs_the_key(filled: World, command: Command) -> None:
    command.rebuild()
    item = ["--mailbox", str(ANNA), "--item", "hello", "--point", "1"]
    status, _ = command.indexed("cat", *item)
    assert (status, "this needs --root-key-file" in command.errors) == (2, True)
    place = [str(filled.path), "--index", str(command.file)]
    assert main(["cat", *place, *item, *command.key]) == 0
    content = command.captured.readouterr().out
    assert content.encode() == filled.contents[ANNA, "hello"]
    rows = sqlite3.connect(command.file)
    sealed = [row[0] for row in rows.execute("SELECT sealed FROM versions")]
    known = {ref.key for item in filled.vault.state(ANNA).items.values() for ref in item.blobs}
    assert known
    assert not any(key in record for key in known for record in sealed)


def test_export_takes_what_find_finds(searched: Command, tmp_path: Path) -> None:
    to = tmp_path / "out"
    options = ["--to", str(to), *searched.key]
    status, _ = searched.run("export", *options, "--from", "globex")
    assert (status, "--index FILE" in searched.errors) == (2, True)
    status, (answer,) = searched.indexed("export", *options, "--find", "invoice")
    assert (status, answer["items"]) == (0, 1)
    (line,) = [json.loads(line) for line in (to / "manifest.jsonl").open()]
    assert line["folders"] == ["Top", "Inbox", "Projects/2026"]
    assert (to / line["file"]).read_bytes() == b"bill" * 9
    status, _ = searched.indexed("export", *options)
    assert (status, "holds another export" in searched.errors) == (2, True)


def test_it_is_brought_up_to_date(filled: World, command: Command) -> None:
    command.rebuild()
    filled.back_up(ANNA, {"new": raw(b"new")}, removed=["report"])
    filled.back_up(BEN, {"copy": raw(b"changed")})
    _, rows = command.indexed("ls", "--mailbox", str(ANNA))
    assert {row["item_id"] for row in rows} == {"report", "late"}
    assert "ends at commit 2; rebuild brings it up to date" in command.errors
    with mock.patch.object(Vault, "read_pack", autospec=True, side_effect=Vault.read_pack) as read:
        command.rebuild()
    assert read.call_count == 2, "packs that it knows are not read again"
    command.require_same_answers()
    command.require_same_answers("--mailbox", str(ANNA), "--point", "1")


def test_what_expired_leaves_the_index(filled: World, command: Command) -> None:
    command.rebuild()
    gone = Expired([1], [("hello", 1)])
    filled.vault.write_commit(filled.next_commit(ANNA, kind=CommitKind.EXPIRY, expired=gone))
    answer = command.rebuild()
    assert (answer["points"], answer["versions"]) == (2, 3)
    assert command.found("--find", "hello", "--ever") == set()
    command.require_same_answers()
    fresh = Command(filled, command.file.parent, command.captured)
    fresh.file = command.file.with_name("fresh.sqlite")
    assert fresh.rebuild() | {"file": ""} == answer | {"file": ""}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("transactions", range(12))
def test_a_rebuild_that_was_killed_goes_on(
    filled: World, command: Command, transactions: int
) -> None:
    real, begun = index_file.Index.transaction, []

    def transaction(self: index_file.Index) -> object:
        begun.append(1)
        if len(begun) > transactions:
            raise Killed
        return real(self)

    with mock.patch.object(index_file.Index, "transaction", transaction):
        try:
            command.rebuild()
        except Killed:
            pass
        else:
            assert transactions >= 6
    command.captured.readouterr()
    answer = command.rebuild()
    assert (answer["points"], answer["versions"], answer["packs"]) == (3, 4, 4)
    command.require_same_answers()


def test_a_chain_that_begins_at_a_checkpoint_is_taken_from_there(
    filled: World, command: Command
) -> None:
    with mock.patch("backups.repository.chain.COMMITS_PER_CHECKPOINT", 3):
        filled.back_up(ANNA, {"third": raw(b"third")})
    filled.back_up(ANNA, {"fourth": raw(b"fourth")})
    before = command.rebuild()
    for sequence in (1, 2):
        filled.backend.delete(f"tenants/{ACME}/commits/{ANNA}/{sequence:010d}")
    assert command.rebuild() == before, "its head is still there"
    command.file.unlink()
    assert command.rebuild() == before
    command.require_same_answers()
    command.require_same_answers("--mailbox", str(ANNA), "--point", "1")


def test_an_index_whose_last_commit_was_collected_begins_anew(
    filled: World, command: Command
) -> None:
    command.rebuild()
    with mock.patch("backups.repository.chain.COMMITS_PER_CHECKPOINT", 3):
        filled.back_up(ANNA, {"third": raw(b"third")})
    for sequence in (1, 2):
        filled.backend.delete(f"tenants/{ACME}/commits/{ANNA}/{sequence:010d}")
    assert command.rebuild()["points"] == 4
    command.require_same_answers()


@pytest.fixture
def twice(filled: World, command: Command) -> list[Path]:
    """The packs that hold one item, which is stored twice, in the order of the index."""
    cut = raw(b"Dear Ben, " * 50)
    filled.back_up(BEN, {"copy": cut})
    filled.known.clear()
    filled.store([cut])
    command.rebuild()
    rows = sqlite3.connect(command.file)
    sql = """
    SELECT p.pack FROM packs p JOIN blobs b ON b.pack = p.number
    WHERE b.id IN (SELECT id FROM blobs GROUP BY id HAVING count(*) = 2) ORDER BY p.number
    """
    names = [name for (name,) in rows.execute(sql)]
    assert len(names) == 2
    return [filled.path / f"tenants/{ACME}/packs/{name[:2]}/{name}" for name in names]


@pytest.mark.parametrize("damaged", [0, 1])
def test_where_a_part_is_twice_a_sound_copy_is_taken(
    filled: World, command: Command, twice: list[Path], damaged: int
) -> None:
    content = bytearray(twice[damaged].read_bytes())
    content[8 + 90] ^= 1
    twice[damaged].write_bytes(content)
    place = ["--mailbox", str(BEN), "--item", "copy", "--index", str(command.file)]
    assert main(["cat", str(filled.path), *command.key, *place]) == 0


@pytest.mark.parametrize("collected", [0, 1])
def test_a_pack_that_was_collected_leaves_the_index(
    filled: World, command: Command, twice: list[Path], collected: int
) -> None:
    twice[collected].unlink()
    command.rebuild()
    place = ["--mailbox", str(BEN), "--item", "copy", "--index", str(command.file)]
    assert main(["cat", str(filled.path), *command.key, *place]) == 0
    rows = sqlite3.connect(command.file)
    names = {name for (name,) in rows.execute("SELECT pack FROM packs")}
    assert twice[collected].name not in names
    assert twice[1 - collected].name in names


def test_a_damaged_commit_is_named_and_the_newest_checkpoint_taken(
    filled: World, command: Command
) -> None:
    with mock.patch("backups.repository.chain.COMMITS_PER_CHECKPOINT", 3):
        filled.back_up(ANNA, {"third": raw(b"third")})
    name = f"tenants/{ACME}/commits/{ANNA}/0000000002"
    (filled.path / name).write_bytes(b"STWC")
    status, rows = command.run("rebuild", *command.key, "--into", str(command.file))
    assert (status, rows[0]["points"]) == (1, 4)
    assert name in command.errors
    assert "goes on at commit 3" in command.errors
    assert command.found("--mailbox", str(ANNA)) == {"report", "late", "third"}


def test_a_mailbox_whose_key_was_destroyed_leaves_the_index(
    filled: World, command: Command
) -> None:
    command.rebuild()
    destroy_mailbox_key(filled.backend, ACME, ANNA, request="5", now=datetime.now(UTC))
    command.rebuild()
    _, rows = command.indexed("mailboxes")
    assert [row["mailbox"] for row in rows] == [str(BEN)]
    assert b"about hello" not in command.file.read_bytes()


def test_it_is_its_owners_alone(filled: World, command: Command) -> None:
    command.rebuild()
    assert command.file.stat().st_mode & 0o777 == 0o600
    assert "subjects and names in clear" in command.errors
    command.file.chmod(0o640)
    status, _ = command.indexed("ls")
    assert (status, "chmod 600" in command.errors) == (2, True)


def test_another_file_is_not_taken_for_an_index(
    filled: World, command: Command, tmp_path: Path
) -> None:
    status, _ = command.indexed("ls")
    assert (status, "no such file; rebuild makes it" in command.errors) == (2, True)
    command.file.write_bytes(b"This is no database, and it is longer than a page needs." * 99)
    command.file.chmod(0o600)
    status, _ = command.indexed("ls")
    assert (status, "not the index of a repository" in command.errors) == (2, True)
    command.file.unlink()
    with sqlite3.connect(command.file) as other:
        other.execute("CREATE TABLE mine (a)")
    command.file.chmod(0o600)
    status, _ = command.run("rebuild", *command.key, "--into", str(command.file))
    assert (status, "not the index of a repository" in command.errors) == (2, True)


def test_find_without_an_index_says_what_to_do(filled: World, command: Command) -> None:
    status, _ = command.run("find", "--find", "hello", *command.key)
    assert (status, "find needs --index FILE; rebuild makes it" in command.errors) == (2, True)
    status, _ = command.run("rebuild", *command.key)
    assert (status, "rebuild needs --into FILE" in command.errors) == (2, True)
