"""Who is there: organizations, their people and mailboxes, and the applications they let in."""

from __future__ import annotations

import json

from sandbox import identifiers
from sandbox.database import Database, log
from sandbox.mailboxes import add_born_folders
from sandbox.records import WELL_KNOWN_FOLDERS, Application, Conflict, Directory, User

_USERS = (
    "SELECT users.number, users.directory, users.id, users.address, users.name, users.mailbox,"
    " mailboxes.kind FROM users LEFT JOIN mailboxes ON mailboxes.id = users.mailbox"
)


class Directories:
    """The directory half of a store. Lookups raise NotFound."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add_directory(self, name: str, domain: str) -> Directory:
        """An organization; the one that has the domain already is given back."""
        with self.database.write() as db:
            db.execute(
                "INSERT INTO directories (id, name, domain) VALUES (?, ?, ?)"
                " ON CONFLICT (domain) DO NOTHING",
                (identifiers.directory_id(domain), name, domain),
            )
        return self.directory(domain)

    def directory(self, key: str) -> Directory:
        """By id or by domain."""
        query = "SELECT * FROM directories WHERE id = ? OR domain = ?"
        return Directory(**self.database.row(query, key, key))

    def directories(self) -> list[Directory]:
        query = "SELECT * FROM directories ORDER BY domain"
        return [Directory(**row) for row in self.database.rows(query)]

    def put_application(self, application: Application) -> None:
        """Register an application, or replace what is registered under its id."""
        with self.database.write() as db:
            db.execute(
                "INSERT INTO applications VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (directory, id) DO UPDATE SET name = excluded.name,"
                " certificate = excluded.certificate, roles = excluded.roles",
                (
                    application.directory,
                    application.id,
                    application.name,
                    application.certificate,
                    json.dumps(application.roles),
                ),
            )

    def application(self, directory: str, client_id: str) -> Application:
        query = "SELECT * FROM applications WHERE directory = ? AND id = ?"
        row = dict(self.database.row(query, directory, client_id))
        return Application(**{**row, "roles": tuple(json.loads(row["roles"]))})

    def add_user(self, directory: str, address: str, name: str, kind: str | None = "user") -> User:
        """A person, room or shared mailbox; without a mailbox when ``kind`` is None.

        Raises Conflict when the address is taken.
        """
        mailbox = identifiers.mailbox_id(directory, address) if kind else None
        identity = identifiers.user_id(directory, address)
        with self.database.write() as db:
            if db.execute("SELECT 1 FROM users WHERE address = ?", (address,)).fetchone():
                raise Conflict(f"{address} is taken")
            if mailbox:
                db.execute("INSERT INTO mailboxes VALUES (?, ?, ?)", (mailbox, directory, kind))
                add_born_folders(db, mailbox, WELL_KNOWN_FOLDERS)
            db.execute(
                "INSERT INTO users (directory, id, address, name, mailbox) VALUES (?, ?, ?, ?, ?)",
                (directory, identity, address, name, mailbox),
            )
            log(db, f"users:{directory}", identity)
        return self.user(identity)

    def remove_user(self, key: str) -> None:
        """The person and the mailbox with all it holds are gone."""
        user = self.user(key)
        with self.database.write() as db:
            db.execute("DELETE FROM users WHERE id = ?", (user.id,))
            db.execute("DELETE FROM group_members WHERE member = ?", (user.id,))
            query = "SELECT archive FROM archives WHERE mailbox = ?"
            archives = [row["archive"] for row in db.execute(query, (user.mailbox,)).fetchall()]
            db.execute("DELETE FROM archives WHERE mailbox = ?", (user.mailbox,))
            for mailbox in filter(None, (user.mailbox, *archives)):
                for table in ("import_sessions", "server_mailboxes", "items", "folders"):
                    db.execute(f"DELETE FROM {table} WHERE mailbox = ?", (mailbox,))  # noqa: S608
                db.execute("DELETE FROM mailboxes WHERE id = ?", (mailbox,))
            log(db, f"users:{user.directory}", user.id)

    def user(self, key: str) -> User:
        """By id, address or mailbox id."""
        query = f"{_USERS} WHERE users.id = ? OR users.address = ? OR users.mailbox = ?"
        return User(**self.database.row(query, key, key, key))

    def users(self, directory: str, after: int = 0, limit: int = 1_000_000) -> list[User]:
        query = f"{_USERS} WHERE users.directory = ? AND number > ? ORDER BY number LIMIT ?"
        return [User(**row) for row in self.database.rows(query, directory, after, limit)]

    def mailbox_directory(self, mailbox: str) -> str:
        """The directory that a mailbox belongs to."""
        row = self.database.row("SELECT directory FROM mailboxes WHERE id = ?", mailbox)
        return str(row["directory"])

    def expire_delta_tokens(self, directory: str) -> None:
        """Every delta token given out so far in a directory answers 410 from now on."""
        with self.database.write() as db:
            db.execute(
                "UPDATE directories SET generation = generation + 1 WHERE id = ?", (directory,)
            )
