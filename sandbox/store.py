"""The sandbox Exchange's data: one SQLite file with all organizations in it (schema.sql).

Every change gets a row in the change log, which is what delta answers are made of: a first
enumeration pages through the rows by number, later rounds through the log by sequence.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from sandbox.archives import Archives
from sandbox.database import Database
from sandbox.directories import Directories
from sandbox.groups import Groups
from sandbox.mailboxes import Mailboxes
from sandbox.records import Change
from sandbox.servers import Servers


class Store(Directories, Groups, Mailboxes, Servers, Archives):
    """Safe to use from threads and processes at once. ``path`` is created when missing."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(Database(Path(path)))

    @property
    def path(self) -> Path:
        return self.database.path

    def close(self) -> None:
        self.database.close()

    def secret(self, name: str) -> str:
        """A random value made once and kept, such as the key that signs tokens."""
        with self.database.write() as db:
            db.execute(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO NOTHING",
                (name, secrets.token_hex(32)),
            )
        row = self.database.row("SELECT value FROM settings WHERE name = ?", name)
        return str(row["value"])

    def last_change(self) -> int:
        row = self.database.row("SELECT coalesce(max(sequence), 0) AS last FROM changes")
        return int(row["last"])

    def changes(self, scope: str, after: int, limit: int) -> list[Change]:
        query = (
            "SELECT changes.sequence, id, read_changes.sequence IS NOT NULL AS read_only"
            " FROM changes LEFT JOIN read_changes USING (sequence)"
            " WHERE scope = ? AND changes.sequence > ? ORDER BY changes.sequence LIMIT ?"
        )
        rows = self.database.rows(query, scope, after, limit)
        return [Change(row["sequence"], row["id"], bool(row["read_only"])) for row in rows]

    def first_changes(self, scope: str, ids: Sequence[str]) -> dict[str, int]:
        """When each id was first seen in a scope, as the sequence of that change."""
        marks = ", ".join("?" * len(ids))
        where = f"WHERE scope = ? AND id IN ({marks}) GROUP BY id"
        query = f"SELECT id, min(sequence) AS first FROM changes {where}"  # noqa: S608
        return {str(row["id"]): int(row["first"]) for row in self.database.rows(query, scope, *ids)}

    def counts(self) -> Iterator[tuple[str, str, int, int]]:
        """(domain, address, items, bytes) of each mailbox."""
        query = (
            "SELECT domain, address, count(items.number) AS items, coalesce(sum(size), 0) AS bytes"
            " FROM users JOIN directories ON directories.id = users.directory"
            " LEFT JOIN items ON items.mailbox = users.mailbox WHERE users.mailbox IS NOT NULL"
            " GROUP BY users.number ORDER BY domain, address"
        )
        for row in self.database.rows(query):
            yield str(row["domain"]), str(row["address"]), int(row["items"]), int(row["bytes"])
