"""What the demo backed up, taken out by its tenants when its portal and database are gone."""

from __future__ import annotations

import email
import email.policy
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import olefile
import pytest

pytestmark = pytest.mark.worker

ROOT = Path(__file__).resolve().parents[2]
ALONE = """
import sys
for name in ("django", "psycopg", "celery", "obstore", "portal", "tenants", "sandbox"):
    sys.modules[name] = None
from backups.standalone.main import main
sys.exit(main(sys.argv[1:]))
"""
"""The command in a process that could not import what the portal is made of."""
CLOSED = 3
MESSAGE_ID = "__substg1.0_1035001F"
"""PidTagInternetMessageId in an Outlook message."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a demo that has come to its end."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    environment = {name: value for name, value in os.environ.items() if "PORTAL_" not in name}
    environment |= {"PORTAL_DATA_DIR": str(folder)}
    manage = [sys.executable, str(ROOT / "manage.py")]
    try:
        run = subprocess.run(
            [*manage, "demo", "--once", "--json"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout.splitlines()[-1])["verified"]
        yield folder
    finally:
        subprocess.run([*manage, "database", "clean"], env=environment, check=False)


@pytest.fixture(scope="module")
def place(data: Path) -> Path:
    """A copy of what was handed over: repositories and passphrases, and nothing else."""
    to = data.parent / "handed over"
    to.mkdir()
    for name in ("repositories", "recovery"):
        (data / name).rename(to / name)
    return to


def exported(place: Path, form: str) -> list[Path]:
    """A folder for each share that a passphrase opens."""
    folders = []
    for passphrase in sorted((place / "recovery").iterdir()):
        for repository in sorted((place / "repositories").iterdir()):
            to = place / form / f"{passphrase.stem} {repository.name}"
            arguments = ["export", str(repository), "--format", form, "--to", str(to)]
            arguments += ["--recovery-passphrase-file", str(passphrase)]
            run = subprocess.run(
                [sys.executable, "-c", ALONE, *arguments],
                cwd=ROOT,
                env={"PATH": "/usr/bin:/bin"},
                capture_output=True,
                text=True,
            )
            if run.returncode == CLOSED:
                assert "this passphrase does not open it" in run.stderr
                continue
            assert run.returncode == 0, run.stderr
            folders.append(to)
    return folders


def lines(folders: list[Path]) -> Iterator[tuple[Path, dict[str, str]]]:
    for folder in folders:
        for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            yield folder / entry["file"], entry


def message_ids(data: Path) -> dict[str, str]:
    """By item id, as the Exchange itself has them."""
    rows = sqlite3.connect(f"file:{data / 'sandbox' / 'exchange.sqlite'}?mode=ro", uri=True)
    return dict(rows.execute("SELECT id, coalesce(message_id, '') FROM items"))


def test_the_stored_bytes_are_those_of_the_source(data: Path, place: Path) -> None:
    folders = exported(place, "fts")
    sandbox = data / "sandbox" / "exchange.sqlite"
    compare = [sys.executable, str(ROOT / "tests" / "compare.py"), "--sandbox", str(sandbox)]
    run = subprocess.run(
        [*compare, "--exported", "--json", *map(str, folders)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    answer = json.loads(run.stdout)
    assert (answer["equal"], answer["items"]) == (True, len(message_ids(data)))
    assert answer["mailboxes"] > 5


def test_every_mail_is_there_to_be_opened(data: Path, place: Path) -> None:
    wanted, seen = message_ids(data), 0
    for file, entry in lines(exported(place, "usual")):
        sent = wanted.pop(entry["item_id"])
        if file.suffix == ".eml":
            seen += 1
            mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            assert str(mail["Message-ID"] or "") == sent
    assert wanted == {}
    assert seen > 20


def test_every_item_is_there_as_an_outlook_message(data: Path, place: Path) -> None:
    wanted, seen = message_ids(data), 0
    for file, entry in lines(exported(place, "msg")):
        sent = wanted.pop(entry["item_id"])
        with olefile.OleFileIO(file) as message:
            if sent:
                seen += 1
                assert message.openstream(MESSAGE_ID).read().decode("utf-16-le") == sent
    assert wanted == {}
    assert seen > 20
