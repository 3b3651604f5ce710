"""What mailboxes hold: folders, items with their streams, and import sessions."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Sequence

from sandbox import identifiers
from sandbox.database import Database, log, next_sequence
from sandbox.records import BornFolders, Conflict, Folder, Item, NewItem, NotFound

_ITEMS = (
    "SELECT number, mailbox, folder, id, change_key, item_class, size, created_at, modified_at,"
    " message_id FROM items"
)
_FOLDERS = (
    "SELECT number, mailbox, id, parent, name, type, well_known,"
    " (SELECT count(*) FROM items WHERE items.folder = folders.id)"
    " - (SELECT count(*) FROM associated_items JOIN items ON items.number = associated_items.item"
    "  WHERE items.folder = folders.id) AS items,"
    " (SELECT count(*) FROM folders AS child WHERE child.mailbox = folders.mailbox"
    "  AND child.parent = folders.id) AS children FROM folders"
)


_ASSOCIATED = "(SELECT item FROM associated_items)"


class Mailboxes:
    """The mailbox half of a store. Lookups raise NotFound; a folder is given by id or, where it
    says so, by well-known name."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def folder(self, mailbox: str, key: str) -> Folder:
        """By id or well-known name (any case)."""
        query = f"{_FOLDERS} WHERE mailbox = ? AND (id = ? OR well_known = ?)"
        return Folder(**self.database.row(query, mailbox, key, key.lower()))

    def folders(self, mailbox: str, after: int = 0, limit: int = 1_000_000) -> list[Folder]:
        query = f"{_FOLDERS} WHERE mailbox = ? AND number > ? ORDER BY number LIMIT ?"
        return [Folder(**row) for row in self.database.rows(query, mailbox, after, limit)]

    def add_folder(
        self, mailbox: str, parent: str, name: str, container_class: str = "IPF.Note"
    ) -> Folder:
        """A folder under ``parent`` (id or well-known name). Raises Conflict when it is there."""
        above = self.folder(mailbox, parent)
        with self.database.write() as db:
            try:
                identity = _insert_folder(db, mailbox, above.id, name, container_class, None)
            except sqlite3.IntegrityError as error:
                raise Conflict(f"a folder named {name} exists") from error
        return self.folder(mailbox, identity)

    def folder_at(self, mailbox: str, path: str, top: str = "msgfolderroot") -> Folder:
        """The folder at a path such as ``Inbox/Projects``, created where it is missing.

        The path begins below ``top`` (id or well-known name).
        """
        above = self.folder(mailbox, top)
        for name in path.split("/"):
            query = f"{_FOLDERS} WHERE mailbox = ? AND parent = ? AND lower(name) = lower(?)"
            try:
                above = Folder(**self.database.row(query, mailbox, above.id, name))
            except NotFound:
                above = self.add_folder(mailbox, above.id, name, above.type or "IPF.Note")
        return above

    def rename_folder(self, mailbox: str, key: str, name: str) -> Folder:
        """Give a folder another name. Raises Conflict when one beside it has it."""
        folder = self.folder(mailbox, key)
        with self.database.write() as db:
            try:
                db.execute("UPDATE folders SET name = ? WHERE id = ?", (name, folder.id))
            except sqlite3.IntegrityError as error:
                raise Conflict(f"a folder named {name} exists") from error
            log(db, f"folders:{mailbox}", folder.id)
        return self.folder(mailbox, folder.id)

    def remove_folder(self, mailbox: str, key: str) -> None:
        """The folder, all under it, and the items in them are gone."""
        folder = self.folder(mailbox, key)
        for child in self.folders(mailbox):
            if child.parent == folder.id:
                self.remove_folder(mailbox, child.id)
        with self.database.write() as db:
            db.execute("DELETE FROM items WHERE folder = ?", (folder.id,))
            db.execute("DELETE FROM folders WHERE id = ?", (folder.id,))
            log(db, f"folders:{mailbox}", folder.id)

    def add_items(self, mailbox: str, folder: str, items: Iterable[NewItem]) -> list[Item]:
        """Put items into a folder (id or well-known name), all in one transaction."""
        target = self.folder(mailbox, folder)
        with self.database.write() as db:
            return [_insert_item(db, mailbox, target.id, new) for new in items]

    def add_item(
        self, mailbox: str, folder: str, item: NewItem, *, associated: bool = False
    ) -> Item:
        """``associated``: kept by the folder beside the items that people see."""
        (added,) = self.add_items(mailbox, folder, [item])
        if associated:
            with self.database.write() as db:
                db.execute("INSERT INTO associated_items VALUES (?)", (added.number,))
        return added

    def replace_item(
        self, mailbox: str, item: str, change_key: str, new: NewItem, *, read_only: bool = False
    ) -> Item:
        """Overwrite an item, which keeps its id. Raises Conflict on an old change key.

        ``read_only``: only the mark that it was read is another.
        """
        old = self.item(mailbox, item)
        with self.database.write() as db:
            sequence = log(db, f"items:{old.folder}", item)
            if read_only:
                db.execute("INSERT INTO read_changes VALUES (?)", (sequence,))
            updated = db.execute(
                "UPDATE items SET change_key = ?, item_class = ?, size = ?, modified_at = ?,"
                " message_id = ?, payload = ? WHERE id = ? AND change_key = ?",
                (
                    identifiers.change_key(item, sequence),
                    new.item_class,
                    len(new.payload),
                    new.modified_at,
                    new.message_id,
                    new.payload,
                    item,
                    change_key,
                ),
            )
            if not updated.rowcount:
                raise Conflict("the change key is not the current one")
        return self.item(mailbox, item)

    def item(self, mailbox: str, item: str) -> Item:
        return Item(**self.database.row(f"{_ITEMS} WHERE mailbox = ? AND id = ?", mailbox, item))

    def items(
        self,
        folder: str,
        after: int = 0,
        limit: int = 1_000_000,
        message_id: str | None = None,
        *,
        associated: bool = False,
        modified_after: str | None = None,
    ) -> list[Item]:
        """Items of a folder (id) in order of number, those after one number.

        Every item counts as modified half a second after what its row says: times are kept in
        more detail than they are shown in.
        """
        kind = "IN" if associated else "NOT IN"
        query = f"{_ITEMS} WHERE folder = ? AND number > ? AND number {kind} {_ASSOCIATED}"
        values: list[str | int] = [folder, after]
        if message_id is not None:
            query += " AND message_id = ?"
            values.append(message_id)
        if modified_after is not None:
            query += " AND julianday(modified_at) + 0.5 / 86400 > julianday(?)"
            values.append(modified_after)
        rows = self.database.rows(f"{query} ORDER BY number LIMIT ?", *values, limit)
        return [Item(**row) for row in rows]

    def present_items(self, folder: str, ids: Sequence[str]) -> dict[str, Item]:
        """Those of the ids that are in the folder (id) now."""
        marks = ", ".join("?" * len(ids))
        query = f"{_ITEMS} WHERE folder = ? AND id IN ({marks}) AND number NOT IN {_ASSOCIATED}"
        rows = self.database.rows(query, folder, *ids)
        return {str(row["id"]): Item(**row) for row in rows}

    def payload(self, mailbox: str, item: str) -> bytes:
        query = "SELECT payload FROM items WHERE mailbox = ? AND id = ?"
        return bytes(self.database.row(query, mailbox, item)["payload"])

    def delete_item(self, mailbox: str, item: str, *, hard: bool = False) -> None:
        """Soft: it moves to Recoverable Items, under a new id. Hard, or from there: it is gone."""
        old = self.item(mailbox, item)
        deletions = None if hard else self.folder(mailbox, "recoverableitemsdeletions").id
        with self.database.write() as db:
            if deletions is None or old.folder == deletions:
                db.execute("DELETE FROM items WHERE id = ?", (item,))
                log(db, f"items:{old.folder}", item)
            else:
                _move_item(db, old, deletions)

    def move_item(self, mailbox: str, item: str, folder: str) -> Item:
        """Put an item into another folder (id or well-known name), where it gets a new id."""
        old = self.item(mailbox, item)
        target = self.folder(mailbox, folder)
        with self.database.write() as db:
            identity = _move_item(db, old, target.id)
        return self.item(mailbox, identity)

    def open_import_session(self, mailbox: str, expires_at: int) -> str:
        """A session's token; ``expires_at`` in seconds since 1970."""
        token = secrets.token_urlsafe(32)
        with self.database.write() as db:
            db.execute("INSERT INTO import_sessions VALUES (?, ?, ?)", (token, mailbox, expires_at))
        return token

    def import_session(self, token: str) -> tuple[str, int]:
        """(mailbox, expiry in seconds since 1970) of a session."""
        query = "SELECT mailbox, expires_at FROM import_sessions WHERE token = ?"
        row = self.database.row(query, token)
        return str(row["mailbox"]), int(row["expires_at"])


def add_born_folders(db: sqlite3.Connection, mailbox: str, born: BornFolders) -> None:
    """The folders that a new mailbox has."""
    ids: dict[str | None, str | None] = {None: None}
    for name, well_known, container_class, parent in born:
        ids[well_known] = _insert_folder(
            db, mailbox, ids[parent], name, container_class, well_known
        )


def _insert_folder(
    db: sqlite3.Connection,
    mailbox: str,
    parent: str | None,
    name: str,
    container_class: str,
    well_known: str | None,
) -> str:
    identity = identifiers.folder_id(mailbox, next_sequence(db))
    db.execute(
        "INSERT INTO folders (mailbox, id, parent, name, type, well_known)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (mailbox, identity, parent, name, container_class, well_known),
    )
    log(db, f"folders:{mailbox}", identity)
    return identity


def _insert_item(db: sqlite3.Connection, mailbox: str, folder: str, new: NewItem) -> Item:
    identity = identifiers.item_id(mailbox, next_sequence(db))
    sequence = log(db, f"items:{folder}", identity)
    change_key = identifiers.change_key(identity, sequence)
    row = (
        mailbox,
        folder,
        identity,
        change_key,
        new.item_class,
        len(new.payload),
        new.created_at,
        new.modified_at,
        new.message_id,
    )
    cursor = db.execute(
        "INSERT INTO items (mailbox, folder, id, change_key, item_class, size, created_at,"
        " modified_at, message_id, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*row, new.payload),
    )
    return Item(cursor.lastrowid or 0, *row)


def _move_item(db: sqlite3.Connection, old: Item, folder: str) -> str:
    log(db, f"items:{old.folder}", old.id)
    identity = identifiers.item_id(old.mailbox, next_sequence(db))
    sequence = log(db, f"items:{folder}", identity)
    db.execute(
        "UPDATE items SET folder = ?, id = ?, change_key = ? WHERE id = ?",
        (folder, identity, identifiers.change_key(identity, sequence), old.id),
    )
    return identity
