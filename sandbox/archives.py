"""Archives in the cloud: how Graph treats one, and folders that it keeps in auxiliary mailboxes."""

from __future__ import annotations

import enum

from sandbox import identifiers
from sandbox.database import Database
from sandbox.records import Folder, NotFound


class ArchiveProfile(enum.StrEnum):
    """What Graph answers about an archive; both were reported of real tenants, and a third."""

    DOCUMENTED = "documented"
    """v1.0 lists it, delta works, items can be imported."""
    BETA = "beta"
    """Only beta lists it; nothing can be imported."""
    OBSERVED = "observed"
    """Only beta lists it, with half a JSON answer for delta of items; nothing can be imported."""


class Archives:
    """The part of a store that is about archives. Lookups raise NotFound."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def set_archive_profile(self, archive: str, profile: ArchiveProfile) -> None:
        with self.database.write() as db:
            db.execute(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET"
                " value = excluded.value",
                (f"archive profile {archive}", profile),
            )

    def archive_profile(self, mailbox: str) -> ArchiveProfile | None:
        """Of an archive or an auxiliary mailbox; None for every other mailbox."""
        archive = self.archive_behind(mailbox) or mailbox
        query = (
            "SELECT value FROM mailboxes LEFT JOIN settings"
            " ON settings.name = 'archive profile ' || mailboxes.id"
            " WHERE mailboxes.id = ? AND kind = 'archive'"
        )
        rows = self.database.rows(query, archive)
        return ArchiveProfile(rows[0]["value"] or ArchiveProfile.OBSERVED) if rows else None

    def expand_folder(self, folder: Folder) -> str:
        """Keep a folder's items in an auxiliary mailbox from now on; the id of that mailbox.

        The folder stays listed in the archive, and ids stay. Subfolders stay where they are.
        """
        row = self.database.row("SELECT directory FROM mailboxes WHERE id = ?", folder.mailbox)
        auxiliary = identifiers.mailbox_id(row["directory"], f"auxiliary of {folder.id}")
        with self.database.write() as db:
            db.execute(
                "INSERT INTO mailboxes VALUES (?, ?, 'auxiliary') ON CONFLICT DO NOTHING",
                (auxiliary, row["directory"]),
            )
            db.execute(
                "INSERT INTO auxiliary_folders VALUES (?, ?) ON CONFLICT DO NOTHING",
                (folder.id, auxiliary),
            )
        return auxiliary

    def auxiliary_of(self, folder: str) -> str | None:
        """The auxiliary mailbox that holds the items of a folder (id)."""
        query = "SELECT mailbox FROM auxiliary_folders WHERE folder = ?"
        rows = self.database.rows(query, folder)
        return str(rows[0]["mailbox"]) if rows else None

    def archive_behind(self, auxiliary: str) -> str | None:
        """The archive of an auxiliary mailbox, None for any other mailbox."""
        query = (
            "SELECT folders.mailbox FROM auxiliary_folders"
            " JOIN folders ON folders.id = auxiliary_folders.folder"
            " WHERE auxiliary_folders.mailbox = ? LIMIT 1"
        )
        rows = self.database.rows(query, auxiliary)
        return str(rows[0]["mailbox"]) if rows else None

    def disable_archive(self, mailbox: str) -> None:
        """Somebody's archive is no longer theirs, as a disabled one is. Raises NotFound."""
        with self.database.write() as db:
            if not db.execute("DELETE FROM archives WHERE mailbox = ?", (mailbox,)).rowcount:
                raise NotFound(f"{mailbox} has no archive")
