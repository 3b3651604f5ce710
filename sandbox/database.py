"""The sandbox's SQLite file: connections shared by threads, one writer at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.records import NotFound

_SCHEMA = Path(__file__).with_name("schema.sql")
_BUSY_SECONDS = 30.0


class Database:
    """A pool of connections to one file, opened as they are needed and used by one thread each.

    Several processes may have the file open (the server, a loader): it runs in WAL mode.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.read() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA.read_text(encoding="utf-8"))

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection in autocommit: each statement sees the newest committed state."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._open()
        try:
            yield connection
        finally:
            with self._lock:
                self._idle.append(connection)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction that holds the write lock from its start; rolled back on any error."""
        with self.read() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def rows(self, query: str, *values: str | int) -> list[sqlite3.Row]:
        with self.read() as connection:
            return connection.execute(query, values).fetchall()

    def row(self, query: str, *values: str | int) -> sqlite3.Row:
        """The only row of an answer. Raises NotFound when there is none."""
        with self.read() as connection:
            row: sqlite3.Row | None = connection.execute(query, values).fetchone()
        if row is None:
            raise NotFound(" ".join(str(value) for value in values))
        return row

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection


def next_sequence(db: sqlite3.Connection) -> int:
    """The sequence of the next change. Only inside ``write``, and used up by ``log``."""
    return int(db.execute("SELECT coalesce(max(sequence), 0) + 1 FROM changes").fetchone()[0])


def log(db: sqlite3.Connection, scope: str, identity: str) -> int:
    """Note that something changed in a scope; its sequence number."""
    sequence = next_sequence(db)
    db.execute("INSERT INTO changes VALUES (?, ?, ?)", (sequence, scope, identity))
    return sequence
