"""An index file: mailboxes, points, items and their words in SQLite, made from a repository alone.

It holds subjects and people in clear, so it is its owner's alone (mode 0600). Where an item's parts
are is sealed with the mailbox key, as in the portal's database.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from backups.repository import FolderRecord
from backups.standalone.status import Unwritten, UsageError

APPLICATION = 0x53545758
"""SQLite's application id of such a file: "STWX"."""
VERSION = 1
FTS5 = "fts5"

_SCHEMA = Path(__file__).with_name("schema.sql")
_WORDS = """
CREATE VIRTUAL TABLE words USING fts5(
    subject, sender, recipients, attachments,
    content = 'versions', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER words_of_new AFTER INSERT ON versions BEGIN
    INSERT INTO words (rowid, subject, sender, recipients, attachments)
    VALUES (new.id, new.subject, new.sender, new.recipients, new.attachments);
END;
CREATE TRIGGER words_of_old AFTER DELETE ON versions BEGIN
    INSERT INTO words (words, rowid, subject, sender, recipients, attachments)
    VALUES ('delete', old.id, old.subject, old.sender, old.recipients, old.attachments);
END;
"""


class Index:
    """An open index file. Raises UsageError for a file that is none, or is another repository's."""

    def __init__(self, file: Path, repository: UUID, *, create: bool = False) -> None:
        self.file = file
        if not file.exists():
            if not create:
                raise UsageError(f"{file}: no such file; rebuild makes it")
            with errors_of(file):
                os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        elif (mode := file.stat().st_mode) & 0o077:
            reason = f"others may read it (mode {mode & 0o777:o}); run: chmod 600 {file}"
            raise UsageError(f"{file}: {reason}")
        with errors_of(file):
            self.rows = sqlite3.connect(file, isolation_level=None)
            self._open(repository)

    @property
    def has_words(self) -> bool:
        return self._fact("words") == FTS5

    def close(self) -> None:
        self.rows.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Raises Unwritten."""
        with errors_of(self.file):
            self.rows.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self.rows.execute("ROLLBACK")
                raise
            self.rows.execute("COMMIT")

    def folders(self, mailbox: UUID, at: int) -> dict[str, FolderRecord]:
        """Those that the mailbox had after commit ``at``."""
        found = self.rows.execute(
            "SELECT folder_id, parent_id, name, kind, well_known FROM folders"
            " WHERE mailbox = ? AND first <= ? AND (ended IS NULL OR ended > ?)",
            (str(mailbox), at, at),
        )
        return {row[0]: FolderRecord(*row) for row in found}

    def _open(self, repository: UUID) -> None:
        (application,) = self.rows.execute("PRAGMA application_id").fetchone()
        (version,) = self.rows.execute("PRAGMA user_version").fetchone()
        (tables,) = self.rows.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables:
            self._create(repository)
        elif application != APPLICATION:
            raise UsageError(f"{self.file}: not the index of a repository")
        elif version > VERSION:
            raise UsageError(f"{self.file}: version {version}, this version reads {VERSION}")
        elif self._fact("repository") != str(repository):
            raise UsageError(f"{self.file}: the index of repository {self._fact('repository')}")
        self.rows.execute("PRAGMA secure_delete = ON")
        self.rows.execute("PRAGMA synchronous = NORMAL")

    def _create(self, repository: UUID) -> None:
        words = FTS5 if self._knows_fts5() else "none"
        script = _SCHEMA.read_text(encoding="utf-8") + (_WORDS if words == FTS5 else "")
        # With it a commit need not wait for the disk; what a power cut takes is read again.
        self.rows.execute("PRAGMA journal_mode = WAL")
        self.rows.executescript(f"BEGIN; {script}")
        self.rows.executemany(
            "INSERT INTO facts VALUES (?, ?)",
            [("repository", str(repository)), ("words", words)],
        )
        self.rows.execute(f"PRAGMA application_id = {APPLICATION}")
        self.rows.execute(f"PRAGMA user_version = {VERSION}")
        self.rows.execute("COMMIT")

    def _knows_fts5(self) -> bool:
        options = self.rows.execute("PRAGMA compile_options")
        return any(option == "ENABLE_FTS5" for (option,) in options)

    def _fact(self, name: str) -> str:
        found = self.rows.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(found[0]) if found else ""


@contextmanager
def errors_of(file: Path) -> Iterator[None]:
    """SQLite's and the disk's errors, as the command's own."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise Unwritten(f"{file}: {error}") from error
        raise UsageError(f"{file}: not the index of a repository ({error})") from error
    except OSError as error:
        raise Unwritten(f"{file}: {error.strerror or error}") from error
