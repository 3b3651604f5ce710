"""What an organization has on an Exchange Server of its own: accounts, mailboxes, archives."""

from __future__ import annotations

from sandbox import identifiers
from sandbox.database import Database
from sandbox.mailboxes import add_born_folders
from sandbox.records import (
    ARCHIVE_FOLDERS,
    PUBLIC_FOLDERS,
    Conflict,
    NotFound,
    ServerAccount,
    User,
)


class Servers:
    """The on-premises half of a store. Lookups raise NotFound."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def put_server_account(self, account: ServerAccount) -> None:
        """An account that may sign in to the server, or what replaces it."""
        with self.database.write() as db:
            db.execute(
                "INSERT INTO server_accounts VALUES (?, ?, ?, ?) ON CONFLICT (directory, name)"
                " DO UPDATE SET password = excluded.password,"
                " impersonates = excluded.impersonates",
                (account.directory, account.name, account.password, account.impersonates),
            )

    def server_account(self, sign_in: str) -> ServerAccount:
        r"""By what a person types: ``name@domain`` or ``DOMAIN\name``, in any case."""
        domain, slash, name = sign_in.partition("\\")
        if not slash:
            name, _, domain = sign_in.partition("@")
        query = (
            "SELECT directory, server_accounts.name, password, impersonates FROM server_accounts"
            " JOIN directories ON directories.id = directory"
            " WHERE server_accounts.name = ? AND (lower(domain) = lower(?)"
            " OR lower(substr(domain, 1, instr(domain || '.', '.') - 1)) = lower(?))"
        )
        row = dict(self.database.row(query, name, domain, domain))
        return ServerAccount(**{**row, "impersonates": bool(row["impersonates"])})

    def is_on_server(self, mailbox: str) -> bool:
        """Whether a mailbox is on the organization's own server rather than in the cloud."""
        query = "SELECT 1 FROM server_mailboxes WHERE mailbox = ?"
        return bool(self.database.rows(query, mailbox))

    def move_mailbox(self, mailbox: str, *, to_server: bool) -> None:
        """Move a mailbox and its archive to the server, or to the cloud. Ids stay."""
        both = [mailbox, *filter(None, [self.archive_of(mailbox)])]
        with self.database.write() as db:
            for one in both:
                db.execute("DELETE FROM server_mailboxes WHERE mailbox = ?", (one,))
                if to_server:
                    db.execute("INSERT INTO server_mailboxes VALUES (?)", (one,))

    def add_archive(self, user: User) -> str:
        """The id of a new archive mailbox of somebody. Raises Conflict when there is one."""
        if user.mailbox is None:
            raise NotFound(f"{user.address} has no mailbox")
        if self.archive_of(user.mailbox):
            raise Conflict(f"{user.address} has an archive")
        archive = identifiers.mailbox_id(user.directory, f"archive of {user.address}")
        with self.database.write() as db:
            db.execute("INSERT INTO mailboxes VALUES (?, ?, 'archive')", (archive, user.directory))
            add_born_folders(db, archive, ARCHIVE_FOLDERS)
            db.execute("INSERT INTO archives VALUES (?, ?)", (user.mailbox, archive))
        self.move_mailbox(user.mailbox, to_server=self.is_on_server(user.mailbox))
        return archive

    def archive_of(self, mailbox: str) -> str | None:
        rows = self.database.rows("SELECT archive FROM archives WHERE mailbox = ?", mailbox)
        return str(rows[0]["archive"]) if rows else None

    def add_public_folders(self, directory: str) -> str:
        """The id of the mailbox that holds an organization's public folders, made when missing."""
        mailbox = identifiers.mailbox_id(directory, "public folders")
        with self.database.write() as db:
            query = "SELECT 1 FROM public_folders WHERE directory = ?"
            if db.execute(query, (directory,)).fetchone() is None:
                db.execute("INSERT INTO mailboxes VALUES (?, ?, 'public')", (mailbox, directory))
                add_born_folders(db, mailbox, PUBLIC_FOLDERS)
                db.execute("INSERT INTO public_folders VALUES (?, ?)", (directory, mailbox))
                db.execute("INSERT INTO server_mailboxes VALUES (?)", (mailbox,))
        return mailbox

    def public_folders_of(self, directory: str) -> str | None:
        rows = self.database.rows(
            "SELECT mailbox FROM public_folders WHERE directory = ?", directory
        )
        return str(rows[0]["mailbox"]) if rows else None

    def set_bulk_transfer(self, directory: str, *, supported: bool) -> None:
        """Whether the organization's server knows ExportItems and UploadItems."""
        with self.database.write() as db:
            db.execute(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET"
                " value = excluded.value",
                (f"bulk transfer {directory}", str(int(supported))),
            )

    def has_bulk_transfer(self, directory: str) -> bool:
        query = "SELECT value FROM settings WHERE name = ?"
        rows = self.database.rows(query, f"bulk transfer {directory}")
        return not rows or rows[0]["value"] == "1"
